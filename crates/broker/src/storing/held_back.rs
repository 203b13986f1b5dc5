use std::collections::VecDeque;

use super::BatchNumber;

/// What must not leave before batches are stored, in the order in which it leaves.
#[derive(Debug)]
pub struct HeldBack<T> {
    /// Each with the batch that it waits for, which is never older than that of the one before.
    held: VecDeque<(BatchNumber, T)>,
}

impl<T> Default for HeldBack<T> {
    fn default() -> Self {
        Self { held: VecDeque::new() }
    }
}

impl<T> HeldBack<T> {
    /// Holds something back until a batch is stored and everything held back before it has left.
    pub fn hold(&mut self, number: BatchNumber, what: T) {
        let number = self.held.back().map_or(number, |(before, _)| number.max(*before));
        self.held.push_back((number, what));
    }

    /// Holds something back that waits for nothing itself, if others are held back. Returns it if
    /// not.
    pub fn hold_behind(&mut self, what: T) -> Option<T> {
        let Some((number, _)) = self.held.back() else { return Some(what) };
        self.held.push_back((*number, what));
        None
    }

    /// Whether something is held back until this batch is stored, or a later one.
    #[must_use]
    pub fn waits_for(&self, number: BatchNumber) -> bool {
        self.held.back().is_some_and(|(last, _)| *last >= number)
    }

    /// The next that may leave, when all batches up to `stored` are stored.
    pub fn release(&mut self, stored: BatchNumber) -> Option<T> {
        self.held.pop_front_if(|(number, _)| *number <= stored).map(|(_, what)| what)
    }

    /// Whether nothing is held back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
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
        assert_eq!(held.release(BatchNumber(1)), None);
        assert_eq!(
            (held.release(BatchNumber(2)), held.release(BatchNumber(2))),
            (Some("a"), Some("b"))
        );
        assert_eq!(held.release(BatchNumber(2)), None);
        assert_eq!(held.release(BatchNumber(9)), Some("c"));
        assert!(held.is_empty());
    }
}
