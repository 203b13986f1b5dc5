use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_sockjs::{Output, Receive, ReceiverId, SendError, Session as Machine, TransportType};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio::sync::Notify;

use super::SockJsOptions;
use super::binding::Owner;
use super::receiver::{Receiver, ReceiverBody};
use super::table::SessionTable;
use crate::clock;
use crate::endpoint::{CloseInfo, CloseInitiator, Handshake, UserProperties};
use crate::net::{
    Alarm, ConnectionOptions, Incoming, Payload, PushError, Rest, Source, Terms, TurnGuard,
    application_reason, element_octets, sockjs_octets_max,
};

/// Octets that requests may have delivered before the endpoint took them: 1 MiB. `xhr_send` is
/// answered only once the rest has room.
const INCOMING_OCTETS_MAX: usize = 1024 * 1024;

/// Messages handled before other sessions of the worker get their turn.
const TURN_MESSAGES_MAX: u32 = 256;

/// Octets a response may hold that its client has not read, before messages wait in the session.
const RECEIVER_OCTETS_MAX: usize = 256 * 1024;

/// The terms of responses that sessions write themselves. The sessions have limits and heartbeats of their own.
pub(super) fn response_terms(send_timeout: Duration) -> Arc<Terms> {
    Terms::new(ConnectionOptions {
        outbox_octets_max: RECEIVER_OCTETS_MAX,
        keepalive: None,
        send_timeout,
        ..ConnectionOptions::default()
    })
}

/// A SockJS session whose messages travel in HTTP requests: the state machine of the standard, with
/// the response that is open now and the messages that the endpoint has still to see.
#[derive(Debug)]
pub(crate) struct HttpSession {
    state: Mutex<State>,
    owner: Owner,
    /// Of a message that a request brings.
    octets_max: usize,
    terms: Arc<Terms>,
    /// Somebody may push or deliver again.
    room: Notify,
}

/// What a session begins with.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) handshake: Handshake,
    pub(super) user_properties: UserProperties,
}

/// Why the messages of a request were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// The session is over, and forgotten.
    Forgotten,
    /// It is not known yet who the client is, and more would wait than it may send then: so many octets.
    TooMuch { octets_max: usize },
}

#[derive(Debug)]
struct State {
    machine: Machine,
    /// Until the session has opened and its endpoint was started.
    opening: Option<Box<Opening>>,
    receiver: Option<Arc<Receiver>>,
    /// Receivers that have ended, and whose clients have not read everything.
    leaving: Vec<Arc<Receiver>>,
    /// Of the latest receiver.
    transport: TransportType,
    next_receiver: u64,
    incoming: VecDeque<String>,
    incoming_octets: usize,
    /// Octets of messages that may come and wait while it is not known who the client is, each but the first
    /// counted with its overhead; `None` once it is.
    stranger_octets_max: Option<usize>,
    opened: bool,
    closed: Option<CloseReason>,
    closed_by: CloseInitiator,
    removed: bool,
    /// The endpoint's task.
    driver: Option<Waker>,
    last_received: Instant,
    last_sent: Instant,
}

impl HttpSession {
    /// `stranger_octets_max` is how much a client may send until it is known who it is, where that is asked.
    pub(super) fn new(
        options: &SockJsOptions,
        terms: Arc<Terms>,
        owner: Owner,
        stranger_octets_max: Option<usize>,
        opening: Opening,
    ) -> Arc<Self> {
        let now = clock::instant();
        let state = State {
            machine: Machine::new(options.session()),
            opening: Some(Box::new(opening)),
            receiver: None,
            leaving: Vec::new(),
            transport: TransportType::XhrPolling,
            next_receiver: 0,
            incoming: VecDeque::new(),
            incoming_octets: 0,
            stranger_octets_max,
            opened: false,
            closed: None,
            closed_by: CloseInitiator::Remote,
            removed: false,
            driver: None,
            last_received: now,
            last_sent: now,
        };
        let octets_max = options.body_octets_max;
        let (state, room) = (Mutex::new(state), Notify::new());
        Arc::new(Self { state, owner, octets_max, terms, room })
    }

