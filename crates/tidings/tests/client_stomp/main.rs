//! The client of STOMP servers: against our own server by every door, and against servers that follow a script, which
//! do what ours does not.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod acknowledging;
mod connecting;
mod doors;
mod leaving;
mod losing;
mod peer;
mod reading;
mod requests;
mod sending;
mod transactions;
