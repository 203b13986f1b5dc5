//! SockJS over HTTP: routes, sessions, responses.

mod binding;
mod direct;
mod options;
mod pages;
mod receiver;
mod service;
mod session;
mod table;
mod transports;

pub use binding::SessionBinding;
pub use options::SockJsOptions;
pub(crate) use service::SockJsService;
pub(crate) use session::{HttpSession, HttpSource};
