use std::sync::{Arc, Mutex, PoisonError};

use tidings_broker::{Batch, Snapshot};

use super::{Recovered, Store, StoreError, StoreFault};

/// A store that lasts as long as its last clone, and not longer than the process.
///
/// With it a test can end a server and start another with what it left:
///
/// ```
/// use tidings::App;
/// use tidings::store::MemoryStore;
///
/// let store = MemoryStore::new();
/// let app = App::builder().store(store.clone()).build()?;
/// drop(app);
/// let again = App::builder().store(store).build()?;
/// assert_eq!(again.recovery().messages, 0);
/// # Ok::<(), tidings::BuildError>(())
/// ```
///
/// It is no better than no store at all for a server that must not lose messages, and costs more:
/// [`RedbStore`](super::RedbStore) is for those.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    starts: u64,
    snapshot: Snapshot,
}

impl MemoryStore {
    /// A store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queues = kept.snapshot.queues();
        let queues =
            queues.map_err(|error| StoreError::new(StoreFault::Damaged).caused_by(error))?;
        kept.starts += 1;
        Ok(Recovered { queues, message_id_prefix: "memory".to_owned(), starts: kept.starts })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.snapshot.apply(batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn it_is_a_store() {
        let store = MemoryStore::new();
        conformance::check(|| store.clone());
    }
}
