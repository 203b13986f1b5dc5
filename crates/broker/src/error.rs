use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::address::AddressError;
use crate::destination::{Destination, DestinationError};
use crate::durable_name::DurableName;
use crate::limits::QuotaSpent;
use crate::selector::SelectorError;
use crate::sink::Storage;
use crate::stomp::SubscriptionId;

/// A destination that the broker does not know: it starts with none of its prefixes, or has nothing after
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDestination {
    /// The destination as it was written.
    pub destination: Box<str>,
    /// What a destination is.
    pub expected: Arc<str>,
}

impl fmt::Display for UnknownDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown destination {}: {}", self.destination, self.expected)
    }
}

impl Error for UnknownDestination {}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The sender misspelt the destination.
    UnknownDestination(UnknownDestination),
    /// The destination, or one of several, is no name.
    InvalidDestination(DestinationError),
    /// There is no such queue, and under this name none is created.
    NoSuchQueue {
        /// The queue.
        queue: Destination,
    },
    /// A temporary destination is named by who is no session, and so has none.
    NoSession {
        /// Its name.
        destination: Destination,
    },
    /// The session cannot have the temporary destination that it names, as destination or for replies.
    Temporary(Box<SubscribeError>),
    /// A header that the broker acts on has a value that it cannot understand.
    InvalidHeader(InvalidHeader),
    /// The sender asks of a queue what others have asked differently.
    ArgumentDiffers {
        /// The queue.
        queue: Destination,
        /// The header.
        argument: &'static str,
    },
    /// The queue could not take the message if it were empty.
    MessageTooLarge {
        /// The queue.
        destination: Destination,
        /// The limit that the message exceeds.
        limit: QueueLimit,
    },
    /// The queue could not take all messages that are sent to it together, if it were empty: those of a
    /// transaction, or of a SEND that names it more than once.
    TooMuchTogether {
        /// The queue.
        destination: Destination,
        /// The limit that they exceed.
        limit: QueueLimit,
    },
    /// The name of the queue has wildcards, so that nobody could subscribe to it.
    WildcardInQueueName {
        /// The name.
        destination: Destination,
    },
    /// The queue would hold more than
    /// [`Limits::queue_messages_max`](crate::Limits::queue_messages_max) or
    /// [`Limits::queue_octets_max`](crate::Limits::queue_octets_max). The sender may try again once
    /// consumers have caught up.
    QueueFull {
        /// The queue.
        destination: Destination,
        /// The limit that it reached.
        limit: QueueLimit,
    },
    /// The same of a queue whose senders are not to wait: [`QueueOverflow::Refuse`](crate::QueueOverflow::Refuse).
    QueueRefuses {
        /// The queue.
        destination: Destination,
        /// The limit that it reached.
        limit: QueueLimit,
    },
    /// The temporary queue, or all of its session together, would hold more than
    /// [`Limits::session_temporary_octets_max`](crate::Limits::session_temporary_octets_max) or the
    /// limits of any queue: the session does not read what it gets. Nobody should wait for that.
    TemporaryQueueFull {
        /// The queue.
        destination: Destination,
        /// The limit that was reached.
        limit: QueueLimit,
    },
    /// Nobody sends to it but the broker.
    ReadOnly {
        /// The destination.
        destination: Destination,
    },
    /// The sender asks for the message to be retained, and topics keep
    /// [`Limits::kept_octets_max`](crate::Limits::kept_octets_max) octets already.
    NoRoomToRetain {
        /// The topic.
        destination: Destination,
        /// The limit.
        kept_octets_max: usize,
    },
    /// The queue does not exist, and there are
    /// [`Limits::destinations_max`](crate::Limits::destinations_max) destinations already.
    TooManyDestinations {
        /// The limit.
        destinations_max: usize,
    },
    /// The message is persistent, and nothing can be stored at the moment. The sender may try again
    /// later.
    CannotStore {
        /// Why.
        storage: Storage,
    },
}

/// What a queue can have too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// Messages, at most so many.
    Messages(usize),
    /// Octets of headers and bodies, at most so many.
    Octets(usize),
}

impl fmt::Display for QueueLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(max) => write!(f, "{max} messages"),
            Self::Octets(max) => write!(f, "{max} octets"),
        }
    }
}

/// A header that the broker acts on, with a value that it cannot understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHeader {
    /// The name of the header.
    pub name: &'static str,
    /// Its value, or the beginning of it.
    pub value: Box<str>,
    /// What it should be.
    pub expected: &'static str,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, expected } = self;
        write!(f, "header {name} has the value {value:?}, expected {expected}")
    }
}

impl Error for InvalidHeader {}

