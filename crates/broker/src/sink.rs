use std::sync::Arc;

use crate::acknowledgement::AckId;
use crate::dead_letter::DeadLetter;
use crate::destination::Destination;
use crate::message::Message;
use crate::record::Change;
use crate::subscribers::Subscribers;
use crate::subscription::Subscription;
use crate::timestamp::Timestamp;

/// Where an operation of the broker puts everything that the shell must do next.
///
/// The broker calls it during the operation, because the order of messages is certain only there.
/// It must be quick, and must not call the broker: a queue is locked while it delivers.
///
/// What only some shells care about does nothing unless it is implemented.
pub trait Sink<S> {
    /// Sends `message` to all `subscribers`. Called without any lock,
    /// unless the topic keeps messages: such a topic is locked, as a queue is.
    ///
    /// It is called once for the topic itself and once for each pattern that matches, so a session
    /// with several matching subscriptions gets the message once for each of them.
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<S>);

    /// Sends a message of a queue to one consumer, or a message of a topic's history to one
    /// subscriber, and says how its session is.
    fn deliver(&mut self, delivery: Delivery<'_, S>) -> Delivered;

    /// A subscriber that has not read its topic's history to the end is too slow: messages that it
    /// has still to get are not kept any more, and it gets nothing more at all. Its session is to be
    /// ended, so that it comes back and is told.
    fn overtaken(&mut self, subscription: &Arc<Subscription<S>>) {
        let _ = subscription;
    }

    /// Tells a browser of a queue that it has seen all there was.
    fn browsed(&mut self, subscription: &Arc<Subscription<S>>) {
        let _ = subscription;
    }

    /// Tells a subscriber that the broker has ended its subscription. The id is free again.
    fn cancelled(&mut self, cancelled: Cancelled<'_, S>) {
        let _ = cancelled;
    }

    /// Stores a change to what must outlive the process. All changes of one operation take effect
    /// together or not at all. A broker without durable queues has no use for them.
    fn record(&mut self, change: Change) {
        drop(change);
    }

    /// Whether what is [recorded](Self::record) now is going to be stored soon. While it is not, the
    /// broker takes no persistent messages, and all else goes on.
    fn storage(&self) -> Storage {
        Storage::Available
    }

    /// Asks for [`Broker::handle_timeout`](crate::Broker::handle_timeout) no later than `at`.
    fn wake_at(&mut self, at: Timestamp) {
        let _ = at;
    }

    /// A queue that has refused messages because it was full takes some again.
    fn has_room(&mut self, queue: &Destination) {
        let _ = queue;
    }

    /// There is no place for a persistent dead letter at the moment. It waits in its queue, as do those behind
    /// it, and is sent again later: see [`DestinationPolicy::dead_letter_retry`]. Told once for each time.
    ///
    /// [`DestinationPolicy::dead_letter_retry`]: crate::DestinationPolicy::dead_letter_retry
    fn dead_letter_waits(&mut self, letter: &DeadLetter) {
        let _ = letter;
    }

    /// A message is given up for good: a dead letter for which there is no place, or one that queues
    /// would hand round for ever. It is no persistent one, unless there never will be a place for it.
    fn discard(&mut self, letter: &DeadLetter) {
        let _ = letter;
    }
}

/// Whether changes can be stored at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// They can.
    Available,
    /// There is no room for them.
    Full,
    /// They cannot, for another reason.
    Failing,
}

/// A message of a queue for one consumer, or of a history for one subscriber.
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
    /// How many times the message has been delivered to anyone, this time included. It may be more
    /// than that for a message that was stored: which of them were delivered before the server
    /// ended is not known for every single one.
    pub delivery_count: u32,
}

impl<S> Delivery<'_, S> {
    /// Whether the message may have been delivered before, for the `redelivered` header.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.delivery_count > 1
    }
}

/// A subscription that its session has not ended itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cancelled<'a, S> {
    /// The subscription; of one to several destinations its first part.
    pub subscription: &'a Arc<Subscription<S>>,
    /// All that it was to.
    pub destinations: Vec<Destination>,
    /// Why it has ended.
    pub cause: CancelCause,
}

/// Why a subscription has ended that its session has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelCause {
    /// Its queue was deleted.
    QueueDeleted,
    /// Somebody has [revoked](crate::Broker::revoke) it.
    Revoked,
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
