use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::error::QueueLimit;
use crate::message::Message;
use crate::record::Position;
use crate::timestamp::Timestamp;

/// The messages of a queue: those that are ready, in order, those that wait for the time of their
/// first or next delivery, and a count of those that a consumer has but did not settle.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    ready: BTreeMap<Place, Ready>,
    /// By when they are ready.
    delayed: BTreeMap<(Timestamp, Place), Queued>,
    /// Those of the ready ones that expire.
    expiring: BTreeSet<(Timestamp, Place)>,
    next_position: Position,
    unsettled: usize,
    /// Of all messages, ready or not.
    octets: usize,
}

/// Where a message stands among the others: the more urgent before the less, and among equals the
/// older before the newer. It keeps its place when it comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The lower, the more urgent.
    pub(super) rank: u8,
    pub(super) position: Position,
}

#[derive(Debug)]
struct Ready {
    message: Arc<Message>,
    /// How many times it has been delivered.
    deliveries: u32,
    expires_at: Option<Timestamp>,
}

/// A message that stands, or stood, in a queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) place: Place,
    pub(super) message: Arc<Message>,
    /// How many times it has been delivered: of one that is with a consumer, this time included.
    pub(super) deliveries: u32,
    pub(super) expires_at: Option<Timestamp>,
}

/// A number of messages, and the octets that they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) messages: usize,
    pub(crate) octets: usize,
}

impl Backlog {
    /// A place at the end of those of its rank.
    pub(super) fn next_place(&mut self, rank: u8) -> Place {
        let position = self.next_position;
        self.next_position = Position(position.0 + 1);
        Place { rank, position }
    }

    /// No message gets a position below that.
    pub(super) fn skip_to(&mut self, position: Position) {
        self.next_position = self.next_position.max(position);
    }

    pub(super) fn next_position(&self) -> Position {
        self.next_position
    }

    /// Adds a message that was not there before. It may have to wait for its time.
    pub(super) fn insert(&mut self, queued: Queued, now: Timestamp) {
        if let Some(at) = queued.message.properties.deliver_at.filter(|at| *at > now) {
            return self.insert_later(queued, at);
        }
        self.octets = self.octets.saturating_add(queued.message.octets());
        self.make_ready(queued);
    }

    /// Adds a message that was not there before, and will be ready later.
    pub(super) fn insert_later(&mut self, queued: Queued, at: Timestamp) {
        self.octets = self.octets.saturating_add(queued.message.octets());
        self.delayed.insert((at, queued.place), queued);
    }

    /// The first message that is ready, at or behind a place.
    pub(super) fn first_from(&self, place: Place) -> Option<Queued> {
        let (place, ready) = self.ready.range((Bound::Included(place), Bound::Unbounded)).next()?;
        Some(ready.queued(*place))
    }

    /// All messages that are ready, in order.
    pub(super) fn iter_ready(&self) -> impl Iterator<Item = (Place, &Message)> {
        self.ready.iter().map(|(place, ready)| (*place, &*ready.message))
    }

    /// The oldest of the least urgent messages that are ready.
    pub(super) fn least_urgent(&self) -> Option<Queued> {
        let (last, _) = self.ready.last_key_value()?;
        self.first_from(Place { rank: last.rank, position: Position(0) })
    }

    pub(super) fn get(&self, place: Place) -> Option<Queued> {
        self.ready.get(&place).map(|ready| ready.queued(place))
    }

    /// A ready message has been delivered, and is with its consumer now.
    pub(super) fn take(&mut self, queued: &Queued) {
        if self.remove_ready(queued.place) {
            self.unsettled += 1;
        }
    }

    /// A message that was taken is consumed.
    pub(super) fn forget(&mut self, queued: &Queued) {
        self.unsettled -= 1;
        self.octets -= queued.message.octets();
    }

    /// A message that was taken is ready again, in its old place.
    pub(super) fn put_back(&mut self, queued: Queued) {
        self.unsettled -= 1;
        self.make_ready(queued);
    }

    /// A message that was taken will be ready again, in its old place.
    pub(super) fn put_back_later(&mut self, queued: Queued, at: Timestamp) {
        self.unsettled -= 1;
        self.delayed.insert((at, queued.place), queued);
    }

