use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tidings_sockjs::TransportType;
use tidings_sockjs::client::Outgoing;
use tidings_websocket::CloseReason;
use tokio::sync::Notify;

use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::net::{Payload, PushError, Written};

/// A session over HTTP requests, seen from whoever sends: what waits to go with the next one.
pub(crate) struct Requests {
    state: Mutex<State>,
    limits: RequestLimits,
    transport: TransportType,
    /// Somebody may send again.
    room: Notify,
}

/// What such a session may hold, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    /// Of messages that no request has taken. One may go beyond it.
    pub(crate) outgoing_octets_max: usize,
    /// Of a frame of the server's.
    pub(crate) frame_octets_max: usize,
    /// Zero is for ever.
    pub(crate) send_timeout: Duration,
    pub(crate) close_timeout: Duration,
}

struct State {
    outgoing: Outgoing,
    /// Of those who want to know when the server has their messages: of the waiting, and of those under way.
    tickets: Vec<Written>,
    tickets_under_way: Vec<Written>,
    phase: Phase,
    /// The session's task.
    driver: Option<Waker>,
    last_sent: Instant,
}

enum Phase {
    Open,
    /// What was sent before still goes out.
    Closing(CloseInfo),
    Over(CloseInfo),
}

impl Requests {
    pub(super) fn new(transport: TransportType, limits: RequestLimits) -> Self {
        let state = State {
            outgoing: Outgoing::default(),
            tickets: Vec::new(),
            tickets_under_way: Vec::new(),
            phase: Phase::Open,
            driver: None,
            last_sent: Instant::now(),
        };
        Self { state: Mutex::new(state), limits, transport, room: Notify::new() }
    }

    pub(crate) fn limits(&self) -> &RequestLimits {
        &self.limits
    }

    pub(crate) fn transport(&self) -> TransportType {
        self.transport
    }

    /// Queues a message, and completes `ticket` once the server has it.
    pub(crate) fn push(&self, payload: &Payload, ticket: Option<Written>) -> Result<(), PushError> {
        let text = payload.text()?.to_owned();
        let mut state = self.lock();
        if let Some(info) = state.phase.end() {
            return Err(PushError::Closed(info.reason.clone()));
        }
        if state.outgoing.octets() >= self.limits.outgoing_octets_max {
            return Err(PushError::Full);
        }
        state.outgoing.push(text);
        state.tickets.extend(ticket);
        state.wake_driver();
        Ok(())
    }

    /// Ends the session once everything that waits is sent. The first reason holds.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing(CloseInfo::new(reason, CloseInitiator::Local).cleanly());
            state.wake_driver();
            self.room.notify_waiters();
        }
    }

    /// The session is over, as far as messages are concerned.
    pub(super) fn end(&self, info: CloseInfo) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Over(_)) {
            state.phase = Phase::Over(info);
        }
        state.outgoing = Outgoing::default();
        state.tickets.clear();
        state.tickets_under_way.clear();
        self.room.notify_waiters();
    }

    /// What this end wants to be the end, if it has closed.
    pub(super) fn closing(&self) -> Option<CloseInfo> {
        match &self.lock().phase {
            Phase::Closing(info) => Some(info.clone()),
            Phase::Open | Phase::Over(_) => None,
        }
    }

    /// Has `driver` woken when there is something to do.
    pub(super) fn register(&self, driver: &Waker) {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
            state.driver = Some(driver.clone());
        }
    }

    /// Takes what the next request is to bring.
    pub(super) fn next_body(&self) -> Option<String> {
        let mut state = self.lock();
        let body = state.outgoing.next_body()?;
        state.tickets_under_way = mem::take(&mut state.tickets);
        state.last_sent = Instant::now();
        self.room.notify_waiters();
        Some(body)
    }

    /// The server has what the last request brought.
    pub(super) fn handle_sent(&self) {
        let mut state = self.lock();
        state.outgoing.handle_sent();
        for ticket in state.tickets_under_way.drain(..) {
            // Nobody may be waiting any more.
            let _ = ticket.send(());
        }
    }

    pub(super) fn last_sent(&self) -> Instant {
        self.lock().last_sent
    }

    pub(crate) fn wake(&self) {
        self.lock().wake_driver();
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.lock().phase, Phase::Open)
    }

    /// Why nothing can be sent any more.
    pub(crate) fn close_reason(&self) -> CloseReason {
        let info = self.lock().phase.end().cloned();
        info.unwrap_or_else(CloseInfo::abnormal).reason
    }

    pub(crate) fn is_backlogged(&self) -> bool {
        self.lock().outgoing.octets() > self.limits.outgoing_octets_max / 2
    }

    /// Waits until there is room, or the session is closed.
    pub(crate) async fn drained(&self) {
        loop {
            let room = self.room.notified();
            if !self.is_backlogged() || !self.is_open() {
                return;
            }
            room.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl State {
    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

impl Phase {
    fn end(&self) -> Option<&CloseInfo> {
        match self {
            Self::Open => None,
            Self::Closing(info) | Self::Over(info) => Some(info),
        }
    }
}
