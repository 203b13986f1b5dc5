use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidings_broker::{self as broker, AckError, EncodingClass, NackAction, SessionKey};
use tidings_stomp::{
    AckTarget, Acknowledge, Connect, Error, Event, Headers, ReceiptId, Send, Server, Subscribe,
    SubscriptionId, TransactionAction,
};
use tidings_websocket::{CloseCode, CloseReason, Message};

use super::door::Shared;
use crate::clock;
use crate::endpoint::{CloseInfo, Endpoint, EndpointError, Expiry, Flow, Session};
use crate::hub::stomp_message;
use crate::messaging::{InboundMessage, Outgoing, SessionEvent};

/// The server side of one STOMP session: an endpoint whose messages are pieces of STOMP's stream.
pub(super) struct StompSession {
    server: Server,
    shared: Arc<Shared>,
    key: SessionKey,
    connected: bool,
}

impl StompSession {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let server = Server::new(Instant::now(), Arc::clone(&shared.options));
        let key = shared.hub.session_key();
        Self { server, shared, key, connected: false }
    }

    /// Handles the events of the input, one at a time: the next frame is not even decoded before
    /// the one before it is done with.
    async fn handle_events(&mut self, session: &Session) -> Result<(), EndpointError> {
        loop {
            let event = self.server.poll_event();
            self.transmit(session).await?;
            let Some(event) = event else { break };
            self.handle_event(session, event).await;
            self.transmit(session).await?;
        }
        if self.server.is_closed() {
            session.close(CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "STOMP session ended"));
        }
        Ok(())
    }

    async fn transmit(&mut self, session: &Session) -> Result<(), EndpointError> {
        while let Some(frame) = self.server.poll_transmit() {
            session.send(stomp_message(frame)).await?;
        }
        Ok(())
    }

    async fn handle_event(&mut self, session: &Session, event: Event) {
        match event {
            Event::Connect(connect) => self.connect(session, connect).await,
            Event::Send(send) => {
                if let Some(receipt) = self.send(session, send).await {
                    self.server.receipt(receipt);
                }
            }
            Event::Subscribe(subscribe) => self.subscribe(session, subscribe).await,
            Event::Unsubscribe { id, receipt, .. } => {
                let key = self.key;
                self.shared.hub.deliver(|broker, sink| {
                    broker.unsubscribe(clock::now(), key, id.as_str(), sink);
                });
                self.acknowledge_receipt(receipt);
                let session = session.clone();
                self.shared.tell(SessionEvent::Unsubscribed { session, id: id.to_string() }).await;
            }
            Event::Ack(ack) => self.settle(ack, None),
            Event::Nack(nack) => self.settle(nack, Some(NackAction::Requeue)),
            Event::Transaction(actions, receipt) => {
                self.commit(session, actions).await;
                self.acknowledge_receipt(receipt);
            }
            Event::Disconnect { receipt } => self.acknowledge_receipt(receipt),
            _ => {}
        }
    }

    async fn connect(&mut self, session: &Session, connect: Connect) {
        let user = connect.login.filter(|login| !login.is_empty());
        self.server.accept(&session.id().to_string(), user.as_deref());
        let vitals = session.vitals();
        vitals.set_expiry(None);
        if let Some(heart_beat) = self.server.heart_beat() {
            vitals.set_heart_beat(heart_beat);
            session.link().stop_heartbeats();
        }
        self.connected = true;
        self.shared.tell(SessionEvent::Connected { session: session.clone(), user }).await;
    }

    /// Sends to a handler or to the broker. Returns the receipt that is due.
    async fn send(&mut self, session: &Session, send: Send) -> Option<ReceiptId> {
        let Send { destination, headers, body, receipt } = send;
        if let Some(path) = self.shared.strip_application_prefix(&destination) {
            let message = InboundMessage {
                destination: path.to_owned(),
                headers,
                body,
                session: session.clone(),
                messenger: self.shared.messenger.clone(),
            };
            self.handle_by_controller(message).await;
            return receipt;
        }
        match self.shared.hub.publish(&destination, headers, body) {
            Ok(_) => receipt,
            Err(error) => {
                self.fail("message was not sent", &error, receipt);
                None
            }
        }
    }

    async fn handle_by_controller(&self, message: InboundMessage) {
        let destination = message.destination.clone();
        let Some(replies) = self.shared.dispatcher.dispatch_message(message).await else {
            return tracing::debug!(destination, "no handler for this destination");
        };
        for reply in replies {
            self.publish_reply(reply);
        }
    }

    fn publish_reply(&self, reply: Outgoing) {
        // The client may have chosen a part of the destination, so this is no fault of ours.
        let destination = reply.destination.clone();
        if let Err(error) = self.shared.messenger.publish(reply) {
            tracing::debug!(%error, destination, "reply of a handler was not sent");
        }
    }

    async fn subscribe(&mut self, session: &Session, subscribe: Subscribe) {
        if let Some(path) = self.shared.strip_application_prefix(&subscribe.destination) {
            let path = path.to_owned();
            return self.subscribe_to_controller(session, &path, &subscribe).await;
        }
        let Subscribe { id, destination, ack, receipt, headers, .. } = subscribe;
        let Some(version) = self.server.version() else { return };
        let class = EncodingClass { version, subscription: id.on_wire() };
        let request = broker::Subscribe {
            session: self.key,
            subscriber: session.clone(),
            id: id.clone(),
            destination: &destination,
            ack,
            class,
            prefetch: prefetch(&headers),
        };
        // The receipt goes out while the subscription becomes active, before any of its messages.
        let server = &mut self.server;
        let mut confirm = |receipt: Option<ReceiptId>| {
            let Some(receipt) = receipt else { return };
            server.receipt(receipt);
            while let Some(frame) = server.poll_transmit() {
                if session.try_send(stomp_message(frame)).is_err() {
                    let reason = "no room for a receipt";
                    session.close(CloseReason::truncated(CloseCode::TRY_AGAIN_LATER, reason));
                }
            }
        };
        let confirmed = receipt.clone();
        let subscribed = self.shared.hub.deliver(|broker, sink| {
            broker.subscribe(clock::now(), request, || confirm(confirmed), sink)
        });
        match subscribed {
            Ok(()) => {
                let session = session.clone();
                let id = id.to_string();
                self.shared.tell(SessionEvent::Subscribed { session, id, destination }).await;
            }
            Err(error) => self.fail("subscription was refused", &error, receipt),
        }
    }

    /// A subscription to an application destination is answered by its handler, once, and is not
    /// the broker's.
    async fn subscribe_to_controller(
        &mut self,
        session: &Session,
        path: &str,
        subscribe: &Subscribe,
    ) {
        let message = InboundMessage {
            destination: path.to_owned(),
            headers: subscribe.headers.clone(),
            body: Bytes::new(),
            session: session.clone(),
            messenger: self.shared.messenger.clone(),
        };
        self.acknowledge_receipt(subscribe.receipt.clone());
        let Some(replies) = self.shared.dispatcher.dispatch_subscribe(message).await else {
            return tracing::debug!(subscribe.destination, "no handler for this subscription");
        };
        for reply in replies {
            if !reply.destination.is_empty() {
                self.publish_reply(reply);
                continue;
            }
            let id = subscribe.id.on_wire();
            self.server.message(&subscribe.destination, id.as_ref(), &reply.headers, &reply.body);
        }
    }

    /// An ACK, or a NACK that does `nack`.
    fn settle(&mut self, acknowledge: Acknowledge, nack: Option<NackAction>) {
        let Acknowledge { target, receipt } = acknowledge;
        match self.settle_at_broker(&target, nack) {
            Ok(()) => self.acknowledge_receipt(receipt),
            Err(error) => self.fail("acknowledgement was refused", &error, receipt),
        }
    }

    fn settle_at_broker(
        &self,
        target: &AckTarget,
        nack: Option<NackAction>,
    ) -> Result<(), AckError> {
        let (now, key) = (clock::now(), self.key);
        let target = match target {
            AckTarget::Ack(id) => broker::AckTarget::Ack(id),
            AckTarget::Message { subscription, message_id } => broker::AckTarget::Message {
                subscription: subscription.as_ref().map(SubscriptionId::as_str),
                message_id: message_id.as_str(),
            },
        };
        self.shared.hub.deliver(|broker, sink| match nack {
            None => broker.ack(now, key, target, sink),
            Some(action) => broker.nack(now, key, target, action, sink),
        })
    }

    /// Does what a transaction gathered, in order. Receipts of its frames come before COMMIT's.
    async fn commit(&mut self, session: &Session, actions: Vec<TransactionAction>) {
        for action in actions {
            match action {
                TransactionAction::Send(send) => {
                    if let Some(receipt) = self.send(session, send).await {
                        self.server.receipt(receipt);
                    }
                }
                TransactionAction::Ack(ack) => self.settle(ack, None),
                TransactionAction::Nack(nack) => self.settle(nack, Some(NackAction::Requeue)),
            }
        }
    }

    fn acknowledge_receipt(&mut self, receipt: Option<ReceiptId>) {
        if let Some(receipt) = receipt {
            self.server.receipt(receipt);
        }
    }

    /// Tells the client what went wrong, which ends the session.
    fn fail(&mut self, message: &str, cause: &dyn std::error::Error, receipt: Option<ReceiptId>) {
        tracing::debug!(message, error = %cause, "STOMP session failed");
        self.server.error(Error::new(message, cause.to_string()).with_receipt(receipt));
    }
}

/// How many messages may be unacknowledged at once: `prefetch-count` as RabbitMQ has it, or
/// `activemq.prefetchSize`.
fn prefetch(headers: &Headers) -> Option<u32> {
    let names = ["prefetch-count", "activemq.prefetchSize"];
    names.iter().find_map(|name| headers.get(name)?.trim().parse().ok())
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
        let octets = match message {
            Message::Text(text) => text.into(),
            Message::Binary(octets) => octets,
        };
        self.server.handle_input(Instant::now(), octets);
        self.handle_events(session).await
    }

    async fn on_close(&mut self, session: &Session, _: &CloseInfo) {
        let key = self.key;
        self.shared.hub.deliver(|broker, sink| broker.disconnect(clock::now(), key, sink));
        if self.connected {
            self.shared.tell(SessionEvent::Disconnected { session: session.clone() }).await;
        }
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        tracing::debug!(session = %session.log_id(), %error, "STOMP session failed");
        Flow::Close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error"))
    }
}
