//! From octets to messages and control frames.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::deflate::{InflateError, Inflater};
use crate::frame::{Compression, FrameHeader, HEADER_OCTETS_MAX, WholeFrame};
use crate::message::{Assembly, Encoding, MessageEnds};
use crate::{
    CloseReason, Limits, MaskingKey, Message, MessageKind, MessagePart, Opcode, PerMessageDeflate,
    ProtocolError, Reception, Role, apply_mask,
};

/// Compressed octets of a message in parts that are decompressed at a time: a thousand times as many
/// may come out.
const INFLATED_AT_A_TIME_MAX: usize = 1024;

/// Something whole that was received.
#[derive(Debug)]
pub(crate) enum Item {
    Message(Message),
    Part(MessagePart),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseReason),
}

/// Decodes frames where they lie, puts fragments together, and keeps what is not finished.
#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    limits: Arc<Limits>,
    text: SmallReception,
    binary: SmallReception,
    /// Where compression is agreed on.
    inflater: Option<Box<Inflater>>,
    payloads: Payloads,
    /// `None` between messages, so that an idle connection owns no memory.
    unfinished: Option<Box<Unfinished>>,
}

/// A [`Reception`] in one word, since every connection has two: the longest message, or `usize::MAX` for
/// parts.
#[derive(Clone, Copy, Debug)]
struct SmallReception(usize);

impl From<Reception> for SmallReception {
    fn from(reception: Reception) -> Self {
        match reception {
            Reception::Whole { octets_max } => Self(octets_max.min(usize::MAX - 1)),
            Reception::Parts => Self(usize::MAX),
        }
    }
}

impl From<SmallReception> for Reception {
    #[inline]
    fn from(small: SmallReception) -> Self {
        match small.0 {
            usize::MAX => Self::Parts,
            octets_max => Self::Whole { octets_max },
        }
    }
}

/// What is done with the payloads of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payloads {
    Decoded,
    /// Only control frames count any more.
    Skipped,
}

#[derive(Debug, Default)]
struct Unfinished {
    frame: UnfinishedFrame,
    /// The message whose next fragment has not begun.
    message: Option<Assembly>,
}

#[derive(Debug, Default)]
enum UnfinishedFrame {
    /// The next octet begins a frame.
    #[default]
    Between,
    Header(UnfinishedHeader),
    Data(DataFrame),
    Control(ControlFrame),
}

/// Invariant: `len < HEADER_OCTETS_MAX`.
#[derive(Debug, Default)]
struct UnfinishedHeader {
    octets: [u8; HEADER_OCTETS_MAX],
    len: usize,
}

#[derive(Debug)]
struct DataFrame {
    fin: bool,
    /// Payload octets that have not arrived.
    remaining: usize,
    /// The key, advanced to the first of them.
    mask: Option<MaskingKey>,
    /// The message with those that have arrived.
    message: Assembly,
}

