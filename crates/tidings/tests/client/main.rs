//! The client against our own server, and against scripted peers that do what a server should not.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod credentials;
mod handshake;
mod http2;
mod peer;
mod proxy;
mod reconnecting;
mod redirections;
mod sending;
mod session;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod unix_socket;