    /// Removes a message that is ready.
    pub(super) fn remove(&mut self, place: Place) -> Option<Queued> {
        let queued = self.get(place)?;
        self.remove_ready(place);
        self.octets -= queued.message.octets();
        Some(queued)
    }

    /// Removes every message that is ready or delayed.
    pub(super) fn drain(&mut self) -> Vec<Queued> {
        let ready: Vec<Place> = self.ready.keys().copied().collect();
        let mut drained: Vec<Queued> =
            ready.into_iter().filter_map(|place| self.remove(place)).collect();
        for queued in std::mem::take(&mut self.delayed).into_values() {
            self.octets -= queued.message.octets();
            drained.push(queued);
        }
        drained
    }

    /// Removes a message that has expired.
    pub(super) fn pop_expired(&mut self, now: Timestamp) -> Option<Queued> {
        let (at, place) = *self.expiring.first()?;
        if at > now {
            return None;
        }
        self.remove(place)
    }

    /// Makes a message ready whose time has come, and says where it stands.
    pub(super) fn wake_delayed(&mut self, now: Timestamp) -> Option<Place> {
        let entry = self.delayed.first_entry().filter(|entry| entry.key().0 <= now)?;
        let queued = entry.remove();
        let place = queued.place;
        self.make_ready(queued);
        Some(place)
    }

    /// When a message expires or is ready, whichever is first.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let expires = self.expiring.first().map(|(at, _)| *at);
        let ready = self.delayed.first_key_value().map(|((at, _), _)| *at);
        expires.into_iter().chain(ready).min()
    }

    pub(super) fn is_ready(&self, place: Place) -> bool {
        self.ready.contains_key(&place)
    }

    /// Whether there is no message, ready or not.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All messages, ready or not.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.delayed.len() + self.unsettled
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn delayed(&self) -> usize {
        self.delayed.len()
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// All messages, ready or not.
    pub(super) fn amount(&self) -> Amount {
        Amount { messages: self.len(), octets: self.octets }
    }

    fn make_ready(&mut self, queued: Queued) {
        let Queued { place, message, deliveries, expires_at } = queued;
        if let Some(at) = expires_at {
            self.expiring.insert((at, place));
        }
        self.ready.insert(place, Ready { message, deliveries, expires_at });
    }

    fn remove_ready(&mut self, place: Place) -> bool {
        let Some(ready) = self.ready.remove(&place) else { return false };
        if let Some(at) = ready.expires_at {
            self.expiring.remove(&(at, place));
        }
        true
    }
}

impl Amount {
    /// This and one more message.
    pub(crate) fn with(self, message: &Message) -> Self {
        self.and(Self { messages: 1, octets: message.octets() })
    }

    pub(super) fn and(self, other: Self) -> Self {
        let messages = self.messages.saturating_add(other.messages);
        Self { messages, octets: self.octets.saturating_add(other.octets) }
    }

    /// This without one of its messages.
    pub(super) fn without(self, message: &Message) -> Self {
        Self { messages: self.messages - 1, octets: self.octets - message.octets() }
    }

    /// Whether this is within a limit.
    pub(super) fn check(self, max: Self) -> Result<(), QueueLimit> {
        if self.messages > max.messages {
            return Err(QueueLimit::Messages(max.messages));
        }
        if self.octets > max.octets {
            return Err(QueueLimit::Octets(max.octets));
        }
        Ok(())
    }

    /// Whether it keeps to a limit.
    pub(crate) fn is_within(self, limit: QueueLimit) -> bool {
        match limit {
            QueueLimit::Messages(max) => self.messages <= max,
            QueueLimit::Octets(max) => self.octets <= max,
        }
    }

    /// Whether there may be more than this.
    pub(super) fn is_below(self, max: Self) -> bool {
        self.messages < max.messages && self.octets < max.octets
    }
}

impl Place {
    /// The place right behind.
    pub(super) fn next(self) -> Self {
        Self { rank: self.rank, position: Position(self.position.0.saturating_add(1)) }
    }
}

impl Ready {
    fn queued(&self, place: Place) -> Queued {
        Queued {
            place,
            message: Arc::clone(&self.message),
            deliveries: self.deliveries,
            expires_at: self.expires_at,
        }
    }
}
