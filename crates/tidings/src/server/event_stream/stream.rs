use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use tidings_broker::{HistoryPosition, SessionKey};
use tidings_websocket::{CloseCode, CloseReason};
use tokio::sync::Notify;

use super::event::{EventFormat, Positions, SharedEvent};
use crate::clock;
use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::net::{Alarm, Incoming, PushError, Source};

/// A comment, which clients ignore.
const HEARTBEAT: &[u8] = b":\n\n";

/// An event stream: what one client has still to read, and how far it is.
#[derive(Debug)]
pub(crate) struct EventStream {
    key: SessionKey,
    format: EventFormat,
    terms: StreamTerms,
    state: Mutex<State>,
    /// Somebody may push again.
    room: Notify,
}

/// The limits of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamTerms {
    pub(super) heartbeat_delay: Duration,
    pub(super) outbox_octets_max: usize,
    pub(super) send_timeout: Duration,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    octets: usize,
    positions: Positions,
    closed: Option<CloseInfo>,
    /// Whoever writes the response.
    reader: Option<Waker>,
    /// The session's task.
    driver: Option<Waker>,
    last_sent: Instant,
    /// Since when nothing of what there is was read.
    waiting: Option<Instant>,
}

impl EventStream {
    pub(super) fn new(
        key: SessionKey,
        format: EventFormat,
        positions: Positions,
        terms: StreamTerms,
    ) -> Arc<Self> {
        let state = State {
            chunks: VecDeque::new(),
            octets: 0,
            positions,
            closed: None,
            reader: None,
            driver: None,
            last_sent: clock::instant(),
            waiting: None,
        };
        Arc::new(Self { key, format, terms, state: Mutex::new(state), room: Notify::new() })
    }

    /// The broker's name of the session.
    pub(super) fn key(&self) -> SessionKey {
        self.key
    }

    /// Queues a message of one of the destinations.
    pub(crate) fn push_event(
        &self,
        destination: usize,
        event: &SharedEvent<'_>,
    ) -> Result<(), PushError> {
        let mut state = self.lock();
        self.check_room(&state)?;
        if let Some(position) = event.position() {
            state.positions.set(destination, Some(position));
            let id = state.positions.to_string();
            state.push(id.into());
        }
        state.push(event.lines(self.format).clone());
        Ok(())
    }

    /// Queues text that is no message, in whole lines.
    pub(super) fn push_lines(&self, lines: impl Into<Bytes>) {
        let mut state = self.lock();
        if state.closed.is_none() {
            state.push(lines.into());
        }
    }

    /// From here on a destination is streamed.
    pub(super) fn begin_at(&self, destination: usize, position: Option<HistoryPosition>) {
        self.lock().positions.set(destination, position);
    }

    pub(super) fn positions(&self) -> Positions {
        self.lock().positions.clone()
    }

    fn check_room(&self, state: &State) -> Result<(), PushError> {
        match &state.closed {
            Some(info) => Err(PushError::Closed(info.reason.clone())),
            None if state.octets >= self.terms.outbox_octets_max => Err(PushError::Full),
            None => Ok(()),
        }
    }

