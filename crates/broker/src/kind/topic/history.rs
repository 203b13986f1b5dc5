use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::history::{Beginning, HistoryPosition, Recovery, Rewind};
use crate::message::Message;
use crate::policy::HistoryPolicy;
use crate::timestamp::Timestamp;

/// What a message takes besides its headers and body.
const OVERHEAD_OCTETS: usize = 256;

/// What all topics together keep of their past, in octets.
#[derive(Debug)]
pub(crate) struct KeptOctets {
    used: AtomicUsize,
    max: usize,
}

impl KeptOctets {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// What a message counts.
    pub(crate) fn of(message: &Message) -> usize {
        message.octets() + OVERHEAD_OCTETS
    }

    /// Whether there was room.
    pub(super) fn take(&self, octets: usize) -> bool {
        let take = |used: usize| used.checked_add(octets).filter(|used| *used <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Whether there is room, which is not taken.
    pub(crate) fn has_room(&self, octets: usize) -> bool {
        self.used().checked_add(octets).is_some_and(|used| used <= self.max)
    }

    pub(super) fn give_back(&self, octets: usize) {
        self.used.fetch_sub(octets, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The latest messages of a topic.
#[derive(Debug)]
pub(super) struct History {
    epoch: Arc<str>,
    policy: HistoryPolicy,
    /// With offsets that count up to `next`.
    entries: VecDeque<Entry>,
    /// The offset of the next message.
    next: u64,
    octets: usize,
    /// It has all messages that were sent later than this: it began then, or the newest one was sent
    /// then that it has forgotten.
    complete_after: Timestamp,
    room: Arc<KeptOctets>,
}

#[derive(Debug)]
struct Entry {
    sent: Timestamp,
    message: Arc<Message>,
    octets: usize,
}

impl History {
    pub(super) fn new(
        epoch: Arc<str>,
        began: Timestamp,
        policy: HistoryPolicy,
        room: Arc<KeptOctets>,
    ) -> Self {
        let entries = VecDeque::new();
        Self { epoch, policy, entries, next: 1, octets: 0, complete_after: began, room }
    }

    pub(super) fn policy(&self) -> &HistoryPolicy {
        &self.policy
    }

    /// The position that the next message is going to have.
    pub(super) fn next_position(&self) -> HistoryPosition {
        HistoryPosition { epoch: Arc::clone(&self.epoch), offset: self.next }
    }

    /// Adds the next message. Older ones make room, until nothing is kept at all.
    pub(super) fn push(&mut self, now: Timestamp, message: Arc<Message>) {
        self.next += 1;
        let octets = KeptOctets::of(&message);
        self.forget_expired(now);
        while self.entries.len() >= self.policy.messages_max.max(1)
            || self.octets + octets > self.policy.octets_max && !self.entries.is_empty()
        {
            self.forget_oldest();
        }
        let mut fits = self.policy.messages_max > 0 && octets <= self.policy.octets_max;
        while fits && !self.room.take(octets) {
            // Other topics keep what they have.
            fits = self.forget_oldest();
        }
        if fits {
            self.octets += octets;
            // Of two senders the later one may have looked at its clock first.
            let sent = self.entries.back().map_or(now, |newest| newest.sent.max(now));
            self.entries.push_back(Entry { sent, message, octets });
        } else {
            while self.forget_oldest() {}
            self.complete_after = self.complete_after.max(now);
        }
    }

    /// Forgets what has become too old.
    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        while self.expiry().is_some_and(|expiry| expiry <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest message becomes too old.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        self.entries.front().map(|oldest| oldest.sent.after(self.policy.age_max))
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.octets -= oldest.octets;
        self.room.give_back(oldest.octets);
        self.complete_after = self.complete_after.max(oldest.sent);
        true
    }

    /// The offset of the oldest message that is kept, or of the next one.
    pub(super) fn first(&self) -> u64 {
        self.next - self.entries.len() as u64
    }

    /// The message of this offset, if it is kept.
    pub(super) fn get(&self, offset: u64) -> Option<&Arc<Message>> {
        let at = usize::try_from(offset.checked_sub(self.first())?).ok()?;
        self.entries.get(at).map(|entry| &entry.message)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// How a subscription begins that asks for the past.
    pub(super) fn begin(&self, rewind: Option<&Rewind>) -> Beginning {
        let (from, recovery) =
            rewind.map_or((self.next, Recovery::NotAsked), |rewind| self.wind_back(rewind));
        let position = HistoryPosition { epoch: Arc::clone(&self.epoch), offset: from - 1 };
        Beginning { position: Some(position), recovery }
    }

    /// The offset that a subscription begins with, and whether that is all it has asked for.
    fn wind_back(&self, rewind: &Rewind) -> (u64, Recovery) {
        let first = self.first();
        let (from, is_complete) = match rewind {
            Rewind::After(position) if position.epoch != self.epoch => (first, false),
            // It has seen what was never sent.
            Rewind::After(position) if position.offset >= self.next => (self.next, false),
            Rewind::After(position) => {
                let from = (position.offset + 1).max(first);
                (from, from == position.offset + 1)
            }
            Rewind::From(offset) => ((*offset).clamp(first, self.next), false),
            Rewind::Last(count) => {
                let from = self.next.saturating_sub(*count as u64);
                // There may have been more before it began.
                (from.max(first), *count <= self.entries.len())
            }
            Rewind::Since(time) => {
                let earlier = self.entries.partition_point(|entry| entry.sent < *time);
                (first + earlier as u64, self.complete_after < *time)
            }
            Rewind::Everything => (first, true),
        };
        (from, if is_complete { Recovery::Complete } else { Recovery::Incomplete })
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.room.give_back(self.octets);
    }
}
