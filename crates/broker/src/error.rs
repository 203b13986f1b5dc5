use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::destination::{Destination, DestinationError};
use crate::limits::QuotaSpent;
use crate::stomp::SubscriptionId;

/// A destination that starts with none of the broker's prefixes, or has nothing after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDestination {
    /// The destination as it was written.
    pub destination: Box<str>,
    /// What destinations may start with.
    pub prefixes: Arc<[Box<str>]>,
}

impl fmt::Display for UnknownDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown destination {}: a destination is ", self.destination)?;
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let separator = if at == 0 { "" } else { " or " };
            write!(f, "{separator}{prefix}NAME")?;
        }
        Ok(())
    }
}

impl Error for UnknownDestination {}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The sender misspelt the destination.
    UnknownDestination(UnknownDestination),
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
    /// The queue does not exist, and there are
    /// [`Limits::destinations_max`](crate::Limits::destinations_max) destinations already.
    TooManyDestinations {
        /// The limit.
        destinations_max: usize,
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

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownDestination(unknown) => unknown.fmt(f),
            Self::WildcardInQueueName { destination } => {
                write!(f, "{destination} names no queue: wildcards are for subscribers of topics")
            }
            Self::QueueFull { destination, limit } => match limit {
                QueueLimit::Messages(max) => {
                    write!(f, "queue {destination} is full: it holds at most {max} messages")
                }
                QueueLimit::Octets(max) => {
                    write!(f, "queue {destination} is full: it holds at most {max} octets")
                }
            },
            Self::TooManyDestinations { destinations_max } => {
                write!(f, "there are {destinations_max} destinations already, no more are allowed")
            }
        }
    }
}

impl Error for SendError {}

impl From<QuotaSpent> for SendError {
    fn from(spent: QuotaSpent) -> Self {
        Self::TooManyDestinations { destinations_max: spent.max }
    }
}

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The destination is neither a name nor a pattern.
    InvalidDestination(DestinationError),
    /// The subscriber misspelt the destination.
    UnknownDestination(UnknownDestination),
    /// Only topics can be subscribed to by pattern.
    PatternOfQueues {
        /// The pattern.
        pattern: Box<str>,
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

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidDestination(invalid) => invalid.fmt(f),
            Self::UnknownDestination(unknown) => unknown.fmt(f),
            Self::PatternOfQueues { pattern } => {
                write!(f, "{pattern} has wildcards: subscribe to each queue by its name")
            }
            Self::DuplicateId { id } => {
                write!(f, "the session has a subscription with id {} already", id.as_str())
            }
            Self::TooManySubscriptions { session_subscriptions_max } => {
                let max = session_subscriptions_max;
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

impl From<QuotaSpent> for SubscribeError {
    fn from(spent: QuotaSpent) -> Self {
        Self::TooManyDestinations { destinations_max: spent.max }
    }
}

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
        let prefixes = ["/topic/".into(), "/queue/".into()].into();
        let unknown = UnknownDestination { destination: "/foo/bar".into(), prefixes };
        let expected = "unknown destination /foo/bar: a destination is /topic/NAME or /queue/NAME";
        assert_eq!(unknown.to_string(), expected);
    }
}
