//! The server: accepting connections, and the doors that sessions come in by.

mod body;
mod deployment;
mod listen;
mod not_found;
mod origin;
mod patient_stream;
pub(crate) mod sockjs;
pub(crate) mod stomp;
mod upgrade;
mod websocket;

pub use body::Body;
pub use deployment::RemoteAddr;
pub use listen::Server;
pub use not_found::NotFound;
pub use origin::AllowedOrigins;
pub use tidings_sockjs::SessionOptions as SockJsOptions;

pub(crate) use deployment::{Deployment, Door};
pub(crate) use websocket::{WebSocketDoor, plain};
