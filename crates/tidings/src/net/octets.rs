//! A bare stream as a door: STOMP over TCP.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tidings_websocket::{CloseCode, CloseReason, Message};

use super::outbox::Phase;
use super::source::{Alarm, Incoming, Patience, Source, linger};
use super::{Outbox, Stream};

/// Delivers what each read gives as one binary message.
pub(crate) struct OctetSource {
    stream: Stream,
    outbox: Arc<Outbox>,
    farewell: Farewell,
    patience: Patience,
    alarm: Alarm,
    last_received: Instant,
}

/// What the protocol inside the stream says last, when it is closed for this reason.
pub(crate) type Farewell = fn(&CloseReason) -> Bytes;

impl OctetSource {
    pub(crate) fn new(stream: Stream, outbox: Arc<Outbox>, farewell: Farewell) -> Self {
        Self {
            stream,
            outbox,
            farewell,
            patience: Patience::default(),
            alarm: Alarm::default(),
            last_received: Instant::now(),
        }
    }

    /// `Ready` when the connection has ended for a cause on our side.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let _ = self.stream.poll_drive(cx, &self.outbox);
        match self.outbox.phase() {
            Phase::Open => {}
            Phase::Closing(reason) => {
                self.outbox.finish(reason.clone(), &(self.farewell)(&reason));
                return Poll::Ready(reason);
            }
            Phase::Finished(reason) => return Poll::Ready(reason),
            Phase::Broken => return Poll::Ready(abnormal()),
        }
        let blocked = self.outbox.blocked_since();
        self.alarm.set(blocked.map(|since| since + self.patience.send_timeout));
        if self.alarm.poll(cx).is_ready() {
            tracing::debug!("peer does not read: connection dropped");
            self.stream.abandon(&self.outbox);
            return Poll::Ready(abnormal());
        }
        Poll::Pending
    }
}

impl Source for OctetSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Poll::Ready(reason) = self.poll_output(cx) {
            return Poll::Ready(Incoming::Closed(reason));
        }
        let mut octets = Bytes::new();
        match self.stream.poll_read(cx, |read| octets = Bytes::copy_from_slice(read)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => {
                self.outbox.finish(abnormal(), &[]);
                Poll::Ready(Incoming::Closed(abnormal()))
            }
            Poll::Ready(Ok(_)) => {
                self.last_received = Instant::now();
                Poll::Ready(Incoming::Message(Message::Binary(octets)))
            }
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        let _ = self.stream.poll_drive(cx, &self.outbox);
    }

    fn last_received(&self) -> Instant {
        self.last_received
    }

    fn last_sent(&self) -> Instant {
        self.outbox.last_write()
    }

    async fn finish(mut self) {
        linger(&mut self.stream, &self.outbox, self.patience).await;
    }
}

fn abnormal() -> CloseReason {
    CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE)
}
