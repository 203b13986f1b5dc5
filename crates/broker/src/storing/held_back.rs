use std::collections::VecDeque;

use super::BatchNumber;

/// What each thing that is held back counts for besides its own octets.
const OVERHEAD: usize = 64;

/// What must not leave before batches are stored, in the order in which it leaves.
#[derive(Debug)]
pub struct HeldBack<T> {
    /// Each with the batch that it waits for, which is never older than that of the one before.
    held: VecDeque<(BatchNumber, T)>,
    octets: usize,
    /// All batches up to this one are stored.
    stored: BatchNumber,
}

impl<T> Default for HeldBack<T> {
    fn default() -> Self {
        Self { held: VecDeque::new(), octets: 0, stored: BatchNumber(0) }
    }
}

impl<T: AsRef<[u8]>> HeldBack<T> {
    /// Holds something back until a batch is stored and everything held back before it has left.
    pub fn hold(&mut self, number: BatchNumber, what: T) {
        let number = self.held.back().map_or(number, |(before, _)| number.max(*before));
        self.octets += weight(&what);
        self.held.push_back((number, what));
    }

    /// Holds something back that waits for nothing itself, if others are held back. Returns it if
    /// not.
    pub fn hold_behind(&mut self, what: T) -> Option<T> {
        let Some((number, _)) = self.held.back() else { return Some(what) };
        self.hold(*number, what);
        None
    }

    /// Whether something is held back until this batch is stored, or a later one.
    #[must_use]
    pub fn waits_for(&self, number: BatchNumber) -> bool {
        self.held.back().is_some_and(|(last, _)| *last >= number)
    }

    /// All batches up to this one are stored.
    pub fn handle_stored(&mut self, number: BatchNumber) {
        self.stored = number.max(self.stored);
    }

    /// The next, if it may leave. It stays until it is [released](Self::release).
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.held.front().filter(|(number, _)| *number <= self.stored).map(|(_, what)| what)
    }

    /// The next, if it may leave, is held back no more.
    pub fn release(&mut self) -> Option<T> {
        let (_, what) = self.held.pop_front_if(|(number, _)| *number <= self.stored)?;
        self.octets -= weight(&what);
        Some(what)
    }

    /// Whether something waits for a batch that is not stored yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.held.back().is_some_and(|(last, _)| *last > self.stored)
    }

    /// Octets of all that is held back, 64 for each thing included.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Whether nothing is held back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn weight(what: &impl AsRef<[u8]>) -> usize {
    what.as_ref().len().saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_leaves_in_order_and_not_before_its_batch() {
        let mut held = HeldBack::default();
        assert_eq!(held.hold_behind("free"), Some("free"));
        held.hold(BatchNumber(2), "a");
        assert_eq!(held.hold_behind("b"), None);
        held.hold(BatchNumber(3), "c");
        assert_eq!([2, 3, 4].map(|n| held.waits_for(BatchNumber(n))), [true, true, false]);
        held.handle_stored(BatchNumber(1));
        assert_eq!(held.first(), None);
        assert_eq!(held.release(), None);
        held.handle_stored(BatchNumber(2));
        assert_eq!(held.first(), Some(&"a"));
        assert_eq!(held.release(), Some("a"));
        assert_eq!((held.release(), held.release()), (Some("b"), None));
        assert!(held.waits() && !held.is_empty());
        held.handle_stored(BatchNumber(9));
        assert!(!held.waits() && !held.is_empty());
        assert_eq!(held.release(), Some("c"));
        assert!(held.is_empty());
    }

    #[test]
    fn what_is_held_back_counts_until_it_is_released() {
        let mut held = HeldBack::default();
        held.hold(BatchNumber(1), "12345");
        held.hold_behind("");
        assert_eq!(held.octets(), 5 + 2 * OVERHEAD);
        held.handle_stored(BatchNumber(1));
        held.release();
        assert_eq!(held.octets(), OVERHEAD);
        held.release();
        assert_eq!(held.octets(), 0);
    }
}
