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
    FanOut { door: Door, subscribers: usize, depth: usize, octets: usize },
    /// Producers send persistent messages to a queue and keep as many without a receipt as they may, while
    /// consumers acknowledge each by itself.
    Turnover { octets: usize },
    /// The same without consumers, for so many messages; then without producers, until the queue is empty.
    Backlog { messages: u64, octets: usize },
    /// Clients connect and subscribe to a topic, and nothing else.
    Idle { connections: usize },
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
            Self::FanOut { door: Door::Tcp, .. } | Self::Idle { .. } => true,
            // The peers have other doors for browsers, or none.
            Self::FanOut { .. } => contestant.name == OURS,
            // Core NATS keeps nothing.
            Self::Turnover { .. } | Self::Backlog { .. } => contestant.dialect() == Dialect::Stomp,
        }
    }
}
