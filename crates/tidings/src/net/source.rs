use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidings_websocket::{Message, MessageKind, MessagePart, Reception};
use tokio::time::Sleep;

use super::{Outbox, Stream};
use crate::clock;
use crate::endpoint::{CloseInfo, Payload, Pong};

/// Where the messages of one session come from: a door, seen from the endpoint.
pub(crate) trait Source: Send {
    /// Says how messages of a kind are to be delivered, from the next one of that kind on. Doors that
    /// cannot deliver parts deliver whole messages.
    fn set_reception(&mut self, kind: MessageKind, reception: Reception) {
        let _ = (kind, reception);
    }

    /// Says how many octets a message may have while it is not known who the peer is; `None` once it is. For
    /// doors at which several messages come as one piece, which
    /// [`set_reception`](Self::set_reception) says nothing about.
    fn set_stranger_octets_max(&mut self, octets_max: Option<usize>) {
        let _ = octets_max;
    }

    /// The next message, if it is here and is the next thing to happen: what happens most of the time, and
    /// so made to cost little. If it is `None`, [`poll_next`](Self::poll_next) tells what is next.
    #[inline]
    fn next_message(&mut self) -> Option<Message> {
        None
    }

    /// The next message, or the end. Not called again after the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming>;

    /// Keeps the connection alive while a handler runs: answers pings, writes what is queued.
    fn poll_background(&mut self, cx: &mut Context<'_>);

    /// When octets last arrived.
    fn last_received(&self) -> Instant;

    /// When octets were last written.
    fn last_sent(&self) -> Instant;

    /// Writes what is left, and lets go of the connection.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

/// What a door delivers.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// For the endpoint; no stream, since those are made of parts.
    Payload(Payload),
    /// Nothing yet, but octets came: [`Source::next_message`] may have something.
    Octets,
    Closed(Box<CloseInfo>),
}

impl Incoming {
    /// What it counts for while it waits; even an empty message takes room.
    pub(super) fn octets(&self) -> usize {
        self.payload_octets() + size_of::<Self>()
    }

    pub(super) fn payload_octets(&self) -> usize {
        match self {
            Self::Payload(Payload::Message(message)) => message.len(),
            Self::Payload(Payload::Part(MessagePart::Text { data, .. })) => data.len(),
            Self::Payload(Payload::Part(MessagePart::Binary { data, .. })) => data.len(),
            Self::Payload(Payload::Pong(Pong(octets))) => octets.len(),
            Self::Payload(Payload::Stream(_)) | Self::Octets | Self::Closed(_) => 0,
        }
    }
}

impl From<Message> for Incoming {
    #[inline]
    fn from(message: Message) -> Self {
        Self::Payload(Payload::Message(message))
    }
}

/// When a connection that has been closing `since` is given up. A peer that reads what is left for it
/// may take longer, but no longer than to be sent anything else.
///
/// `None` is never.
pub(super) fn close_deadline(since: Instant, outbox: &Outbox) -> Option<Instant> {
    let close_timeout = outbox.terms().close_timeout;
    let progress = outbox.last_write().max(since).checked_add(close_timeout);
    let longest = outbox.send_timeout().and_then(|it| since.checked_add(it.max(close_timeout)));
    progress.into_iter().chain(longest).min()
}

/// How long what a peer has sent is still worked on after the peer is gone: 30 s.
const LOST_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a stream that can no longer be written to may leave it open whether more comes: 1 s. It says so at once,
/// unless it broke in one direction only.
const REST_TIME_MAX: Duration = Duration::from_secs(1);

/// What is still read and done after the peer is gone: what it had sent before.
pub(crate) struct Rest {
    since: Instant,
    too_long: Alarm,
    quiet: Alarm,
}

impl Default for Rest {
    fn default() -> Self {
        Self { since: clock::instant(), too_long: Alarm::default(), quiet: Alarm::default() }
    }
}

impl Rest {
    /// Octets came.
    pub(super) fn note_read(&mut self) {
        self.quiet.set(None);
    }

    /// `Ready` when it has taken too long, whatever else there is.
    pub(crate) fn poll_too_long(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.too_long.set_no_later_than(self.since.checked_add(LOST_TIME_MAX));
        self.too_long.poll(cx)
    }

    /// Nothing has come just now. `Ready` when nothing more will.
    pub(super) fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.quiet.set_no_later_than(clock::instant().checked_add(REST_TIME_MAX));
        self.quiet.poll(cx)
    }
}

/// Octets read after the last ones were written, so that unread input does not turn the close into
/// a reset, which would cost the peer the last octets.
const LINGER_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// How long that reading may take.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// Writes the rest of `outbox`, shuts the stream down and reads what is still coming, within the close
/// timeout.
pub(super) async fn linger(stream: &mut Stream, outbox: &Arc<Outbox>) {
    let since = clock::instant();
    let mut written = false;
    while !written {
        let flush = poll_fn(|cx| stream.poll_flush(cx, outbox));
        match close_deadline(since, outbox) {
            Some(deadline) if deadline <= clock::instant() => break,
            Some(deadline) => {
                written = tokio::time::timeout_at(deadline.into(), flush).await.is_ok()
            }
            None => {
                flush.await;
                written = true;
            }
        }
    }
    if written {
        let shutdown_and_discard = async {
            poll_fn(|cx| stream.poll_shutdown(cx, outbox)).await;
            discard_input(stream).await;
        };
        let _ = tokio::time::timeout(LINGER_TIME_MAX, shutdown_and_discard).await;
    }
    stream.abandon(outbox);
}

async fn discard_input(stream: &mut Stream) {
    let mut discarded = 0;
    while discarded < LINGER_OCTETS_MAX {
        match poll_fn(|cx| stream.poll_discard(cx)).await {
            Ok(0) | Err(_) => break,
            Ok(len) => discarded += len,
        }
        // Others come first.
        tokio::task::yield_now().await;
    }
}

/// At most one timer, allocated only while something is waited for.
#[derive(Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Sets the alarm, or clears it.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        match (&mut self.0, deadline) {
            (Some(sleep), Some(deadline)) if sleep.deadline().into_std() == deadline => {}
            (Some(sleep), Some(deadline)) => sleep.as_mut().reset(deadline.into()),
            (None, Some(deadline)) => {
                self.0 = Some(Box::pin(tokio::time::sleep_until(deadline.into())));
            }
            (_, None) => self.0 = None,
        }
    }

    /// Makes sure that the alarm goes off by `deadline`. It may go off earlier: moving it at every
    /// message would cost more than looking again once in a while.
    pub(crate) fn set_no_later_than(&mut self, deadline: Option<Instant>) {
        match (&self.0, deadline) {
            (Some(sleep), Some(deadline)) if sleep.deadline().into_std() <= deadline => {}
            _ => self.set(deadline),
        }
    }

    /// `Ready`, once, when the deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => {
                let polled = sleep.as_mut().poll(cx);
                if polled.is_ready() {
                    self.0 = None;
                }
                polled
            }
            None => Poll::Pending,
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests;
