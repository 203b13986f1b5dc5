use std::sync::Arc;

use bytes::Bytes;
use tidings_sockjs::Frame;
use tidings_websocket::{CloseCode, CloseReason, Message, Opcode, encode_frame};

use super::outbox::{Outgoing, PushError, Written};
use super::{Outbox, Payload, SharedMessage};

/// How messages become the octets of one door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A message is a WebSocket message.
    WebSocket,
    /// Messages are the elements of a SockJS frame, which is a WebSocket text message.
    SockJs,
    /// What a client of SockJS sends: arrays without the letter of a frame. What it receives are frames, and
    /// delivered as they are.
    SockJsClient,
    /// The octets of a message go out as they are.
    Octets,
}

impl Framing {
    pub(crate) fn push(
        self,
        outbox: &Arc<Outbox>,
        payload: &Payload,
        ticket: Option<Written>,
    ) -> Result<(), PushError> {
        let Payload { opcode, octets } = payload;
        match self {
            Self::WebSocket => {
                let message = Outgoing::Message { opcode: *opcode, payload: octets };
                outbox.push_with_ticket(message, ticket)
            }
            Self::SockJs => {
                let mut array = Vec::new();
                tidings_sockjs::encode_array([payload.text()?], &mut array);
                let message = Outgoing::Message { opcode: Opcode::Text, payload: &array.into() };
                outbox.push_with_ticket(message, ticket)
            }
            Self::SockJsClient => {
                let mut frame = Vec::new();
                tidings_sockjs::encode_array([payload.text()?], &mut frame);
                let array = Bytes::from(frame).slice(1..);
                let message = Outgoing::Message { opcode: Opcode::Text, payload: &array };
                outbox.push_with_ticket(message, ticket)
            }
            Self::Octets => outbox.push_with_ticket(Outgoing::Octets(octets), ticket),
        }
    }

    pub(crate) fn push_shared(
        self,
        outbox: &Arc<Outbox>,
        message: &SharedMessage,
    ) -> Result<(), PushError> {
        match self {
            Self::WebSocket if outbox.wants_binary() => outbox.push(message.binary_websocket()),
            Self::WebSocket => outbox.push(message.websocket()),
            Self::SockJs => outbox.push(message.sockjs_websocket()?),
            // Clients mask, so that no two can be sent the same octets.
            Self::SockJsClient => self.push(outbox, &message.payload(), None),
            Self::Octets => outbox.push(message.bare()),
        }
    }

    /// The messages inside a received SockJS array. The error is what the connection is closed with.
    pub(super) fn unframe(self, message: Message) -> Result<Vec<Message>, CloseReason> {
        if self != Self::SockJs {
            return Ok(vec![message]);
        }
        let text = String::from_utf8_lossy(message.as_octets());
        let decoded = tidings_sockjs::decode_websocket_text(&text);
        let broken = |_| application_reason(3000, "Broken framing.");
        Ok(decoded.map_err(broken)?.into_iter().map(Message::Text).collect())
    }

    /// What is sent before the close frame, and the reason inside the close frame.
    pub(super) fn farewell(self, reason: &CloseReason) -> (Option<Vec<u8>>, CloseReason) {
        if self != Self::SockJs {
            return (None, reason.clone());
        }
        let (code, text) = (reason.code().as_u16(), reason.reason().to_owned());
        let frame = sockjs_frame(&Frame::Close { code, reason: text });
        (Some(frame), CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "Normal closure"))
    }
}

/// A SockJS frame inside a WebSocket message.
pub(crate) fn sockjs_frame(frame: &Frame) -> Vec<u8> {
    let mut text = Vec::new();
    frame.encode(&mut text);
    let mut octets = Vec::new();
    encode_frame(Opcode::Text, &text, None, &mut octets);
    octets
}

/// A close reason of the range that SockJS and applications use.
pub(crate) fn application_reason(code: u16, reason: &str) -> CloseReason {
    let code = CloseCode::new(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
    CloseReason::truncated(code, reason)
}

/// How long a SockJS array of one message may be, if the message may have so many octets: in JSON each of
/// them takes up to six.
pub(crate) fn sockjs_octets_max(message_octets_max: usize) -> usize {
    let around = r#"[""]"#.len();
    message_octets_max.saturating_mul(r"\u0000".len()).saturating_add(around)
}

/// What an element of a SockJS array of so many octets counts for while it waits, because even an empty one takes
/// room. A client that is not known yet may have one element wait that is as long as it may be, or as many as
/// count for no more.
pub(crate) fn element_octets(octets: usize) -> usize {
    const ELEMENT_OVERHEAD_OCTETS: usize = 64;
    octets.saturating_add(ELEMENT_OVERHEAD_OCTETS)
}
