use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::QueueLimit;
use crate::message::Message;

/// The messages of a queue: those that are ready, in order, and a count of those that a consumer
/// has but did not settle. The limits are for both together.
#[derive(Debug)]
pub(super) struct Backlog {
    ready: BTreeMap<Position, Ready>,
    next_position: u64,
    unsettled: usize,
    /// Of all messages, ready or not.
    octets: usize,
    messages_max: usize,
    octets_max: usize,
}

/// The place of a message in its queue, which it keeps when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

#[derive(Debug)]
struct Ready {
    message: Arc<Message>,
    /// How many times it has been delivered.
    delivered: u32,
}

/// A message of a queue that is delivered, or about to be.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) position: Position,
    pub(super) message: Arc<Message>,
    /// This delivery included.
    pub(super) delivery_count: u32,
}

impl Backlog {
    pub(super) fn new(messages_max: usize, octets_max: usize) -> Self {
        let ready = BTreeMap::new();
        Self { ready, next_position: 0, unsettled: 0, octets: 0, messages_max, octets_max }
    }

    /// Adds a message at the end.
    pub(super) fn push(&mut self, message: Arc<Message>) -> Result<Position, QueueLimit> {
        if self.ready.len() + self.unsettled >= self.messages_max {
            return Err(QueueLimit::Messages(self.messages_max));
        }
        let octets = self.octets.saturating_add(message.octets());
        if octets > self.octets_max {
            return Err(QueueLimit::Octets(self.octets_max));
        }
        self.octets = octets;
        let position = Position(self.next_position);
        self.next_position += 1;
        self.ready.insert(position, Ready { message, delivered: 0 });
        Ok(position)
    }

    /// The next message to deliver, which stays ready until it is taken.
    pub(super) fn first(&self) -> Option<Queued> {
        let (position, ready) = self.ready.first_key_value()?;
        Some(Queued {
            position: *position,
            message: Arc::clone(&ready.message),
            delivery_count: ready.delivered.saturating_add(1),
        })
    }

    /// `queued` has been delivered.
    pub(super) fn take(&mut self, queued: &Queued) {
        if self.ready.remove(&queued.position).is_some() {
            self.unsettled += 1;
        }
    }

    /// A message that was taken is consumed.
    pub(super) fn forget(&mut self, queued: &Queued) {
        self.unsettled -= 1;
        self.octets -= queued.message.octets();
    }

    /// A message that was taken becomes ready again, in its old place.
    pub(super) fn put_back(&mut self, queued: Queued) {
        self.unsettled -= 1;
        let ready = Ready { message: queued.message, delivered: queued.delivery_count };
        self.ready.insert(queued.position, ready);
    }

    pub(super) fn is_ready(&self, position: Position) -> bool {
        self.ready.contains_key(&position)
    }

    /// Whether there is no message, ready or not.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.unsettled == 0
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }
}
