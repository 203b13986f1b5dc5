//! Connections: streams, what is waiting to be written to them, and the doors that turn their octets
//! into messages.

mod budget;
mod connector;
mod framing;
mod input;
mod keeper;
mod link;
mod moment;
mod observed;
mod octets;
mod options;
mod outbox;
mod payload;
mod segments;
mod shared_batch;
mod shared_message;
mod socket;
mod source;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod turn;
mod websocket;

pub(crate) use budget::TurnBudget;
pub(crate) use connector::{TunnelStream, Wire};
pub(crate) use framing::{
    Framing, application_reason, element_octets, sockjs_frame, sockjs_octets_max,
};
pub(crate) use keeper::Terms;
pub(crate) use link::{Link, slow_consumer};
pub use observed::{Direction, ObservedFrame};
pub(crate) use observed::{FrameObserver, Observed};
pub(crate) use octets::{Farewell, OctetSource};
pub(crate) use options::door_connection_options;
pub use options::{ConnectionOptions, KeepAlive, OverflowPolicy};
pub(crate) use outbox::{EndOfBatch, Outbox, Phase, PushError, Written};
pub(crate) use payload::Payload;
pub(crate) use segments::COPIED_OCTETS_MAX;
pub(crate) use shared_message::SharedMessage;
pub(crate) use source::{Alarm, Incoming, Rest, Source};
pub(crate) use stream::Stream;
#[cfg(feature = "tls")]
pub(crate) use tls::{Alpn, TlsClient};
pub(crate) use turn::{TurnGuard, in_turns};
pub(crate) use websocket::WebSocketSource;
