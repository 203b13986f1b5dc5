use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use tidings_broker::{Destination, Owner, SessionKey, Timestamp};
use tidings_stomp::{Error, Event, ReceiptId, Server, Severity};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tracing::Instrument;

use super::door::Shared;
use super::granted::Granted;
use super::outgoing::message_for;
use super::permitting::{Standing, Taken};
use super::receipts::HeldFrames;
use super::settling::nack_action;
use super::streaming::OwnStreams;
use crate::clock;
use crate::endpoint::{
    CloseInfo, Endpoint, EndpointError, Expiry, Flow, SendError, SendOrWait, Sending, Session,
};
use crate::messaging::SessionEvent;
use crate::net::{TurnBudget, slow_consumer};

/// How long a session handles one input before others get their turn: 10 ms. What one turn has for a subscriber
/// leaves in one write, so it should not be short; a heart-beat can wait for so long.
const TURN_TIME_MAX: Duration = Duration::from_millis(10);

/// Why the input does not go on at once.
enum Waiting {
    /// For room for a frame, which is on its way. The event was taken before.
    Room(Sending, Option<Taken>),
    /// For what an event asks for, or for the interceptors, which have to see it.
    Event(Taken),
    /// For the store, which has so much to store that no more may come.
    Store,
    /// For others, who had to wait.
    Turn,
    /// The session is over.
    End,
}

/// The server side of one STOMP session: an endpoint whose messages are pieces of STOMP's stream.
pub(super) struct StompSession {
    pub(super) server: Server,
    pub(super) shared: Arc<Shared>,
    pub(super) key: SessionKey,
    /// Whom durable subscriptions belong to.
    pub(super) owner: Owner,
    pub(super) connected: bool,
    /// Whether interceptors have seen its DISCONNECT.
    pub(super) has_disconnected: bool,
    /// Whether the log knows that a handler was missing.
    pub(super) lacked_handler: bool,
    /// Where the last SEND went to. In a box, since most sessions send nothing.
    pub(super) last_destination: Option<Box<Destination>>,
    /// Frames that wait for the store; none before the first one that does.
    pub(super) held: Option<Arc<HeldFrames>>,
    /// Made by the first subscription that is answered with one.
    pub(super) streams: Option<Box<OwnStreams>>,
    /// Made by the first subscription that rules have allowed.
    pub(super) granted: Option<Arc<Granted>>,
}

