use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Whose turn it is: of the consumers that could take a message, those of the highest priority one
/// after the other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By priority, the highest first. No set is empty.
    eligible: BTreeMap<Reverse<i32>, BTreeSet<u64>>,
    /// Who had the last turn.
    last: u64,
}

impl Turns {
    pub(super) fn admit(&mut self, key: u64, priority: i32) {
        self.eligible.entry(Reverse(priority)).or_default().insert(key);
    }

    pub(super) fn remove(&mut self, key: u64, priority: i32) {
        if let Some(keys) = self.eligible.get_mut(&Reverse(priority)) {
            keys.remove(&key);
            if keys.is_empty() {
                self.eligible.remove(&Reverse(priority));
            }
        }
    }

    /// The consumer has had its turn.
    pub(super) fn took(&mut self, key: u64) {
        self.last = key;
    }

    /// The consumers, in the order in which they are to be asked.
    pub(super) fn in_order(&self) -> impl Iterator<Item = u64> {
        let last = self.last;
        self.eligible.values().flat_map(move |keys| {
            let after = keys.range((Bound::Excluded(last), Bound::Unbounded));
            after.chain(keys.range(..=last)).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_come_first_and_equals_take_turns() {
        let mut turns = Turns::default();
        for (key, priority) in [(1, 0), (2, 5), (3, 5), (4, -1), (5, 5)] {
            turns.admit(key, priority);
        }
        turns.took(3);
        assert_eq!(turns.in_order().collect::<Vec<_>>(), [5, 2, 3, 1, 4]);
        turns.remove(5, 5);
        turns.remove(1, 0);
        assert_eq!(turns.in_order().collect::<Vec<_>>(), [2, 3, 4]);
    }
}
