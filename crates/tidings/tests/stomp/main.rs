//! STOMP by every door, byte for byte as a client sees it. The modules follow the protocol: `facts.md` says
//! what it says, and which tests state that.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod acknowledging;
mod applications;
mod apps;
mod client;
mod client_frames;
mod connecting;
mod csrf;
mod destinations;
mod doors;
mod durable;
mod errors;
mod exceptions;
mod facts;
mod frames;
mod handlers;
mod heart_beats;
mod interceptors;
mod leaving;
mod limits;
mod login;
mod queue_arguments;
mod queues;
mod replies;
mod rules;
mod selectors;
mod streams;
#[cfg(feature = "tls")]
mod tls;
mod to_users;
mod transactions;
mod user_destinations;
mod users;
