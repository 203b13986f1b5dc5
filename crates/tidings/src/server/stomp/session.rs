use std::sync::Arc;
use std::time::Instant;

use tidings_broker::{Owner, SessionKey};
use tidings_stomp::{Error, Event, ReceiptId, Server, Severity};
use tidings_websocket::{CloseCode, CloseReason, Message};

use super::door::Shared;
use super::outgoing::message_for;
use super::receipts::HeldFrames;
use super::settling::nack_action;
use crate::endpoint::{CloseInfo, Endpoint, EndpointError, Expiry, Flow, Session};
use crate::hub::stomp_message;
use crate::messaging::SessionEvent;

/// The server side of one STOMP session: an endpoint whose messages are pieces of STOMP's stream.
pub(super) struct StompSession {
    pub(super) server: Server,
    pub(super) shared: Arc<Shared>,
    pub(super) key: SessionKey,
    /// Whom durable subscriptions belong to.
    pub(super) owner: Owner,
    /// The login, if there was one.
    pub(super) user: Option<Box<str>>,
    pub(super) connected: bool,
    /// Frames that wait for the store; none before the first one that does.
    pub(super) held: Option<Arc<HeldFrames>>,
}

impl StompSession {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let server = Server::new(Instant::now(), Arc::clone(&shared.options));
        let key = shared.hub.session_key();
        Self {
            server,
            shared,
            key,
            owner: Owner::default(),
            user: None,
            connected: false,
            held: None,
        }
    }

    /// Handles the events of the input, one at a time: the next frame is not even decoded before
    /// the one before it is done with.
    async fn handle_events(&mut self, session: &Session) -> Result<(), EndpointError> {
        loop {
            if self.room_to_hold().await.is_err() {
                return Ok(());
            }
            let event = self.server.poll_event();
            self.transmit(session).await?;
            let Some(event) = event else { break };
            self.handle_event(session, event).await;
            self.transmit(session).await?;
        }
        if self.server.is_closed() {
            // It may be over already.
            let _ = Box::pin(self.released()).await;
            session.close(self.close_reason());
        }
        Ok(())
    }

    async fn transmit(&mut self, session: &Session) -> Result<(), EndpointError> {
        while let Some(mut frame) = self.server.poll_transmit() {
            if let Some(held) = &self.held {
                match held.hold_behind(frame) {
                    Some(free) => frame = free,
                    None => continue,
                }
            }
            Box::pin(session.send(message_for(session, frame))).await?;
        }
        Ok(())
    }

    /// What is rarer than SEND and ACK has its future in a box of its own: all sessions would have to keep room for
    /// the largest one otherwise.
    async fn handle_event(&mut self, session: &Session, event: Event) {
        match event {
            Event::Connect(connect) => Box::pin(self.connect(session, connect)).await,
            Event::Send(send) => self.send(session, send).await,
            Event::Subscribe(subscribe) => Box::pin(self.subscribe(session, subscribe)).await,
            Event::Unsubscribe { id, headers, receipt } => {
                Box::pin(self.unsubscribe(session, &id, &headers, receipt)).await;
            }
            Event::UnsubscribeUnknown { id, headers, receipt } => {
                self.unsubscribe_durable(session, id.as_ref(), &headers, receipt);
            }
            Event::Ack(ack) => self.settle(session, ack, None),
            Event::Nack(nack) => {
                let action = nack_action(nack.requeue);
                self.settle(session, nack, Some(action));
            }
            Event::Transaction(actions, receipt) => {
                Box::pin(self.commit(session, actions, receipt)).await;
            }
            Event::Disconnect { receipt } => self.acknowledge_receipt(receipt),
            Event::Failed(error) => self.note_failure(session, &error),
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

impl Endpoint for StompSession {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let timeout = self.shared.options.connect_timeout;
        session.vitals().set_expiry(Some(Expiry {
            at: Instant::now() + timeout,
            farewell: Some(stomp_message(self.server.connect_timeout_error())),
            reason: CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "no CONNECT in time"),
        }));
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if let Some(outbox) = session.link().websocket() {
            outbox.answer_in(message.opcode());
        }
        let octets = match message {
            Message::Text(text) => text.into(),
            Message::Binary(octets) => octets,
        };
        self.server.handle_input(Instant::now(), octets);
        self.handle_events(session).await
    }

    async fn on_close(&mut self, session: &Session, _: &CloseInfo) {
        self.shared.hub.disconnect(self.key);
        if self.connected {
            self.shared.tell(SessionEvent::Disconnected { session: session.clone() }).await;
        }
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        tracing::debug!(session = %session.log_id(), %error, "STOMP session failed");
        Flow::Close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error"))
    }
}
