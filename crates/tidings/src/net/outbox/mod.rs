//! What a connection has still to write.

mod drive;
mod extras;
mod fragments;
#[cfg(test)]
mod tests;
mod vigil;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;
use tidings_websocket::{CloseCode, CloseReason, Encoder, FrameStart, Opcode, encode_frame};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, oneshot};

pub(crate) use self::drive::Driven;
use self::extras::Extras;
use super::keeper::Terms;
use super::link::slow_consumer;
use super::moment::Moment;
use super::options::OverflowPolicy;
use super::segments::Segments;
use super::shared_message::{SharedFrames, SharedOctets};
use super::turn::{self, Schedule};
use crate::endpoint::{CloseInfo, CloseInitiator};

/// What one connection has still to write. Any task may push to it.
///
/// Over a plain TCP socket the pushing task writes at once (or at the end of its turn), and no other
/// task is woken; only what the socket does not take waits for the connection's own task, the
/// driver. Over any other stream the driver writes everything.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Whether the phase is no longer `Open`; to be asked without a lock.
    closing: AtomicBool,
    /// Whether the peer wants binary messages, of a protocol for which both kinds are the same.
    wants_binary: AtomicBool,
    terms: Arc<Terms>,
    /// Somebody may push again, or octets were written. Made by the first who waits. Told under the
    /// lock, and looked for before the state is: so nobody misses what they wait for.
    room: OnceLock<Box<Notify>>,
}

#[derive(Debug)]
struct State {
    segments: Segments,
    phase: Phase,
    flush: Flush,
    /// Since when the stream has taken nothing of what was offered to it. The driver flushes when it
    /// does again.
    blocked: Option<Moment>,
    /// Gone once the driver is done: handles of the session may outlive the connection.
    socket: Option<OwnedWriteHalf>,
    driver: Option<Waker>,
    last_read: Moment,
    /// Whether nothing has been read since, however much there is.
    reading: Reading,
    last_write: Moment,
    /// When the peer was last sent a ping to find out whether it is still there.
    asked: Option<Moment>,
    /// What few connections need.
    extras: Option<Box<Extras>>,
}

/// How far the outbox is from its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes messages.
    Open,
    /// This end has asked to close; the driver has still to say goodbye.
    Closing(Box<CloseInfo>),
    /// The last octets are queued.
    Finished(Box<CloseInfo>),
    /// Nothing more can be written: the stream failed, or the peer was given up.
    Broken(Box<CloseInfo>),
}

/// Whether the connection reads what its peer sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    GoesOn,
    /// There is enough for the handler that runs: that nothing is read is not the peer's silence.
    Paused,
}

#[derive(Debug, PartialEq, Eq)]
enum Flush {
    Idle,
    /// A turn will flush at its end.
    Scheduled,
}

/// Why a push was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full,
    Closed(CloseReason),
    /// The message is not UTF-8, and the door carries only text.
    NotText,
}

/// Whoever waits for a message to be written. Dropped if it never is.
pub(crate) type Written = oneshot::Sender<()>;

/// A message on its way into an outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing<'a> {
    /// Becomes one WebSocket frame.
    Message { opcode: Opcode, payload: &'a Bytes },
    /// The same, with the frame as it is for clients that need no encoding of their own.
    Shared { opcode: Opcode, payload: &'a Bytes, frames: &'a SharedFrames },
    /// Goes out as it is.
    Octets(&'a Bytes),
    /// The same, to many.
    SharedOctets { octets: &'a Bytes, shared: &'a SharedOctets },
}

impl Outgoing<'_> {
    fn payload(&self) -> &Bytes {
        match self {
            Self::Message { payload, .. }
            | Self::Shared { payload, .. }
            | Self::Octets(payload)
            | Self::SharedOctets { octets: payload, .. } => payload,
        }
    }
}

