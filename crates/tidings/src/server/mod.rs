//! The server: accepting connections, and the doors that sessions come in by.

mod admission;
mod body;
mod common_name;
mod deployment;
mod direct_upgrade;
pub(crate) mod event_stream;
mod handover;
mod hixie76;
mod http;
mod http1;
mod in_process;
mod known_hosts;
mod listen;
mod listener;
mod not_found;
#[cfg(unix)]
mod open_files;
mod options;
mod origin;
mod patient_stream;
mod per_addr;
pub(crate) mod sockjs;
pub(crate) mod stomp;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod websocket;

#[doc(hidden)]
pub use admission::Admission;
pub use body::Body;
pub use deployment::{ClientCertificates, LocalAddr, RemoteAddr, Secure};
pub use direct_upgrade::{DirectUpgrade, NoHandshake};
pub use event_stream::EventSourceOptions;
pub use listen::Server;
pub use not_found::NotFound;
#[cfg(unix)]
pub use open_files::raise_open_file_limit;
pub use options::ServerOptions;
pub use origin::AllowedOrigins;
pub use sockjs::{SessionBinding, SockJsOptions};
pub use stomp::{StompOptions, UnhandledErrors};
pub use tidings_sockjs::{
    CookieError, IFRAME_SCRIPT_HASH, SameSite, StickyCookie, TransportType, Transports,
};
pub use tidings_stomp::Limits as StompLimits;

pub(crate) use common_name::common_name;
pub(crate) use deployment::{Deployment, Door};
pub(crate) use http::Caller;
pub(crate) use in_process::InProcess;
pub(crate) use known_hosts::KnownHosts;
pub(crate) use per_addr::Counted;
pub(crate) use websocket::{WebSocketDoor, plain};
