use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode, SharedEncoding, encode_frame};

use super::Payload;
use super::outbox::{Outgoing, PushError};
use super::shared_batch::Stretch;

/// A message for many sessions: encoded at most once for each kind of door.
#[derive(Debug)]
pub(crate) struct SharedMessage {
    octets: Bytes,
    /// Which kind of WebSocket message it is, once that matters.
    opcode: OnceLock<Opcode>,
    bare: SharedOctets,
    /// What goes where only text does, and the octets are none.
    as_text: AsText,
    frames: SharedFrames,
    /// Those of the same octets as a binary message.
    binary_frames: OnceLock<Box<SharedFrames>>,
    /// `None` if it cannot be told as text.
    element: OnceLock<Option<Bytes>>,
    array: OnceLock<Bytes>,
    array_frames: SharedFrames,
}

/// The octets of one message as they are, among others that this turn sends to many.
#[derive(Debug, Default)]
pub(crate) struct SharedOctets(OnceLock<Option<Stretch>>);

impl SharedOctets {
    /// `None` if there is no turn.
    pub(super) fn stretch(&self, octets: &[u8]) -> Option<&Stretch> {
        let copy = || Stretch::new(|batch| batch.extend_from_slice(octets));
        self.0.get_or_init(copy).as_ref()
    }
}

/// Makes text of a message that is none, if it can be told as text.
pub(crate) type AsText = fn(&[u8]) -> Option<Cow<'_, str>>;

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
        let Payload { opcode, octets } = Payload::from(message);
        Self { opcode: opcode.into(), ..Self::text_or_binary(octets) }
    }

    /// Octets that are a text, unless they are not UTF-8; which is found out where it matters.
    pub(crate) fn text_or_binary(octets: Bytes) -> Self {
        Self {
            octets,
            opcode: OnceLock::new(),
            bare: SharedOctets::default(),
            as_text: |octets| str::from_utf8(octets).ok().map(Cow::Borrowed),
            frames: SharedFrames::default(),
            binary_frames: OnceLock::new(),
            element: OnceLock::new(),
            array: OnceLock::new(),
            array_frames: SharedFrames::default(),
        }
    }

    /// Octets of the message.
    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn payload(&self) -> Payload {
        Payload::new(self.opcode(), self.octets.clone())
    }

    fn opcode(&self) -> Opcode {
        let text_or_binary = || match str::from_utf8(&self.octets) {
            Ok(_) => Opcode::Text,
            Err(_) => Opcode::Binary,
        };
        *self.opcode.get_or_init(text_or_binary)
    }

    pub(super) fn bare(&self) -> Outgoing<'_> {
        Outgoing::SharedOctets { octets: &self.octets, shared: &self.bare }
    }

    /// The same, told as `as_text` has it where only text can be told.
    pub(crate) fn told_as(self, as_text: AsText) -> Self {
        Self { as_text, ..self }
    }

    pub(super) fn websocket(&self) -> Outgoing<'_> {
        let (opcode, payload) = (self.opcode(), &self.octets);
        Outgoing::Shared { opcode, payload, frames: &self.frames }
    }

    /// As a binary message, whatever it is.
    pub(super) fn binary_websocket(&self) -> Outgoing<'_> {
        let frames = self.binary_frames.get_or_init(Box::default);
        Outgoing::Shared { opcode: Opcode::Binary, payload: &self.octets, frames }
    }

    /// The message as a JSON string, ready to be an element of a SockJS array.
    pub(crate) fn sockjs_element(&self) -> Result<&Bytes, PushError> {
        let element = self.element.get_or_init(|| {
            let mut element = Vec::new();
            tidings_sockjs::encode_message(&(self.as_text)(&self.octets)?, &mut element);
            Some(element.into())
        });
        element.as_ref().ok_or(PushError::NotText)
    }

    pub(super) fn sockjs_websocket(&self) -> Result<Outgoing<'_>, PushError> {
        let element = self.sockjs_element()?;
        let payload = self.array.get_or_init(|| {
            let mut array = Vec::with_capacity(element.len() + 3);
            array.extend_from_slice(b"a[");
            array.extend_from_slice(element);
            array.push(b']');
            array.into()
        });
        Ok(Outgoing::Shared { opcode: Opcode::Text, payload, frames: &self.array_frames })
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
    fn octets_are_a_text_unless_they_are_not_utf8() {
        let opcode = |octets| SharedMessage::text_or_binary(Bytes::from_static(octets)).opcode();
        assert_eq!(opcode("größe".as_bytes()), Opcode::Text);
        assert_eq!(opcode(b"\xff"), Opcode::Binary);
    }

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
