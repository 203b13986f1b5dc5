//! One file for each subcommand.

pub(crate) mod asyncapi;
mod client_tls;
mod counted;
pub(crate) mod lab;
mod pem;
pub(crate) mod queues;
pub(crate) mod serve;
pub(crate) mod stomp;
mod visible;
pub(crate) mod ws;
