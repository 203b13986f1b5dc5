use bytes::Bytes;
use tidings_websocket::{Message, Opcode};

use super::PushError;

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

    /// As text, for SockJS, which carries nothing else.
    pub(crate) fn text(&self) -> Result<&str, PushError> {
        str::from_utf8(&self.octets).map_err(|_| PushError::NotText)
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
