//! STOMP by every door, byte for byte as a client sees it. The modules follow the protocol: `facts.md` says
//! what it says, and which tests state that.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod client_frames;
mod connecting;
mod doors;
mod errors;
mod facts;
mod frames;
mod heart_beats;
mod login;
mod sessions;
#[cfg(feature = "tls")]
mod tls;
