use std::sync::OnceLock;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode, SharedEncoding, encode_frame};

use super::Payload;
use super::outbox::Outgoing;
use super::shared_batch::Stretch;

/// A message for many sessions: encoded at most once for each kind of door.
#[derive(Debug)]
pub(crate) struct SharedMessage {
    payload: Payload,
    frames: SharedFrames,
    element: OnceLock<Bytes>,
    array: OnceLock<Bytes>,
    array_frames: SharedFrames,
}

/// The frames of one message: the same octets for all clients that are sent to in the same way.
#[derive(Debug, Default)]
pub(crate) struct SharedFrames {
    /// Where there is a turn.
    stretch: OnceLock<Option<Stretch>>,
    plain: OnceLock<Bytes>,
    /// For clients that compress, as most of them do: others have theirs encoded by itself.
    encoded: OnceLock<(SharedEncoding, Bytes)>,
}

impl SharedFrames {
    pub(super) fn plain(&self, opcode: Opcode, payload: &[u8]) -> &Bytes {
        self.plain.get_or_init(|| frame(opcode, payload))
    }

    /// The same octets among others that this turn sends to many; `None` if it does not.
    pub(super) fn stretch(&self, opcode: Opcode, payload: &[u8]) -> Option<&Stretch> {
        let encode = || Stretch::new(|batch| encode_frame(opcode, payload, None, batch));
        self.stretch.get_or_init(encode).as_ref()
    }

    pub(super) fn encoded(
        &self,
        encoding: SharedEncoding,
        opcode: Opcode,
        payload: &[u8],
    ) -> Option<&Bytes> {
        let encode = || (encoding, encoding.frame(opcode, payload));
        let (first, frame) = self.encoded.get_or_init(encode);
        (*first == encoding).then_some(frame)
    }
}

impl SharedMessage {
    pub(crate) fn new(message: impl Into<Message>) -> Self {
        Self {
            payload: Payload::from(message),
            frames: SharedFrames::default(),
            element: OnceLock::new(),
            array: OnceLock::new(),
            array_frames: SharedFrames::default(),
        }
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.payload
    }

    pub(super) fn octets(&self) -> &Bytes {
        &self.payload.octets
    }

    pub(super) fn websocket(&self) -> Outgoing<'_> {
        let Payload { opcode, octets: payload } = &self.payload;
        Outgoing::Shared { opcode: *opcode, payload, frames: &self.frames }
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
        Outgoing::Shared { opcode: Opcode::Text, payload, frames: &self.array_frames }
    }
}

/// A frame from server to client: unmasked, so that every client can be given the same octets.
fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    encode_frame(opcode, payload, None, &mut frame);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_for_many_is_encoded_once() {
        let message = SharedMessage::new("to all");
        let frame = || match message.websocket() {
            Outgoing::Shared { opcode, payload, frames } => frames.plain(opcode, payload).clone(),
            other => panic!("not shared: {other:?}"),
        };
        assert_eq!(frame(), b"\x81\x06to all"[..]);
        assert_eq!(frame().as_ptr(), frame().as_ptr(), "the same octets");
    }
}
