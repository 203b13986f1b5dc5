//! SockJS over HTTP: routes, sessions, responses.

mod receiver;
mod service;
mod session;
mod table;

pub(crate) use service::{BODY_OCTETS_MAX, SockJsService};
pub(crate) use session::{HttpSession, HttpSource};
