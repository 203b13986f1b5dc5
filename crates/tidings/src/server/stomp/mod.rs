//! STOMP sessions, whichever door they come through.

mod door;
mod receipts;
mod session;

pub(crate) use door::{SUBPROTOCOLS, StompDoor};
