//! Frames: RFC 6455, section 5.2.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::{MaskingKey, Message, MessageKind, ProtocolError, Role, apply_mask};

/// The most octets that a frame header has.
pub(crate) const HEADER_OCTETS_MAX: usize = 14;

/// The most payload octets that a control frame has.
const CONTROL_OCTETS_MAX: u64 = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED_BITS: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const TWO_OCTET_LENGTH: u8 = 126;
const EIGHT_OCTET_LENGTH: u8 = 127;

/// What the payload of a frame is: RFC 6455, section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// A close frame.
    Close,
    /// A ping, to be answered by a pong.
    Ping,
    /// A pong, which repeats the payload of the ping that it answers.
    Pong,
}

impl Opcode {
    /// Whether frames of this kind control the connection: not fragmented, at most 125 octets of
    /// payload, and allowed between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn decode(opcode: u8) -> Result<Self, ProtocolError> {
        match opcode {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            reserved => Err(ProtocolError::ReservedOpcode(reserved)),
        }
    }

    #[inline]
    fn encode(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }
}

/// How a frame starts: its opcode, and whether it is the last of its message.
///
/// An [`Opcode`] stands for a whole message in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStart {
    opcode: Opcode,
    bits: u8,
}

impl FrameStart {
    /// The only frame of a message, or with [`Opcode::Continuation`] its last.
    pub const fn last(opcode: Opcode) -> Self {
        Self { opcode, bits: FIN }
    }

    /// A frame that more frames of the same message follow.
    pub const fn unfinished(opcode: Opcode) -> Self {
        Self { opcode, bits: 0 }
    }

    /// The same with RSV1 set, which marks the first frame of a compressed message: RFC 7692,
    /// section 6.
    pub const fn compressed(self) -> Self {
        Self { bits: self.bits | RSV1, ..self }
    }
}

impl From<Opcode> for FrameStart {
    fn from(opcode: Opcode) -> Self {
        Self::last(opcode)
    }
}

/// Appends a frame to `out`, its payload masked if there is a key.
///
/// The caller keeps the payload of a control frame to 125 octets.
///
/// # Examples
///
/// ```
/// use tidings_websocket::{Opcode, encode_frame};
///
/// let mut out = Vec::new();
/// encode_frame(Opcode::Text, b"Hello", None, &mut out);
/// assert_eq!(out, b"\x81\x05Hello");
/// ```
#[inline]
pub fn encode_frame(
    start: impl Into<FrameStart>,
    payload: &[u8],
    mask: Option<MaskingKey>,
    out: &mut Vec<u8>,
) {
    let start = start.into();
    out.reserve(HEADER_OCTETS_MAX + payload.len());
    match (u8::try_from(payload.len()), mask) {
        // The usual answer of a server, in two steps of a known size.
        (Ok(len), None) if len < TWO_OCTET_LENGTH => {
            out.extend_from_slice(&[start.bits | start.opcode.encode(), len]);
        }
        _ => out.extend_from_slice(&encode_header(start, payload.len(), mask)),
    }
    let before = out.len();
    out.extend_from_slice(payload);
    if let (Some(key), Some(payload)) = (mask, out.get_mut(before..)) {
        apply_mask(key, payload);
    }
}

/// The header of a frame, for writing it and its payload without joining them.
///
/// With a key, the caller masks the payload: see [`apply_mask`].
#[inline]
pub fn encode_header(
    start: impl Into<FrameStart>,
    payload_len: usize,
    mask: Option<MaskingKey>,
) -> EncodedHeader {
    let start = start.into();
    let mask_bit = if mask.is_some() { MASK } else { 0 };
    let mut header = EncodedHeader { octets: [0; HEADER_OCTETS_MAX], len: 0 };
    header.push([start.bits | start.opcode.encode()]);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(len), _) if len < TWO_OCTET_LENGTH => header.push([mask_bit | len]),
        (_, Ok(len)) => {
            header.push([mask_bit | TWO_OCTET_LENGTH]);
            header.push(len.to_be_bytes());
        }
        _ => {
            header.push([mask_bit | EIGHT_OCTET_LENGTH]);
            header.push(u64::try_from(payload_len).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    if let Some(key) = mask {
        header.push(key.0);
    }
    header
}

/// The frame of a message from a server, which is the same for each client and so encoded once for
/// all of them.
pub fn shared_frame(message: &Message) -> Bytes {
    let mut frame = Vec::new();
    encode_frame(message.opcode(), message.as_octets(), None, &mut frame);
    frame.into()
}

/// A frame header as it is written; dereferences to its octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EncodedHeader {
    octets: [u8; HEADER_OCTETS_MAX],
    len: usize,
}

