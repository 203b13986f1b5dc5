use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::store::{Awaiting, BatchNumber, Journal, StoreError, StoreFault, Waits};

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
    /// has to wait.
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
        let (tell, told) = oneshot::channel();
        let waiting = Arc::new(Waiting { number, tell: Mutex::new(Some(tell)) });
        if journal.wait_for(number, waiting).is_err() {
            return Ok(());
        }
        match told.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(StoreError::new(fault)),
            // The journal has ended without it.
            Err(_) => Err(StoreError::new(StoreFault::Io)),
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("subscribers", &self.subscribers).finish_non_exhaustive()
    }
}

struct Waiting {
    number: BatchNumber,
    tell: Mutex<Option<oneshot::Sender<Result<(), StoreFault>>>>,
}

impl Waiting {
    fn tell(&self, outcome: Result<(), StoreFault>) {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nobody may be waiting any more.
        let _ = tell.map(|tell| tell.send(outcome));
    }
}

impl Awaiting for Waiting {
    fn committed(&self, number: BatchNumber) -> Waits {
        if number < self.number {
            return Waits::ForMore;
        }
        self.tell(Ok(()));
        Waits::NoLonger
    }

    fn failed(&self, error: &StoreError) {
        self.tell(Err(error.fault()));
    }
}
