use std::borrow::Cow;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode};

/// A message on its way out: its octets, cheap to share, and which kind of WebSocket message it is.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(super) opcode: Opcode,
    pub(super) octets: Bytes,
}

impl Payload {
    pub(crate) fn new(opcode: Opcode, octets: Bytes) -> Self {
        Self { opcode, octets }
    }

    /// As text; SockJS carries nothing else, so what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.octets)
    }
}

impl<M: Into<Message>> From<M> for Payload {
    fn from(message: M) -> Self {
        match message.into() {
            Message::Text(text) => Self { opcode: Opcode::Text, octets: text.into() },
            Message::Binary(octets) => Self { opcode: Opcode::Binary, octets },
        }
    }
}
