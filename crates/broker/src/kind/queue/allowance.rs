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
pub(super) struct Share {
    allowance: Arc<Allowance>,
    octets: usize,
}

impl Allowance {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }
}

impl Share {
    pub(super) fn of(allowance: Arc<Allowance>) -> Self {
        Self { allowance, octets: 0 }
    }

    /// Whether the queue may hold so much. A message that is the only one may have any size.
    ///
    /// # Errors
    ///
    /// What all queues of the session may hold together.
    pub(super) fn check(&self, amount: Amount) -> Result<(), usize> {
        let others = self.allowance.used.load(Ordering::Relaxed).saturating_sub(self.octets);
        let is_only = others == 0 && amount.messages <= 1;
        if is_only || others.saturating_add(counted(amount)) <= self.allowance.max {
            Ok(())
        } else {
            Err(self.allowance.max)
        }
    }

    /// The queue holds so much now.
    pub(super) fn set(&mut self, amount: Amount) {
        let octets = counted(amount);
        if octets > self.octets {
            self.allowance.used.fetch_add(octets - self.octets, Ordering::Relaxed);
        } else if octets < self.octets {
            self.allowance.used.fetch_sub(self.octets - octets, Ordering::Relaxed);
        }
        self.octets = octets;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(Amount::default());
    }
}

fn counted(amount: Amount) -> usize {
    amount.octets.saturating_add(amount.messages.saturating_mul(OVERHEAD_OCTETS))
}
