use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What all clients of a soak have seen together.
#[derive(Default)]
pub(super) struct Tally {
    /// Subscribers that listen.
    pub(super) subscribed: AtomicUsize,
    pub(super) published: AtomicU64,
    pub(super) delivered: AtomicU64,
    /// Messages of the topic that a subscriber did not get.
    pub(super) lost: AtomicU64,
    /// Messages that came again, or after a later one.
    pub(super) repeated: AtomicU64,
    /// Slow subscribers that the server has sent away.
    pub(super) sent_away: AtomicU64,
    /// Other subscribers that were.
    pub(super) ended: AtomicU64,
    /// Receipts for messages of the queue, of which those are left that were not consumed.
    pub(super) receipted: AtomicU64,
    pub(super) consumed: AtomicU64,
    pub(super) consumed_again: AtomicU64,
    waiting: Mutex<Waiting>,
    stopped: AtomicBool,
}

/// Messages of the queue that were seen on one side only.
#[derive(Default)]
struct Waiting {
    receipted: BTreeSet<u64>,
    consumed: BTreeSet<u64>,
}

impl Tally {
    pub(super) const HEAD: &'static str = "    RSS MiB   published   delivered    lost   repeated  \
        sent away   ended   receipted    consumed   again";

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn receipt(&self, number: u64) {
        self.receipted.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.consumed.remove(&number) {
            waiting.receipted.insert(number);
        }
    }

    pub(super) fn consume(&self, number: u64) {
        self.consumed.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.receipted.remove(&number) && !waiting.consumed.insert(number) {
            self.consumed_again.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages of the queue that have a receipt and were not consumed.
    fn missing(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).receipted.len()
    }

    pub(super) fn line(&self, resident: u64) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{resident:>11} {:>11} {:>11} {:>7} {:>10} {:>10} {:>7} {:>11} {:>11} {:>7}",
            of(&self.published),
            of(&self.delivered),
            of(&self.lost),
            of(&self.repeated),
            of(&self.sent_away),
            of(&self.ended),
            of(&self.receipted),
            of(&self.consumed),
            of(&self.consumed_again),
        )
    }

    pub(super) fn is_clean(&self) -> bool {
        let counts = [&self.lost, &self.repeated, &self.ended, &self.consumed_again];
        counts.iter().all(|count| count.load(Ordering::Relaxed) == 0) && self.missing() == 0
    }

    pub(super) fn verdict(&self) -> String {
        let missing = self.missing();
        let verdict =
            if self.is_clean() { "nothing lost, repeated or out of order" } else { "FAILED" };
        format!("{verdict}; {missing} messages of the queue have a receipt and were not consumed")
    }
}
