use std::collections::BTreeMap;

use super::Batch;
use crate::record::{Position, QueueDefinition, QueueId, RecordError, StoredMessage, StoredQueue};

/// What a store holds, in memory: the queues and messages that batches have left.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    queues: BTreeMap<QueueId, QueueDefinition>,
    marks: BTreeMap<QueueId, Position>,
    /// As records, so that what comes back is what could have been written.
    messages: BTreeMap<(QueueId, Position), Vec<u8>>,
}

impl Snapshot {
    /// Takes in a batch.
    pub fn apply(&mut self, batch: &Batch) {
        for queue in batch.closed() {
            self.queues.remove(&queue);
            self.marks.remove(&queue);
            self.messages.retain(|(of, _), _| *of != queue);
        }
        for (queue, definition) in batch.opened() {
            self.queues.insert(queue, definition.clone());
        }
        self.marks.extend(batch.marks());
        for key in batch.removes() {
            self.messages.remove(&key);
        }
        for (queue, position, message) in batch.puts() {
            let mut record = Vec::new();
            message.write_record(&mut record);
            self.messages.insert((queue, position), record);
        }
    }

    /// The queues with their messages, as a server finds them when it starts.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if something cannot be read, or a message is of no queue.
    pub fn queues(&self) -> Result<Vec<StoredQueue>, RecordError> {
        let mut queues = Vec::with_capacity(self.queues.len());
        for (id, definition) in &self.queues {
            let marked_below = self.marks.get(id).copied().unwrap_or_default();
            let mut queue = StoredQueue::new(*id, definition.clone(), marked_below);
            let all = (*id, Position(0))..=(*id, Position(u64::MAX));
            for ((_, position), record) in self.messages.range(all) {
                queue.messages.push((*position, StoredMessage::read_record(record)?));
            }
            queues.push(queue);
        }
        if queues.iter().map(|queue| queue.messages.len()).sum::<usize>() < self.messages.len() {
            return Err(RecordError::NoSuchQueue);
        }
        Ok(queues)
    }
}
