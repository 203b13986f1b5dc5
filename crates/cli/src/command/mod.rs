//! One file for each subcommand.

pub(crate) mod lab;
pub(crate) mod serve;
pub(crate) mod ws;
