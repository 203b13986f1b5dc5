//! SEND: to a handler or to the broker.

use std::sync::Arc;

use tidings_broker::Sender;
use tidings_stomp::{Error, Headers, Send, Severity};

use super::session::StompSession;
use crate::endpoint::{Principal, Session};
use crate::hub::Published;
use crate::messaging::{InboundMessage, Outgoing};

impl StompSession {
    /// Sends to the broker, or returns what is for a handler, or for a queue that is full.
    pub(super) fn send_at_once(&mut self, session: &Session, send: Send) -> Option<Send> {
        let Send { destination, headers, body, receipt } = &send;
        if self.shared.strip_application_prefix(destination).is_some() {
            return Some(send);
        }
        if let Err(error) = self.check_user_id(session, headers) {
            self.fail(error, Severity::Frame, receipt.clone());
            return None;
        }
        let sender = self.sender(session);
        match self.shared.hub.try_publish(sender, destination, headers.clone(), body.clone()) {
            Ok(Published { batch, .. }) => self.sent(session, batch, send.receipt),
            Err(error) if error.full_queue().is_some() => return Some(send),
            Err(error) => self.fail(error.to_stomp(), error.severity(), receipt.clone()),
        }
        None
    }

    /// Sends to a handler or to the broker. While it waits for room in a queue, nothing more is read from the
    /// client.
    pub(super) async fn send(&mut self, session: &Session, send: Send) {
        let Send { destination, headers, body, receipt } = send;
        if let Err(error) = self.check_user_id(session, &headers) {
            return self.fail(error, Severity::Frame, receipt);
        }
        if let Some(path) = self.shared.strip_application_prefix(&destination) {
            let headers = match self.shared.hub.with_replies(self.sender(session), headers) {
                Ok(headers) => headers,
                Err(error) => return self.fail(error.to_stomp(), error.severity(), receipt),
            };
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
        let sender = self.sender(session);
        let hub = Arc::clone(&self.shared.hub);
        match hub.publish(sender, &destination, headers, body).await {
            Ok(Published { batch, .. }) => self.sent(session, batch, receipt),
            Err(error) => self.fail(error.to_stomp(), error.severity(), receipt),
        }
    }

    /// RabbitMQ's consumers trust a `user-id`: it is that of the sender's login.
    pub(super) fn check_user_id(&self, session: &Session, headers: &Headers) -> Result<(), Error> {
        if self.shared.authentication.is_none() {
            return Ok(());
        }
        match headers.get("user-id") {
            Some(id) if session.principal().map(Principal::name) != Some(id) => Err(Error::new(
                "user-id of somebody else",
                "Give your own name in the header user-id, or leave it out.",
            )),
            _ => Ok(()),
        }
    }

    /// Who sends, for the broker: nobody before CONNECT.
    pub(super) fn sender<'s>(&self, session: &'s Session) -> Option<Sender<'s, Session>> {
        let version = self.server.version()?;
        Some(Sender { session: self.key, subscriber: session, version })
    }

    async fn handle_by_controller(&self, message: InboundMessage) {
        let destination = message.destination.clone();
        let Some(replies) = self.shared.dispatcher.dispatch_message(message).await else {
            return tracing::debug!(destination, "no handler for this destination");
        };
        for reply in replies {
            self.publish_reply(reply).await;
        }
    }

    pub(super) async fn publish_reply(&self, reply: Outgoing) {
        // The client may have chosen a part of the destination, so this is no fault of ours.
        let destination = reply.destination.clone();
        if let Err(error) = self.shared.messenger.publish(reply).await {
            tracing::debug!(%error, destination, "reply of a handler was not sent");
        }
    }
}
