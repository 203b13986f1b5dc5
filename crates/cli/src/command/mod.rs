//! One file for each subcommand.

pub(crate) mod serve;
pub(crate) mod ws;
