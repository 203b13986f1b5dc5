use std::any::Any;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError};

/// How much of a file is kept in memory. Queues are read once, at the start.
const CACHE_OCTETS: usize = 16 * 1024 * 1024;

/// What a store needs of a file system, so that a test can cut the power of one.
pub(super) trait Files: Send {
    /// Whether there is a directory. Not to know is an error.
    fn has_directory(&self, path: &Path) -> io::Result<bool>;

    /// Whether there is something of this name. Not to know is an error.
    fn has(&self, path: &Path) -> io::Result<bool>;

    /// Whether something may be created in a directory; if not, why.
    fn may_create_in(&self, directory: &Path) -> io::Result<()>;

    /// Creates a directory in one that there is.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Sees to it that the names in a directory outlive a power cut.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, which is created if there is none; `None` while another process has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;

    /// Creates an empty database, in place of what is there.
    fn create(&self, path: &Path) -> Result<Database, DatabaseError>;

    /// Opens a database, and looks whether all of it is as it was written.
    fn open(&self, path: &Path) -> Result<Database, DatabaseError>;

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// Held until it is dropped, or the process ends.
pub(super) type Lock = Box<dyn Any + Send>;

/// The file system of the operating system.
pub(super) struct SystemFiles;

impl Files for SystemFiles {
    fn has_directory(&self, path: &Path) -> io::Result<bool> {
        found(fs::metadata(path)).map(|found| found.is_some_and(|it| it.is_dir()))
    }

    fn has(&self, path: &Path) -> io::Result<bool> {
        // Also where it is a link to what is not there at the moment.
        found(fs::symlink_metadata(path)).map(|found| found.is_some())
    }

    fn may_create_in(&self, directory: &Path) -> io::Result<()> {
        #[cfg(unix)]
        {
            use rustix::fs::{Access, access};
            access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
        }
        #[cfg(not(unix))]
        let _ = directory;
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        builder.mode(0o700);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            created => created,
        }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = private().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> Result<Database, DatabaseError> {
        // What is there may be open to others.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = private().create_new(true).open(path)?;
        builder().create_with_backend(FileBackend::new(file)?)
    }

    fn open(&self, path: &Path) -> Result<Database, DatabaseError> {
        builder().open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// Opens databases. One that was damaged outside of redb is told to be, instead of panicking later.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_OCTETS).set_check_integrity_on_open(true);
    builder
}

/// The directory in which this one is.
pub(super) fn parent(path: &Path) -> Option<&Path> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// What is there, if it is certain whether something is.
fn found<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// For files that only this user reads and writes.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}