impl SendError {
    /// The queue that had no room. It tells when it has.
    #[must_use]
    pub fn full_queue(&self) -> Option<&Destination> {
        match self {
            Self::QueueFull { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// Whether it is for want of a receiver that keeps up, and the sender has done nothing wrong.
    #[must_use]
    pub fn is_receivers_fault(&self) -> bool {
        matches!(self, Self::TemporaryQueueFull { .. } | Self::QueueRefuses { .. })
    }
}

/// Only by some names a queue has to be there already.
fn no_such_queue(f: &mut fmt::Formatter<'_>, queue: &Destination) -> fmt::Result {
    write!(f, "there is no queue {queue}")?;
    if queue.as_str().starts_with(DurableName::PREFIX) {
        return Ok(());
    }
    write!(
        f,
        ", and /amq/queue/NAME makes none: name it {queue}, which makes it, or wait for who does"
    )
}

fn differs(f: &mut fmt::Formatter<'_>, queue: &Destination, argument: &str) -> fmt::Result {
    write!(f, "queue {queue} exists with another {argument}: give the same value or leave it out")
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownDestination(unknown) => unknown.fmt(f),
            Self::InvalidDestination(invalid) => invalid.fmt(f),
            Self::InvalidHeader(invalid) => invalid.fmt(f),
            Self::NoSuchQueue { queue } => no_such_queue(f, queue),
            Self::NoSession { destination } => {
                write!(f, "{destination} names a temporary destination of no session")
            }
            Self::Temporary(error) => error.fmt(f),
            Self::ArgumentDiffers { queue, argument } => differs(f, queue, argument),
            Self::MessageTooLarge { destination, limit } => {
                write!(f, "queue {destination} takes no such message: it holds at most {limit}")
            }
            Self::TooMuchTogether { destination, limit } => write!(
                f,
                "queue {destination} holds at most {limit}, and more are sent to it at once: send fewer in a \
                 transaction"
            ),
            Self::WildcardInQueueName { destination } => {
                write!(f, "{destination} names no queue: wildcards are for subscribers of topics")
            }
            Self::QueueFull { destination, limit } => {
                write!(f, "queue {destination} is full: it holds at most {limit}")
            }
            Self::QueueRefuses { destination, limit } => write!(
                f,
                "queue {destination} is full and refuses more: it holds at most {limit}; send it again \
                 when consumers have caught up"
            ),
            Self::TemporaryQueueFull { destination, limit } => write!(
                f,
                "temporary queue {destination} is full: its session does not read, and has {limit} at most"
            ),
            Self::ReadOnly { destination } => {
                write!(f, "{destination} can be subscribed to, and only the broker sends to it")
            }
            Self::NoRoomToRetain { destination, kept_octets_max } => {
                write!(
                    f,
                    "topic {destination} cannot retain it: topics keep at most {kept_octets_max} octets"
                )
            }
            Self::TooManyDestinations { destinations_max } => {
                write!(f, "there are {destinations_max} destinations already, no more are allowed")
            }
            Self::CannotStore { storage: Storage::Full } => f.write_str(
                "it is persistent and the server has no room left: try again later, or send it \
                 without persistent:true",
            ),
            Self::CannotStore { .. } => f.write_str(
                "it is persistent and the server cannot write at the moment: try again later, or \
                 send it without persistent:true",
            ),
        }
    }
}

impl Error for SendError {}

impl From<AddressError> for SendError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Unknown(unknown) => Self::UnknownDestination(unknown),
            AddressError::Invalid(invalid) => Self::InvalidDestination(invalid),
        }
    }
}

impl From<InvalidHeader> for SendError {
    fn from(invalid: InvalidHeader) -> Self {
        Self::InvalidHeader(invalid)
    }
}

impl From<QuotaSpent> for SendError {
    fn from(spent: QuotaSpent) -> Self {
        Self::TooManyDestinations { destinations_max: spent.max }
    }
}

/// Why not all messages of a queue were moved that should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveError {
    /// How many were moved before.
    pub moved: usize,
    /// Why.
    pub cause: MoveFailure,
}

/// Why a message of a queue was not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoveFailure {
    /// There is no queue of this name.
    NoSuchQueue,
    /// It should go to what is no queue.
    NotAQueue {
        /// Where.
        target: Destination,
    },
    /// Where it should go does not take it.
    Send(SendError),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            MoveFailure::NoSuchQueue => f.write_str("there is no such queue"),
            MoveFailure::NotAQueue { target } => {
                write!(f, "{target} is no queue: messages can be moved to queues only")
            }
            MoveFailure::Send(error) => {
                write!(f, "{} moved; the next message cannot be: {error}", self.moved)
            }
        }
    }
}

