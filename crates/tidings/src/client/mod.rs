//! Connections to WebSocket servers: the client side of Jakarta WebSocket. Those to SockJS servers are in
//! [`sockjs`], those to STOMP servers in [`stomp`].

mod auth;
mod backoff;
mod builder;
mod connecting;
mod cookies;
mod course;
mod error;
mod exchange;
mod extended_connect;
mod masking;
mod opening;
mod proxy;
mod reconnecting;
pub mod sockjs;
pub mod stomp;
mod url;

pub use auth::Credentials;
pub use backoff::{Backoff, Jitter};
pub use builder::{ClientBuilder, HttpVersion};
pub use connecting::Client;
pub use error::{ConnectError, ProxyError};
pub use proxy::Proxy;
pub use reconnecting::{ReconnectBuilder, ReconnectEnd, Reconnecting};
pub use tidings_websocket::Opcode;
pub use tidings_websocket::handshake::client::{HandshakeError, InvalidSubprotocol};
pub use url::UrlError;

pub use crate::net::{Direction, ObservedFrame};
