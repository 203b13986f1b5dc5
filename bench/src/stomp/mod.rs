//! STOMP brokers, and NATS: the clients, the rows, and the peers as they are started.

mod clients;
mod dialect;
mod door;
pub(crate) mod peer;
mod queue;
mod rows;
mod scanner;
mod topic;

pub(crate) use clients::Clients;
pub(crate) use dialect::{Dialect, Role};
pub(crate) use door::Door;
pub(crate) use queue::{Backlog, Turnover};
pub(crate) use rows::TABLES;
pub(crate) use topic::FanOut;

use crate::contestant::{Contestant, OURS};

/// What a broker's clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StompWork {
    /// One client publishes to a topic and keeps `depth` messages in flight; the others have subscribed to it,
    /// by `door`.
    FanOut { path: Path, door: Door, subscribers: usize, depth: usize, octets: usize },
    /// Producers send persistent messages to a queue and keep as many without a receipt as they may, while
    /// consumers acknowledge each by itself.
    Turnover { octets: usize },
    /// The same without consumers, for so many messages; then without producers, until the queue is empty.
    Backlog { messages: u64, octets: usize },
    /// Clients connect and subscribe to a topic, and nothing else.
    Idle { connections: usize },
}

/// How a message gets to the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// It is sent to it.
    Broker,
    /// It is sent to a handler of the application, whose reply goes to the topic.
    Handler,
}

impl StompWork {
    /// Of a body.
    pub(crate) fn octets(self) -> usize {
        match self {
            Self::FanOut { octets, .. }
            | Self::Turnover { octets }
            | Self::Backlog { octets, .. } => octets,
            Self::Idle { .. } => 0,
        }
    }

    /// Whether a contestant can do it.
    pub(crate) fn is_for(self, contestant: &Contestant) -> bool {
        match self {
            Self::FanOut { path: Path::Broker, door: Door::Tcp, .. } | Self::Idle { .. } => true,
            // The peers have no handlers, and other doors for browsers, or none.
            Self::FanOut { .. } => contestant.name == OURS,
            // Core NATS keeps nothing.
            Self::Turnover { .. } | Self::Backlog { .. } => contestant.dialect() == Dialect::Stomp,
        }
    }
}
