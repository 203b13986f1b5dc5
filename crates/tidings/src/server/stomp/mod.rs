//! STOMP sessions, whichever door they come through.

mod connecting;
mod door;
mod frame_span;
mod granted;
mod intercepting;
mod options;
mod outgoing;
mod permitting;
mod receipts;
mod renewing;
mod sending;
mod session;
mod settling;
mod streaming;
mod subscribing;

pub use options::{StompOptions, UnhandledErrors};

pub(crate) use door::{SUBPROTOCOLS, Service, StompDoor};
pub(crate) use outgoing::{message_for, text_of};
