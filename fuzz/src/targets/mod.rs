//! One file for each target.

pub(crate) mod deflate;
mod deflate_options;
pub(crate) mod extensions;
pub(crate) mod frames;
pub(crate) mod handshake_client;
pub(crate) mod handshake_server;
mod http_head;
pub(crate) mod selector;
pub(crate) mod session_operations;
pub(crate) mod sockjs_body;
pub(crate) mod stomp_frames;
