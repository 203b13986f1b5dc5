//! The client of SockJS servers: against our own server by every transport, and against servers that follow a
//! script, which do what ours does not.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod headers;
mod info;
mod opening;
mod peer;
mod receiving;
mod reconnecting;
mod sending;
mod transports;
