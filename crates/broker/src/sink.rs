use std::sync::Arc;

use crate::acknowledgement::AckId;
use crate::message::Message;
use crate::subscribers::Subscribers;
use crate::subscription::Subscription;

/// Where an operation of the broker puts everything that the shell must do next.
///
/// The broker calls it during the operation, because the order of messages is certain only there.
/// It must be quick, and must not call the broker: a queue is locked while it delivers.
pub trait Sink<S> {
    /// Sends `message` to all `subscribers`. Called without any lock.
    ///
    /// It is called once for the topic itself and once for each pattern that matches, so a session
    /// with several matching subscriptions gets the message once for each of them.
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<S>);

    /// Sends a message of a queue to one consumer, and says how the consumer's session is.
    fn deliver(&mut self, delivery: Delivery<'_, S>) -> Delivered;
}

/// A message of a queue for one consumer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<'a, S> {
    /// The message.
    pub message: &'a Arc<Message>,
    /// Whose consumer it is for.
    pub subscription: &'a Arc<Subscription<S>>,
    /// What the consumer has to name in its ACK or NACK; `None` with `ack:auto`. It is the `ack`
    /// header of MESSAGE in STOMP 1.2.
    pub ack: Option<AckId>,
    /// How many times the message has been delivered to anyone, this time included.
    pub delivery_count: u32,
}

impl<S> Delivery<'_, S> {
    /// Whether the message has been delivered before, for the `redelivered` header.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.delivery_count > 1
    }
}

/// How the session of a consumer is after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It can take more.
    Ready,
    /// It has the message, but can take no more: as if [`Broker::pause`](crate::Broker::pause) had
    /// been called.
    ThenPause,
    /// It could not take the message, which stays where it was in the queue, and can take no more.
    /// This does not count as a delivery.
    Refused,
}
