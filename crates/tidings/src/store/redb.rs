mod error;
mod files;
#[cfg(test)]
mod power_cut;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use redb::Database;
use tidings_broker::{Batch, StoredQueue};

use self::error::opening;
use self::files::{Files, Lock, SystemFiles, parent};
use self::tables::About;
use super::{Recovered, Store, StoreError, StoreFault};

/// The file in the data directory.
const FILE: &str = "queues.redb";
/// The same before it is whole.
const UNFINISHED: &str = "queues.new";
/// Locked by the process that uses the directory. Nothing is in it, and it stays.
const LOCK: &str = "queues.lock";

/// A store in one file of a directory, by the crate redb.
///
/// Each commit is written and synchronised before it returns, and takes effect as a whole: a commit
/// that a crash or a power cut interrupts has never been. Directory and file are created with the
/// first commit, for this user alone (on Unix, modes 0700 and 0600). Where there is something else in place of the
/// directory, nothing is recovered and the server does not start; where it may not be created yet, that is logged.
///
/// One process at a time may use the directory: it is locked from the start, or from when it is
/// created, until the store is dropped. A file that was there and is gone is not created anew, and
/// one that somebody else has created or used meanwhile is left alone: commits fail until the
/// server is started again.
pub struct RedbStore {
    files: Box<dyn Files>,
    directory: PathBuf,
    path: PathBuf,
    lock: Option<Lock>,
    /// Closed after an error, which redb does not go on after, and until something is stored.
    database: Option<Database>,
    file: File,
    /// Directories in which something was created, and may not outlive a power cut yet.
    unsynced: BTreeSet<PathBuf>,
    about: About,
}

/// What is known of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    /// There was none.
    ToBeCreated,
    /// It was found or created. It is never created again, whatever may hide it.
    Known,
}

/// Where a directory is to be.
struct Place {
    /// The directories that there are not yet, innermost first.
    missing: Vec<PathBuf>,
    /// The one in which they would be.
    inside: PathBuf,
}

/// Says at the start what is going to keep messages from being stored, as long as it is so.
fn foretell(error: StoreError) {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    tracing::warn!(%error, cause, "persistent messages are going to be refused");
}

impl RedbStore {
    /// The store in a directory, which need not exist. An empty path is the current directory.
    #[must_use]
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self::on(Box::new(SystemFiles), directory.as_ref())
    }

    fn on(files: Box<dyn Files>, directory: &Path) -> Self {
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).expect("the operating system provides randomness");
        let about = About { starts: 1, id_prefix: u64::from_ne_bytes(octets) };
        let is_empty = directory.as_os_str().is_empty();
        let directory = if is_empty { Path::new(".") } else { directory }.to_owned();
        Self {
            files,
            path: directory.join(FILE),
            lock: None,
            database: None,
            file: File::ToBeCreated,
            // Whoever has created the file may have been stopped before that was on disk.
            unsynced: BTreeSet::from([directory.clone()]),
            directory,
            about,
        }
    }

    /// The file in which everything is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn find(&mut self) -> Result<Vec<StoredQueue>, StoreError> {
        let Place { missing, inside } = self.place()?;
        if !missing.is_empty() {
            if let Err(error) = self.files.may_create_in(&inside) {
                foretell(StoreError::from(error).at(&inside));
            }
            return Ok(Vec::new());
        }
        match self.lock() {
            // Nothing is there to be harmed, and commits try again.
            Err(error) if error.fault() != StoreFault::Locked && !self.files.has(&self.path)? => {
                foretell(error.at(&self.directory));
                return Ok(Vec::new());
            }
            locked => locked?,
        }
        if !self.files.has(&self.path)? {
            return Ok(Vec::new());
        }
        let database = self.files.open(&self.path).map_err(opening)?;
        self.about = tables::begin(&database, self.about.id_prefix)?;
        self.file = File::Known;
        let queues = tables::read(&database)?;
        self.database = Some(database);
        Ok(queues)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => match self.file {
                File::ToBeCreated => self.create()?,
                File::Known => self.open_again()?,
            },
        };
        while let Some(directory) = self.unsynced.first() {
            self.files.sync_directory(directory)?;
            self.unsynced.pop_first();
        }
        tables::write(&database, batch)?;
        self.database = Some(database);
        Ok(())
    }

    /// Creates the file. It has its name only once it is whole: a crash leaves no part of one.
    fn create(&mut self) -> Result<Database, StoreError> {
        self.create_directory()?;
        self.lock()?;
        if self.files.has(&self.path)? {
            return Err(StoreError::new(StoreFault::Changed));
        }
        let unfinished = self.directory.join(UNFINISHED);
        let database = self.files.create(&unfinished).map_err(opening)?;
        let about = tables::begin(&database, self.about.id_prefix)?;
        drop(database);
        self.files.rename(&unfinished, &self.path)?;
        (self.file, self.about) = (File::Known, about);
        self.open_again()
    }

    /// Opens the file again after an error.
    fn open_again(&mut self) -> Result<Database, StoreError> {
        if !self.files.has(&self.path)? {
            return Err(StoreError::new(StoreFault::Missing));
        }
        let database = self.files.open(&self.path).map_err(opening)?;
        // Every start is noted in the file, also that of another process.
        if tables::about(&database)? != Some(self.about) {
            return Err(StoreError::new(StoreFault::Changed));
        }
        Ok(database)
    }

    /// Where the directory is, or is to be.
    fn place(&self) -> Result<Place, StoreError> {
        let mut missing = Vec::new();
        let mut inside = self.directory.as_path();
        while !self.files.has_directory(inside)? {
            if self.files.has(inside)? {
                return Err(StoreError::new(StoreFault::NoDirectory).at(inside));
            }
            missing.push(inside.to_owned());
            let Some(parent) = parent(inside) else { break };
            inside = parent;
        }
        Ok(Place { missing, inside: inside.to_owned() })
    }

    fn create_directory(&mut self) -> Result<(), StoreError> {
        for directory in self.place()?.missing.into_iter().rev() {
            self.files.create_directory(&directory)?;
            self.unsynced.extend(parent(&directory).map(Path::to_owned));
        }
        Ok(())
    }

    fn lock(&mut self) -> Result<(), StoreError> {
        if self.lock.is_none() {
            let lock = self.files.lock(&self.directory.join(LOCK))?;
            self.lock = Some(lock.ok_or_else(|| StoreError::new(StoreFault::Locked))?);
        }
        Ok(())
    }
}

impl Store for RedbStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let queues = self.find().map_err(|error| error.at(&self.path))?;
        let About { starts, id_prefix } = self.about;
        Ok(Recovered { queues, message_id_prefix: format!("{id_prefix:x}"), starts })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch).map_err(|error| error.at(&self.path))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}
