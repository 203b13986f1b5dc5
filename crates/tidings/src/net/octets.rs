//! A bare stream as a door: STOMP over TCP.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tidings_websocket::{CloseReason, Message};

use super::budget::TurnBudget;
use super::moment::Moment;
use super::outbox::Phase;
use super::source::{Alarm, Incoming, REST_TIME_MAX, Source, linger};
use super::{Outbox, Stream, turn};
use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::server::Counted;

/// Delivers what each read gives as one binary message.
pub(crate) struct OctetSource {
    stream: Stream,
    outbox: Arc<Outbox>,
    farewell: Farewell,
    alarm: Alarm,
    /// When octets were read that the outbox has not been told of.
    read_at: Option<Moment>,
    budget: TurnBudget,
    /// How it ended while a handler ran.
    ended: Option<CloseInfo>,
    /// How it broke. What the peer has sent before is still read.
    lost: Option<Box<CloseInfo>>,
    _counted: Option<Arc<Counted>>,
}

/// What the protocol inside the stream says last, when it is closed for this reason.
pub(crate) type Farewell = fn(&CloseReason) -> Bytes;

impl OctetSource {
    pub(crate) fn new(
        stream: Stream,
        outbox: Arc<Outbox>,
        farewell: Farewell,
        counted: Option<Arc<Counted>>,
    ) -> Self {
        Self {
            stream,
            outbox,
            farewell,
            alarm: Alarm::default(),
            read_at: None,
            budget: TurnBudget::default(),
            ended: None,
            lost: None,
            _counted: counted,
        }
    }

    /// `Ready` when the connection has ended for a cause on our side.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<CloseInfo> {
        let Some(driven) = self.stream.drive(cx, &self.outbox, self.read_at.take()) else {
            self.alarm.set(None);
            return Poll::Pending;
        };
        match driven.phase {
            Phase::Open => {}
            Phase::Closing(info) => {
                self.outbox.finish((*info).clone(), &(self.farewell)(&info.reason));
                return Poll::Ready(info.cleanly());
            }
            Phase::Finished(info) => return Poll::Ready(*info),
            Phase::Broken(info) => return Poll::Ready(*info),
        }
        let deadline = driven.blocked_since.and_then(|since| self.outbox.blocked_deadline(since));
        self.alarm.set(deadline);
        if self.alarm.poll(cx).is_ready() {
            tracing::debug!("peer does not read: connection dropped");
            self.stream.abandon(&self.outbox);
            return Poll::Ready(CloseInfo::timed_out());
        }
        Poll::Pending
    }

    /// Nothing has come just now. `Ready` when nothing more will, because the stream broke.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Box<CloseInfo>> {
        if self.lost.is_some() {
            self.alarm.set_no_later_than(Instant::now().checked_add(REST_TIME_MAX));
            ready!(self.alarm.poll(cx));
        }
        self.lost.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Source for OctetSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        turn::own(&self.outbox);
        if self.lost.is_some()
            && let Some(info) = self.outbox.broken()
            && info.initiator != CloseInitiator::Transport
        {
            // What has come is not wanted any more.
            return Poll::Ready(Incoming::Closed(Box::new(info)));
        }
        if self.lost.is_none()
            && let Poll::Ready(info) =
                self.ended.take().map_or_else(|| self.poll_output(cx), Poll::Ready)
        {
            if info.initiator != CloseInitiator::Transport {
                return Poll::Ready(Incoming::Closed(Box::new(info)));
            }
            self.lost = Some(Box::new(info));
            self.alarm.set(None);
        }
        if self.budget.is_spent() {
            self.budget.reset();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(read) = self.stream.poll_octets(cx) else {
            self.budget.reset();
            return self.poll_rest(cx).map(Incoming::Closed);
        };
        let end = match read {
            Ok(octets) if !octets.is_empty() => {
                if self.lost.is_some() {
                    self.alarm.set(None);
                }
                let now = Instant::now();
                self.read_at = Some(now.into());
                self.budget.count_read(now);
                return Poll::Ready(Message::Binary(octets).into());
            }
            Ok(_) => CloseInfo::abnormal(),
            Err(error) => CloseInfo::broken(&error),
        };
        let info = self.lost.take().unwrap_or_else(|| Box::new(end));
        self.outbox.finish((*info).clone(), &[]);
        Poll::Ready(Incoming::Closed(info))
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        if self.ended.is_some() || self.lost.is_some() {
            let _ = self.stream.poll_drive(cx, &self.outbox);
        } else if let Poll::Ready(info) = self.poll_output(cx) {
            self.ended = Some(info);
        }
        self.budget.reset();
    }

    fn last_received(&self) -> Instant {
        self.outbox.last_read()
    }

    fn last_sent(&self) -> Instant {
        self.outbox.last_write()
    }

    async fn finish(&mut self) {
        linger(&mut self.stream, &self.outbox).await;
    }
}
