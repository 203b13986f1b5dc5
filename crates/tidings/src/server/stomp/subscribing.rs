//! SUBSCRIBE and UNSUBSCRIBE.

use std::mem;

use bytes::Bytes;
use tidings_broker::{
    self as broker, Beginning, DeleteError, Destination, DurableName, EncodingClass,
    SubscribeError, SubscribeOptions,
};
use tidings_stomp::{Error, Headers, ReceiptId, Severity, Subscribe, SubscriptionId};
use tidings_websocket::{CloseCode, CloseReason};

use super::outgoing::message_for;
use super::receipts::Over;
use super::session::StompSession;
use crate::clock;
use crate::endpoint::Session;
use crate::hub::joined;
use crate::messaging::SessionEvent;
use crate::store::BatchNumber;

/// How often a subscription is prepared at most, as long as more comes to its queue each time than is prepared for
/// (some thousand messages): 8 times. Then it is refused.
const PREPARATIONS_MAX: u32 = 8;

impl StompSession {
    pub(super) async fn subscribe(&mut self, session: &Session, subscribe: Subscribe) {
        if let Some(path) = self.shared.strip_application_prefix(&subscribe.destination) {
            return self.subscribe_to_controller(session, path, &subscribe).await;
        }
        let Subscribe { id, destination, ack, receipt, headers, .. } = subscribe;
        let Some(version) = self.server.version() else { return };
        let options =
            SubscribeOptions::from_headers(&headers, id.as_str(), &destination, &self.owner);
        let mut options = match options {
            Ok(options) => options,
            Err(error) => return self.refuse_subscription(&id, &error, receipt),
        };
        options.member.get_or_insert_default().user = session.user_name();
        if self.shared.hub.may_be_of_user(&destination) {
            let connected = self.shared.hub.online().find(session.id());
            options.user = connected.map(|connected| connected.user_or_id());
        }
        let class = EncodingClass::stomp(version, id.on_wire());
        let request = broker::Subscribe {
            session: self.key,
            subscriber: session.clone(),
            id: id.clone(),
            destination: &destination,
            ack,
            class,
            options,
        };
        let mut to_confirm = receipt.clone();
        let mut is_active = false;
        let mut preparations = 0;
        let subscribed = loop {
            preparations += 1;
            if self.prepare_subscribe(session, &request).await.is_err() {
                return;
            }
            // The receipt goes out while the subscription becomes active, before any of its messages.
            let mut on_active = |beginning: Beginning| {
                // One to several queues may have been active before another of them was found unprepared.
                if !mem::replace(&mut is_active, true) {
                    self.shared.hub.note_event(self.key, || SessionEvent::Subscribed {
                        session: session.clone(),
                        id: id.to_string(),
                        destination: destination.clone(),
                    });
                }
                let Some(receipt) = to_confirm.take() else { return };
                self.server.receipt_with(receipt, &beginning.headers());
                while let Some(frame) = self.server.poll_transmit() {
                    if session.try_send(message_for(session, frame)).is_err() {
                        let reason = "no room for a receipt";
                        session.close(CloseReason::truncated(CloseCode::TRY_AGAIN_LATER, reason));
                    }
                }
            };
            let subscribed = self.shared.hub.deliver(|broker, sink| {
                broker.subscribe(clock::now(), request.clone(), &mut on_active, sink)
            });
            // Too much came to the queue after it was prepared.
            let is_unprepared = matches!(subscribed, Err(SubscribeError::Unprepared { .. }));
            if !is_unprepared || preparations == PREPARATIONS_MAX {
                break subscribed;
            }
        };
        if let Err(error) = &subscribed {
            self.refuse_subscription(&id, error, receipt);
        }
        if subscribed.is_err() && is_active {
            let (session, id) = (session.clone(), id.to_string());
            let ended = || SessionEvent::Unsubscribed { session, id, destination };
            self.shared.hub.note_event(self.key, ended);
        }
        self.shared.hub.tell_noted(self.key).await;
    }

