use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why something could not be stored or read.
#[derive(Debug)]
pub struct StoreError {
    path: Option<PathBuf>,
    fault: StoreFault,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// Another process uses the store.
    Locked,
    /// The store is damaged, or another version wrote it.
    Damaged,
    /// The store was there, and is gone.
    Missing,
    /// Another process has created or used the store since this one found what was in it.
    Changed,
    /// There is no room left.
    Full,
    /// It may not be read or written.
    Denied,
    /// There is something else where a directory has to be.
    NoDirectory,
    /// Anything else that can happen to files.
    Io,
}

impl StoreError {
    /// Something went wrong.
    #[must_use]
    pub fn new(fault: StoreFault) -> Self {
        Self { path: None, fault, cause: None }
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn fault(&self) -> StoreFault {
        self.fault
    }

    /// What peers may know: nothing of files.
    pub(crate) fn public(&self) -> &'static str {
        match self.fault {
            StoreFault::Full => "the server has no room left",
            _ => "the server cannot write at the moment",
        }
    }

    /// The same error, with the file or directory in which it happened, unless it says one already.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The same error, with what lies beneath it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        let fault = match error.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => StoreFault::Full,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                StoreFault::Denied
            }
            _ => StoreFault::Io,
        };
        Self::new(fault).caused_by(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, advice) = match self.fault {
            StoreFault::Locked => {
                ("is in use by another process", "stop that one or choose another data directory")
            }
            StoreFault::Damaged => {
                ("cannot be understood", "restore it from a backup or move it away to begin anew")
            }
            StoreFault::Missing => {
                ("was there and is gone", "bring it back: what was acknowledged is in it")
            }
            StoreFault::Changed => (
                "was created or used by another process meanwhile",
                "start this server again, so that it finds what is there",
            ),
            StoreFault::Full => {
                ("has no room left", "make some; nothing that was acknowledged is lost")
            }
            StoreFault::Denied => {
                ("may not be written", "give this user the right to, or choose another directory")
            }
            StoreFault::NoDirectory => {
                ("is no directory", "move away what is there, or choose another directory")
            }
            StoreFault::Io => ("cannot be read or written", "see what the system says"),
        };
        match &self.path {
            Some(path) => write!(f, "the store {} {what}: {advice}", path.display()),
            None => write!(f, "the store {what}: {advice}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
