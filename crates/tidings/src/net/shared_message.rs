use std::sync::OnceLock;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode, encode_frame};

use super::Payload;

/// A message for many sessions: encoded at most once for each kind of door.
#[derive(Debug)]
pub(crate) struct SharedMessage {
    payload: Payload,
    websocket: OnceLock<Bytes>,
    sockjs: OnceLock<Bytes>,
    sockjs_websocket: OnceLock<Bytes>,
}

impl SharedMessage {
    pub(crate) fn new(message: impl Into<Message>) -> Self {
        Self {
            payload: Payload::from(message),
            websocket: OnceLock::new(),
            sockjs: OnceLock::new(),
            sockjs_websocket: OnceLock::new(),
        }
    }

    pub(super) fn octets(&self) -> Bytes {
        self.payload.octets.clone()
    }

    pub(super) fn websocket_frame(&self) -> Bytes {
        self.websocket.get_or_init(|| frame(self.payload.opcode, &self.payload.octets)).clone()
    }

    /// The message as a JSON string, ready to be an element of a SockJS array.
    pub(crate) fn sockjs_element(&self) -> &Bytes {
        self.sockjs.get_or_init(|| {
            let mut element = Vec::new();
            tidings_sockjs::encode_message(&self.payload.text(), &mut element);
            element.into()
        })
    }

    pub(super) fn sockjs_websocket_frame(&self) -> Bytes {
        let encode = || {
            let element = self.sockjs_element();
            let mut array = Vec::with_capacity(element.len() + 3);
            array.extend_from_slice(b"a[");
            array.extend_from_slice(element);
            array.push(b']');
            frame(Opcode::Text, &array)
        };
        self.sockjs_websocket.get_or_init(encode).clone()
    }
}

/// A frame from server to client: unmasked, so that every client can be given the same octets.
fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    encode_frame(opcode, payload, None, &mut frame);
    frame.into()
}
