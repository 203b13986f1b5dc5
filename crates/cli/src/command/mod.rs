//! One file for each subcommand.

mod client_tls;
mod counted;
pub(crate) mod lab;
mod pem;
pub(crate) mod queues;
pub(crate) mod serve;
pub(crate) mod stomp;
mod visible;
pub(crate) mod ws;
