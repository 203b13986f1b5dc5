//! From octets to messages and control frames.

use std::mem;

use bytes::Bytes;

use crate::frame::{FrameHeader, HEADER_OCTETS_MAX};
use crate::message::{Assembly, MessageKind};
use crate::{CloseReason, Limits, MaskingKey, Message, Opcode, ProtocolError, Role, apply_mask};

/// Something whole that was received.
#[derive(Debug)]
pub(crate) enum Item {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseReason),
}

/// Decodes frames where they lie, puts fragments together, and keeps what is not finished.
#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    limits: Limits,
    /// `None` between messages, so that an idle connection owns no memory.
    unfinished: Option<Box<Unfinished>>,
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
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self { role, limits, unfinished: None }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
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

    /// Forgets what is not finished.
    pub(crate) fn clear(&mut self) {
        self.unfinished = None;
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.unfinished.is_none()
    }

    fn begin_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Item>, ProtocolError> {
        match FrameHeader::decode(input, self.role)? {
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
            if let Some((header, _)) = FrameHeader::decode(octets, self.role)? {
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
        let FrameHeader { fin, opcode, payload_len, mask } = header;
        let kind = match opcode {
            Opcode::Continuation => return self.begin_fragment(header, input),
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                let remaining = checked_len(payload_len, 0, usize::MAX)?;
                let frame = ControlFrame { opcode, remaining, mask, payload: Vec::new() };
                return self.continue_control(frame, input);
            }
        };
        if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_some()) {
            return Err(ProtocolError::ExpectedContinuation);
        }
        let remaining = checked_len(payload_len, 0, self.limits.message_octets_max)?;
        if fin && input.len() >= remaining {
            let payload = take(input, remaining);
            unmask(mask, payload);
            return kind.message(payload).map(|message| Some(Item::Message(message)));
        }
        let message = Assembly::new(kind);
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
        let max = self.limits.message_octets_max;
        let remaining = checked_len(payload_len, message.len(), max)?;
        message.begin_fragment(self.limits.fragments_max)?;
        self.continue_data(DataFrame { fin, remaining, mask, message }, input)
    }

    fn continue_data(
        &mut self,
        mut frame: DataFrame,
        input: &mut &mut [u8],
    ) -> Result<Option<Item>, ProtocolError> {
        let part = take(input, frame.remaining);
        unmask(frame.mask, part);
        frame.message.push(part, frame.remaining)?;
        frame.remaining -= part.len();
        frame.mask = frame.mask.map(|key| key.advanced(part.len()));

        if frame.remaining > 0 {
            self.keep(UnfinishedFrame::Data(frame));
            Ok(None)
        } else if frame.fin {
            self.unfinished = None;
            frame.message.finish().map(|message| Some(Item::Message(message)))
        } else {
            self.unfinished.get_or_insert_default().message = Some(frame.message);
            Ok(None)
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

/// The announced length of a frame, if the message it belongs to stays within `max`.
fn checked_len(announced: u64, received: usize, max: usize) -> Result<usize, ProtocolError> {
    let message_len = usize::try_from(announced).ok().and_then(|len| len.checked_add(received));
    match message_len {
        Some(len) if len <= max => Ok(len - received),
        _ => {
            let received = u64::try_from(received).unwrap_or(u64::MAX);
            Err(ProtocolError::MessageTooBig { len: announced.saturating_add(received), max })
        }
    }
}

/// Takes `len` octets off the front of `input`, or as many as there are.
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len.min(input.len())).unwrap_or_default()
}

fn unmask(mask: Option<MaskingKey>, octets: &mut [u8]) {
    if let Some(key) = mask {
        apply_mask(key, octets);
    }
}
