use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidings_broker::{
    self as broker, AckError, Action, Destination, DurableName, EncodingClass, NackAction,
    SessionKey, SubscribeOptions,
};
use tidings_stomp::{
    AckTarget, Acknowledge, Connect, Error, Event, ReceiptId, Requeue, Send, Server, Subscribe,
    SubscriptionId, TransactionAction,
};
use tidings_websocket::{CloseCode, CloseReason, Message};

use super::door::Shared;
use super::receipts::HeldFrames;
use crate::clock;
use crate::endpoint::{CloseInfo, Endpoint, EndpointError, Expiry, Flow, Session};
use crate::hub::stomp_message;
use crate::messaging::{InboundMessage, Outgoing, SessionEvent};
use crate::store::BatchNumber;

/// The server side of one STOMP session: an endpoint whose messages are pieces of STOMP's stream.
pub(super) struct StompSession {
    server: Server,
    shared: Arc<Shared>,
    key: SessionKey,
    /// Whom durable subscriptions belong to: the `client-id` of CONNECT, or the login.
    owner: Box<str>,
    connected: bool,
    /// Frames that wait for the store; none before the first one that does.
    held: Option<Arc<HeldFrames>>,
}

impl StompSession {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let server = Server::new(Instant::now(), Arc::clone(&shared.options));
        let key = shared.hub.session_key();
        Self { server, shared, key, owner: "".into(), connected: false, held: None }
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
            self.released().await;
            session.close(CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "STOMP session ended"));
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
            session.send(stomp_message(frame)).await?;
        }
        Ok(())
    }

    /// Waits until no frame waits for the store.
    async fn released(&self) {
        if let Some(held) = &self.held {
            held.released().await;
        }
    }

    /// Gives a receipt once a batch is stored, and those before it are given.
    fn receipt_after(
        &mut self,
        session: &Session,
        batch: Option<BatchNumber>,
        receipt: Option<ReceiptId>,
    ) {
        let Some(receipt) = receipt else { return };
        let (Some(batch), Some(journal)) = (batch, self.shared.hub.journal()) else {
            return self.server.receipt(receipt);
        };
        let Some(version) = self.server.version() else { return };
        let held = self.held.get_or_insert_with(|| HeldFrames::new(session.clone(), version));
        // Nothing else is left to transmit: it was, before this event was taken.
        self.server.receipt(receipt);
        while let Some(frame) = self.server.poll_transmit() {
            held.hold(journal, batch, frame);
        }
    }

    async fn handle_event(&mut self, session: &Session, event: Event) {
        match event {
            Event::Connect(connect) => self.connect(session, connect).await,
            Event::Send(send) => self.send(session, send).await,
            Event::Subscribe(subscribe) => self.subscribe(session, subscribe).await,
            Event::Unsubscribe { id, headers, receipt } => {
                let key = self.key;
                let durable = DurableName::from_headers(&headers, id.as_str(), &self.owner);
                let ((), batch) = self.shared.hub.deliver_recorded(|broker, sink| {
                    broker.unsubscribe(clock::now(), key, id.as_str(), sink);
                    // Whoever names a durable subscription here wants no more of it.
                    if let Some(durable) = durable
                        && let Err(error) = broker.delete_durable(clock::now(), &durable, sink)
                    {
                        tracing::debug!(%error, "durable subscription was not deleted");
                    }
                });
                self.receipt_after(session, batch, receipt);
                let session = session.clone();
                self.shared.tell(SessionEvent::Unsubscribed { session, id: id.to_string() }).await;
            }
            Event::Ack(ack) => self.settle(session, ack, None),
            Event::Nack(nack) => {
                let action = nack_action(nack.requeue);
                self.settle(session, nack, Some(action));
            }
            Event::Transaction(actions, receipt) => self.commit(session, actions, receipt).await,
            Event::Disconnect { receipt } => self.acknowledge_receipt(receipt),
            _ => {}
        }
    }

    async fn connect(&mut self, session: &Session, connect: Connect) {
        let client_id = connect.headers.get("client-id").filter(|id| !id.is_empty());
        let user = connect.login.filter(|login| !login.is_empty());
        self.owner = client_id.or(user.as_deref()).unwrap_or_default().into();
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

    /// Sends to a handler or to the broker.
    async fn send(&mut self, session: &Session, send: Send) {
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
            return self.receipt_after(session, None, receipt);
        }
        match self.shared.hub.publish_recorded(&destination, headers, body) {
            Ok((_, batch)) => self.receipt_after(session, batch, receipt),
            Err(error) => self.fail(error.to_stomp(), receipt),
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
        let options = SubscribeOptions::from_headers(&headers, id.as_str(), &self.owner);
        let options = match options {
            Ok(options) => options,
            Err(error) => return self.fail((&error).into(), receipt),
        };
        self.prepare_subscribe(session, &destination, &options).await;
        let class = EncodingClass { version, subscription: id.on_wire() };
        let request = broker::Subscribe {
            session: self.key,
            subscriber: session.clone(),
            id: id.clone(),
            destination: &destination,
            ack,
            class,
            options,
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
            Err(error) => self.fail((&error).into(), receipt),
        }
    }

    /// What is going to be delivered must be known to have been, should the server end. And receipts
    /// come in order: those before must have left.
    async fn prepare_subscribe(
        &mut self,
        session: &Session,
        destination: &str,
        options: &SubscribeOptions,
    ) {
        let Some(journal) = self.shared.hub.journal().cloned() else { return };
        let ((), batch) = self.shared.hub.deliver_recorded(|broker, sink| {
            broker.prepare_subscribe(clock::now(), destination, options, sink);
        });
        if let (Some(batch), Some(version)) = (batch, self.server.version()) {
            let held = self.held.get_or_insert_with(|| HeldFrames::new(session.clone(), version));
            held.hold(&journal, batch, Bytes::new());
        }
        self.released().await;
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
    fn settle(&mut self, session: &Session, acknowledge: Acknowledge, nack: Option<NackAction>) {
        let Acknowledge { target, receipt, .. } = acknowledge;
        match self.settle_at_broker(&target, nack) {
            (Ok(()), batch) => self.receipt_after(session, batch, receipt),
            (Err(error), _) => self.fail((&error).into(), receipt),
        }
    }

    fn settle_at_broker(
        &self,
        target: &AckTarget,
        nack: Option<NackAction>,
    ) -> (Result<(), AckError>, Option<BatchNumber>) {
        let (now, key) = (clock::now(), self.key);
        let target = broker_target(target);
        self.shared.hub.deliver_recorded(|broker, sink| match nack {
            None => broker.ack(now, key, target, sink),
            Some(action) => broker.nack(now, key, target, action, sink),
        })
    }

    /// Does what a transaction gathered: all that is the broker's, or nothing. What is for handlers
    /// follows. Receipts of its frames come before COMMIT's.
    async fn commit(
        &mut self,
        session: &Session,
        actions: Vec<TransactionAction>,
        receipt: Option<ReceiptId>,
    ) {
        let mut receipts = Vec::new();
        let mut for_handlers = Vec::new();
        let mut for_broker = Vec::with_capacity(actions.len());
        for action in &actions {
            let action = match action {
                TransactionAction::Send(send) => {
                    receipts.extend(send.receipt.clone());
                    if self.shared.strip_application_prefix(&send.destination).is_some() {
                        for_handlers.push(send.clone());
                        continue;
                    }
                    match Destination::parse(&send.destination) {
                        Ok(destination) => {
                            let (headers, body) = (send.headers.clone(), send.body.clone());
                            Action::Send { destination, headers, body }
                        }
                        Err(error) => {
                            let error = Error::new("invalid destination", error.to_string());
                            return self.fail(error, receipt);
                        }
                    }
                }
                TransactionAction::Ack(ack) => {
                    receipts.extend(ack.receipt.clone());
                    Action::Ack(broker_target(&ack.target))
                }
                TransactionAction::Nack(nack) => {
                    receipts.extend(nack.receipt.clone());
                    Action::Nack(broker_target(&nack.target), nack_action(nack.requeue))
                }
            };
            for_broker.push(action);
        }
        let key = self.key;
        let (committed, batch) = self
            .shared
            .hub
            .deliver_recorded(|broker, sink| broker.commit(clock::now(), key, for_broker, sink));
        if let Err(error) = committed {
            return self.fail((&error).into(), receipt);
        }
        for send in for_handlers {
            self.send(session, Send { receipt: None, ..send }).await;
        }
        for receipt in receipts.into_iter().chain(receipt) {
            self.receipt_after(session, batch, Some(receipt));
        }
    }

    fn acknowledge_receipt(&mut self, receipt: Option<ReceiptId>) {
        if let Some(receipt) = receipt {
            self.server.receipt(receipt);
        }
    }

    /// Tells the client what went wrong, which ends the session.
    fn fail(&mut self, error: Error, receipt: Option<ReceiptId>) {
        tracing::debug!(message = error.message, body = error.body, "STOMP session failed");
        self.server.error(error.with_receipt(receipt));
    }
}

fn broker_target(target: &AckTarget) -> broker::AckTarget<'_> {
    match target {
        AckTarget::Ack(id) => broker::AckTarget::Ack(id),
        AckTarget::Message { subscription, message_id } => broker::AckTarget::Message {
            subscription: subscription.as_ref().map(SubscriptionId::as_str),
            message_id: message_id.as_str(),
        },
    }
}

fn nack_action(requeue: Requeue) -> NackAction {
    match requeue {
        Requeue::Allow => NackAction::Requeue,
        Requeue::Refuse => NackAction::Reject,
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