    fn refuse_subscription(
        &mut self,
        id: &SubscriptionId,
        error: &SubscribeError,
        receipt: Option<ReceiptId>,
    ) {
        let error = Error::from(error).with_receipt(receipt);
        tracing::debug!(message = error.message, body = error.body, "subscription refused");
        self.forget_granted(id);
        self.server.refuse_subscription(id, &error);
    }

    /// What is going to be delivered must be known to have been, should the server end. And receipts
    /// come in order: those before must have left.
    async fn prepare_subscribe(
        &mut self,
        session: &Session,
        request: &broker::Subscribe<'_, Session>,
    ) -> Result<(), Over> {
        let Some(journal) = self.shared.hub.journal().cloned() else { return Ok(()) };
        let ((), batch) = self.shared.hub.deliver_recorded(|broker, sink| {
            broker.prepare_subscribe(clock::now(), request, sink);
        });
        if let (Some(batch), Some(version)) = (batch, self.server.version()) {
            self.held(session, version).hold(&journal, batch, Bytes::new());
        }
        self.released().await
    }

    pub(super) async fn unsubscribe(
        &mut self,
        session: &Session,
        id: &SubscriptionId,
        headers: &Headers,
        receipt: Option<ReceiptId>,
    ) {
        let key = self.key;
        let own = self.shared.hub.broker().destination_of(key, id.as_str());
        let destination = own.as_ref().map(Destination::as_str);
        // Whoever names a durable subscription here wants no more of it.
        let durable = DurableName::from_headers(headers, id.as_str(), destination, &self.owner);
        let stream = self.end_stream(id);
        self.forget_granted(id);
        let mut destinations = Vec::new();
        let (deleted, batch) = self.shared.hub.deliver_recorded(|broker, sink| {
            destinations = broker.unsubscribe(clock::now(), key, id.as_str(), sink);
            // The session has no subscription with the id any more, whatever else is wrong.
            match &durable {
                Ok(Some(durable)) => broker.delete_durable(clock::now(), durable, sink),
                Ok(None) | Err(_) => Ok(()),
            }
        });
        self.shared.hub.forget(key, id.as_str());
        match durable {
            Ok(_) => self.tell_deleted(session, deleted, batch, receipt),
            Err(invalid) => self.fail(&invalid, Severity::Frame, receipt),
        }
        let was_to = stream.or_else(|| (!destinations.is_empty()).then(|| joined(&destinations)));
        if let Some(destination) = was_to {
            let (session, id) = (session.clone(), id.to_string());
            let ended = || SessionEvent::Unsubscribed { session, id, destination };
            self.shared.hub.tell(key, ended).await;
        }
    }

    /// Ends a durable subscription that nobody uses, if that is what the headers name.
    pub(super) fn unsubscribe_durable(
        &mut self,
        session: &Session,
        id: Option<&SubscriptionId>,
        headers: &Headers,
        receipt: Option<ReceiptId>,
    ) {
        let name = id.map_or("", SubscriptionId::as_str);
        let destination = headers.get("destination");
        let durable = match DurableName::from_headers(headers, name, destination, &self.owner) {
            Ok(Some(durable)) => durable,
            Ok(None) => return self.server.unknown_subscription(id, receipt),
            Err(invalid) => return self.fail(&invalid, Severity::Frame, receipt),
        };
        let (deleted, batch) = self
            .shared
            .hub
            .deliver_recorded(|broker, sink| broker.delete_durable(clock::now(), &durable, sink));
        self.tell_deleted(session, deleted, batch, receipt);
    }

    /// What became of the durable subscription that an UNSUBSCRIBE named, if it named one.
    fn tell_deleted(
        &mut self,
        session: &Session,
        deleted: Result<(), DeleteError>,
        batch: Option<BatchNumber>,
        receipt: Option<ReceiptId>,
    ) {
        match deleted {
            Ok(()) => self.receipt_after(session, batch, receipt),
            Err(error) => {
                let error =
                    Error::new("durable subscription was not deleted", format!("{error}.\n"));
                self.fail(error, Severity::Notice, receipt);
            }
        }
    }
}
