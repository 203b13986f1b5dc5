use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Awaiting, BatchNumber, Journal, StoreError, StoreFault, Waits};

impl Journal {
    /// Waits until a batch is stored, or cannot be at the moment.
    pub(crate) async fn stored(&self, number: BatchNumber) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        let waiting = Arc::new(Waiting { number, tell: Mutex::new(Some(tell)) });
        if self.wait_for(number, waiting).is_err() {
            return Ok(());
        }
        // Nobody tells where the journal has ended without it.
        told.await.unwrap_or(Err(StoreFault::Io)).map_err(StoreError::new)
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
    fn committed(self: Arc<Self>, number: BatchNumber) -> Waits {
        if number < self.number {
            return Waits::ForMore;
        }
        self.tell(Ok(()));
        Waits::NoLonger
    }

    fn failed(self: Arc<Self>, error: &StoreError) {
        self.tell(Err(error.fault()));
    }
}