#[derive(Debug)]
struct ControlFrame {
    opcode: Opcode,
    /// Payload octets that have not arrived.
    remaining: usize,
    mask: Option<MaskingKey>,
    /// What has arrived, still masked.
    payload: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(role: Role, limits: Arc<Limits>) -> Self {
        let whole = Reception::Whole { octets_max: limits.message_octets_max }.into();
        Self {
            role,
            limits,
            text: whole,
            binary: whole,
            inflater: None,
            payloads: Payloads::Decoded,
            unfinished: None,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes compressed messages from now on.
    pub(crate) fn set_deflate(&mut self, agreed: &PerMessageDeflate) {
        let sender = match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        self.inflater = Some(Box::new(Inflater::new(agreed, sender)));
    }

    fn compression(&self) -> Compression {
        if self.inflater.is_some() { Compression::Agreed } else { Compression::NotAgreed }
    }

    /// Says how messages are handed on from the next one on.
    pub(crate) fn set_reception(&mut self, kind: MessageKind, reception: Reception) {
        match kind {
            MessageKind::Text => self.text = reception.into(),
            MessageKind::Binary => self.binary = reception.into(),
        }
    }

    fn reception(&self, kind: MessageKind) -> Reception {
        match kind {
            MessageKind::Text => self.text.into(),
            MessageKind::Binary => self.binary.into(),
        }
    }

    /// The message at the front of `input` and the octets it takes up, if nothing is unfinished and it is
    /// there in one short frame: the usual case, without the detours that others need.
    #[inline]
    pub(crate) fn next_whole(
        &self,
        input: &mut [u8],
    ) -> Option<(Result<Message, ProtocolError>, usize)> {
        if self.unfinished.is_some() {
            return None;
        }
        let WholeFrame { kind, mask, payload, len } = WholeFrame::find(input, self.role)?;
        match self.reception(kind) {
            Reception::Whole { octets_max } if payload.len() <= octets_max => {}
            _ => return None,
        }
        if payload.len() > self.limits.frame_octets_max {
            return None;
        }
        Some((message_of(kind, mask, payload), len))
    }

    /// Takes octets off the front of `input`, until something is whole or all are taken.
    pub(crate) fn next(&mut self, input: &mut &mut [u8]) -> Result<Option<Item>, ProtocolError> {
        while !input.is_empty() {
            let frame = match &mut self.unfinished {
                Some(unfinished) => mem::take(&mut unfinished.frame),
                None => UnfinishedFrame::Between,
            };
            let item = match frame {
                UnfinishedFrame::Between => self.begin_header(input)?,
                UnfinishedFrame::Header(header) => self.continue_header(header, input)?,
                UnfinishedFrame::Data(frame) => self.continue_data(frame, input)?,
                UnfinishedFrame::Control(frame) => self.continue_control(frame, input)?,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// Forgets what is not finished, and the context of messages that will not come.
    pub(crate) fn clear(&mut self) {
        self.unfinished = None;
        self.inflater = None;
    }

    /// Looks at control frames only from now on.
    pub(crate) fn skip_messages(&mut self) {
        self.payloads = Payloads::Skipped;
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.unfinished.is_none()
    }

    fn begin_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Item>, ProtocolError> {
        match FrameHeader::decode(input, self.role, self.compression())? {
            Some((header, len)) => {
                take(input, len);
                self.begin_frame(header, input)
            }
            None => self.continue_header(UnfinishedHeader::default(), input),
        }
    }

    fn continue_header(
        &mut self,
        mut unfinished: UnfinishedHeader,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        while let [octet] = take(input, 1) {
            if let Some(free) = unfinished.octets.get_mut(unfinished.len) {
                *free = *octet;
                unfinished.len += 1;
            }
            let octets = unfinished.octets.get(..unfinished.len).unwrap_or_default();
            if let Some((header, _)) = FrameHeader::decode(octets, self.role, self.compression())? {
                return self.begin_frame(header, input);
            }
        }
        self.keep(UnfinishedFrame::Header(unfinished));
        Ok(None)
    }

    fn begin_frame(
        &mut self,
        header: FrameHeader,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        let FrameHeader { fin, compressed, opcode, payload_len, mask } = header;
        let kind = match opcode {
            Opcode::Continuation => return self.begin_fragment(header, input),
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                let remaining = usize::try_from(payload_len).unwrap_or(usize::MAX);
                let frame = ControlFrame { opcode, remaining, mask, payload: Vec::new() };
                return self.continue_control(frame, input);
            }
        };
        if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_some()) {
            return Err(ProtocolError::ExpectedContinuation);
        }
        let reception = self.reception(kind);
        let encoding = if compressed { Encoding::Deflate } else { Encoding::Plain };
        let remaining = self.checked_len(payload_len, 0, reception, encoding)?;
        let is_plain = encoding == Encoding::Plain && reception != Reception::Parts;
        let is_decoded = self.payloads == Payloads::Decoded;
        if fin && input.len() >= remaining && is_plain && is_decoded {
            self.unfinished = None;
            let payload = take(input, remaining);
            return message_of(kind, mask, payload).map(|message| Some(Item::Message(message)));
        }
        let message = Assembly::new(kind, reception, encoding);
        self.continue_data(DataFrame { fin, remaining, mask, message }, input)
    }

    fn begin_fragment(
        &mut self,
        header: FrameHeader,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        let FrameHeader { fin, payload_len, mask, .. } = header;
        let message = self.unfinished.as_mut().and_then(|unfinished| unfinished.message.take());
        let mut message = message.ok_or(ProtocolError::UnexpectedContinuation)?;
        let (reception, encoding) = (message.reception(), message.encoding());
        let remaining = self.checked_len(payload_len, message.len(), reception, encoding)?;
        message.begin_fragment(self.limits.fragments_max)?;
        self.continue_data(DataFrame { fin, remaining, mask, message }, input)
    }

    fn continue_data(
        &mut self,
        mut frame: DataFrame,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        if self.payloads == Payloads::Skipped {
            frame.remaining -= take(input, frame.remaining).len();
            let ends = if frame.fin { MessageEnds::Here } else { MessageEnds::Later };
            self.put_by(frame, ends);
            return Ok(None);
        }
        let len = match (frame.message.encoding(), frame.message.reception()) {
            (Encoding::Deflate, Reception::Parts) => frame.remaining.min(INFLATED_AT_A_TIME_MAX),
            _ => frame.remaining,
        };
        let part = take(input, len);
        unmask(frame.mask, part);
        match frame.message.encoding() {
            Encoding::Plain => frame.message.push(part, frame.remaining)?,
            Encoding::Deflate => self.inflate(&mut frame, part)?,
        }
        frame.remaining -= part.len();
        frame.mask = frame.mask.map(|key| key.advanced(part.len()));

        let ends = match frame.remaining {
            0 if frame.fin => MessageEnds::Here,
            _ => MessageEnds::Later,
        };
        if frame.message.reception() == Reception::Parts {
            let part = frame.message.take_part(ends)?;
            self.put_by(frame, ends);
            return Ok(part.map(Item::Part));
        }
        if ends == MessageEnds::Here {
            self.unfinished = None;
            return frame.message.finish().map(|message| Some(Item::Message(message)));
        }
        self.put_by(frame, ends);
        Ok(None)
    }

    /// Takes in a part of a compressed message.
    fn inflate(&mut self, frame: &mut DataFrame, part: &[u8]) -> Result<(), ProtocolError> {
        let inflater = self.inflater.as_mut().ok_or(ProtocolError::ReservedBits)?;
        let max = frame.message.reception().octets_max();
        let too_long = |error| match error {
            InflateError::Corrupt => ProtocolError::InvalidCompression,
            InflateError::TooLong => {
                let len = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
                ProtocolError::MessageTooBig { len, max }
            }
        };
        let left = max.saturating_sub(frame.message.len());
        let mut inflated = Vec::new();
        let mut outcome = inflater.inflate(part, &mut inflated, left);
        if outcome.is_ok() && frame.fin && frame.remaining == part.len() {
            let left = left.saturating_sub(inflated.len());
            outcome = inflater.finish(&mut inflated, left);
        }
        // Text may be wrong before the compression is.
        frame.message.push(&inflated, inflated.len())?;
        outcome.map_err(too_long)
    }

    /// Keeps what is left of a frame, or of its message, for later.
    fn put_by(&mut self, frame: DataFrame, ends: MessageEnds) {
        if frame.remaining > 0 {
            self.keep(UnfinishedFrame::Data(frame));
        } else if ends == MessageEnds::Here {
            self.unfinished = None;
        } else {
            self.unfinished.get_or_insert_default().message = Some(frame.message);
        }
    }

    fn continue_control(
        &mut self,
        mut frame: ControlFrame,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        let part = take(input, frame.remaining);
        frame.remaining -= part.len();
        if frame.remaining > 0 {
            frame.payload.extend_from_slice(part);
            self.keep(UnfinishedFrame::Control(frame));
            return Ok(None);
        }

        let payload = if frame.payload.is_empty() {
            part
        } else {
            frame.payload.extend_from_slice(part);
            &mut frame.payload
        };
        unmask(frame.mask, payload);
        self.release();
        match frame.opcode {
            Opcode::Ping => Ok(Some(Item::Ping(Bytes::copy_from_slice(payload)))),
            Opcode::Pong => Ok(Some(Item::Pong(Bytes::copy_from_slice(payload)))),
            _ => CloseReason::decode(payload).map(|reason| Some(Item::Close(reason))),
        }
    }

    /// The announced length of a frame, if it and the message it belongs to stay within the limits.
    fn checked_len(
        &self,
        announced: u64,
        received: usize,
        reception: Reception,
        encoding: Encoding,
    ) -> Result<usize, ProtocolError> {
        let max = match encoding {
            Encoding::Plain => reception.octets_max(),
            // What counts is how long the message gets.
            Encoding::Deflate => usize::MAX,
        };
        let frame_max = self.limits.frame_octets_max;
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        let message_len = len.saturating_add(received);
        if message_len > max {
            let received = u64::try_from(received).unwrap_or(u64::MAX);
            Err(ProtocolError::MessageTooBig { len: announced.saturating_add(received), max })
        } else if len > frame_max {
            Err(ProtocolError::FrameTooBig { len: announced, max: frame_max })
        } else {
            Ok(len)
        }
    }

    fn keep(&mut self, frame: UnfinishedFrame) {
        self.unfinished.get_or_insert_default().frame = frame;
    }

    /// Frees the memory for what is unfinished, if nothing is.
    fn release(&mut self) {
        if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_none()) {
            self.unfinished = None;
        }
    }
}

/// Takes `len` octets off the front of `input`, or as many as there are.
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len.min(input.len())).unwrap_or_default()
}

/// Octets that are decoded at a time, so that they are read from memory once and not for each step.
const BLOCK_OCTETS: usize = 8 * 1024;

/// The message of one whole payload, which is unmasked in place.
#[inline]
fn message_of(
    kind: MessageKind,
    mask: Option<MaskingKey>,
    payload: &mut [u8],
) -> Result<Message, ProtocolError> {
    if payload.len() > BLOCK_OCTETS {
        return message_of_blocks(kind, mask, payload);
    }
    unmask(mask, payload);
    kind.message(payload)
}

fn message_of_blocks(
    kind: MessageKind,
    mask: Option<MaskingKey>,
    payload: &mut [u8],
) -> Result<Message, ProtocolError> {
    let whole = Reception::Whole { octets_max: payload.len() };
    let mut message = Assembly::new(kind, whole, Encoding::Plain);
    message.reserve(payload.len());
    // Of whole words, so that the key begins anew with each.
    for block in payload.chunks_mut(BLOCK_OCTETS) {
        unmask(mask, block);
        message.push(block, block.len())?;
    }
    message.finish()
}

fn unmask(mask: Option<MaskingKey>, octets: &mut [u8]) {
    if let Some(key) = mask {
        apply_mask(key, octets);
    }
}
