use crate::destination::Destination;
use crate::kind::Kind;

/// What a [`Broker`](crate::Broker) holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Topics in use, patterns with subscribers and queues.
    pub destinations: usize,
    /// Sessions that have subscribed and have not disconnected.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Octets of what topics keep: their histories, and retained messages.
    pub kept_octets: usize,
}

/// What a destination holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationStats {
    /// Its name, or the pattern of its subscribers.
    pub name: Destination,
    /// What becomes of the messages that are sent to it.
    pub kind: Kind,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for a consumer.
    pub ready: usize,
    /// Messages that wait for the time of their next delivery, after one that failed, or of their first,
    /// which their sender has said; and dead letters that wait for a place.
    pub delayed: usize,
    /// Messages that wait for the ACK of their consumer.
    pub unsettled: usize,
    /// Messages that a topic keeps: its history, and its retained message.
    pub kept: usize,
    /// Octets of the headers and bodies of all these messages.
    pub octets: usize,
}
