//! What becomes of what the server says.

use tidings_stomp::{Headers, Message, ReceiptId, SubscriptionId};

use super::StompError;
use super::connection::Connection;
use super::operation::ConnectionNumber;
use super::position::Position;
use super::receipts::Awaited;
use super::shared::Shared;
use super::subscriptions::{Delivered, Target};

/// What an ERROR means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    EndsSession,
    /// Nothing is left to refuse.
    OfWhatIsOver,
}

impl Shared {
    pub(super) async fn deliver(&self, connection: &Connection, message: Message) {
        let addressee = self.lock().subscriptions.addressee(&message);
        let Some(addressee) = addressee else {
            // It crossed with the end of its subscription; the server takes it back.
            return tracing::debug!(destination = message.destination, "nobody reads this");
        };
        let deliveries = match &addressee.target {
            Target::Inbox(deliveries) => deliveries,
            Target::Requests => return self.reply(message, connection.number),
        };
        let position =
            Position::told_by(&message.headers).map(|at| (message.destination.clone(), at));
        match deliveries.deliver(message, connection.number).await {
            Delivered::Refused => self.abandon(&addressee.id, &addressee.standing),
            Delivered::Done => {
                if let Some((destination, position)) = position {
                    self.lock().subscriptions.reach(&addressee, &destination, position);
                }
            }
        }
    }

    fn reply(&self, message: Message, connection: ConnectionNumber) {
        let correlation_id = message.headers.get("correlation-id").unwrap_or_default();
        match self.lock().requests.remove(correlation_id) {
            // Nobody may be waiting any more.
            Some(reply) => drop(reply.send(Ok((message, connection)))),
            None => tracing::debug!(correlation_id, "nobody waits for this reply"),
        }
    }

    pub(super) fn confirm(&self, receipt: &ReceiptId, headers: &Headers) {
        let mut state = self.lock();
        match state.receipts.take(receipt) {
            Some(Awaited::Subscription(id)) => state.subscriptions.confirm(&id, headers),
            Some(Awaited::Unsubscription(id)) => state.subscriptions.confirm_end(&id),
            Some(Awaited::Operation { outcome, .. }) => drop(outcome.send(Ok(()))),
            Some(Awaited::CrossedUnsubscription) | None => {}
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// The server has ended a subscription, and nothing else.
    pub(super) fn cancel(&self, id: &SubscriptionId, error: &tidings_stomp::Error) {
        tracing::warn!(%id, %error, body = error.body, "the server has ended a subscription");
        let mut state = self.lock();
        state.receipts.forget_subscription(id);
        if state.subscriptions.is_ending(id) {
            state.confirm_crossed_end(id);
        } else {
            state.cancel_subscription(id, error);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Tells who asked for what the server refuses, if the server says which it was. Whether that ends the session.
    #[must_use]
    pub(super) fn refuse(&self, error: &tidings_stomp::Error) -> Refusal {
        let mut state = self.lock();
        let awaited = error.receipt.as_ref().and_then(|receipt| state.receipts.take(receipt));
        if let Some(Awaited::CrossedUnsubscription) = awaited {
            tracing::debug!(%error, "UNSUBSCRIBE crossed with the end of its subscription");
            return Refusal::OfWhatIsOver;
        }
        tracing::warn!(%error, body = error.body, "the server sent an error");
        match awaited {
            Some(Awaited::Operation { outcome, .. }) => {
                let _ = outcome.send(Err(StompError::Refused(error.clone())));
            }
            Some(Awaited::Subscription(id)) => state.refuse_subscription(&id, error),
            Some(Awaited::Unsubscription(id)) => {
                state.subscriptions.fail_end(&id, StompError::Refused(error.clone()));
            }
            Some(Awaited::CrossedUnsubscription) | None => {}
        }
        Refusal::EndsSession
    }
}