impl Outbox {
    /// An outbox that writes to `socket` by itself, or leaves all writing to its driver. An `encoder`
    /// is needed where not every client would be sent the same frames.
    pub(crate) fn new(
        socket: Option<OwnedWriteHalf>,
        terms: Arc<Terms>,
        encoder: Option<Encoder>,
    ) -> Arc<Self> {
        let now = Moment::now();
        let state = State {
            segments: Segments::default(),
            phase: Phase::Open,
            flush: Flush::Idle,
            blocked: None,
            socket,
            driver: None,
            last_read: now,
            reading: Reading::GoesOn,
            last_write: now,
            asked: None,
            extras: encoder.map(|encoder| Box::new(Extras::with_encoder(encoder))),
        };
        let state = Mutex::new(state);
        let (closing, wants_binary) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { state, closing, wants_binary, terms, room: OnceLock::new() })
    }

    pub(crate) fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// The kind of message that the peer has sent, which is the kind that it wants.
    pub(crate) fn answer_in(&self, opcode: Opcode) {
        self.wants_binary.store(opcode == Opcode::Binary, Ordering::Relaxed);
    }

    pub(crate) fn wants_binary(&self) -> bool {
        self.wants_binary.load(Ordering::Relaxed)
    }

    /// Has the session looked after: its idle timeout, and the keepalive of its peer.
    pub(crate) fn keep(self: &Arc<Self>) {
        self.terms.keep(self);
    }

    /// Queues a short message, where that needs nothing else to be done or thought of: what happens most of
    /// the time, and so made to cost little. Whether it was queued; if not, [`push`](Self::push) does it, or
    /// says why not.
    #[inline]
    pub(crate) fn push_short(self: &Arc<Self>, opcode: Opcode, payload: &[u8]) -> bool {
        let mut state = self.lock();
        if !self.is_usual(&state) || !state.segments.append_short_frame(opcode, payload) {
            return false;
        }
        turn::count_push();
        self.schedule(state);
        true
    }

    /// As [`push_short`](Self::push_short), for what goes out as `encode` appends it.
    #[inline]
    pub(crate) fn push_short_octets(self: &Arc<Self>, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.lock();
        if !self.is_usual(&state) {
            return false;
        }
        state.segments.append(encode);
        turn::count_push();
        self.schedule(state);
        true
    }

    /// Whether nothing else is to be done or thought of when a message is queued.
    #[inline]
    fn is_usual(&self, state: &State) -> bool {
        matches!(state.phase, Phase::Open)
            && state.extras.is_none()
            && state.blocked.is_none()
            && state.segments.octets() < self.terms.outbox_octets_max
    }

    /// Queues a message. One may exceed the limit, if the outbox is below it.
    pub(crate) fn push(self: &Arc<Self>, outgoing: Outgoing<'_>) -> Result<(), PushError> {
        self.push_with_ticket(outgoing, None)
    }

    /// Queues a message, and completes `ticket` once the stream has taken all of it.
    pub(crate) fn push_with_ticket(
        self: &Arc<Self>,
        outgoing: Outgoing<'_>,
        ticket: Option<Written>,
    ) -> Result<(), PushError> {
        turn::count_push();
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed(state.phase.reason()));
        }
        if !self.has_room(&mut state) {
            return self.overflow(state, outgoing, ticket);
        }
        if state.must_defer(self.terms.overflow) {
            state.extras().defer(outgoing, ticket);
        } else {
            state.append(outgoing, ticket);
        }
        self.schedule(state);
        Ok(())
    }

    /// Whether there is room for a message, also if what is there has to be written for it: an outbox is
    /// full when its peer does not read, and not when nobody has offered it what there is.
    fn has_room(&self, state: &mut State) -> bool {
        let max = self.terms.outbox_octets_max;
        if state.weight() < max {
            return true;
        }
        state.flush_held();
        if state.blocked.is_some() {
            return false;
        }
        if state.socket.is_some() {
            self.flush_locked(state, None);
            return state.weight() < max;
        }
        // The driver is going to write it; until then there is as much room again.
        wake(&mut state.driver);
        state.weight() < max.saturating_mul(2)
    }

    /// A message for which there is no room.
    fn overflow(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        outgoing: Outgoing<'_>,
        ticket: Option<Written>,
    ) -> Result<(), PushError> {
        match self.terms.overflow {
            OverflowPolicy::Wait => return Err(PushError::Full),
            OverflowPolicy::Close => {
                let reason = slow_consumer();
                self.close_locked(
                    &mut state,
                    CloseInfo::new(reason.clone(), CloseInitiator::Local),
                );
                return Err(PushError::Closed(reason));
            }
            OverflowPolicy::KeepLatest => state.extras().drop_deferred(0),
            OverflowPolicy::DropOldest => {
                let room = self.terms.outbox_octets_max.saturating_sub(state.segments.octets());
                let room = room.saturating_sub(outgoing.payload().len());
                state.extras().drop_deferred(room);
            }
        }
        state.extras().defer(outgoing, ticket);
        self.schedule(state);
        Ok(())
    }

    /// Queues a control frame, whatever the limit, until the last octets are queued.
    pub(crate) fn push_control(self: &Arc<Self>, octets: &[u8]) {
        self.push_with(|batch| batch.extend_from_slice(octets));
    }

    /// Queues what `encode` appends to the octets that wait, whatever the limit, until the last octets are
    /// queued.
    pub(crate) fn push_with(self: &Arc<Self>, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            state.segments.append(encode);
            state.flush_held();
            self.schedule(state);
        }
    }

    /// Queues a ping or a pong of the application. Its payload has at most 125 octets.
    pub(crate) fn push_ping(
        self: &Arc<Self>,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed(state.phase.reason()));
        }
        if !self.has_room(&mut state) {
            return Err(PushError::Full);
        }
        state.append_frame(opcode, payload);
        state.flush_held();
        self.schedule(state);
        Ok(())
    }

    /// Queues the last octets. Nothing is taken afterwards; the first call wins.
    pub(crate) fn finish(self: &Arc<Self>, info: CloseInfo, last: &[u8]) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            state.promote_deferred();
            state.segments.append(|batch| batch.extend_from_slice(last));
            self.set_phase(&mut state, Phase::Finished(Box::new(info)));
            state.release_hold();
            self.schedule(state);
        }
    }

    /// Asks the driver to close the connection. The first call wins. Of one that broke before, no more is read.
    pub(crate) fn close(&self, info: CloseInfo) {
        self.close_locked(&mut self.lock(), info);
    }

    /// Has the driver look whether there is something new to do.
    pub(crate) fn wake_driver(&self) {
        wake(&mut self.lock().driver);
    }

    fn close_locked(&self, state: &mut State, info: CloseInfo) {
        match &mut state.phase {
            Phase::Open => self.set_phase(state, Phase::Closing(Box::new(info))),
            Phase::Broken(end) if end.initiator == CloseInitiator::Transport => **end = info,
            _ => return,
        }
        wake(&mut state.driver);
    }

    /// Leaves the phase `Open`: whoever waits to send is told.
    fn set_phase(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        self.closing.store(true, Ordering::Release);
        self.tell_waiters();
    }

    /// Whether this end has asked to close, or the connection is over.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.is_closing()
    }

    /// Why nothing can be pushed any more.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.lock().phase.reason()
    }

    /// Forgets what was not written, and has the driver end the connection.
    pub(crate) fn give_up(&self, info: CloseInfo) {
        self.give_up_locked(&mut self.lock(), info);
    }

    /// How the connection ended, once its last octets are queued.
    pub(crate) fn finished(&self) -> Option<CloseInfo> {
        match &self.lock().phase {
            Phase::Finished(info) => Some((**info).clone()),
            Phase::Open | Phase::Closing(_) | Phase::Broken(_) => None,
        }
    }

    /// Says whether anything is read if there is something.
    pub(crate) fn set_reading(&self, reading: Reading) {
        self.lock().reading = reading;
    }

    /// When the stream last took octets.
    pub(crate) fn last_write(&self) -> Instant {
        self.lock().last_write.into()
    }

    /// When the stream last gave octets.
    pub(crate) fn last_read(&self) -> Instant {
        self.lock().last_read.into()
    }

    /// Whether more than half of the room is taken by octets that the peer has not read.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.lock().weight() > self.terms.outbox_octets_max / 2
    }

    /// Waits until the outbox is no longer open.
    pub(crate) async fn closed(&self) {
        loop {
            let notified = self.room().notified();
            if self.is_closing() {
                return;
            }
            notified.await;
        }
    }

    /// The stream gave octets, now.
    #[cfg(test)]
    pub(crate) fn note_read(&self) -> Instant {
        let now = Instant::now();
        self.lock().last_read = now.into();
        now
    }

    /// Octets that wait to be written.
    pub(crate) fn waiting_octets(&self) -> usize {
        self.lock().octets()
    }

    /// How it ended, if it broke or was given up.
    #[cfg(test)]
    pub(crate) fn broken(&self) -> Option<CloseInfo> {
        match &self.lock().phase {
            Phase::Broken(info) => Some((**info).clone()),
            _ => None,
        }
    }

    /// Waits until at most half of the room is taken, or the outbox is no longer open.
    pub(crate) async fn drained(&self) {
        loop {
            let notified = self.room().notified();
            {
                let state = self.lock();
                let backlogged = state.weight() > self.terms.outbox_octets_max / 2;
                if !backlogged || state.phase != Phase::Open {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Leaves what is pushed unwritten until [`flush_batch`](Self::flush_batch).
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        state.hold();
        self.flush_locked(&mut state, None);
    }

    /// Writes what was held back, and holds nothing back any more if `end`.
    pub(crate) fn flush_batch(&self, end: EndOfBatch) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed(state.phase.reason()));
        }
        match end {
            EndOfBatch::Ends => state.release_hold(),
            EndOfBatch::GoesOn => state.flush_held(),
        }
        self.flush_locked(&mut state, None);
        Ok(())
    }

    #[inline]
    fn schedule(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.flush != Flush::Idle || state.blocked.is_some() || state.is_held() {
            return;
        }
        match turn::schedule_flush(self) {
            Schedule::AtEndOfTurn => state.flush = Flush::Scheduled,
            Schedule::Now => self.flush_locked(&mut state, None),
        }
    }

    fn room(&self) -> &Notify {
        self.room.get_or_init(Box::default)
    }

    fn tell_waiters(&self) {
        if let Some(room) = self.room.get() {
            room.notify_waiters();
        }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a flush is the last of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndOfBatch {
    Ends,
    GoesOn,
}

impl State {
    /// Octets that wait to be written.
    #[inline]
    fn octets(&self) -> usize {
        let deferred = self.extras.as_ref().map_or(0, |extras| extras.deferred_octets());
        self.segments.octets() + deferred
    }

    /// What counts against the limit.
    fn weight(&self) -> usize {
        self.octets() + self.segments.overhead()
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Whether a message has to wait: another one is open, others wait already, or it may have to be
    /// dropped later.
    fn must_defer(&self, overflow: OverflowPolicy) -> bool {
        let drops = matches!(overflow, OverflowPolicy::DropOldest | OverflowPolicy::KeepLatest);
        drops && self.blocked.is_some()
            || self.extras.as_ref().is_some_and(|extras| extras.must_defer())
    }

    fn append(&mut self, outgoing: Outgoing<'_>, ticket: Option<Written>) {
        let encoder = self.extras.as_mut().and_then(|extras| extras.encoder());
        match (outgoing, encoder) {
            (Outgoing::Octets(octets), _) => self.segments.append_shared(octets),
            (Outgoing::SharedOctets { octets, shared }, _) => {
                self.segments.append_octets_for_many(octets, shared);
            }
            (Outgoing::Shared { opcode, payload, frames }, None) => {
                self.segments.append_for_many(opcode, payload, frames);
            }
            (Outgoing::Message { opcode, payload }, None) => {
                self.segments.append_frame(opcode, payload);
            }
            (Outgoing::Shared { opcode, payload, frames }, Some(encoder)) => {
                match encoder.shared_encoding().and_then(|it| frames.encoded(it, opcode, payload)) {
                    Some(frame) => {
                        encoder.record_shared(payload, frame);
                        self.segments.append_shared(frame);
                    }
                    None => {
                        self.segments.append(|batch| encoder.encode_message(opcode, payload, batch))
                    }
                }
            }
            (Outgoing::Message { opcode, payload }, Some(encoder)) => {
                self.segments.append(|batch| encoder.encode_message(opcode, payload, batch));
            }
        }
        if let Some(ticket) = ticket {
            self.segments.append_ticket(ticket);
        }
    }

    fn append_frame(&mut self, start: impl Into<FrameStart>, payload: &[u8]) {
        let encoder = self.extras.as_mut().and_then(|extras| extras.encoder());
        self.segments.append(|batch| match encoder {
            Some(encoder) => encoder.encode_frame(start, payload, batch),
            None => encode_frame(start, payload, None, batch),
        });
    }

    /// Lets the messages go on that waited.
    fn promote_deferred(&mut self) {
        while let Some(mut deferred) =
            self.extras.as_mut().and_then(|extras| extras.next_deferred())
        {
            let ticket = deferred.ticket.take();
            self.append(deferred.as_outgoing(), ticket);
        }
    }

    fn hold(&mut self) {
        self.extras().hold();
        if self.octets() == 0 {
            self.note_empty();
        }
    }

    fn flush_held(&mut self) {
        let has_something = self.octets() > 0;
        if let Some(extras) = self.extras.as_mut().filter(|_| has_something) {
            extras.flush_held();
        }
    }

    fn note_empty(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.note_empty();
        }
    }

    fn is_held(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.is_held())
    }

    fn release_hold(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.release_hold();
        }
    }
}

impl Phase {
    /// The reason that a refused send is told.
    fn reason(&self) -> CloseReason {
        match self {
            Self::Closing(info) | Self::Finished(info) | Self::Broken(info) => info.reason.clone(),
            Self::Open => CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE),
        }
    }
}

fn wake(driver: &mut Option<Waker>) {
    if let Some(waker) = driver.take() {
        waker.wake();
    }
}
