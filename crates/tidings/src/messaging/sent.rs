use std::fmt;
use std::sync::Arc;

use crate::store::{BatchNumber, Journal, StoreError};

/// A message that the broker has taken.
pub struct Sent {
    subscribers: usize,
    /// Where it is going to be stored, and with what.
    stored: Option<(Arc<Journal>, BatchNumber)>,
}

impl Sent {
    pub(crate) fn new(subscribers: usize, stored: Option<(Arc<Journal>, BatchNumber)>) -> Self {
        Self { subscribers, stored }
    }

    /// To how many subscribers it was handed at once. For a queue that is one, or none if the message
    /// has to wait; for a user so many sessions, of which one counts twice that has subscribed twice.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Waits until the message is stored. One that is not to be stored is done at once: it is not
    /// persistent, no durable queue has taken it, or the application has no
    /// [store](crate::AppBuilder::store). One that was consumed meanwhile need not be stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot take it now. It may still be stored later, and it is
    /// delivered; who must know that it is safe sends it again.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing about the message.
    pub async fn stored(self) -> Result<(), StoreError> {
        let Some((journal, number)) = self.stored else { return Ok(()) };
        journal.stored(number).await
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("subscribers", &self.subscribers).finish_non_exhaustive()
    }
}
