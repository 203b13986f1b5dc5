use std::fmt;

use bytes::Bytes;

use crate::deflate::{Deflated, Deflater, SharedSetting};
use crate::{
    DeflateOptions, FrameStart, MaskingKey, Message, Opcode, PerMessageDeflate, Role, encode_frame,
};

/// The sending half of one end of a WebSocket: makes frames of messages.
///
/// Apart from [`Connection`](crate::Connection), so that whoever has something to send can encode it
/// where it waits to be written, whatever the other half does.
///
/// # Examples
///
/// ```
/// use tidings_websocket::{Encoder, Message};
///
/// let mut out = Vec::new();
/// Encoder::new_server().encode(&Message::from("hello"), &mut out);
/// assert_eq!(out, b"\x81\x05hello");
/// ```
#[derive(Debug)]
pub struct Encoder {
    keys: MaskingKeys,
    role: Role,
    deflater: Option<Box<Deflater>>,
}

impl Encoder {
    /// The server's: frames are not masked.
    pub fn new_server() -> Self {
        Self { keys: MaskingKeys::none(), role: Role::Server, deflater: None }
    }

    /// The client's, which takes a fresh key for each frame from `keys`.
    ///
    /// RFC 6455, section 5.3, wants keys that nobody can predict: see [`MaskingKey`].
    pub fn new_client(keys: impl FnMut() -> MaskingKey + Send + 'static) -> Self {
        Self { keys: MaskingKeys::from(keys), role: Role::Client, deflater: None }
    }

    /// Compresses messages, as the opening handshake agreed: RFC 7692.
    #[must_use]
    pub fn with_deflate(mut self, options: &DeflateOptions, agreed: &PerMessageDeflate) -> Self {
        self.deflater = Some(Box::new(Deflater::new(options, agreed, self.role)));
        self
    }

    /// Appends a message to `out`, as one frame.
    pub fn encode(&mut self, message: &Message, out: &mut Vec<u8>) {
        self.encode_message(message.opcode(), message.as_octets(), out);
    }

    /// Appends a whole message to `out`, as one frame, compressed where that is agreed on and worth it.
    pub fn encode_message(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        let mut compressed = Vec::new();
        let deflated = match &mut self.deflater {
            Some(deflater) => deflater.deflate(payload, &mut compressed),
            None => Deflated::Raw,
        };
        match deflated {
            Deflated::Compressed => {
                self.encode_frame(FrameStart::last(opcode).compressed(), &compressed, out);
            }
            Deflated::Raw => self.encode_frame(opcode, payload, out),
        }
    }

    /// How frames that go to other peers too are made for this one, if it can read such frames at all.
    pub fn shared_encoding(&self) -> Option<SharedEncoding> {
        match (&self.deflater, self.role) {
            (_, Role::Client) => None,
            (None, Role::Server) => Some(SharedEncoding(None)),
            (Some(deflater), Role::Server) => {
                deflater.shared_setting().map(|setting| SharedEncoding(Some(setting)))
            }
        }
    }

    /// Notes that a frame made by this encoder's [`shared_encoding`](Self::shared_encoding) is sent, so
    /// that later messages may refer to it.
    pub fn record_shared(&mut self, payload: &[u8], frame: &[u8]) {
        let is_compressed = frame.first().is_some_and(|first| first & 0x40 != 0);
        if let Some(deflater) = self.deflater.as_mut().filter(|_| is_compressed) {
            deflater.record_shared(payload);
        }
    }

    /// Appends a frame to `out`: a whole message, a fragment of one, or a control frame, whose payload
    /// the caller keeps to 125 octets.
    pub fn encode_frame(
        &mut self,
        start: impl Into<FrameStart>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        encode_frame(start, payload, self.keys.next(), out);
    }
}

/// How a server's frames for several clients are made. Clients with equal ones can be sent the same
/// octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedEncoding(Option<SharedSetting>);

impl SharedEncoding {
    /// The frame of a whole message.
    pub fn frame(self, opcode: Opcode, payload: &[u8]) -> Bytes {
        let mut compressed = Vec::new();
        let deflated = match self.0 {
            Some(setting) => setting.deflate(payload, &mut compressed),
            None => Deflated::Raw,
        };
        let mut frame = Vec::new();
        match deflated {
            Deflated::Compressed => {
                let start = FrameStart::last(opcode).compressed();
                encode_frame(start, &compressed, None, &mut frame);
            }
            Deflated::Raw => encode_frame(opcode, payload, None, &mut frame),
        }
        frame.into()
    }
}

/// Where a client's masking keys come from. Servers have none.
///
/// Boxed twice, since servers have many connections.
pub(crate) struct MaskingKeys(Option<Box<NextKey>>);

type NextKey = Box<dyn FnMut() -> MaskingKey + Send>;

impl MaskingKeys {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn from(keys: impl FnMut() -> MaskingKey + Send + 'static) -> Self {
        Self(Some(Box::new(Box::new(keys))))
    }

    pub(crate) fn next(&mut self) -> Option<MaskingKey> {
        self.0.as_mut().map(|keys| keys())
    }
}

impl fmt::Debug for MaskingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "MaskingKeys" } else { "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_masks_each_frame_with_its_own_key() {
        let mut keys = [[0x37, 0xfa, 0x21, 0x3d], [0; 4]].map(MaskingKey).into_iter();
        let mut client = Encoder::new_client(move || keys.next().unwrap());
        let mut out = Vec::new();
        client.encode(&Message::from("Hello"), &mut out);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        client.encode(&Message::from("Hello"), &mut out);
        assert_eq!(&out[11..], b"\x81\x85\0\0\0\0Hello");
    }

    #[test]
    fn fragments_have_the_opcode_first_and_the_end_last() {
        let mut server = Encoder::new_server();
        let mut out = Vec::new();
        server.encode_frame(FrameStart::unfinished(Opcode::Text), b"a", &mut out);
        server.encode_frame(FrameStart::unfinished(Opcode::Continuation), b"b", &mut out);
        server.encode_frame(FrameStart::last(Opcode::Continuation), b"", &mut out);
        assert_eq!(out, b"\x01\x01a\x00\x01b\x80\x00");
    }
}
