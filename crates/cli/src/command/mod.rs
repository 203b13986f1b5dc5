//! One file for each subcommand.

pub(crate) mod lab;
pub(crate) mod queues;
pub(crate) mod serve;
pub(crate) mod stomp;
mod visible;
pub(crate) mod ws;
