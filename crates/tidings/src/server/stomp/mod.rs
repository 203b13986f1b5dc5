//! STOMP sessions, whichever door they come through.

mod connecting;
mod door;
mod receipts;
mod sending;
mod session;
mod settling;
mod subscribing;

pub(crate) use door::{SUBPROTOCOLS, StompDoor};
