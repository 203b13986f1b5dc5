//! Where durable queues are kept: the [`Store`] trait, and the stores that there are.
//!
//! A store holds queues and their persistent messages. It is asked for all of them once, when the
//! server starts, and from then on is only told what has changed, in batches, each of which it
//! stores as a whole.

mod batch;
mod error;
mod journal;
mod memory;
#[cfg(feature = "store")]
mod redb;

use tidings_broker::StoredQueue;

pub use self::batch::Batch;
pub use self::error::{StoreError, StoreFault};
pub(crate) use self::journal::{Awaiting, BatchNumber, Journal, Waits};
pub use self::memory::MemoryStore;
#[cfg(feature = "store")]
pub use self::redb::RedbStore;

/// Keeps durable queues and their messages.
///
/// Both methods block; they are called from a thread of their own.
pub trait Store: Send {
    /// Everything that is stored, as the last successful commit left it. Called once, before the
    /// first commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read. The server then does not start, and nothing is changed.
    fn recover(&mut self) -> Result<Recovered, StoreError>;

    /// Stores a batch: when it returns, the batch outlives the process and the machine.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if nothing of the batch is stored, or all of it. The same batch, perhaps with
    /// more in it, is then committed again later.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// What a store held when the server started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// The queues, each with its messages in order.
    pub queues: Vec<StoredQueue>,
    /// What the ids of messages begin with: the same as long as the store lasts.
    pub message_id_prefix: String,
    /// How many times a server has started with this store, this time included. The numbers of new
    /// messages begin beyond those of all earlier times.
    pub starts: u64,
}

impl Recovered {
    /// How many messages were recovered.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.queues.iter().map(|queue| queue.messages.len()).sum()
    }

    /// The number of the first new message. Of each time there is room for 2^40.
    #[must_use]
    pub fn message_serial_first(&self) -> u64 {
        self.starts << 40 | 1
    }
}