impl Error for MoveError {}

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The destination is neither a name nor a pattern.
    InvalidDestination(DestinationError),
    /// The subscriber misspelt the destination.
    UnknownDestination(UnknownDestination),
    /// A header that the broker acts on has a value that it cannot understand.
    InvalidHeader(InvalidHeader),
    /// The selector is none.
    InvalidSelector(SelectorError),
    /// The subscriber asks of a queue what others have asked differently.
    ArgumentDiffers {
        /// The queue.
        queue: Destination,
        /// The header.
        argument: &'static str,
    },
    /// There is no such queue, and the subscriber wants none created.
    NoSuchQueue {
        /// The queue.
        queue: Destination,
    },
    /// Another consumer wants the queue for itself.
    Exclusive {
        /// The queue.
        destination: Destination,
    },
    /// This consumer wants the queue for itself, and there are others.
    Occupied {
        /// The queue.
        destination: Destination,
    },
    /// It is not known to the store that messages of the queue may have been delivered: somebody has to
    /// [prepare](crate::Broker::prepare_subscribe) the subscription, perhaps once more. Only where
    /// [`BrokerOptions::unprepared`](crate::BrokerOptions::unprepared) says so.
    Unprepared {
        /// The queue.
        queue: Destination,
    },
    /// Nobody is told who is subscribed to this topic, or it is no topic, or a pattern.
    NoPresence {
        /// The destination that was subscribed to.
        destination: Destination,
    },
    /// Another session has this durable subscription.
    DurableInUse {
        /// Its name.
        name: Box<str>,
    },
    /// The durable subscription is one to another topic, or with another selector.
    DurableDiffers {
        /// Its name.
        name: Box<str>,
    },
    /// A durable subscription asks for refusing messages, which others would then be unable to send.
    DurableMayNotRefuse {
        /// What was subscribed to.
        destination: Destination,
    },
    /// A durable subscription is to one topic, or to those that match a pattern.
    DurableToSeveral {
        /// What was subscribed to.
        destination: Destination,
    },
    /// The temporary destination is that of a session, which alone may subscribe to it, and knows it by
    /// another name.
    NotOwn {
        /// The destination.
        destination: Destination,
    },
    /// The id is one of those that the broker gives to the subscriptions that it makes for `reply-to`.
    ReservedId {
        /// The id.
        id: SubscriptionId,
    },
    /// The session has [`Limits::session_temporary_max`](crate::Limits::session_temporary_max) temporary
    /// destinations already.
    TooManyTemporary {
        /// The limit.
        session_temporary_max: usize,
    },
    /// A wildcard stands where it means nothing: beside other characters of a word, or `>` before the end.
    IdleWildcard {
        /// The pattern.
        pattern: Box<str>,
    },
    /// Only topics can be subscribed to by pattern.
    PatternOfQueues {
        /// The pattern.
        pattern: Box<str>,
    },
    /// The destinations of users cannot be subscribed to by pattern.
    PatternOfUser {
        /// The pattern.
        pattern: Box<str>,
    },
    /// The destination is one of the subscriber's user, and it has none:
    /// [`SubscribeOptions::user`](crate::SubscribeOptions::user).
    NoUser {
        /// The destination.
        destination: Destination,
    },
    /// The session has a subscription with this id.
    DuplicateId {
        /// The id.
        id: SubscriptionId,
    },
    /// The session has
    /// [`Limits::session_subscriptions_max`](crate::Limits::session_subscriptions_max)
    /// subscriptions already.
    TooManySubscriptions {
        /// The limit.
        session_subscriptions_max: usize,
    },
    /// Nobody has subscribed to the destination yet, and there are
    /// [`Limits::destinations_max`](crate::Limits::destinations_max) destinations already.
    TooManyDestinations {
        /// The limit.
        destinations_max: usize,
    },
    /// The session has been disconnected in the meantime.
    Disconnected,
}

fn exclusive(f: &mut fmt::Formatter<'_>, destination: &Destination) -> fmt::Result {
    write!(
        f,
        "{destination} has a consumer with exclusive:true, which excludes others: wait until that one \
         has gone, or have it leave exclusive out"
    )
}

fn occupied(f: &mut fmt::Formatter<'_>, destination: &Destination) -> fmt::Result {
    write!(
        f,
        "exclusive:true would exclude the consumers that {destination} has: end those first, or stand \
         in line with activemq.exclusive:true"
    )
}

fn durable_in_use(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(
        f,
        "the durable subscription {name} is in use by another session: end it there first, or give \
         both shared:true, so that they share its messages"
    )
}

