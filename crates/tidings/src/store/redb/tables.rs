use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
};
use tidings_broker::{Batch, Position, QueueDefinition, QueueId, StoredMessage, StoredQueue};

use super::error::{damaged, storing};
use crate::store::StoreError;

/// What the file is, besides its queues.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const QUEUES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queues");
const MARKS: TableDefinition<'_, u64, u64> = TableDefinition::new("marks");
/// By queue and position.
const MESSAGES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("messages");

const STARTS: &str = "starts";
const ID_PREFIX: &str = "message-id-prefix";

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// How many times a server has started with it.
    pub(super) starts: u64,
    /// What the ids of messages begin with, since the file was created.
    pub(super) id_prefix: u64,
}

/// What the file says of itself; `None` if it is none of ours.
pub(super) fn about(database: &Database) -> Result<Option<About>, StoreError> {
    let transaction = database.begin_read().map_err(storing)?;
    let about = match transaction.open_table(ABOUT) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        opened => opened.map_err(storing)?,
    };
    let value = |key| about.get(key).map(|found| found.map(|it| it.value())).map_err(storing);
    let (starts, id_prefix) = (value(STARTS)?, value(ID_PREFIX)?);
    Ok(starts.zip(id_prefix).map(|(starts, id_prefix)| About { starts, id_prefix }))
}

/// Notes a start in the file. A new one gets this prefix.
pub(super) fn begin(database: &Database, id_prefix: u64) -> Result<About, StoreError> {
    let found = about(database)?.unwrap_or(About { starts: 0, id_prefix });
    let now = About { starts: found.starts + 1, ..found };
    let transaction = database.begin_write().map_err(storing)?;
    {
        let mut about = transaction.open_table(ABOUT).map_err(storing)?;
        about.insert(STARTS, now.starts).map_err(storing)?;
        about.insert(ID_PREFIX, now.id_prefix).map_err(storing)?;
        transaction.open_table(QUEUES).map_err(storing)?;
        transaction.open_table(MARKS).map_err(storing)?;
        transaction.open_table(MESSAGES).map_err(storing)?;
    }
    transaction.commit().map_err(storing)?;
    Ok(now)
}

/// All queues with their messages. A message of no queue is damage: it would turn up in a queue to come.
pub(super) fn read(database: &Database) -> Result<Vec<StoredQueue>, StoreError> {
    let transaction = database.begin_read().map_err(storing)?;
    let queues = transaction.open_table(QUEUES).map_err(storing)?;
    let marks = transaction.open_table(MARKS).map_err(storing)?;
    let messages = transaction.open_table(MESSAGES).map_err(storing)?;
    let mut found = Vec::new();
    for entry in queues.iter().map_err(storing)? {
        let (id, record) = entry.map_err(storing)?;
        let id = id.value();
        let definition = QueueDefinition::read_record(record.value()).map_err(damaged)?;
        let mark = marks.get(id).map_err(storing)?.map_or(0, |mark| mark.value());
        let mut queue = StoredQueue::new(QueueId(id), definition, Position(mark));
        for entry in messages.range((id, 0)..=(id, u64::MAX)).map_err(storing)? {
            let (key, record) = entry.map_err(storing)?;
            let message = StoredMessage::read_record(record.value()).map_err(damaged)?;
            queue.messages.push((Position(key.value().1), message));
        }
        found.push(queue);
    }
    let of_queues: u64 = found.iter().map(|queue| queue.messages.len() as u64).sum();
    match messages.len().map_err(storing)?.abs_diff(of_queues) {
        0 => Ok(found),
        others => Err(damaged(format!("{others} messages are of no queue"))),
    }
}

/// Writes a batch, all of it or nothing. It is on disk afterwards.
pub(super) fn write(database: &Database, batch: &Batch) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(storing)?;
    {
        let mut queues = transaction.open_table(QUEUES).map_err(storing)?;
        let mut marks = transaction.open_table(MARKS).map_err(storing)?;
        let mut messages = transaction.open_table(MESSAGES).map_err(storing)?;
        for QueueId(id) in batch.closed() {
            queues.remove(id).map_err(storing)?;
            marks.remove(id).map_err(storing)?;
            messages.retain_in((id, 0)..=(id, u64::MAX), |_, _| false).map_err(storing)?;
        }
        let mut record = Vec::new();
        for (QueueId(id), definition) in batch.opened() {
            record.clear();
            definition.write_record(&mut record);
            queues.insert(id, &record[..]).map_err(storing)?;
        }
        for (QueueId(id), Position(below)) in batch.marks() {
            marks.insert(id, below).map_err(storing)?;
        }
        for (QueueId(id), Position(position)) in batch.removes() {
            messages.remove((id, position)).map_err(storing)?;
        }
        for (QueueId(id), Position(position), message) in batch.puts() {
            record.clear();
            message.write_record(&mut record);
            messages.insert((id, position), &record[..]).map_err(storing)?;
        }
    }
    transaction.commit().map_err(storing)
}
