use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableTable, TableDefinition};
use tidings_broker::{Batch, Position, QueueDefinition, QueueId, StoredMessage, StoredQueue};

use super::{Recovered, Store, StoreError, StoreFault};

/// The file in the data directory.
const FILE: &str = "queues.redb";

/// What the file is, besides its queues.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const QUEUES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queues");
const MARKS: TableDefinition<'_, u64, u64> = TableDefinition::new("marks");
/// By queue and position.
const MESSAGES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("messages");

const STARTS: &str = "starts";
const ID_PREFIX: &str = "message-id-prefix";

/// How much of the file is kept in memory. Queues are read once, at the start.
const CACHE_OCTETS: usize = 16 * 1024 * 1024;

/// A store in one file of a directory, by the crate redb.
///
/// Each commit is written and synchronised before it returns, and takes effect as a whole: a commit
/// that a crash interrupts has never been. Directory and file are created with the first commit.
/// One process at a time may use the directory.
pub struct RedbStore {
    path: PathBuf,
    /// Closed after an error, which redb does not go on after, and until something is stored.
    database: Option<Database>,
    /// Given to the file when it is created.
    id_prefix: u64,
    starts: u64,
}

impl RedbStore {
    /// The store in a directory, which need not exist.
    #[must_use]
    pub fn new(directory: impl AsRef<Path>) -> Self {
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).expect("the operating system provides randomness");
        let id_prefix = u64::from_ne_bytes(octets);
        let path = directory.as_ref().join(FILE);
        Self { path, database: None, id_prefix, starts: 1 }
    }

    /// The file in which everything is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&mut self) -> Result<&Database, StoreError> {
        if self.database.is_none() {
            self.database = Some(open_file(&self.path)?);
        }
        Ok(self.database.as_ref().expect("it was opened above"))
    }

    /// Makes the file. It has its name only once it is whole: a crash leaves no part of one.
    fn create(&mut self) -> Result<(), StoreError> {
        let directory = self.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        fs::create_dir_all(&directory)?;
        let unfinished = self.path.with_extension("new");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.database = Some(open_file(&unfinished)?);
        self.begin()?;
        self.database = None;
        fs::rename(&unfinished, &self.path)?;
        fs::File::open(&directory)?.sync_all()?;
        Ok(())
    }

    /// Notes this start in the file, and reads what the file is.
    fn begin(&mut self) -> Result<(), StoreError> {
        let id_prefix = self.id_prefix;
        let transaction = self.open()?.begin_write().map_err(error)?;
        let (starts, id_prefix) = {
            let mut about = transaction.open_table(ABOUT).map_err(error)?;
            let value = |about: &redb::Table<'_, &str, u64>, key| {
                about.get(key).map(|found| found.map(|found| found.value())).map_err(error)
            };
            let starts = value(&about, STARTS)?.unwrap_or(0) + 1;
            let id_prefix = value(&about, ID_PREFIX)?.unwrap_or(id_prefix);
            about.insert(STARTS, starts).map_err(error)?;
            about.insert(ID_PREFIX, id_prefix).map_err(error)?;
            transaction.open_table(QUEUES).map_err(error)?;
            transaction.open_table(MARKS).map_err(error)?;
            transaction.open_table(MESSAGES).map_err(error)?;
            (starts, id_prefix)
        };
        transaction.commit().map_err(error)?;
        (self.starts, self.id_prefix) = (starts, id_prefix);
        Ok(())
    }

    fn read(&self) -> Result<Vec<StoredQueue>, StoreError> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let transaction = redb::ReadableDatabase::begin_read(database).map_err(error)?;
        let queues = transaction.open_table(QUEUES).map_err(error)?;
        let marks = transaction.open_table(MARKS).map_err(error)?;
        let messages = transaction.open_table(MESSAGES).map_err(error)?;
        let mut found = Vec::new();
        for entry in queues.iter().map_err(error)? {
            let (id, record) = entry.map_err(error)?;
            let id = id.value();
            let definition = QueueDefinition::read_record(record.value()).map_err(damaged)?;
            let mark = marks.get(id).map_err(error)?.map_or(0, |mark| mark.value());
            let mut queue = StoredQueue::new(QueueId(id), definition, Position(mark));
            for entry in messages.range((id, 0)..=(id, u64::MAX)).map_err(error)? {
                let (key, record) = entry.map_err(error)?;
                let message = StoredMessage::read_record(record.value()).map_err(damaged)?;
                queue.messages.push((Position(key.value().1), message));
            }
            found.push(queue);
        }
        Ok(found)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.database.is_none() && !self.path.exists() {
            self.create()?;
        }
        let transaction = self.open()?.begin_write().map_err(error)?;
        {
            let mut queues = transaction.open_table(QUEUES).map_err(error)?;
            let mut marks = transaction.open_table(MARKS).map_err(error)?;
            let mut messages = transaction.open_table(MESSAGES).map_err(error)?;
            for QueueId(id) in batch.closed() {
                queues.remove(id).map_err(error)?;
                marks.remove(id).map_err(error)?;
                messages.retain_in((id, 0)..=(id, u64::MAX), |_, _| false).map_err(error)?;
            }
            let mut record = Vec::new();
            for (QueueId(id), definition) in batch.opened() {
                record.clear();
                definition.write_record(&mut record);
                queues.insert(id, &record[..]).map_err(error)?;
            }
            for (QueueId(id), Position(below)) in batch.marks() {
                marks.insert(id, below).map_err(error)?;
            }
            for (QueueId(id), Position(position)) in batch.removes() {
                messages.remove((id, position)).map_err(error)?;
            }
            for (QueueId(id), Position(position), message) in batch.puts() {
                record.clear();
                message.write_record(&mut record);
                messages.insert((id, position), &record[..]).map_err(error)?;
            }
        }
        transaction.commit().map_err(error)
    }
}

