use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stomp::{AckMode, SubscriptionId, Version};

/// Names a session of the shell. No two sessions of one broker ever have the same key, not even
/// one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// What a frame's octets depend on besides the message: subscribers of the same class get the same
/// octets, so that a message is encoded once for all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncodingClass {
    /// The version of STOMP that the subscriber speaks.
    pub version: Version,
    /// The `subscription` header of its MESSAGE frames, unless they have none.
    pub subscription: Option<SubscriptionId>,
}

/// A request to subscribe, as in the SUBSCRIBE frame.
#[derive(Clone, Debug)]
pub struct Subscribe<'a, S> {
    /// Who subscribes.
    pub session: SessionKey,
    /// How the shell reaches that session.
    pub subscriber: S,
    /// The `id` header: no other subscription of the session has it.
    pub id: SubscriptionId,
    /// The `destination` header, which may be a pattern.
    pub destination: &'a str,
    /// The `ack` header.
    pub ack: AckMode,
    /// What the octets of its MESSAGE frames depend on.
    pub class: EncodingClass,
    /// How many messages of a queue it may have unsettled at a time. `None` is
    /// [`Limits::prefetch_default`](crate::Limits::prefetch_default), and 0 is any number, as for
    /// RabbitMQ. Without meaning for topics and for `ack:auto`.
    pub prefetch: Option<u32>,
}

/// A subscription, as long as it lasts.
#[non_exhaustive]
pub struct Subscription<S> {
    /// Whose it is.
    pub session: SessionKey,
    /// How the shell reaches that session.
    pub subscriber: S,
    /// Its id within the session.
    pub id: SubscriptionId,
    /// Which messages an ACK of it covers, if any.
    pub ack: AckMode,
    /// What the octets of its MESSAGE frames depend on.
    pub class: EncodingClass,
    /// Counts up over all subscriptions of the broker.
    pub(crate) serial: u64,
    /// Counts up over the subscriptions of the session; the first half of an ack id.
    pub(crate) number: u64,
    pub(crate) prefetch: Option<u32>,
    pub(crate) flow: Arc<Flow>,
}

impl<S> fmt::Debug for Subscription<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("session", &self.session)
            .field("id", &self.id)
            .field("ack", &self.ack)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// Whether a session takes messages from queues at the moment.
///
/// A queue reads it under its own lock, and takes paused consumers off its list. Whoever lifts the
/// pause therefore has to tell every queue of the session afterwards.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    paused: AtomicBool,
}

impl Flow {
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::Release);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }
}
