#![doc = include_str!("docs/lib.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod app;
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
mod net;
pub mod queues;
mod routes;
pub mod server;
mod socket;
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

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The code of the page on STOMP sessions, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/stomp.md")]
struct StompPage;

/// The code of the page on users, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/users.md")]
struct UsersPage;

/// The code of the page on message handlers, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/handlers.md")]
struct HandlersPage;

/// The code of the page on the client, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client.md")]
struct ClientPage;

/// The code of the page on tests, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingPage;

/// The code of the page on security, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/security.md")]
struct SecurityPage;