impl EncodedHeader {
    #[inline]
    fn push<const N: usize>(&mut self, octets: [u8; N]) {
        if let Some(free) = self.octets.get_mut(self.len..self.len + N) {
            free.copy_from_slice(&octets);
            self.len += N;
        }
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncodedHeader").field(&&**self).finish()
    }
}

/// Whether messages may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Agreed,
    NotAgreed,
}

/// A received frame header that obeys all rules that concern a single header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) fin: bool,
    /// RSV1: the message is compressed, RFC 7692, section 6.
    pub(crate) compressed: bool,
    pub(crate) opcode: Opcode,
    pub(crate) payload_len: u64,
    pub(crate) mask: Option<MaskingKey>,
}

impl FrameHeader {
    /// The header that `octets` begin with, and its length; `None` if it is not complete.
    ///
    /// Checks an octet before it asks for the next, so that the error does not depend on how many
    /// have arrived.
    pub(crate) fn decode(
        octets: &[u8],
        receiver: Role,
        compression: Compression,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, rest)) = octets.split_first() else { return Ok(None) };
        let compressed = first & RESERVED_BITS == RSV1 && compression == Compression::Agreed;
        if first & RESERVED_BITS != 0 && !compressed {
            return Err(ProtocolError::ReservedBits);
        }
        let opcode = Opcode::decode(first & OPCODE)?;
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(ProtocolError::ReservedBits);
        }
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControlFrame);
        }

        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let masked = second & MASK != 0;
        match receiver {
            Role::Server if !masked => return Err(ProtocolError::UnmaskedFrame),
            Role::Client if masked => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        let Some((payload_len, rest)) = decode_length(second & LENGTH, rest)? else {
            return Ok(None);
        };
        if opcode.is_control() && payload_len > CONTROL_OCTETS_MAX {
            return Err(ProtocolError::ControlFrameTooLong { len: payload_len });
        }

        let (mask, rest) = if masked {
            let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(MaskingKey(*key)), rest)
        } else {
            (None, rest)
        };
        let header_len = octets.len() - rest.len();
        Ok(Some((Self { fin, compressed, opcode, payload_len, mask }, header_len)))
    }
}

/// An uncompressed message that lies whole in its input, in one frame of less than 64 KiB.
pub(crate) struct WholeFrame<'a> {
    pub(crate) kind: MessageKind,
    pub(crate) mask: Option<MaskingKey>,
    pub(crate) payload: &'a mut [u8],
    /// Octets of the header and the payload.
    pub(crate) len: usize,
}

