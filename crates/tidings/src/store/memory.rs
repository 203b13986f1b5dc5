use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_broker::{Position, QueueDefinition, QueueId, StoredMessage, StoredQueue};

use super::{Batch, Recovered, Store, StoreError, StoreFault};

/// A store that lasts as long as its last clone: for tests, which can so end a server and start
/// another with what it left.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    starts: u64,
    queues: BTreeMap<QueueId, QueueDefinition>,
    marks: BTreeMap<QueueId, Position>,
    /// As records, so that what comes back is what could have been written.
    messages: BTreeMap<(QueueId, Position), Vec<u8>>,
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
        kept.starts += 1;
        let mut queues = Vec::new();
        for (id, definition) in &kept.queues {
            let marked_below = kept.marks.get(id).copied().unwrap_or_default();
            let mut queue = StoredQueue::new(*id, definition.clone(), marked_below);
            let first = (*id, Position(0));
            let last = (*id, Position(u64::MAX));
            for ((_, position), record) in kept.messages.range(first..=last) {
                let message = StoredMessage::read_record(record)
                    .map_err(|error| StoreError::new(StoreFault::Damaged).caused_by(error))?;
                queue.messages.push((*position, message));
            }
            queues.push(queue);
        }
        Ok(Recovered { queues, message_id_prefix: "memory".to_owned(), starts: kept.starts })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in batch.closed() {
            kept.queues.remove(&queue);
            kept.marks.remove(&queue);
            kept.messages.retain(|(of, _), _| *of != queue);
        }
        for (queue, definition) in batch.opened() {
            kept.queues.insert(queue, definition.clone());
        }
        kept.marks.extend(batch.marks());
        for key in batch.removes() {
            kept.messages.remove(&key);
        }
        for (queue, position, message) in batch.puts() {
            let mut record = Vec::new();
            message.write_record(&mut record);
            kept.messages.insert((queue, position), record);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::batch::tests::{batch, sent};

    #[test]
    fn what_was_committed_comes_back() {
        let mut store = MemoryStore::new();
        assert_eq!(store.recover().unwrap().messages(), 0);
        store.commit(&batch(sent("/queue/a", &["0", "1"]))).unwrap();
        let recovered = store.clone().recover().unwrap();
        assert_eq!((recovered.starts, recovered.messages()), (2, 2));
        assert_eq!(recovered.queues[0].definition.name.as_str(), "/queue/a");
        assert_eq!(&recovered.queues[0].messages[1].1.body[..], b"1");
    }
}
