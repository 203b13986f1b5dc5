use std::mem;

use bytes::Bytes;

use crate::utf8::TextAssembly;
use crate::{Opcode, ProtocolError};

/// A whole message, the fragments it came in put together: RFC 6455, section 5.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(String),
    /// Octets whose meaning is the application's.
    Binary(Bytes),
}

impl Message {
    /// Length of the payload in octets.
    pub fn len(&self) -> usize {
        self.as_octets().len()
    }

    /// Whether the payload has no octets.
    pub fn is_empty(&self) -> bool {
        self.as_octets().is_empty()
    }

    /// The payload.
    pub fn as_octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(octets) => octets,
        }
    }

    /// The opcode of the message's first frame.
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(octets: Bytes) -> Self {
        Self::Binary(octets)
    }
}

impl From<Vec<u8>> for Message {
    fn from(octets: Vec<u8>) -> Self {
        Self::Binary(octets.into())
    }
}

/// A part of a message that was asked for [in parts](Reception::Parts): Jakarta WebSocket's partial
/// message.
///
/// Parts are cut where the octets happened to arrive, whatever the fragments of the message, but
/// never within a character. Only the last may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagePart {
    /// Of a text message.
    Text {
        /// The text that follows that of the parts before.
        data: String,
        /// Whether the message ends here.
        last: bool,
    },
    /// Of a binary message.
    Binary {
        /// The octets that follow those of the parts before.
        data: Bytes,
        /// Whether the message ends here.
        last: bool,
    },
}

impl MessagePart {
    /// Whether the message ends here.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Text { last, .. } | Self::Binary { last, .. } => *last,
        }
    }

    /// The kind of the message.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text { .. } => MessageKind::Text,
            Self::Binary { .. } => MessageKind::Binary,
        }
    }
}

/// How the messages of one kind are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Whole, and no longer than this; a longer one fails the connection with close code 1009.
    Whole {
        /// In octets, over all fragments.
        octets_max: usize,
    },
    /// In parts as they arrive, however long and in however many fragments.
    Parts,
}

impl Reception {
    pub(crate) fn octets_max(self) -> usize {
        match self {
            Self::Whole { octets_max } => octets_max,
            Self::Parts => usize::MAX,
        }
    }
}

/// Which of the two kinds a message is, as its first frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Octets.
    Binary,
}

impl MessageKind {
    /// The message of one whole payload.
    #[inline]
    pub(crate) fn message(self, payload: &[u8]) -> Result<Message, ProtocolError> {
        match self {
            Self::Text => match simdutf8::basic::from_utf8(payload) {
                Ok(text) => Ok(Message::Text(text.to_owned())),
                Err(_) => Err(ProtocolError::InvalidUtf8),
            },
            Self::Binary => Ok(Message::Binary(Bytes::copy_from_slice(payload))),
        }
    }
}

/// How the payload of a message lies in its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Deflate,
}

/// Where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageEnds {
    Here,
    Later,
}

/// Octets of room that a message which came in pieces may have to spare. With more of it the message is moved.
const SPARE_OCTETS_MAX: usize = 256;

/// A message of which more is to come.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// Chosen when the message began; it holds for all of it.
    reception: Reception,
    encoding: Encoding,
    /// Frames begun.
    fragments: usize,
    payload: AssemblyPayload,
}

#[derive(Debug)]
enum AssemblyPayload {
    Text(TextAssembly),
    Binary(Vec<u8>),
}

impl Assembly {
    pub(crate) fn new(kind: MessageKind, reception: Reception, encoding: Encoding) -> Self {
        let payload = match kind {
            MessageKind::Text => AssemblyPayload::Text(TextAssembly::default()),
            MessageKind::Binary => AssemblyPayload::Binary(Vec::new()),
        };
        Self { reception, encoding, fragments: 1, payload }
    }

