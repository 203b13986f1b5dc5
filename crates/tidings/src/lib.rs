#![doc = include_str!("docs/lib.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod app;
pub mod asyncapi;
#[cfg(doctest)]
mod book;
pub mod broker;
mod build_error;
mod builder;
pub mod client;
mod clock;
pub mod endpoint;
mod endpoints;
mod ground;
mod handoff;
mod hub;
pub mod messaging;
mod near_names;
mod net;
pub mod queues;
mod routes;
pub mod server;
mod socket;
pub mod stats;
pub mod store;
pub mod testing;

/// The crate of HTTP's types that parts of the interface are made of: statuses, headers, URIs.
pub use http;

pub use app::App;
pub use build_error::BuildError;
pub use builder::AppBuilder;
pub use endpoints::Endpoints;
pub use hub::{PublishError, Recovery};
pub use socket::{SocketOutcome, WebSocket};
pub use tidings_macros::{client_endpoint, controller, server_endpoint};