impl Store for RedbStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let path = self.path.clone();
        let mut recover = || {
            if !self.path.exists() {
                return Ok(Vec::new());
            }
            self.begin()?;
            self.read()
        };
        let queues = recover().map_err(|error: StoreError| error.at(&path))?;
        let message_id_prefix = format!("{:x}", self.id_prefix);
        Ok(Recovered { queues, message_id_prefix, starts: self.starts })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch).map_err(|error| {
            self.database = None;
            error.at(&self.path)
        })
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn open_file(path: &Path) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_OCTETS);
    builder.create(path).map_err(open_error)
}

fn open_error(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::new(StoreFault::Locked).caused_by(error)
        }
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => damaged(error),
        error => self::error(error),
    }
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreFault::Damaged).caused_by(cause)
}

fn error(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => damaged(io),
        redb::Error::Io(io) => io.into(),
        corrupted @ redb::Error::Corrupted(_) => damaged(StorageErrorText(corrupted.to_string())),
        other => StoreError::new(StoreFault::Io).caused_by(StorageErrorText(other.to_string())),
    }
}

/// What redb says, without its type.
#[derive(Debug)]
struct StorageErrorText(String);

impl fmt::Display for StorageErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StorageErrorText {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, batch, sent};

    /// A directory that is removed with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let mut octets = [0; 8];
            getrandom::fill(&mut octets).unwrap();
            let name = format!("tidings-store-{:x}", u64::from_ne_bytes(octets));
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_is_a_store() {
        let directory = Directory::new();
        conformance::check(|| RedbStore::new(&directory.0));
    }

    #[test]
    fn nothing_is_created_before_there_is_something_to_store() {
        let directory = Directory::new();
        let mut store = RedbStore::new(&directory.0);
        assert_eq!(store.recover().unwrap().messages(), 0);
        assert!(!directory.0.exists());
        store.commit(&batch(sent("/queue/a", &["0"]))).unwrap();
        assert!(store.path().exists());
    }

    #[test]
    fn a_file_whose_making_was_interrupted_is_made_anew() {
        let directory = Directory::new();
        fs::create_dir_all(&directory.0).unwrap();
        fs::write(directory.0.join("queues.new"), b"half of it").unwrap();
        let mut store = RedbStore::new(&directory.0);
        assert_eq!(store.recover().unwrap().messages(), 0);
        store.commit(&batch(sent("/queue/a", &["0"]))).unwrap();
        drop(store);
        assert_eq!(RedbStore::new(&directory.0).recover().unwrap().messages(), 1);
        assert!(!directory.0.join("queues.new").exists());
    }

    #[test]
    fn a_store_that_is_in_use_is_refused() {
        let directory = Directory::new();
        let mut store = RedbStore::new(&directory.0);
        store.commit(&batch(sent("/queue/a", &["0"]))).unwrap();
        let error = RedbStore::new(&directory.0).recover().unwrap_err();
        assert_eq!(error.fault(), StoreFault::Locked, "{error:?}");
        assert!(error.to_string().contains("queues.redb is in use by another process"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let directory = Directory::new();
        fs::create_dir_all(&directory.0).unwrap();
        let file = directory.0.join(FILE);
        let garbage = vec![7; 10_000];
        fs::write(&file, &garbage).unwrap();
        let error = RedbStore::new(&directory.0).recover().unwrap_err();
        assert_eq!(error.fault(), StoreFault::Damaged, "{error:?}");
        assert_eq!(fs::read(&file).unwrap(), garbage);
    }

    #[test]
    fn a_directory_that_cannot_be_is_told() {
        let directory = Directory::new();
        fs::write(&directory.0, b"a file").unwrap();
        let mut store = RedbStore::new(directory.0.join("data"));
        let error = store.commit(&batch(sent("/queue/a", &["0"]))).unwrap_err();
        assert!(error.to_string().contains("data/queues.redb"), "{error}");
        fs::remove_file(&directory.0).unwrap();
        store.commit(&batch(sent("/queue/a", &["0"]))).unwrap();
    }
}
