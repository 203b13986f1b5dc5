//! What becomes of a message: one file per kind of destination.
//!
//! Everything else in this crate finds destinations and knows none of their rules. A kind is a type
//! that implements [`DestinationKind`], a variant of [`Kind`], and a line in [`Kind::open`]; the
//! prefixes in [`BrokerOptions`](crate::BrokerOptions) say which names are of that kind.
//!
//! A **last-value topic** is a `Topic` with the newest message beside it: `on_subscribe` attaches
//! the subscriber under the topic's writer lock and hands that message to it at once, `on_send`
//! replaces the message under the same lock, so that nobody gets an older one after a newer. A
//! **temporary queue** is a `Queue` that knows its session, refuses the subscriptions of others,
//! and is vacant once that session is gone, whatever it holds.
//!
//! A kind takes `&self` and locks what it has to: a topic nothing while it publishes, a queue
//! itself. While it holds a lock it must not call anything of the broker but the sink. Of the locks
//! of one operation, that of the session's routes comes first, then one destination's.

mod queue;
mod topic;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::queue::Queue;
pub(crate) use self::topic::Topic;
use crate::acknowledgement::{DeliveryTag, Settlement};
use crate::destination::Destination;
use crate::error::QueueLimit;
use crate::limits::Limits;
use crate::message::Message;
use crate::sink::Sink;
use crate::stats::DestinationStats;
use crate::subscription::Subscription;
use crate::timestamp::Timestamp;

/// What becomes of the messages that are sent to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Every subscriber gets every message; without subscribers it is gone.
    Topic,
    /// Every message is for one of the consumers, and waits until there is one.
    Queue,
}

impl Kind {
    /// A destination of this kind, without subscribers and messages.
    pub(crate) fn open<S: Send + Sync + 'static>(
        self,
        name: Destination,
        limits: &Limits,
    ) -> Arc<dyn DestinationKind<S>> {
        match self {
            Self::Topic => Arc::new(Topic::new(name)),
            Self::Queue => Arc::new(Queue::new(name, limits)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::Queue => "queue",
        })
    }
}

/// A destination: an independent state machine that any thread may use.
///
/// A destination that nobody uses retires, and is then removed from wherever it can be found.
/// Whoever found it before that is told [`Retired`], and has to look again.
pub(crate) trait DestinationKind<S>: Send + Sync {
    /// Takes a message. Returns to how many subscriptions it was handed at once.
    fn on_send(
        &self,
        now: Timestamp,
        message: &Arc<Message>,
        sink: &mut dyn Sink<S>,
    ) -> Result<usize, Refusal>;

    /// Attaches a subscription. `on_active` is called exactly once, before the sink gets anything
    /// for it, unless the destination has retired.
    fn on_subscribe(
        &self,
        now: Timestamp,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(),
        sink: &mut dyn Sink<S>,
    ) -> Result<(), Retired>;

    /// Detaches subscriptions, those of them that are attached: all of them before anybody gets
    /// what one of them leaves behind.
    fn on_unsubscribe(
        &self,
        now: Timestamp,
        subscriptions: &[&Subscription<S>],
        sink: &mut dyn Sink<S>,
    );

    /// The session of `subscription` settles what it got.
    fn on_settle(
        &self,
        _now: Timestamp,
        _subscription: &Subscription<S>,
        _settled: Settled,
        _sink: &mut dyn Sink<S>,
    ) -> Answer {
        Answer::NothingToSettle
    }

    /// The session of `subscription` can take messages again.
    fn on_resume(&self, _now: Timestamp, _subscription: &Subscription<S>, _sink: &mut dyn Sink<S>) {
    }

    /// Retires, unless someone uses it. Returns whether it has retired, now or before.
    fn retire_if_vacant(&self) -> Occupancy;

    fn stats(&self) -> DestinationStats;
}

/// Why a destination did not take a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Retired,
    Full(QueueLimit),
}

/// The destination is no longer in use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retired;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupancy {
    InUse,
    Retired,
}

/// Which delivery was settled, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) delivery: DeliveryName,
    pub(crate) settlement: Settlement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryName {
    Tag(DeliveryTag),
    /// The serial number of the message.
    Message(u64),
}

/// What a destination makes of an ACK or NACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Settled,
    /// Messages of this subscription need no ACK.
    NothingToSettle,
    /// No such delivery waits for one.
    Unknown,
}
