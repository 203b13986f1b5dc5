use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use tidings_sockjs::{Frame, TransportType};
use tidings_websocket::{CloseCode, CloseReason, Message, Opcode};

use super::framing::sockjs_frame;
use super::outbox::{PushError, Written};
use super::{Framing, Outbox, Payload, SharedMessage};
use crate::client::sockjs::Requests;
use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::server::event_stream::EventStream;
use crate::server::sockjs::HttpSession;

/// The way from a session to its peer.
#[derive(Debug)]
pub(crate) enum Link {
    /// A connection of its own.
    Stream { outbox: Arc<Outbox>, framing: Framing },
    /// A SockJS session over HTTP requests that come and go.
    Http(Arc<HttpSession>),
    /// The same, seen from its client.
    Requests(Arc<Requests>),
    /// An event stream, which only takes what the broker delivers.
    Events(Arc<EventStream>),
}

impl Link {
    /// Queues a short message, where that is simple. Whether it was queued; if not, [`push`](Self::push)
    /// does it, or says why not.
    #[inline]
    pub(crate) fn push_short(&self, message: &Message) -> bool {
        match self {
            Self::Stream { outbox, framing: Framing::WebSocket } => {
                outbox.push_short(message.opcode(), message.as_octets())
            }
            Self::Stream { outbox, framing: Framing::SockJs } => match message {
                Message::Text(text) => push_short_array(outbox, text),
                Message::Binary(_) => false,
            },
            Self::Stream { .. } | Self::Http(_) | Self::Requests(_) | Self::Events(_) => false,
        }
    }

    /// Queues what `encode` appends, where octets go out as they are and that is simple. Whether it was
    /// queued; if not, [`push`](Self::push) does it, or says why not.
    #[inline]
    pub(crate) fn push_short_octets(&self, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        match self {
            Self::Stream { outbox, framing: Framing::Octets } => outbox.push_short_octets(encode),
            Self::Stream { .. } | Self::Http(_) | Self::Requests(_) | Self::Events(_) => false,
        }
    }

    /// Queues a message, without waiting for room.
    pub(crate) fn push(&self, payload: &Payload) -> Result<(), PushError> {
        match self {
            Self::Stream { outbox, framing } => framing.push(outbox, payload, None),
            Self::Http(session) => session.push(payload),
            Self::Requests(requests) => requests.push(payload, None),
            Self::Events(stream) => Err(no_messages(stream)),
        }
    }

    /// Queues a message, and completes `ticket` once it is on its way: taken by the stream, or over
    /// HTTP by the session.
    pub(crate) fn push_with_ticket(
        &self,
        payload: &Payload,
        ticket: Written,
    ) -> Result<(), PushError> {
        match self {
            Self::Stream { outbox, framing } => framing.push(outbox, payload, Some(ticket)),
            Self::Http(session) => {
                session.push(payload)?;
                // Nobody may be waiting any more.
                let _ = ticket.send(());
                Ok(())
            }
            Self::Requests(requests) => requests.push(payload, Some(ticket)),
            Self::Events(stream) => Err(no_messages(stream)),
        }
    }

    /// The outbox, where messages are WebSocket messages.
    pub(crate) fn websocket(&self) -> Option<&Arc<Outbox>> {
        match self {
            Self::Stream { outbox, framing: Framing::WebSocket } => Some(outbox),
            Self::Stream { .. } | Self::Http(_) | Self::Requests(_) | Self::Events(_) => None,
        }
    }

    /// The outbox, where there is a stream of its own.
    pub(crate) fn outbox(&self) -> Option<&Arc<Outbox>> {
        match self {
            Self::Stream { outbox, .. } => Some(outbox),
            Self::Http(_) | Self::Requests(_) | Self::Events(_) => None,
        }
    }

    /// How messages travel, where that is by SockJS.
    pub(crate) fn sockjs_transport(&self) -> Option<TransportType> {
        match self {
            Self::Stream { framing: Framing::SockJs | Framing::SockJsClient, .. } => {
                Some(TransportType::WebSocket)
            }
            Self::Stream { .. } | Self::Events(_) => None,
            Self::Http(session) => Some(session.transport()),
            Self::Requests(requests) => Some(requests.transport()),
        }
    }

    /// Whether the peer is told by a code why its session is closed.
    pub(crate) fn has_close_codes(&self) -> bool {
        !matches!(self, Self::Stream { framing: Framing::Octets, .. } | Self::Events(_))
    }

    /// Queues a message that goes to others too.
    pub(crate) fn push_shared(&self, message: &SharedMessage) -> Result<(), PushError> {
        match self {
            Self::Stream { outbox, framing } => framing.push_shared(outbox, message),
            Self::Http(session) => session.push_element(message.sockjs_element()?),
            Self::Requests(requests) => requests.push(&message.payload(), None),
            Self::Events(stream) => Err(no_messages(stream)),
        }
    }

    /// Sends a heartbeat of SockJS over WebSocket. Over HTTP its session does so by itself.
    pub(crate) fn push_heartbeat(&self) {
        if let Self::Stream { outbox, framing: Framing::SockJs } = self {
            outbox.push_control(&sockjs_frame(&Frame::Heartbeat));
            outbox.flush();
        }
    }

    /// Turns off the heartbeats of the transport: those of a protocol inside it do.
    pub(crate) fn stop_heartbeats(&self) {
        if let Self::Http(session) = self {
            session.stop_heartbeats();
        }
    }