    /// Ends the stream behind what is queued. The first call wins.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.close_with(CloseInfo::new(reason, CloseInitiator::Local).cleanly());
    }

    fn close_with(&self, info: CloseInfo) {
        let mut state = self.lock();
        if state.closed.is_none() {
            state.closed = Some(info);
            state.wake();
            self.room.notify_waiters();
        }
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        let closed = self.lock().closed.as_ref().map(|info| info.reason.clone());
        closed.unwrap_or_else(|| CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().closed.is_none()
    }

    pub(crate) fn is_backlogged(&self) -> bool {
        self.lock().octets > self.terms.outbox_octets_max / 2
    }

    pub(crate) async fn drained(&self) {
        loop {
            let room = self.room.notified();
            if !self.is_backlogged() || !self.is_open() {
                return;
            }
            room.await;
        }
    }

    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        Some(self.terms.send_timeout).filter(|timeout| !timeout.is_zero())
    }

    /// Has the session's task look whether there is something new to do.
    pub(crate) fn wake(&self) {
        self.lock().wake();
    }

    /// When there has to be a heartbeat, or a client that reads nothing is given up.
    fn next_deadline(&self, state: &State) -> Option<Instant> {
        match (state.waiting, self.send_timeout()) {
            (Some(since), Some(timeout)) => since.checked_add(timeout),
            (Some(_), None) => None,
            (None, _) if state.closed.is_some() => None,
            (None, _) => state.last_sent.checked_add(self.terms.heartbeat_delay),
        }
    }

    fn handle_timeout(&self) {
        let mut state = self.lock();
        let now = clock::instant();
        if self.next_deadline(&state).is_none_or(|deadline| deadline > now) {
            return;
        }
        if state.waiting.is_none() {
            return state.push(Bytes::from_static(HEARTBEAT));
        }
        state.give_up();
        drop(state);
        self.close_with(CloseInfo::timed_out());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, chunk: Bytes) {
        let now = clock::instant();
        self.octets += chunk.len();
        self.chunks.push_back(chunk);
        self.last_sent = now;
        if self.waiting.is_none() {
            self.waiting = Some(now);
        }
        self.wake();
    }

    /// Nobody reads what there is: its memory is of no more use.
    fn give_up(&mut self) {
        self.chunks = VecDeque::new();
        self.octets = 0;
        self.waiting = None;
        self.wake();
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.driver.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// The body of the response. Dropped before its end, it tells the session that the client went away.
#[derive(Debug)]
pub(super) struct EventStreamBody(pub(super) Arc<EventStream>);

/// The most that is handed over at a time: 64 KiB, and the rest of the last event.
const PIECE_OCTETS: usize = 64 * 1024;

impl http_body::Body for EventStreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let stream = &self.0;
        let mut state = stream.lock();
        let Some(first) = state.chunks.pop_front() else {
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let mut piece = first;
        // Short events that wait together are one write.
        if !state.chunks.is_empty() && piece.len() < PIECE_OCTETS {
            let mut octets = Vec::from(piece);
            while octets.len() < PIECE_OCTETS
                && let Some(next) = state.chunks.pop_front()
            {
                octets.extend_from_slice(&next);
            }
            piece = octets.into();
        }
        state.octets -= piece.len();
        state.waiting = (!state.chunks.is_empty()).then(clock::instant);
        // The deadline has moved.
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
        stream.room.notify_waiters();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Drop for EventStreamBody {
    fn drop(&mut self) {
        self.0.lock().give_up();
        self.0.close_with(CloseInfo::abnormal());
    }
}

/// The stream as a door: nothing comes by it but its end.
pub(crate) struct EventStreamSource {
    stream: Arc<EventStream>,
    alarm: Alarm,
}

impl EventStreamSource {
    pub(super) fn new(stream: Arc<EventStream>) -> Self {
        Self { stream, alarm: Alarm::default() }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) {
        loop {
            let deadline = {
                let mut state = self.stream.lock();
                // Whoever moves the deadline from now on wakes this task.
                state.driver = Some(cx.waker().clone());
                self.stream.next_deadline(&state)
            };
            self.alarm.set_no_later_than(deadline);
            if self.alarm.poll(cx).is_pending() {
                return;
            }
            self.stream.handle_timeout();
        }
    }
}

impl Source for EventStreamSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        self.poll_deadline(cx);
        match &self.stream.lock().closed {
            Some(info) => Poll::Ready(Incoming::Closed(Box::new(info.clone()))),
            None => Poll::Pending,
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        self.poll_deadline(cx);
    }

    fn last_received(&self) -> Instant {
        self.last_sent()
    }

    fn last_sent(&self) -> Instant {
        self.stream.lock().last_sent
    }

    /// What is queued may still be read, as long as something of it is read in time. Where that has no
    /// end, whoever writes the response keeps it.
    async fn finish(&mut self) {
        if self.stream.send_timeout().is_none() {
            return;
        }
        poll_fn(|cx| {
            self.poll_deadline(cx);
            if self.stream.lock().chunks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// A closed stream of which two events were not read yet, and the body of its response.
    fn closed(send_timeout: Duration) -> (EventStreamSource, EventStreamBody) {
        let heartbeat_delay = Duration::from_millis(1);
        let terms = StreamTerms { heartbeat_delay, outbox_octets_max: 1024, send_timeout };
        let stream = EventStream::new(SessionKey(1), EventFormat::Text, Positions::none(1), terms);
        stream.push_lines("data: 1\n\n");
        stream.push_lines("data: 2\n\n");
        stream.close(CloseReason::from_code(CloseCode::GOING_AWAY));
        (EventStreamSource::new(Arc::clone(&stream)), EventStreamBody(stream))
    }

    #[tokio::test]
    async fn what_nobody_reads_of_a_closed_stream_is_given_up() {
        let (mut source, body) = closed(Duration::from_millis(1));
        source.finish().await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
    }

    #[tokio::test]
    async fn what_is_read_of_a_closed_stream_arrives_before_its_end() {
        let (mut source, body) = closed(Duration::from_secs(3600));
        let finished = tokio::spawn(async move { source.finish().await });
        tokio::task::yield_now().await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "data: 1\n\ndata: 2\n\n");
        finished.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_stream_does_not_wait_for_a_client_that_has_gone() {
        let (mut source, body) = closed(Duration::from_secs(3600));
        drop(body);
        source.finish().await;
    }
}
