//! What is to be sent, and what waits to be.

use std::collections::VecDeque;

use tidings_stomp::{Acknowledge, Headers, ReceiptId, Send, SubscriptionId, TransactionId};

/// What an operation costs beside its octets.
const OPERATION_OCTETS: usize = 128;

/// How often a message is sent again because its receipt did not come. A message that makes a server end the
/// connection must not do so for ever.
const RESENDS_MAX: u32 = 5;

/// Something that a frame says to the server.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Send {
        send: Send,
        transaction: Option<TransactionId>,
    },
    /// What it says is with the subscription.
    Subscribe(SubscriptionId),
    Unsubscribe {
        id: SubscriptionId,
        headers: Headers,
    },
    Ack {
        acknowledge: Acknowledge,
        transaction: Option<TransactionId>,
    },
    Nack {
        acknowledge: Acknowledge,
        transaction: Option<TransactionId>,
    },
    Begin(TransactionId),
    Commit(TransactionId),
    Abort(TransactionId),
    Disconnect,
}

impl Operation {
    /// The `correlation-id` of a message.
    pub(super) fn correlation_id(&self) -> Option<&str> {
        match self {
            Self::Send { send, .. } => send.headers.get("correlation-id"),
            _ => None,
        }
    }

    /// Whether its frame is text; only bodies can be something else.
    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Send { send, .. } => std::str::from_utf8(&send.body).is_ok(),
            _ => true,
        }
    }

    pub(super) fn octets(&self) -> usize {
        let octets = match self {
            Self::Send { send, .. } => {
                let headers = send.headers.iter().map(|(name, value)| name.len() + value.len() + 2);
                send.destination.len() + headers.sum::<usize>() + send.body.len()
            }
            _ => 0,
        };
        octets + OPERATION_OCTETS
    }
}

/// The number of a connection of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionNumber(pub(super) u64);

/// Which connections an operation may be sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Any,
    Only(ConnectionNumber),
}

/// What is done when the receipt of what was sent does not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unconfirmed {
    #[default]
    Fails,
    /// It is sent again by the next connection, unless that was done so often.
    IsSentAgain { times: u32 },
}

impl Unconfirmed {
    pub(super) fn once_more(self) -> Option<Self> {
        match self {
            Self::Fails => None,
            Self::IsSentAgain { times } => {
                (times < RESENDS_MAX).then_some(Self::IsSentAgain { times: times + 1 })
            }
        }
    }
}

/// An operation on its way out.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) operation: Operation,
    pub(super) bound: Bound,
    pub(super) receipt: Option<ReceiptId>,
    pub(super) unconfirmed: Unconfirmed,
}

impl Entry {
    pub(super) fn new(operation: Operation, bound: Bound) -> Self {
        Self { operation, bound, receipt: None, unconfirmed: Unconfirmed::Fails }
    }
}

/// What waits to be sent, in order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    entries: VecDeque<Entry>,
    octets: usize,
}

impl Outgoing {
    /// Whether one more fits, where so many octets are kept of what was sent and may have to be sent again. One
    /// alone always does.
    pub(super) fn has_room(&self, entry: &Entry, kept: usize, octets_max: usize) -> bool {
        let octets = self.octets + kept;
        octets == 0 || octets + entry.operation.octets() <= octets_max
    }

    pub(super) fn push_back(&mut self, entry: Entry) {
        self.octets += entry.operation.octets();
        self.entries.push_back(entry);
    }

    pub(super) fn push_front(&mut self, entry: Entry) {
        self.octets += entry.operation.octets();
        self.entries.push_front(entry);
    }

    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.octets -= entry.operation.octets();
        Some(entry)
    }

    /// Takes out the first one that is meant.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let at = self.entries.iter().position(is_meant)?;
        let entry = self.entries.remove(at)?;
        self.octets -= entry.operation.octets();
        Some(entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes out what is bound to a connection.
    pub(super) fn take_bound(&mut self) -> Vec<Entry> {
        let (kept, bound): (Vec<_>, Vec<_>) =
            self.drain().into_iter().partition(|entry| entry.bound == Bound::Any);
        kept.into_iter().for_each(|entry| self.push_back(entry));
        bound
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<Entry> {
        self.octets = 0;
        std::mem::take(&mut self.entries).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(body: &'static str, bound: Bound) -> Entry {
        let destination = "/queue/a".into();
        let (headers, body) = (Headers::default(), body.into());
        let send = Send { destination, headers, body, receipt: None };
        Entry::new(Operation::Send { send, transaction: None }, bound)
    }

    fn bodies(entries: &[Entry]) -> Vec<&[u8]> {
        let bodies = entries.iter().filter_map(|entry| match &entry.operation {
            Operation::Send { send, .. } => Some(&send.body[..]),
            _ => None,
        });
        bodies.collect()
    }

    #[test]
    fn what_is_bound_to_a_connection_goes_and_the_rest_keeps_its_order() {
        let mut outgoing = Outgoing::default();
        let bound = Bound::Only(ConnectionNumber(1));
        for (body, bound) in [("a", Bound::Any), ("b", bound), ("c", Bound::Any), ("d", bound)] {
            outgoing.push_back(send(body, bound));
        }
        assert_eq!(bodies(&outgoing.take_bound()), [b"b", b"d"]);
        assert_eq!(bodies(&outgoing.drain()), [b"a", b"c"]);
        assert_eq!(outgoing.octets, 0);
    }

    #[test]
    fn one_always_fits_and_two_if_there_is_room() {
        let mut outgoing = Outgoing::default();
        let entry = send("hello", Bound::Any);
        let octets = entry.operation.octets();
        assert!(outgoing.has_room(&entry, 0, 0));
        assert!(!outgoing.has_room(&entry, 1, octets));
        outgoing.push_back(entry.clone());
        assert!(outgoing.has_room(&entry, 0, 2 * octets));
        assert!(!outgoing.has_room(&entry, 0, 2 * octets - 1));
        outgoing.pop_front();
        assert!(outgoing.has_room(&entry, 0, 0));
    }
}
