use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::backlog::Amount;

/// What a message takes besides its headers and body.
const OVERHEAD_OCTETS: usize = 256;

/// Octets that the messages of all temporary queues of a session may have together.
#[derive(Debug)]
pub(crate) struct Allowance {
    used: AtomicUsize,
    max: usize,
}

/// What one queue uses of it.
#[derive(Debug)]
pub(super) struct Usage {
    allowance: Arc<Allowance>,
    octets: usize,
}

impl Allowance {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// What so many messages use of an allowance.
    pub(crate) fn octets(amount: Amount) -> usize {
        amount.octets.saturating_add(amount.messages.saturating_mul(OVERHEAD_OCTETS))
    }
}

impl Usage {
    pub(super) fn of(allowance: Arc<Allowance>) -> Self {
        Self { allowance, octets: 0 }
    }

    pub(super) fn allowance(&self) -> &Arc<Allowance> {
        &self.allowance
    }

    /// Whether the queue may hold so much, if others of its session are going to get these octets more. A
    /// message that is the only one may have any size.
    ///
    /// # Errors
    ///
    /// What all queues of the session may hold together.
    pub(super) fn check(&self, amount: Amount, for_others: usize) -> Result<(), usize> {
        let others = self.allowance.used.load(Ordering::Relaxed).saturating_sub(self.octets);
        let others = others.saturating_add(for_others);
        let is_only = others == 0 && amount.messages <= 1;
        if is_only || others.saturating_add(Allowance::octets(amount)) <= self.allowance.max {
            Ok(())
        } else {
            Err(self.allowance.max)
        }
    }

    /// The queue holds so much now.
    pub(super) fn set(&mut self, amount: Amount) {
        let octets = Allowance::octets(amount);
        if octets > self.octets {
            self.allowance.used.fetch_add(octets - self.octets, Ordering::Relaxed);
        } else if octets < self.octets {
            self.allowance.used.fetch_sub(self.octets - octets, Ordering::Relaxed);
        }
        self.octets = octets;
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.set(Amount::default());
    }
}
