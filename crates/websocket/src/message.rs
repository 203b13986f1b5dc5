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

/// Which of the two kinds a message is, as its first frame says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MessageKind {
    Text,
    Binary,
}

impl MessageKind {
    /// The message of one whole payload.
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

/// A message of which more is to come.
#[derive(Debug)]
pub(crate) struct Assembly {
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
    pub(crate) fn new(kind: MessageKind) -> Self {
        let payload = match kind {
            MessageKind::Text => AssemblyPayload::Text(TextAssembly::default()),
            MessageKind::Binary => AssemblyPayload::Binary(Vec::new()),
        };
        Self { fragments: 1, payload }
    }

    /// Counts another frame, which must not be more than the `max`th.
    pub(crate) fn begin_fragment(&mut self, max: usize) -> Result<(), ProtocolError> {
        if self.fragments >= max {
            return Err(ProtocolError::TooManyFragments { max });
        }
        self.fragments += 1;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        match &self.payload {
            AssemblyPayload::Text(text) => text.len(),
            AssemblyPayload::Binary(octets) => octets.len(),
        }
    }

    /// Takes in a part of a frame of which `remaining` octets, the part included, were outstanding.
    pub(crate) fn push(&mut self, part: &[u8], remaining: usize) -> Result<(), ProtocolError> {
        // Room for as much again as has come, so that a frame in two halves is not moved, and a
        // peer that only announces octets gets no memory for them.
        let room = remaining.min(part.len().saturating_mul(2));
        match &mut self.payload {
            AssemblyPayload::Text(text) => {
                text.reserve(room);
                text.push(part)
            }
            AssemblyPayload::Binary(octets) => {
                octets.reserve(room);
                octets.extend_from_slice(part);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Message, ProtocolError> {
        match self.payload {
            AssemblyPayload::Text(text) => text.finish().map(Message::Text),
            AssemblyPayload::Binary(octets) => Ok(Message::Binary(octets.into())),
        }
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
            let mut assembly = Assembly::new(kind);
            for remaining in (1_000_000 - 5_000..1_000_000).rev() {
                assembly.push(b"x", remaining).unwrap();
                assert!(assembly.capacity() <= 4 * assembly.len() + 64);
            }
        }
    }

    #[test]
    fn a_frame_that_arrives_in_two_halves_fills_its_buffer_exactly() {
        let mut assembly = Assembly::new(MessageKind::Binary);
        assembly.push(&[0; 32_768], 65_536).unwrap();
        assembly.push(&[0; 32_768], 32_768).unwrap();
        assert_eq!(assembly.capacity(), 65_536);
    }
}
