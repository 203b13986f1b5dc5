use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What all clients of a soak have seen together.
#[derive(Default)]
pub(super) struct Tally {
    /// Subscribers that listen.
    pub(super) subscribed: AtomicUsize,
    pub(super) published: AtomicU64,
    /// To slow subscribers.
    pub(super) published_large: AtomicU64,
    pub(super) delivered: AtomicU64,
    /// Messages of the topic that a subscriber did not get.
    pub(super) lost: AtomicU64,
    /// Messages that came again, or after a later one.
    pub(super) repeated: AtomicU64,
    /// Slow subscribers that the server has sent away.
    pub(super) sent_away: AtomicU64,
    /// Whoever else came to an end before the soak did.
    pub(super) ended: AtomicU64,
    /// Messages sent to the queue.
    pub(super) produced: AtomicU64,
    /// Receipts for messages of the queue, of which those are left that were not consumed.
    pub(super) receipted: AtomicU64,
    pub(super) consumed: AtomicU64,
    pub(super) consumed_again: AtomicU64,
    waiting: Mutex<Waiting>,
    /// What each subscriber has seen, but for the slow ones: one more than the number of its latest message.
    seen: Mutex<Vec<Arc<AtomicU64>>>,
    memory: Mutex<Memory>,
    stopped: AtomicBool,
}

/// What the server takes, in MiB: the least of each minute, since peaks pass.
type Memory = Vec<u64>;

/// By how much memory may have grown since it had settled in the third minute, in percent: what allocators keep
/// varies.
const GROWTH_PERCENT_MAX: u64 = 10;

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

    /// Where a subscriber notes what it has seen.
    pub(super) fn listener(&self) -> Arc<AtomicU64> {
        let seen = Arc::default();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&seen));
        seen
    }

    /// Subscribers that have not seen the last message.
    fn behind(&self) -> usize {
        let published = self.published.load(Ordering::Relaxed);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| seen.load(Ordering::Relaxed) < published).count()
    }

    /// Takes note of the memory that the server takes after so long.
    pub(super) fn note_memory(&self, mebibytes: u64, after: Duration) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.get_mut((after.as_secs() / 60) as usize) {
            Some(least) => *least = mebibytes.min(*least),
            None => memory.push(mebibytes),
        }
    }

    /// How memory went, or what is wrong in a run that was long enough to tell.
    fn steadiness(&self) -> Result<String, String> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // The last minute was not whole.
        let [_, _, settled, .., last, _] = memory[..] else {
            return Ok("too short to tell whether memory grows".to_owned());
        };
        if 100 * last > (100 + GROWTH_PERCENT_MAX) * settled {
            return Err(format!("memory grew from {settled} to {last} MiB, the least of a minute"));
        }
        if self.sent_away.load(Ordering::Relaxed) == 0 {
            return Err("no slow subscriber was sent away".to_owned());
        }
        Ok(format!("memory went from {settled} to {last} MiB, the least of a minute"))
    }

    /// Messages that were sent to the queue and have no receipt.
    fn unconfirmed(&self) -> u64 {
        let receipted = self.receipted.load(Ordering::Relaxed);
        self.produced.load(Ordering::Relaxed).saturating_sub(receipted)
    }

    /// Whether anything went by the topic and by the queue.
    fn is_idle(&self) -> bool {
        [&self.delivered, &self.consumed].iter().any(|count| count.load(Ordering::Relaxed) == 0)
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
        counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
            && !self.is_idle()
            && self.unconfirmed() == 0
            && self.missing() == 0
            && self.behind() == 0
            && self.steadiness().is_ok()
    }

    pub(super) fn verdict(&self) -> String {
        let (missing, behind) = (self.missing(), self.behind());
        let unconfirmed = self.unconfirmed();
        let verdict =
            if self.is_clean() { "nothing lost, repeated or out of order" } else { "FAILED" };
        let (Ok(steadiness) | Err(steadiness)) = self.steadiness();
        format!(
            "{verdict}; {missing} messages of the queue have a receipt and were not consumed, {unconfirmed} have \
             none; {behind} subscribers did not see the last message; {steadiness}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Defect = fn(&Tally);

    /// One message by each way, seen by the only subscriber.
    fn clean() -> Tally {
        let tally = Tally::default();
        for count in [&tally.published, &tally.delivered, &tally.produced] {
            count.store(1, Ordering::Relaxed);
        }
        tally.listener().store(1, Ordering::Relaxed);
        tally.consume(0);
        tally.receipt(0);
        assert!(tally.is_clean(), "{}", tally.verdict());
        tally
    }

    #[test]
    fn whatever_is_wrong_is_found() {
        let wrong: [(&str, Defect); 7] = [
            ("lost", |tally| tally.lost.store(1, Ordering::Relaxed)),
            ("ended", |tally| tally.ended.store(1, Ordering::Relaxed)),
            ("behind", |tally| tally.published.store(2, Ordering::Relaxed)),
            ("without receipt", |tally| tally.produced.store(2, Ordering::Relaxed)),
            ("not consumed", |tally| {
                tally.produced.store(2, Ordering::Relaxed);
                tally.receipt(1);
            }),
            ("consumed again", |tally| {
                tally.consume(1);
                tally.consume(1);
            }),
            ("growing", |tally| {
                tally.sent_away.store(1, Ordering::Relaxed);
                for (minute, least) in [90, 95, 100, 111, 0].into_iter().enumerate() {
                    let begin = Duration::from_secs(60 * minute as u64);
                    tally.note_memory(least + 50, begin);
                    tally.note_memory(least, begin + Duration::from_secs(59));
                }
            }),
        ];
        for (what, break_it) in wrong {
            let tally = clean();
            break_it(&tally);
            assert!(!tally.is_clean(), "{what}");
        }
        assert!(!Tally::default().is_clean(), "nothing has happened");
    }
}
