use std::cell::Cell;

use super::Selector;

/// What an evaluation has done so far, in steps of about a nanosecond.
#[derive(Debug, Default)]
pub(super) struct Steps(Cell<usize>);

impl Steps {
    /// Counts so many more. False if those are too many.
    pub(super) fn take(&self, steps: usize) -> bool {
        self.0.set(self.0.get().saturating_add(steps));
        !self.are_spent()
    }

    /// Whether there were more than [`Selector::STEPS_MAX`].
    pub(super) fn are_spent(&self) -> bool {
        self.0.get() > Selector::STEPS_MAX
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.0.get()
    }
}