impl StompSession {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let server = Server::new(clock::instant(), Arc::clone(&shared.options));
        let key = shared.hub.session_key();
        Self {
            server,
            shared,
            key,
            owner: Owner::default(),
            connected: false,
            has_disconnected: false,
            lacked_handler: false,
            last_destination: None,
            held: None,
            streams: None,
            granted: None,
        }
    }

    /// Handles the input as far as nobody has to be waited for, which is most often all of it: the future of what
    /// waits would take more room in every idle session than all the rest.
    ///
    /// Events are handled one at a time. The next frame is not even decoded before the one before it is done with.
    fn handle_at_once(
        &mut self,
        session: &Session,
        turn: &mut TurnBudget,
    ) -> Result<Option<Waiting>, EndpointError> {
        // One look at the clock for all that a turn handles.
        let now = clock::now();
        loop {
            if !self.has_room_to_hold() {
                return Ok(Some(Waiting::Store));
            }
            for id in session.take_cancelled() {
                self.server.cancel_subscription(&id);
                self.forget_granted(&id);
            }
            if turn.is_spent_after(TURN_TIME_MAX) {
                return Ok(Some(Waiting::Turn));
            }
            let taken = self.next_event(session);
            if let Some(room) = self.transmit_at_once(session)? {
                return Ok(Some(Waiting::Room(room, taken)));
            }
            let Some(Taken { event, span, standing }) = taken else { break };
            let waiting = match standing {
                Standing::Permitted => {
                    span.in_scope(|| self.handle_event_at_once(session, now, event))
                }
                Standing::Unseen => Some(event),
            };
            if let Some(event) = waiting {
                return Ok(Some(Waiting::Event(Taken { event, span, standing })));
            }
        }
        Ok(self.server.is_closed().then_some(Waiting::End))
    }

    /// Waits for what has to be waited for, and handles the rest of the input. Whatever is ready at once is done in
    /// the same turn, however often something might have had to be waited for.
    async fn handle_rest(
        &mut self,
        session: &Session,
        waiting: Waiting,
        mut turn: TurnBudget,
    ) -> Result<(), EndpointError> {
        let mut next = Some(waiting);
        while let Some(waiting) = next {
            match waiting {
                Waiting::Room(room, taken) => {
                    let mut room = Some(room);
                    while let Some(sending) = room {
                        match sending.await {
                            Err(error) if !session.link().is_lost() => return Err(error.into()),
                            _ => room = self.transmit_at_once(session)?,
                        }
                    }
                    match taken {
                        _ if is_closed_here(session) => break,
                        Some(taken) => self.handle_taken(session, taken).await,
                        None => {}
                    }
                }
                Waiting::Event(taken) => self.handle_taken(session, taken).await,
                Waiting::Turn => {
                    tokio::task::yield_now().await;
                    turn.reset();
                }
                Waiting::Store => {
                    if self.room_to_hold().await.is_err() && !session.link().is_lost() {
                        break;
                    }
                }
                Waiting::End => {
                    // It may be over already.
                    let _ = self.released().await;
                    session.close(self.close_reason());
                    break;
                }
            }
            if is_closed_here(session) {
                break;
            }
            next = self.handle_at_once(session, &mut turn)?;
        }
        Ok(())
    }

    /// Sends what is to be sent, up to what finds no room: that is returned, on its way. A client that is gone is
    /// not answered, and what it has sent before is done.
    pub(super) fn transmit_at_once(
        &mut self,
        session: &Session,
    ) -> Result<Option<Sending>, SendError> {
        while let Some(mut frame) = self.server.poll_transmit() {
            if let Some(held) = &self.held {
                match held.hold_behind(frame) {
                    Some(free) => frame = free,
                    None => continue,
                }
            }
            match session.send_or_wait(message_for(session, frame)) {
                Ok(()) => {}
                Err(SendOrWait::Wait(sending)) => return Ok(Some(sending)),
                Err(SendOrWait::Refused(_)) if session.link().is_lost() => {}
                Err(SendOrWait::Refused(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Handles an event, or returns one that somebody may have to be waited for.
    fn handle_event_at_once(
        &mut self,
        session: &Session,
        now: Timestamp,
        event: Event,
    ) -> Option<Event> {
        match event {
            Event::Send(send) if self.is_renewal(&send) => return Some(Event::Send(send)),
            Event::Send(send) => return self.send_at_once(session, now, send).map(Event::Send),
            Event::Ack(ack) => self.settle(session, now, ack, None),
            Event::Nack(nack) => {
                let action = nack_action(nack.requeue);
                self.settle(session, now, nack, Some(action));
            }
            Event::UnsubscribeUnknown { id, headers, receipt } => {
                self.unsubscribe_durable(session, id.as_ref(), &headers, receipt);
            }
            Event::Disconnect { receipt } => {
                session.deployed().counters.disconnect.increment();
                self.acknowledge_receipt(receipt);
            }
            Event::Failed(error) => self.note_failure(session, &error),
            event => return Some(event),
        }
        None
    }

    /// Handles what a client wants, whoever has to be waited for.
    async fn handle_taken(&mut self, session: &Session, taken: Taken) {
        let Taken { event, span, standing } = taken;
        match standing {
            Standing::Permitted => self.handle_event(session, event).instrument(span).await,
            Standing::Unseen => {
                Box::pin(self.intercept(session, event).instrument(span)).await;
            }
        }
    }

    /// What is rarer than SEND has its future in a box of its own, so that SEND's box is small.
    pub(super) async fn handle_event(&mut self, session: &Session, event: Event) {
        let Some(event) = self.handle_event_at_once(session, clock::now(), event) else { return };
        match event {
            Event::Send(send) if self.is_renewal(&send) => {
                Box::pin(self.renew(session, send)).await;
            }
            Event::Send(send) => self.send(session, send).await,
            Event::Connect(connect) => Box::pin(self.connect(session, connect)).await,
            Event::Subscribe(subscribe) => Box::pin(self.subscribe(session, subscribe)).await,
            Event::Unsubscribe { id, headers, receipt } => {
                Box::pin(self.unsubscribe(session, &id, &headers, receipt)).await;
            }
            Event::Transaction(actions, receipt) => {
                Box::pin(self.commit(session, actions, receipt)).await;
            }
            _ => {}
        }
    }

    /// Tells the client what went wrong with a frame.
    pub(super) fn fail(
        &mut self,
        error: impl Into<Error>,
        severity: Severity,
        receipt: Option<ReceiptId>,
    ) {
        let error = error.into().with_receipt(receipt);
        tracing::debug!(message = error.message, body = error.body, "STOMP frame refused");
        self.server.error(&error, severity);
    }

    /// Somebody who takes the port for another should find that in the log.
    fn note_failure(&self, session: &Session, error: &Error) {
        let Error { message, body, .. } = error;
        if self.connected {
            return tracing::debug!(session = %session.log_id(), message, body, "STOMP frame refused");
        }
        let peer = session.handshake().remote_addr().map(|addr| addr.to_string());
        tracing::warn!(peer, message, body, "a client could not open a STOMP session");
    }

    /// A WebSocket is closed with 1002 after ERROR, as Spring does.
    fn close_reason(&self) -> CloseReason {
        if self.server.has_failed() {
            return CloseReason::truncated(CloseCode::PROTOCOL_ERROR, "STOMP session failed");
        }
        CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "STOMP session ended")
    }
}

/// Why a session ends whose client does not say what it wants.
fn no_connect_in_time() -> CloseReason {
    CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "no CONNECT in time")
}

/// Whether this end has closed: what has come is not wanted any more. What a client has sent that is gone is done.
pub(super) fn is_closed_here(session: &Session) -> bool {
    !session.is_open() && !session.link().is_lost()
}

impl Endpoint for StompSession {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let octets_max = self.shared.options.limits.before_login_octets_max;
        session.set_stranger_octets_max(Some(octets_max));
        let at = clock::instant() + self.shared.options.connect_timeout;
        let login_ends = session.principal().and_then(|principal| principal.expires_at());
        if login_ends.is_some_and(|login_ends| login_ends <= at) {
            // The session ends then, which has been seen to.
            return Ok(());
        }
        session.vitals().set_expiry(Some(Expiry {
            at,
            farewell: Some(self.shared.connect_timed_out.clone()),
            reason: no_connect_in_time(),
        }));
        Ok(())
    }

    fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let opcode = message.opcode();
        let octets = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(octets) => octets,
        };
        // Heart-beats come as text from clients that want binary messages, too.
        let is_heart_beat = || octets.iter().all(|octet| matches!(octet, b'\n' | b'\r'));
        if let Some(outbox) = session.link().websocket()
            && !is_heart_beat()
        {
            outbox.answer_in(opcode);
        }
        self.server.handle_input(clock::instant(), octets);
        let mut turn = TurnBudget::default();
        turn.reset();
        let waiting = self.handle_at_once(session, &mut turn);
        let rest = waiting.map(|it| it.map(|it| Box::pin(self.handle_rest(session, it, turn))));
        async {
            match rest? {
                Some(rest) => rest.await,
                None => Ok(()),
            }
        }
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        self.shared.hub.disconnect(self.key);
        self.streams = None;
        if !self.connected {
            // Others may have ended it, too: a shutdown for example.
            if self.server.has_failed() || info.reason == no_connect_in_time() {
                session.deployed().counters.not_connected(info);
            }
            return;
        }
        // Whatever interceptors do, it is not there any more.
        let user = self.shared.hub.online().leave(session).map(|user| user.to_string());
        if info.reason == slow_consumer() {
            let session = session.clone();
            let slow = || SessionEvent::SlowConsumer { session, destination: None };
            self.shared.hub.note_event(self.key, slow);
        }
        let (hub, info) = (Arc::clone(&self.shared.hub), info.clone());
        let disconnected = || SessionEvent::Disconnected { session: session.clone(), user, info };
        let told = hub.tell(self.key, disconnected);
        if self.shared.interceptors.is_empty() {
            return told.await;
        }
        // Neither waits for the other.
        Box::pin(join(told, self.intercept_end(session))).await;
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        tracing::debug!(session = %session.log_id(), %error, "STOMP session failed");
        Flow::Close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error"))
    }
}
