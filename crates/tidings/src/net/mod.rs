//! Connections: streams, what is waiting to be written to them, and the doors that turn their octets
//! into messages.

mod framing;
mod link;
mod octets;
mod outbox;
mod payload;
mod segments;
mod shared_message;
mod source;
mod stream;
mod turn;
mod websocket;

pub(crate) use framing::{Framing, application_reason, sockjs_frame};
pub(crate) use link::Link;
pub(crate) use octets::OctetSource;
pub(crate) use outbox::{OUTBOX_OCTETS_MAX, Outbox, PushError};
pub(crate) use payload::Payload;
pub(crate) use shared_message::SharedMessage;
pub(crate) use source::{Alarm, Incoming, Source};
pub(crate) use stream::Stream;
pub(crate) use turn::{TurnGuard, in_turns};
pub(crate) use websocket::WebSocketSource;
