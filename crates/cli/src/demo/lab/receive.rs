//! How the plain resources hand over messages: a line each, or an event each.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep, timeout};

use super::limits::Limits;
use super::mailbox::Receiver;
use super::runs::Row;

/// Everything that is there, after waiting for something if need be. Nothing after `patience`, or when
/// another request came to wait.
pub(super) async fn wait(row: &Row, patience: Duration) -> VecDeque<Bytes> {
    let receiver = row.mailbox.attach();
    let taken = timeout(patience, poll_fn(|cx| row.mailbox.poll_take(receiver, cx))).await;
    taken.ok().flatten().unwrap_or_default()
}

/// How messages are written, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// Each a line. An empty line is none.
    Lines,
    /// Each an event of Server-Sent Events.
    Events,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "text/plain; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }

    pub(super) fn write(self, messages: &VecDeque<Bytes>) -> Bytes {
        let mut written = BytesMut::new();
        for message in messages {
            let (before, after): (&[u8], &[u8]) = match self {
                Self::Lines => (b"", b"\n"),
                Self::Events => (b"data: ", b"\n\n"),
            };
            for part in [before, message, after] {
                written.extend_from_slice(part);
            }
        }
        written.freeze()
    }

    /// What a stream begins with, so that a client knows that it gets through.
    fn opening(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Lines => b"\n",
            Self::Events => b"event: opened\ndata: -\n\n",
        })
    }

    fn heartbeat(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Lines => b"\n",
            Self::Events => b":\n\n",
        })
    }
}

/// The body of an answer that goes on: whatever comes for the row, until another request waits for it.
#[derive(Debug)]
pub(super) struct Stream {
    row: Arc<Row>,
    receiver: Receiver,
    format: Format,
    opening: Option<Bytes>,
    heartbeat: Interval,
    end: Pin<Box<Sleep>>,
}

impl Stream {
    pub(super) fn new(row: Arc<Row>, format: Format, limits: &Limits) -> Self {
        let receiver = row.mailbox.attach();
        let delay = limits.heartbeat_delay;
        Self {
            row,
            receiver,
            format,
            opening: Some(format.opening()),
            heartbeat: interval_at(Instant::now() + delay, delay),
            end: Box::pin(sleep(limits.stream_max)),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(opening));
        }
        if let Poll::Ready(taken) = self.row.mailbox.poll_take(self.receiver, cx) {
            return Poll::Ready(taken.map(|messages| self.format.write(&messages)));
        }
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.heartbeat.poll_tick(cx).map(|_| Some(self.format.heartbeat()))
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_next(cx).map(|next| next.map(|octets| Ok(Frame::data(octets))))
    }
}
