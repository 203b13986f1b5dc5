//! Connections to WebSocket servers: the client side of Jakarta WebSocket.

mod auth;
mod builder;
mod connecting;
mod error;
mod exchange;
mod masking;
mod opening;
mod proxy;
mod url;

pub use auth::Credentials;
pub use builder::ClientBuilder;
pub use connecting::Client;
pub use error::{ConnectError, ProxyError};
pub use proxy::Proxy;
pub use tidings_websocket::handshake::client::{HandshakeError, InvalidSubprotocol};
pub use url::UrlError;
