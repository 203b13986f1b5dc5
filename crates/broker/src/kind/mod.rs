//! What becomes of a message: one file per kind of destination.
//!
//! Everything else in this crate finds destinations and knows none of their rules. A kind is a type
//! that implements [`DestinationKind`] and a variant of [`Kind`]; the prefixes in
//! [`BrokerOptions`](crate::BrokerOptions) say which names are of that kind.
//!
//! A kind takes `&self` and locks what it has to: a topic nothing while it publishes, a queue
//! itself. While it holds a lock it must not call anything of the broker but the sink; what else
//! there is to do it leaves in the [`Operation`]'s aftermath. Of the locks of one operation, that of
//! the session's routes comes first, then one destination's.

mod presence;
mod queue;
mod topic;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::presence::Presence;
pub(crate) use self::queue::{Admission, Allowance, Amount, LetterNumber, Queue, Role};
pub(crate) use self::topic::{Archive, KeptOctets, Topic};
use crate::acknowledgement::{DeliveryTag, Settlement};
use crate::error::QueueLimit;
use crate::history::Beginning;
use crate::message::Message;
use crate::operation::Operation;
use crate::stats::DestinationStats;
use crate::subscription::Subscription;

/// What becomes of the messages that are sent to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Every subscriber gets every message; without subscribers it is gone.
    Topic,
    /// Every message is for one of the consumers, and waits until there is one.
    Queue,
    /// A queue that ends with its session, which alone consumes from it: somebody who waits for replies.
    TemporaryQueue,
    /// A topic that ends with its session, which alone subscribes to it.
    TemporaryTopic,
    /// Who is subscribed to a topic. It can be subscribed to, and nobody sends to it.
    Presence,
    /// Every session of one user that is subscribed gets every message; without any it is gone.
    User,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::Queue => "queue",
            Self::TemporaryQueue => "temporary queue",
            Self::TemporaryTopic => "temporary topic",
            Self::Presence => "presence",
            Self::User => "user destination",
        })
    }
}

/// A destination: an independent state machine that any thread may use.
///
/// A destination that nobody uses retires, and is then removed from wherever it can be found.
/// Whoever found it before that is told [`NotAttached::Retired`], and has to look again.
pub(crate) trait DestinationKind<S>: Send + Sync {
    /// Takes a message. Returns to how many subscriptions it was handed at once.
    fn on_send(
        &self,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, Refusal>;

    /// Attaches a subscription. `on_active` is called exactly once, before the sink gets anything
    /// for it, unless it is not attached.
    fn on_subscribe(
        &self,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached>;

    /// Detaches subscriptions, those of them that are attached: all of them before anybody gets
    /// what one of them leaves behind.
    fn on_unsubscribe(&self, subscriptions: &[&Subscription<S>], operation: &mut Operation<'_, S>);

    /// What [`on_settle`](Self::on_settle) would answer.
    fn knows(&self, _subscription: &Subscription<S>, _delivery: DeliveryName) -> Answer {
        Answer::NothingToSettle
    }

    /// The session of `subscription` settles what it got.
    fn on_settle(
        &self,
        _subscription: &Subscription<S>,
        _settled: Settled,
        _operation: &mut Operation<'_, S>,
    ) -> Answer {
        Answer::NothingToSettle
    }

    /// The session of `subscription` can take messages again.
    fn on_resume(&self, _subscription: &Subscription<S>, _operation: &mut Operation<'_, S>) {}

    /// It is as late as the destination has asked to be told, or earlier. It has to ask again for all
    /// that it still waits for.
    fn on_timeout(&self, _operation: &mut Operation<'_, S>) {}

    /// Retires, unless someone uses it. Returns whether it has retired, now or before.
    fn retire_if_vacant(&self, operation: &mut Operation<'_, S>) -> Occupancy;

    fn stats(&self) -> DestinationStats;
}

/// Why a destination did not take a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Retired,
    /// Its sender may wait until there is room.
    Full(QueueLimit),
    /// Its sender is not to wait.
    FullAndRefusing(QueueLimit),
    /// Nobody sends to it but the broker.
    ReadOnly,
    /// The topic cannot keep a message that it has to keep.
    NoRoomToKeep,
    /// It would not even fit if there were no others.
    TooLarge(QueueLimit),
    /// It would fit if there were no others, but not together with those that it is to be taken with.
    TooMuchTogether(QueueLimit),
    /// Others have asked the queue for something else than its sender, by this header.
    ArgumentDiffers(&'static str),
}

/// Why a subscription was not attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAttached {
    /// The destination is no longer in use.
    Retired,
    /// One of its subscribers wants to be the only one.
    Exclusive,
    /// It has subscribers, and the subscription would be the only one.
    Occupied,
    /// It is not known to the store that what it would get may have been delivered.
    Unprepared,
}

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
