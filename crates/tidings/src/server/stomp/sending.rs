//! SEND: to a handler or to the broker.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{Destination, Sender, Timestamp};
use tidings_stomp::{Error, Headers, ReceiptId, Send, Severity};

use super::session::StompSession;
use crate::endpoint::Session;
use crate::hub::{PublishError, Published, parse_destination};
use crate::messaging::{InboundMessage, Unhandled};

impl StompSession {
    /// Sends to the broker, or returns what is for a handler, or for a queue that is full.
    pub(super) fn send_at_once(
        &mut self,
        session: &Session,
        now: Timestamp,
        mut send: Send,
    ) -> Option<Send> {
        let Send { destination, headers, body, receipt } = &mut send;
        if self.shared.strip_application_prefix(destination).is_some() {
            return Some(send);
        }
        if let Err(error) = self.check_user_id(session, headers) {
            self.fail(error, Severity::Frame, receipt.clone());
            return None;
        }
        let published = self.destination(destination).and_then(|destination| {
            let sender = self.sender(session);
            self.shared.hub.try_publish(now, sender, destination, headers.clone(), body)
        });
        match published {
            Ok(Published { batch, .. }) => self.sent(session, batch, send.receipt),
            Err(error) if error.full_queue().is_some() => return Some(send),
            Err(error) => self.fail(error.to_stomp(), error.severity(), receipt.clone()),
        }
        None
    }

    /// Where a SEND goes to: most often where the last one went.
    fn destination(&mut self, name: &str) -> Result<Destination, PublishError> {
        match &self.last_destination {
            Some(last) if last.as_str() == name => Ok(Destination::clone(last)),
            _ => {
                let destination = parse_destination(name)?;
                self.last_destination = Some(Box::new(destination.clone()));
                Ok(destination)
            }
        }
    }

    /// Sends to a handler or to the broker. While it waits for room in a queue, nothing more is read from the
    /// client.
    pub(super) async fn send(&mut self, session: &Session, send: Send) {
        let Send { destination, headers, body, receipt } = send;
        if let Some(path) = self.shared.strip_application_prefix(&destination) {
            let message = match self.for_handler(session, path, headers, body) {
                Ok(message) => message,
                Err(error) => return self.fail(error, Severity::Frame, receipt),
            };
            return match self.handle_by_controller(message).await {
                Ok(()) => self.receipt_after(session, None, receipt),
                Err(unhandled) => self.tell_unhandled(session, path, unhandled, receipt),
            };
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
            Some(id) if session.principal().is_none_or(|principal| principal.name() != id) => {
                Err(Error::new(
                    "user-id of somebody else",
                    "Give your own name in the header user-id, or leave it out.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Who sends, for the broker: nobody before CONNECT.
    pub(super) fn sender<'s>(&self, session: &'s Session) -> Option<Sender<'s, Session>> {
        let version = self.server.version()?;
        Some(Sender { session: self.key, subscriber: session, version })
    }

    /// A message as a handler gets it.
    pub(super) fn for_handler(
        &self,
        session: &Session,
        path: &str,
        headers: Headers,
        body: Bytes,
    ) -> Result<InboundMessage, Error> {
        self.check_user_id(session, &headers)?;
        let with_replies = self.shared.hub.with_replies(self.sender(session), headers);
        Ok(InboundMessage {
            destination: path.to_owned(),
            headers: with_replies.map_err(|error| error.to_stomp())?,
            body,
            session: session.clone(),
            messenger: self.shared.messenger.clone(),
        })
    }

    /// Has a handler take a message, and sends what it replies.
    pub(super) async fn handle_by_controller(
        &self,
        message: InboundMessage,
    ) -> Result<(), Unhandled> {
        for reply in self.shared.dispatcher.dispatch_message(message).await? {
            reply.publish(&self.shared.messenger).await;
        }
        Ok(())
    }

    /// Who asked for a receipt is told that there is no handler, or that it failed; others if that is wanted.
    pub(super) fn tell_unhandled(
        &mut self,
        session: &Session,
        path: &str,
        unhandled: Unhandled,
        receipt: Option<ReceiptId>,
    ) {
        if self.shared.tells_unhandled(receipt.as_ref()) {
            return self.fail(unhandled, Severity::Frame, receipt);
        }
        self.note_unhandled(session, path, &unhandled);
    }

    /// A name that is misspelt should be found in the log, which no client should fill.
    pub(super) fn note_unhandled(&mut self, session: &Session, path: &str, unhandled: &Unhandled) {
        if *unhandled == Unhandled::NoHandler && !mem::replace(&mut self.lacked_handler, true) {
            let session = session.log_id();
            tracing::warn!(%session, path, "no handler: told once in a session");
        }
    }
}
