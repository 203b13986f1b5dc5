//! What a turn sends to many. It stands in memory once, however many outboxes it waits in: to write it from
//! a copy in each would take the caches from everything else.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, PoisonError, RwLock};

use super::turn;

/// Octets of a batch from which on another one is begun.
const BATCH_OCTETS_MAX: usize = 64 * 1024;

thread_local! {
    /// That of the running turn, or one that is empty.
    static BATCH: RefCell<Arc<SharedBatch>> = RefCell::default();
    /// Whether the running turn has put something into it.
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// Frames of one turn, one after the other. They never change; more may follow.
#[derive(Debug, Default)]
struct SharedBatch(RwLock<Vec<u8>>);

/// A part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    batch: Arc<SharedBatch>,
    start: u32,
    end: u32,
}

impl Stretch {
    /// Adds what `encode` writes to the batch of the running turn; `None` if there is none.
    pub(super) fn new(encode: impl FnOnce(&mut Vec<u8>)) -> Option<Self> {
        if !turn::is_running() {
            return None;
        }
        IS_USED.set(true);
        BATCH.with_borrow_mut(|batch| {
            if batch.len() >= BATCH_OCTETS_MAX {
                *batch = Arc::default();
            }
            let mut octets = batch.0.write().unwrap_or_else(PoisonError::into_inner);
            let start = u32::try_from(octets.len()).ok()?;
            encode(&mut octets);
            let end = u32::try_from(octets.len()).ok()?;
            drop(octets);
            Some(Self { batch: Arc::clone(batch), start, end })
        })
    }

    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Takes up what follows immediately. Whether it does.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let follows = Arc::ptr_eq(&self.batch, &next.batch) && self.end == next.start;
        if follows {
            self.end = next.end;
        }
        follows
    }

    /// Lets `look` see the octets. It must not have anything sent to many.
    pub(super) fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        let octets = self.batch.0.read().unwrap_or_else(PoisonError::into_inner);
        look(octets.get(self.start as usize..self.end as usize).unwrap_or_default())
    }
}

impl SharedBatch {
    fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Has the next turn begin with an empty batch.
pub(super) fn end_turn() {
    if !IS_USED.replace(false) {
        return;
    }
    BATCH.with_borrow_mut(|batch| match Arc::get_mut(batch) {
        Some(SharedBatch(octets)) => {
            octets.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
        // Somebody has not written all of it.
        None => *batch = Arc::default(),
    });
}

#[cfg(test)]
mod tests {
    use super::super::turn::TurnGuard;
    use super::*;

    fn stretch(octets: &[u8]) -> Option<Stretch> {
        Stretch::new(|batch| batch.extend_from_slice(octets))
    }

    #[test]
    fn what_follows_immediately_is_one_stretch_and_nothing_else_is() {
        assert!(stretch(b"no turn").is_none());
        let turn = TurnGuard::enter();
        let [mut a, b, c] = [b"a", b"b", b"c"].map(|octets| stretch(octets).unwrap());
        assert!(!a.extend(&c));
        assert!(a.extend(&b) && a.extend(&c) && !a.extend(&c));
        a.look(|octets| assert_eq!(octets, b"abc"));
        drop(turn);
        let _turn = TurnGuard::enter();
        let d = stretch(b"d").unwrap();
        assert!(!a.extend(&d));
        a.look(|octets| assert_eq!(octets, b"abc", "whoever still has it keeps it"));
    }

    #[test]
    fn a_batch_is_used_again_once_nobody_has_it() {
        let place = || {
            let _turn = TurnGuard::enter();
            stretch(b"a").unwrap().look(<[u8]>::as_ptr)
        };
        assert_eq!(place(), place());
    }

    #[test]
    fn a_batch_does_not_grow_without_end() {
        let _turn = TurnGuard::enter();
        let first = stretch(&[0; BATCH_OCTETS_MAX]).unwrap();
        let second = stretch(b"b").unwrap();
        assert!(!Arc::ptr_eq(&first.batch, &second.batch));
    }
}
