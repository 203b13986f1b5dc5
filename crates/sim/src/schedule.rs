use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tidings_broker::Timestamp;

/// Virtual time, and what is going to happen.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    /// Microseconds since the beginning.
    now: u64,
    beginning: Instant,
    /// Counts up, so that what is due at the same moment happens in the order in which it was asked
    /// for.
    next: u64,
    events: BTreeMap<(u64, u64), E>,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self { now: 0, beginning: Instant::now(), next: 0, events: BTreeMap::new() }
    }

    /// Microseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn instant(&self) -> Instant {
        self.beginning + Duration::from_micros(self.now)
    }

    /// The time of the calendar, which begins a second after 1970 did.
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp(1000 + self.now / 1000)
    }

    /// When the calendar says `at`.
    pub(crate) fn time_of(&self, at: Timestamp) -> u64 {
        at.0.saturating_sub(1000).saturating_mul(1000)
    }

    /// Has something happen so many microseconds from now.
    pub(crate) fn after(&mut self, delay: u64, event: E) {
        self.at(self.now.saturating_add(delay), event);
    }

    pub(crate) fn at(&mut self, time: u64, event: E) {
        self.events.insert((time.max(self.now), self.next), event);
        self.next += 1;
    }

    /// What happens next, which is now from now on; nothing if that is later than `end`.
    pub(crate) fn next(&mut self, end: u64) -> Option<E> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= end)?;
        self.now = entry.key().0;
        Some(entry.remove())
    }

    /// Nothing happens until then.
    pub(crate) fn skip_to(&mut self, time: u64) {
        self.now = self.now.max(time);
    }
}
