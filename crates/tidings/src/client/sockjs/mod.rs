//! Connections to SockJS servers, by whichever transport works.

mod client;
mod error;
mod lane;
mod opening;
mod request_transport;
mod requester;
mod requests;
mod socket;
mod source;
mod websocket_transport;

pub use tidings_sockjs::client::{ClientTransport, Watchdog};

pub use client::{SockJsClient, SockJsClientBuilder};
pub use error::{SockJsError, TransportFailure};
pub(crate) use requests::Requests;
pub use socket::SockJs;
