use std::fmt;
use std::io;

use redb::DatabaseError;

use crate::store::{StoreError, StoreFault};

/// What the error of a file that cannot be opened means.
pub(super) fn opening(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::new(StoreFault::Locked).caused_by(error)
        }
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => damaged(error),
        error => storing(error),
    }
}

/// What an error of redb means.
pub(super) fn storing(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => damaged(io),
        redb::Error::Io(io) => io.into(),
        corrupted @ redb::Error::Corrupted(_) => damaged(Text(corrupted.to_string())),
        other => StoreError::new(StoreFault::Io).caused_by(Text(other.to_string())),
    }
}

pub(super) fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreFault::Damaged).caused_by(cause)
}

/// What redb says, without its type.
#[derive(Debug)]
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}
