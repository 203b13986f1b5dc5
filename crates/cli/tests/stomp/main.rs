//! `tidings pub` and `tidings sub` as a person and as a program use them, and what `tidings serve` says and does for
//! sessions of STOMP.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

mod commands;
mod log;
mod program;
mod reconnecting;
mod tls;
