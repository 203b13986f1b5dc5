//! Endpoints over real sockets: the Jakarta model in both styles, annotated and programmatic.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod closing;
mod codecs;
mod configurator;
mod deploying;
mod echo;
mod failures;
mod guards;
mod handlers;
mod handshake;
mod instances;
mod lifecycle;
mod limits;
mod parts;
mod path_parameters;
mod pressure;
mod receiving;
mod replies;
mod sending;
mod styles;
mod timeouts;
mod uri_matching;
mod ways;