impl<'a> WholeFrame<'a> {
    /// `None` for everything else, right or wrong: [`FrameHeader::decode`] tells.
    #[inline]
    pub(crate) fn find(input: &'a mut [u8], receiver: Role) -> Option<Self> {
        let input_len = input.len();
        let [first, second, rest @ ..] = input else { return None };
        let kind = match *first {
            0x81 => MessageKind::Text,
            0x82 => MessageKind::Binary,
            _ => return None,
        };
        let (payload_len, rest) = match (*second & LENGTH, rest) {
            (TWO_OCTET_LENGTH, [high, low, rest @ ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if len < usize::from(TWO_OCTET_LENGTH) {
                    return None;
                }
                (len, rest)
            }
            (TWO_OCTET_LENGTH | EIGHT_OCTET_LENGTH, _) => return None,
            (len, rest) => (usize::from(len), rest),
        };
        let (mask, rest) = match (receiver, *second & MASK, rest) {
            (Role::Client, 0, rest) => (None, rest),
            (Role::Server, MASK, [a, b, c, d, rest @ ..]) => {
                (Some(MaskingKey([*a, *b, *c, *d])), rest)
            }
            _ => return None,
        };
        let (payload, rest) = rest.split_at_mut_checked(payload_len)?;
        Some(Self { kind, mask, payload, len: input_len - rest.len() })
    }
}

/// The payload length that begins with its seven bits in `short`, and the octets after it.
fn decode_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    match short {
        TWO_OCTET_LENGTH => {
            let Some((octets, rest)) = rest.split_first_chunk() else { return Ok(None) };
            match u16::from_be_bytes(*octets) {
                0..=125 => Err(ProtocolError::NonMinimalLength),
                len => Ok(Some((len.into(), rest))),
            }
        }
        EIGHT_OCTET_LENGTH => {
            let Some((octets, rest)) = rest.split_first_chunk() else { return Ok(None) };
            match u64::from_be_bytes(*octets) {
                0..=0xffff => Err(ProtocolError::NonMinimalLength),
                len if len >> 63 != 0 => Err(ProtocolError::LengthOutOfRange),
                len => Ok(Some((len, rest))),
            }
        }
        len => Ok(Some((len.into(), rest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header decodes to nothing as long as it is not complete, and then to `expected`.
    fn check(octets: &[u8], receiver: Role, expected: FrameHeader) {
        for len in 0..octets.len() {
            assert_eq!(
                FrameHeader::decode(&octets[..len], receiver, Compression::NotAgreed),
                Ok(None),
                "{octets:x?}"
            );
        }
        let decoded = FrameHeader::decode(octets, receiver, Compression::NotAgreed);
        assert_eq!(decoded, Ok(Some((expected, octets.len()))), "{octets:x?}");
    }

    fn check_error(octets: &[u8], receiver: Role, expected: ProtocolError) {
        assert_eq!(
            FrameHeader::decode(octets, receiver, Compression::NotAgreed),
            Err(expected),
            "{octets:x?}"
        );
    }

    #[test]
    fn a_header_decodes_to_what_was_encoded() {
        let key = MaskingKey([1, 2, 3, 4]);
        for (receiver, mask) in [(Role::Client, None), (Role::Server, Some(key))] {
            for payload_len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 31] {
                let octets = encode_header(Opcode::Binary, payload_len, mask);
                let payload_len = payload_len as u64;
                let header = FrameHeader {
                    fin: true,
                    compressed: false,
                    opcode: Opcode::Binary,
                    payload_len,
                    mask,
                };
                check(&octets, receiver, header);
            }
        }
    }

    #[test]
    fn a_length_is_encoded_in_as_few_octets_as_it_needs() {
        assert_eq!(*encode_header(Opcode::Text, 125, None), [0x81, 125]);
        assert_eq!(*encode_header(Opcode::Text, 126, None), [0x81, 126, 0, 126]);
        assert_eq!(*encode_header(Opcode::Text, 65_535, None), [0x81, 126, 0xff, 0xff]);
        assert_eq!(*encode_header(Opcode::Text, 65_536, None), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn each_opcode_decodes_to_itself_and_the_others_are_reserved() {
        for value in 0..16 {
            match Opcode::decode(value) {
                Ok(opcode) => assert_eq!(opcode.encode(), value),
                Err(error) => assert_eq!(error, ProtocolError::ReservedOpcode(value)),
            }
        }
        assert_eq!((0..16).filter_map(|value| Opcode::decode(value).ok()).count(), 6);
    }

    #[test]
    fn reserved_bits_are_refused_at_the_first_octet() {
        for bit in [0x40, 0x20, 0x10] {
            check_error(&[0x81 | bit], Role::Server, ProtocolError::ReservedBits);
        }
    }

    #[test]
    fn only_clients_mask() {
        check_error(&[0x81, 0x05], Role::Server, ProtocolError::UnmaskedFrame);
        check_error(&[0x81, 0x85], Role::Client, ProtocolError::MaskedFrame);
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        check_error(&[0x09], Role::Client, ProtocolError::FragmentedControlFrame);
        let len_126 = [0x89, 126, 0, 126];
        check_error(&len_126, Role::Client, ProtocolError::ControlFrameTooLong { len: 126 });
    }

    #[test]
    fn lengths_of_2_to_the_63_and_more_are_out_of_range() {
        for high in [0x80, 0xff] {
            let octets = [0x82, 127, high, 0, 0, 0, 0, 0, 0, 0];
            check_error(&octets, Role::Client, ProtocolError::LengthOutOfRange);
        }
    }

    #[test]
    fn lengths_longer_than_needed_are_refused() {
        check_error(&[0x82, 126, 0, 125], Role::Client, ProtocolError::NonMinimalLength);
        let octets = [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        check_error(&octets, Role::Client, ProtocolError::NonMinimalLength);
    }

    #[test]
    fn rsv1_is_for_the_first_frame_of_a_message_where_compression_is_agreed() {
        for (first, compressed) in [(0xc1, true), (0x42, true), (0x81, false)] {
            let decoded = FrameHeader::decode(&[first, 0], Role::Client, Compression::Agreed);
            assert_eq!(decoded.unwrap().unwrap().0.compressed, compressed, "{first:x}");
        }
        for first in [0xc0, 0x40, 0xc8, 0xc9, 0xca, 0xd1, 0xe1, 0xa1, 0x91] {
            let decoded = FrameHeader::decode(&[first, 0], Role::Client, Compression::Agreed);
            assert_eq!(decoded, Err(ProtocolError::ReservedBits), "{first:x}");
        }
    }
}