    /// How long a client may read nothing of what there is for it; `None` for ever.
    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        Some(self.terms.send_timeout).filter(|timeout| !timeout.is_zero())
    }

    /// Of the responses that the session writes itself.
    pub(super) fn response_terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// How long a message may be that the client sends.
    pub(crate) fn octets_max(&self) -> usize {
        self.octets_max
    }

    /// How long a request may be that brings messages.
    pub(super) fn body_octets_max(&self) -> usize {
        let of_stranger = self.lock().stranger_octets_max;
        of_stranger.map_or(self.octets_max, |max| self.octets_max.min(sockjs_octets_max(max)))
    }

    /// Says how much a client may send until it is known who it is; `None` once it is.
    pub(crate) fn set_stranger_octets_max(&self, octets_max: Option<usize>) {
        self.lock().stranger_octets_max = octets_max;
    }

    /// Of the latest receive request.
    pub(crate) fn transport(&self) -> TransportType {
        self.lock().transport
    }

    /// Whether a request of `owner` may have to do with this session. If not, the log says why: the client is
    /// told of no such session.
    pub(super) fn admits(&self, owner: &Owner) -> bool {
        let is_owner = self.owner == *owner;
        if !is_owner {
            let opener = &self.owner;
            tracing::info!(%opener, from = %owner, "request for a session of somebody else: see session_binding");
        }
        is_owner
    }

    /// Answers a receive request: the body streams what the session has to say.
    pub(super) fn attach(
        self: &Arc<Self>,
        receive: &'static Receive,
        callback: &str,
    ) -> ReceiverBody {
        let mut state = self.lock();
        let id = ReceiverId(state.next_receiver);
        state.next_receiver += 1;
        let receiver = Receiver::new(id);
        // A second receiver is answered without taking the place of the first.
        let displaced = state.receiver.replace(Arc::clone(&receiver));
        let transport = std::mem::replace(&mut state.transport, receive.transport_type);
        state.machine.attach(clock::instant(), id, receive, callback);
        self.settle(&mut state, Some(&receiver));
        if let Some(displaced) = displaced.filter(|receiver| !receiver.is_ended()) {
            state.receiver = Some(displaced);
            state.transport = transport;
        }
        ReceiverBody::new(receiver, Arc::clone(self))
    }

    /// Returns once no receiver is attached, or after `grace`.
    pub(super) async fn wait_for_receiver_to_leave(&self, grace: Duration) {
        let gone = async {
            loop {
                let change = self.room.notified();
                if !self.lock().machine.has_receiver() {
                    return;
                }
                change.await;
            }
        };
        let _ = tokio::time::timeout(grace, gone).await;
    }

    /// What the endpoint is started with, once, when the session has opened.
    pub(super) fn take_opening(&self) -> Option<Opening> {
        let mut state = self.lock();
        let opened = state.opened;
        state.opening.take_if(|_| opened).map(|opening| *opening)
    }

    /// Hands the messages of one request to the endpoint, in order. Waits while it has too many, but not for a
    /// stranger: nothing of what is too much is taken then.
    pub(super) async fn deliver(&self, messages: Vec<String>) -> Result<(), Undelivered> {
        let mut messages = VecDeque::from(messages);
        loop {
            let room = self.room.notified();
            self.lock().take(&mut messages)?;
            if messages.is_empty() {
                return Ok(());
            }
            room.await;
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.lock().removed
    }

    /// The client has read some of its response.
    pub(super) fn handle_read(&self, receiver: &Arc<Receiver>) {
        let mut state = self.lock();
        if receiver.octets() < RECEIVER_OCTETS_MAX / 2 {
            state.machine.handle_writable(clock::instant(), receiver.id());
            self.settle(&mut state, None);
        }
    }

    /// The client went away before its response had ended.
    pub(super) fn handle_aborted(&self, receiver: ReceiverId) {
        let mut state = self.lock();
        state.machine.handle_receiver_aborted(clock::instant(), receiver);
        self.settle(&mut state, None);
    }

    /// When something has to happen: that of the state machine, or of a response that nobody reads.
    fn next_deadline(&self, state: &State) -> Option<Instant> {
        let machine = state.machine.next_deadline();
        machine.into_iter().chain(self.stall_deadline(state)).min()
    }

    fn stall_deadline(&self, state: &State) -> Option<Instant> {
        let timeout = self.send_timeout()?;
        let receivers = state.receiver.iter().chain(&state.leaving);
        receivers.filter_map(|receiver| receiver.stall_deadline(timeout)).min()
    }

    fn handle_timeout(&self) {
        let (mut state, now) = (self.lock(), clock::instant());
        let is_stalled = |receiver: &&Arc<Receiver>| {
            let deadline = self.send_timeout().and_then(|timeout| receiver.stall_deadline(timeout));
            deadline.is_some_and(|deadline| deadline <= now)
        };
        let receivers = state.receiver.iter().chain(&state.leaving);
        let stalled: Vec<_> = receivers.filter(is_stalled).cloned().collect();
        for receiver in stalled {
            state.machine.handle_receiver_aborted(now, receiver.id());
            self.settle(&mut state, None);
            receiver.abandon();
        }
        state.machine.handle_timeout(now);
        self.settle(&mut state, None);
    }

    pub(crate) fn push(&self, payload: &Payload) -> Result<(), PushError> {
        let mut element = Vec::new();
        tidings_sockjs::encode_message(payload.text()?, &mut element);
        self.push_element(&element.into())
    }

    /// Queues a message that is a JSON string already.
    pub(crate) fn push_element(&self, element: &Bytes) -> Result<(), PushError> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(PushError::Closed(reason.clone()));
        }
        let sent = state.machine.send(clock::instant(), element.clone());
        self.settle(&mut state, None);
        sent.map_err(|error| match error {
            SendError::QueueFull { .. } => PushError::Full,
            _ => PushError::Closed(application_reason(1000, "session is closed")),
        })
    }

    pub(crate) fn close(&self, reason: &CloseReason) {
        let mut state = self.lock();
        state.end(reason, CloseInitiator::Local);
        state.machine.close(clock::instant(), reason.code().as_u16(), reason.reason());
        self.settle(&mut state, None);
    }

    pub(crate) fn stop_heartbeats(&self) {
        self.lock().machine.stop_heartbeats();
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        let closed = self.lock().closed.clone();
        closed.unwrap_or_else(|| CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE))
    }

    pub(crate) fn is_open(&self) -> bool {
        let state = self.lock();
        state.closed.is_none() && !state.removed
    }

    /// Whether the client is gone although this end has not closed: what it has sent is still to be done.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().is_lost()
    }

    /// Waits until nothing can be sent any more.
    pub(crate) async fn closed(&self) {
        loop {
            let change = self.room.notified();
            if !self.is_open() {
                return;
            }
            change.await;
        }
    }

    pub(crate) fn is_backlogged(&self) -> bool {
        self.lock().machine.is_backlogged()
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

    /// Does what the state machine asks for, in its order.
    fn settle(&self, state: &mut State, newcomer: Option<&Arc<Receiver>>) {
        // A frame and the end of its response are one write.
        let _turn = TurnGuard::enter();
        while let Some(output) = state.machine.poll_output() {
            match output {
                Output::Opened => state.opened = true,
                Output::Write { receiver, chunk } => {
                    state.last_sent = clock::instant();
                    if let Some(receiver) = state.find_receiver(receiver, newcomer) {
                        receiver.push(chunk);
                        if receiver.octets() >= RECEIVER_OCTETS_MAX {
                            state.machine.handle_blocked(receiver.id());
                            receiver.ask_for_room();
                        }
                    }
                }
                Output::End { receiver } => {
                    if let Some(receiver) = state.find_receiver(receiver, newcomer) {
                        receiver.end();
                    }
                }
                Output::Closed(closed) => {
                    let reason = application_reason(closed.code, &closed.reason);
                    state.closed.get_or_insert(reason);
                }
                Output::Removed => state.removed = true,
                _ => {}
            }
        }
        let ended = state.receiver.take_if(|receiver| receiver.is_ended());
        state.leaving.extend(ended);
        state.leaving.retain(|receiver| !receiver.has_left());
        // The deadline may have moved, and there may be an event for the endpoint.
        state.wake_driver();
        self.room.notify_waiters();
    }

    /// Has the endpoint's task look whether there is something new to do.
    pub(crate) fn wake(&self) {
        self.lock().wake_driver();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_lost(&self) -> bool {
        self.closed.is_some() && self.closed_by == CloseInitiator::Remote
    }

    /// This end ends the session: nothing is delivered to an endpoint that has closed it. Of a client that is gone, no
    /// more is done.
    fn end(&mut self, reason: &CloseReason, initiator: CloseInitiator) {
        self.incoming.clear();
        self.incoming_octets = 0;
        if self.is_lost() {
            self.closed = Some(reason.clone());
        }
        if self.closed_by == CloseInitiator::Remote {
            self.closed_by = initiator;
        }
    }

    /// Takes those messages that there is room for. What comes after the close of this end is dropped.
    fn take(&mut self, messages: &mut VecDeque<String>) -> Result<(), Undelivered> {
        if self.removed {
            return Err(Undelivered::Forgotten);
        }
        if self.closed.is_some() {
            messages.clear();
            return Ok(());
        }
        self.last_received = clock::instant();
        if let Some(octets_max) = self.stranger_octets_max {
            let octets: usize = messages.iter().map(|it| element_octets(it.len())).sum();
            if self.incoming_octets + octets > element_octets(octets_max) {
                return Err(Undelivered::TooMuch { octets_max });
            }
        }
        while self.incoming_octets < INCOMING_OCTETS_MAX
            && let Some(message) = messages.pop_front()
        {
            self.incoming_octets += element_octets(message.len());
            self.incoming.push_back(message);
        }
        self.wake_driver();
        Ok(())
    }

    fn find_receiver(
        &self,
        id: ReceiverId,
        newcomer: Option<&Arc<Receiver>>,
    ) -> Option<Arc<Receiver>> {
        [newcomer, self.receiver.as_ref()]
            .into_iter()
            .flatten()
            .find(|receiver| receiver.id() == id)
            .cloned()
    }

    /// Whether no response of the session waits for its client any more.
    fn is_left_by_all(&mut self) -> bool {
        self.leaving.retain(|receiver| !receiver.has_left());
        self.leaving.is_empty()
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

/// The session as a door: drives its deadlines too.
pub(crate) struct HttpSource {
    session: Arc<HttpSession>,
    session_id: Box<str>,
    table: Arc<SessionTable>,
    alarm: Alarm,
    /// The client is gone, and what it has sent before is still delivered.
    rest: Option<Box<Rest>>,
    delivered: u32,
}

impl HttpSource {
    pub(super) fn new(
        session: Arc<HttpSession>,
        session_id: Box<str>,
        table: Arc<SessionTable>,
    ) -> Self {
        Self { session, session_id, table, alarm: Alarm::default(), rest: None, delivered: 0 }
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        loop {
            let deadline = {
                let mut state = self.session.lock();
                // Whoever moves the deadline from now on wakes this task.
                state.driver = Some(cx.waker().clone());
                self.session.next_deadline(&state)
            };
            self.alarm.set(deadline);
            if self.alarm.poll(cx).is_pending() {
                return self.poll_rest(cx);
            }
            self.session.handle_timeout();
        }
    }

    /// Ends what is left to be done for a client that is gone, once that has taken too long.
    fn poll_rest(&mut self, cx: &mut Context<'_>) {
        if self.session.is_lost() && self.rest.get_or_insert_default().poll_too_long(cx).is_ready()
        {
            let reason = self.session.close_reason();
            self.session.lock().end(&reason, CloseInitiator::Timeout);
        }
    }
}

impl HttpSource {
    fn poll_removed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_deadlines(cx);
        if !self.session.is_removed() {
            return Poll::Pending;
        }
        self.table.remove(&self.session_id, &self.session);
        if self.session.lock().is_left_by_all() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Source for HttpSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        self.poll_deadlines(cx);
        let mut state = self.session.lock();
        if state.incoming.is_empty() || self.delivered >= TURN_MESSAGES_MAX {
            if !state.incoming.is_empty() {
                cx.waker().wake_by_ref();
            } else if let Some(reason) = &state.closed {
                let info = CloseInfo::new(reason.clone(), state.closed_by);
                return Poll::Ready(Incoming::Closed(Box::new(info.cleanly())));
            }
            self.delivered = 0;
            return Poll::Pending;
        }
        self.delivered += 1;
        let message = state.incoming.pop_front().unwrap_or_default();
        state.incoming_octets -= element_octets(message.len());
        self.session.room.notify_waiters();
        Poll::Ready(Message::Text(message).into())
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        self.poll_deadlines(cx);
    }

    fn last_received(&self) -> Instant {
        self.session.lock().last_received
    }

    fn last_sent(&self) -> Instant {
        self.session.lock().last_sent
    }

    /// Leaves the session to a task of its own that repeats the close frame to whoever asks, until
    /// the session is forgotten, and sees to it that no response waits for ever for its client. A shutdown need not wait for that.
    async fn finish(&mut self) {
        let Self { session, session_id, table, .. } = self;
        let (session, session_id) = (Arc::clone(session), std::mem::take(session_id));
        let mut left = Self::new(session, session_id, Arc::clone(table));
        tokio::spawn(async move {
            std::future::poll_fn(|cx| left.poll_removed(cx)).await;
        });
    }
}