    /// Says how much a client may send until it is known who it is; `None` once it is. Doors whose messages
    /// the session's task reads are told by it.
    pub(crate) fn set_stranger_octets_max(&self, octets_max: Option<usize>) {
        if let Self::Http(session) = self {
            session.set_stranger_octets_max(octets_max);
        }
    }

    /// Writes what is queued, without waiting for the end of a turn.
    pub(crate) fn flush(&self) {
        match self {
            Self::Stream { outbox, .. } => outbox.flush(),
            Self::Http(_) | Self::Requests(_) | Self::Events(_) => {}
        }
    }

    /// Has the session's task look whether there is something new to do.
    pub(crate) fn wake(&self) {
        match self {
            Self::Stream { outbox, .. } => outbox.wake_driver(),
            Self::Http(session) => session.wake(),
            Self::Requests(requests) => requests.wake(),
            Self::Events(stream) => stream.wake(),
        }
    }

    /// Octets of the longest message that the door takes.
    pub(crate) fn message_octets_max(&self) -> usize {
        match self {
            Self::Stream { outbox, .. } => outbox.terms().limits.message_octets_max,
            Self::Http(session) => session.octets_max(),
            Self::Requests(requests) => requests.limits().frame_octets_max,
            // Nothing comes from the client.
            Self::Events(_) => 0,
        }
    }

    /// Asks for the connection to be closed. The first call wins.
    pub(crate) fn close(&self, reason: CloseReason) {
        match self {
            Self::Stream { outbox, .. } => {
                outbox.close(CloseInfo::new(reason, CloseInitiator::Local));
            }
            Self::Http(session) => session.close(&reason),
            Self::Requests(requests) => requests.close(reason),
            Self::Events(stream) => stream.close(reason),
        }
    }

    /// Drops a connection whose peer has kept this end waiting for too long.
    pub(crate) fn give_up(&self) {
        match self {
            Self::Stream { outbox, .. } => outbox.give_up(CloseInfo::timed_out()),
            Self::Http(session) => session.close(&slow_consumer()),
            Self::Requests(requests) => requests.close(slow_consumer()),
            Self::Events(stream) => stream.close(slow_consumer()),
        }
    }

    /// How long a send waits for room; `None` for ever.
    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        match self {
            Self::Stream { outbox, .. } => outbox.send_timeout(),
            Self::Http(session) => session.send_timeout(),
            Self::Requests(requests) => {
                Some(requests.limits().send_timeout).filter(|timeout| !timeout.is_zero())
            }
            Self::Events(stream) => stream.send_timeout(),
        }
    }

    /// Whether the peer was given up because it kept this end waiting.
    pub(crate) fn is_given_up(&self) -> bool {
        self.outbox().is_some_and(|outbox| outbox.is_given_up())
    }

    /// Whether the peer is gone although this end has not closed: nothing can be sent any more, and what has come is
    /// still to be done.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Stream { outbox, .. } => outbox.lost().is_some(),
            Self::Http(session) => session.is_lost(),
            Self::Requests(_) | Self::Events(_) => false,
        }
    }

    /// Waits until nothing can be sent any more.
    pub(crate) async fn closed(&self) {
        match self {
            Self::Stream { outbox, .. } => outbox.closed().await,
            Self::Http(session) => session.closed().await,
            // Nobody waits for room while it handles what comes from these.
            Self::Requests(_) | Self::Events(_) => std::future::pending().await,
        }
    }

    /// Why nothing can be sent any more.
    pub(crate) fn close_reason(&self) -> CloseReason {
        match self {
            Self::Stream { outbox, .. } => outbox.close_reason(),
            Self::Http(session) => session.close_reason(),
            Self::Requests(requests) => requests.close_reason(),
            Self::Events(stream) => stream.close_reason(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Stream { outbox, .. } => outbox.is_open(),
            Self::Http(session) => session.is_open(),
            Self::Requests(requests) => requests.is_open(),
            Self::Events(stream) => stream.is_open(),
        }
    }

    /// Whether the peer leaves so much unread that a queue had better serve others.
    pub(crate) fn is_backlogged(&self) -> bool {
        match self {
            Self::Stream { outbox, .. } => outbox.is_backlogged(),
            Self::Http(session) => session.is_backlogged(),
            Self::Requests(requests) => requests.is_backlogged(),
            Self::Events(stream) => stream.is_backlogged(),
        }
    }

    /// Waits until the peer has read enough for more to be queued, or the session is closed.
    pub(crate) async fn drained(&self) {
        match self {
            Self::Stream { outbox, .. } => outbox.drained().await,
            Self::Http(session) => session.drained().await,
            Self::Requests(requests) => requests.drained().await,
            Self::Events(stream) => stream.drained().await,
        }
    }
}

/// Octets of a text whose array may be made in the buffer of the thread: 4 KiB.
const SHORT_ARRAY_OCTETS_MAX: usize = 4 * 1024;

/// A short text as the only element of a SockJS array, without a buffer of its own.
fn push_short_array(outbox: &Arc<Outbox>, text: &str) -> bool {
    thread_local! {
        static ARRAY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    text.len() <= SHORT_ARRAY_OCTETS_MAX
        && ARRAY.with_borrow_mut(|array| {
            array.clear();
            tidings_sockjs::encode_array([text], array);
            outbox.push_short(Opcode::Text, array)
        })
}

/// Why an event stream takes no messages but those of its subscriptions.
fn no_messages(stream: &EventStream) -> PushError {
    PushError::Closed(stream.close_reason())
}

/// Why a session is closed whose peer reads too slowly.
pub(crate) fn slow_consumer() -> CloseReason {
    CloseReason::truncated(CloseCode::TRY_AGAIN_LATER, "slow consumer")
}
