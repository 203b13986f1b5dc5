//! A bare stream as a door: STOMP over TCP.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tidings_websocket::{CloseReason, Message};

use super::budget::TurnBudget;
use super::moment::Moment;
use super::outbox::Phase;
use super::source::{Alarm, Incoming, Rest, Source, linger};
use super::{Outbox, Stream, turn};
use crate::clock;
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
    /// It broke, and what the peer has sent before is still read.
    rest: Option<Box<Rest>>,
    _counted: Option<Arc<Counted>>,
}

/// What the protocol inside the stream says last, when it is closed for this reason.
pub(crate) type Farewell = Arc<dyn Fn(&CloseReason) -> Bytes + Send + Sync>;

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
            rest: None,
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
            Phase::Broken(info) if info.initiator == CloseInitiator::Transport => {
                let rest = self.rest.get_or_insert_default();
                return rest.poll_too_long(cx).map(|()| self.outbox.end_rest());
            }
            Phase::Finished(info) | Phase::Broken(info) => return Poll::Ready(*info),
        }
        let deadline = driven.blocked_since.and_then(|since| self.outbox.blocked_deadline(since));
        self.alarm.set(deadline);
        if self.alarm.poll(cx).is_ready() {
            tracing::debug!("peer does not read: connection dropped");
            // It is this end that does not wait for it: nothing of what it has sent is done any more.
            self.outbox.give_up(CloseInfo::timed_out());
            self.stream.abandon(&self.outbox);
            return Poll::Ready(CloseInfo::timed_out());
        }
        Poll::Pending
    }
}

impl Source for OctetSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        turn::own(&self.outbox);
        let ended = self.ended.take().map_or_else(|| self.poll_output(cx), Poll::Ready);
        if let Poll::Ready(info) = ended {
            return Poll::Ready(Incoming::Closed(Box::new(info)));
        }
        if self.budget.is_spent() {
            self.budget.reset();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(read) = self.stream.poll_octets(cx) else {
            self.budget.reset();
            let Some(rest) = &mut self.rest else { return Poll::Pending };
            return rest.poll_quiet(cx).map(|()| {
                let info = self.outbox.lost().unwrap_or_else(CloseInfo::abnormal);
                Incoming::Closed(Box::new(info))
            });
        };
        let end = match read {
            Ok(octets) if !octets.is_empty() => {
                if let Some(rest) = &mut self.rest {
                    rest.note_read();
                }
                let now = clock::instant();
                self.read_at = Some(now.into());
                self.budget.count_read(now);
                return Poll::Ready(Message::Binary(octets).into());
            }
            Ok(_) => CloseInfo::abnormal(),
            Err(error) => CloseInfo::broken(&error),
        };
        let info = self.outbox.lost().unwrap_or(end);
        self.outbox.finish(info.clone(), &[]);
        Poll::Ready(Incoming::Closed(Box::new(info)))
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        if self.ended.is_some() {
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
