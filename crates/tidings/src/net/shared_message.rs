use std::sync::OnceLock;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode, encode_frame};

use super::Payload;
use super::outbox::Outgoing;

/// A message for many sessions: encoded at most once for each kind of door.
#[derive(Debug)]
pub(crate) struct SharedMessage {
    payload: Payload,
    frame: OnceLock<Bytes>,
    element: OnceLock<Bytes>,
    array: OnceLock<Bytes>,
    array_frame: OnceLock<Bytes>,
}

impl SharedMessage {
    pub(crate) fn new(message: impl Into<Message>) -> Self {
        Self {
            payload: Payload::from(message),
            frame: OnceLock::new(),
            element: OnceLock::new(),
            array: OnceLock::new(),
            array_frame: OnceLock::new(),
        }
    }

    pub(super) fn octets(&self) -> &Bytes {
        &self.payload.octets
    }

    pub(super) fn websocket(&self) -> Outgoing<'_> {
        let Payload { opcode, octets: payload } = &self.payload;
        let frame = self.frame.get_or_init(|| frame(*opcode, payload));
        Outgoing::Shared { opcode: *opcode, payload, frame }
    }

    /// The message as a JSON string, ready to be an element of a SockJS array.
    pub(crate) fn sockjs_element(&self) -> &Bytes {
        self.element.get_or_init(|| {
            let mut element = Vec::new();
            tidings_sockjs::encode_message(&self.payload.text(), &mut element);
            element.into()
        })
    }

    pub(super) fn sockjs_websocket(&self) -> Outgoing<'_> {
        let payload = self.array.get_or_init(|| {
            let element = self.sockjs_element();
            let mut array = Vec::with_capacity(element.len() + 3);
            array.extend_from_slice(b"a[");
            array.extend_from_slice(element);
            array.push(b']');
            array.into()
        });
        let opcode = Opcode::Text;
        let frame = self.array_frame.get_or_init(|| frame(opcode, payload));
        Outgoing::Shared { opcode, payload, frame }
    }
}

/// A frame from server to client: unmasked, so that every client can be given the same octets.
fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    encode_frame(opcode, payload, None, &mut frame);
    frame.into()
}
