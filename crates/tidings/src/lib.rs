#![doc = include_str!("docs/lib.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod app;
mod builder;
pub mod client;
pub mod endpoint;
mod handoff;
mod hub;
pub mod messaging;
mod net;
pub mod server;
mod socket;

pub use app::App;
pub use builder::{AppBuilder, BuildError};
pub use hub::PublishError;
pub use socket::{SocketOutcome, WebSocket};
pub use tidings_macros::{client_endpoint, controller, server_endpoint};

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
