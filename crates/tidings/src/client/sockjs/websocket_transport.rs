use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tidings_websocket::Message;

use super::source::{LastSeen, TransportEvent};
use crate::endpoint::{CloseInfo, Payload};
use crate::net::{Incoming, Outbox, Source, WebSocketSource};

/// The transport `websocket`: a frame is a message.
pub(super) struct WebSocketTransport {
    source: WebSocketSource,
    outbox: Arc<Outbox>,
}

impl WebSocketTransport {
    pub(super) fn new(source: WebSocketSource, outbox: Arc<Outbox>) -> Self {
        Self { source, outbox }
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<TransportEvent> {
        let message = match self.source.next_message() {
            Some(message) => message,
            None => match ready!(self.source.poll_next(cx)) {
                Incoming::Payload(Payload::Message(message)) => message,
                Incoming::Payload(_) | Incoming::Octets => {
                    return Poll::Ready(TransportEvent::Octets);
                }
                Incoming::Closed(info) => return Poll::Ready(TransportEvent::Over(info)),
            },
        };
        Poll::Ready(TransportEvent::Frame(match message {
            Message::Text(text) => text,
            Message::Binary(octets) => String::from_utf8_lossy(&octets).into_owned(),
        }))
    }

    pub(super) fn poll_background(&mut self, cx: &mut Context<'_>) {
        self.source.poll_background(cx);
    }

    /// Exchanges close frames with a server that is still there.
    pub(super) fn end(&mut self, info: CloseInfo) {
        if info.clean {
            self.outbox.close(info);
        } else {
            self.outbox.give_up(info);
        }
    }

    pub(super) async fn finish(&mut self) {
        self.source.finish().await;
    }
}

impl LastSeen for WebSocketTransport {
    fn last_received(&self) -> Instant {
        self.source.last_received()
    }

    fn last_sent(&self) -> Instant {
        self.source.last_sent()
    }
}