fn idle_wildcard(f: &mut fmt::Formatter<'_>, pattern: &str) -> fmt::Result {
    write!(
        f,
        "in {pattern} a wildcard means nothing: * and ** stand for whole words, > for those at the end"
    )
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidDestination(invalid) => invalid.fmt(f),
            Self::UnknownDestination(unknown) => unknown.fmt(f),
            Self::InvalidHeader(invalid) => invalid.fmt(f),
            Self::InvalidSelector(invalid) => write!(f, "invalid selector: {invalid}"),
            Self::ArgumentDiffers { queue, argument } => differs(f, queue, argument),
            Self::NoSuchQueue { queue } => no_such_queue(f, queue),
            Self::Exclusive { destination } => exclusive(f, destination),
            Self::Occupied { destination } => occupied(f, destination),
            Self::Unprepared { queue } => {
                write!(
                    f,
                    "{queue} has messages that are not known to be delivered: subscribe again"
                )
            }
            Self::NoPresence { destination } => write!(
                f,
                "there is no {destination}: presence is of a topic whose policy has it, by its name"
            ),
            Self::DurableInUse { name } => durable_in_use(f, name),
            Self::DurableDiffers { name } => write!(
                f,
                "the durable subscription {name} has another topic or selector: end it first, or name this one otherwise"
            ),
            Self::DurableMayNotRefuse { destination } => write!(
                f,
                "x-overflow:reject-publish would keep others from sending to {destination}: a durable subscription has drop-head or reject-publish-dlx"
            ),
            Self::DurableToSeveral { destination } => write!(
                f,
                "a durable subscription has one destination, and {destination} names several: use a pattern, or subscribe to each"
            ),
            Self::NotOwn { destination } => {
                write!(
                    f,
                    "{destination} is for sending: its session subscribes to /temp-queue/NAME or /temp-topic/NAME"
                )
            }
            Self::ReservedId { id } => {
                write!(f, "ids that start with /temp-queue/ are reserved, as {} does", id.as_str())
            }
            Self::TooManyTemporary { session_temporary_max: max } => {
                write!(
                    f,
                    "the session has {max} temporary destinations already, no more are allowed"
                )
            }
            Self::IdleWildcard { pattern } => idle_wildcard(f, pattern),
            Self::PatternOfQueues { pattern } => {
                write!(f, "{pattern} has wildcards: subscribe to each queue by its name")
            }
            Self::PatternOfUser { pattern } => {
                write!(f, "{pattern} has wildcards: subscribe to each destination by its name")
            }
            Self::NoUser { destination } => {
                write!(f, "{destination} is a destination of users, and the subscriber is nobody")
            }
            Self::DuplicateId { id } => {
                write!(f, "the session has a subscription with id {} already", id.as_str())
            }
            Self::TooManySubscriptions { session_subscriptions_max: max } => {
                write!(f, "the session has {max} subscriptions already, no more are allowed")
            }
            Self::TooManyDestinations { destinations_max } => {
                write!(f, "there are {destinations_max} destinations already, no more are allowed")
            }
            Self::Disconnected => f.write_str("the session has been disconnected"),
        }
    }
}

impl Error for SubscribeError {}

impl From<AddressError> for SubscribeError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Unknown(unknown) => Self::UnknownDestination(unknown),
            AddressError::Invalid(invalid) => Self::InvalidDestination(invalid),
        }
    }
}

impl From<InvalidHeader> for SubscribeError {
    fn from(invalid: InvalidHeader) -> Self {
        Self::InvalidHeader(invalid)
    }
}

impl From<QuotaSpent> for SubscribeError {
    fn from(spent: QuotaSpent) -> Self {
        Self::TooManyDestinations { destinations_max: spent.max }
    }
}

/// Why a queue or a durable subscription was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteError {
    /// There is no such queue.
    NoSuchQueue {
        /// The queue.
        queue: Destination,
    },
    /// Somebody consumes from the queue or looks at it.
    QueueInUse {
        /// The queue.
        queue: Destination,
    },
    /// There is no such durable subscription.
    NoSuchSubscription {
        /// Its name.
        name: Box<str>,
    },
    /// The durable subscription has a consumer.
    SubscriptionInUse {
        /// Its name.
        name: Box<str>,
    },
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchQueue { queue } => write!(f, "there is no queue {queue}"),
            Self::QueueInUse { queue } => write!(f, "queue {queue} has consumers"),
            Self::NoSuchSubscription { name } => {
                write!(f, "there is no durable subscription {name}")
            }
            Self::SubscriptionInUse { name } => {
                write!(f, "the durable subscription {name} is in use: unsubscribe first")
            }
        }
    }
}

impl Error for DeleteError {}

/// Why an ACK or NACK was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// The session has no delivery of this id that waits for an answer: it was never made, or it
    /// was answered before.
    UnknownDelivery {
        /// What the peer named.
        id: Box<str>,
    },
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownDelivery { id } => {
                write!(f, "no message {id} of this session that waits for an acknowledgement")
            }
        }
    }
}

impl Error for AckError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_destination_is_answered_with_the_known_prefixes() {
        let expected = "a destination is /topic/NAME or /queue/NAME".into();
        let unknown = UnknownDestination { destination: "/foo/bar".into(), expected };
        let expected = "unknown destination /foo/bar: a destination is /topic/NAME or /queue/NAME";
        assert_eq!(unknown.to_string(), expected);
    }
}
