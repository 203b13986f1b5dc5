//! Endpoints over real sockets: the Jakarta model in both styles, annotated and programmatic.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod configurator;
mod deploying;
mod guards;
mod handshake;
mod instances;
mod lifecycle;
mod path_parameters;
mod receiving;
mod styles;
mod uri_matching;