    pub(crate) fn reception(&self) -> Reception {
        self.reception
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Counts another frame, which of a whole message must not be more than the `max`th.
    pub(crate) fn begin_fragment(&mut self, max: usize) -> Result<(), ProtocolError> {
        if self.fragments >= max && self.reception != Reception::Parts {
            return Err(ProtocolError::TooManyFragments { max });
        }
        self.fragments = self.fragments.saturating_add(1);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        match &self.payload {
            AssemblyPayload::Text(text) => text.len(),
            AssemblyPayload::Binary(octets) => octets.len(),
        }
    }

    /// Makes room for octets that have arrived.
    pub(crate) fn reserve(&mut self, octets: usize) {
        match &mut self.payload {
            AssemblyPayload::Text(text) => text.reserve(octets),
            AssemblyPayload::Binary(payload) => payload.reserve(octets),
        }
    }

    /// Takes in a part of a frame of which `remaining` octets, the part included, were outstanding.
    pub(crate) fn push(&mut self, part: &[u8], remaining: usize) -> Result<(), ProtocolError> {
        // Room for as much again as has come, so that a frame in two halves is not moved, and a
        // peer that only announces octets gets no memory for them.
        self.reserve(remaining.min(part.len().saturating_mul(2)));
        match &mut self.payload {
            AssemblyPayload::Text(text) => text.push(part),
            AssemblyPayload::Binary(octets) => {
                octets.extend_from_slice(part);
                Ok(())
            }
        }
    }

    /// The message, which whoever takes it may keep: room that was made for more is given back.
    pub(crate) fn finish(self) -> Result<Message, ProtocolError> {
        match self.payload {
            AssemblyPayload::Text(text) => {
                let mut text = text.finish()?;
                if text.capacity() - text.len() > SPARE_OCTETS_MAX {
                    text.shrink_to_fit();
                }
                Ok(Message::Text(text))
            }
            AssemblyPayload::Binary(mut octets) => {
                if octets.capacity() - octets.len() > SPARE_OCTETS_MAX {
                    octets.shrink_to_fit();
                }
                Ok(Message::Binary(octets.into()))
            }
        }
    }

    /// What has arrived since the part before. `None` if that is nothing and more is to come.
    pub(crate) fn take_part(
        &mut self,
        ends: MessageEnds,
    ) -> Result<Option<MessagePart>, ProtocolError> {
        let last = ends == MessageEnds::Here;
        let part = match &mut self.payload {
            AssemblyPayload::Text(text) => {
                let data = if last { mem::take(text).finish()? } else { text.take_characters() };
                MessagePart::Text { data, last }
            }
            AssemblyPayload::Binary(octets) => {
                MessagePart::Binary { data: mem::take(octets).into(), last }
            }
        };
        let is_empty = match &part {
            MessagePart::Text { data, .. } => data.is_empty(),
            MessagePart::Binary { data, .. } => data.is_empty(),
        };
        Ok(if is_empty && !last { None } else { Some(part) })
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        match &self.payload {
            AssemblyPayload::Text(text) => text.capacity(),
            AssemblyPayload::Binary(octets) => octets.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_text_is_counted_in_octets() {
        assert_eq!(Message::from("€").len(), 3);
        assert!(Message::from(Vec::new()).is_empty());
    }

    #[test]
    fn an_assembly_grows_with_what_arrived_and_not_with_what_was_announced() {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let mut assembly =
                Assembly::new(kind, Reception::Whole { octets_max: 1_000_000 }, Encoding::Plain);
            for remaining in (1_000_000 - 5_000..1_000_000).rev() {
                assembly.push(b"x", remaining).unwrap();
                assert!(assembly.capacity() <= 4 * assembly.len() + 64);
            }
        }
    }

    #[test]
    fn a_message_that_came_in_pieces_has_little_room_to_spare() {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            for pieces in 1..200 {
                let mut assembly = Assembly::new(
                    kind,
                    Reception::Whole { octets_max: 1_000_000 },
                    Encoding::Plain,
                );
                for _ in 0..pieces {
                    assembly.push(&[b'x'; 100], 100).unwrap();
                }
                let message = assembly.finish().unwrap();
                assert_eq!(message.len(), pieces * 100);
                let capacity = match message {
                    Message::Text(text) => text.capacity(),
                    Message::Binary(octets) => Vec::from(octets).capacity(),
                };
                assert!(capacity <= pieces * 100 + SPARE_OCTETS_MAX, "{kind:?}: {capacity}");
            }
        }
    }

    #[test]
    fn a_frame_that_arrives_in_two_halves_fills_its_buffer_exactly() {
        let mut assembly = Assembly::new(
            MessageKind::Binary,
            Reception::Whole { octets_max: 1_000_000 },
            Encoding::Plain,
        );
        assembly.push(&[0; 32_768], 65_536).unwrap();
        assembly.push(&[0; 32_768], 32_768).unwrap();
        assert_eq!(assembly.capacity(), 65_536);
    }
}
