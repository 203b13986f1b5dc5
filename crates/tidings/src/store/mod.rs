//! Where durable queues are kept: the [`Store`] trait, and the stores that there are.
//!
//! A store holds queues and their persistent messages. It is asked for all of them once, when the
//! server starts, and from then on is only told what has changed, in batches, each of which it
//! stores as a whole.
//!
//! [`RedbStore`] keeps them in a file; [`MemoryStore`] is for tests. For one of your own, implement
//! [`Store`] and have [`conformance::check`] look at it.

pub mod conformance;
mod error;
mod journal;
mod memory;
#[cfg(feature = "store")]
mod redb;
mod waiting;

pub use tidings_broker::{
    Batch, Message, Position, QueueDefinition, QueueId, RecordError, Snapshot, StoredMessage,
    StoredQueue,
};

pub(crate) use tidings_broker::BatchNumber;

pub use self::error::{StoreError, StoreFault};
pub(crate) use self::journal::{Awaiting, Journal, Waits};
pub use self::memory::MemoryStore;
#[cfg(feature = "store")]
pub use self::redb::RedbStore;

/// Keeps durable queues and their messages.
///
/// Both methods block; they are called from a thread of their own, never two at a time.
///
/// What is stored of a message is its [record](Message::write_record), of a queue
/// [its own](QueueDefinition::write_record): octets that a store writes under the key it is given and
/// reads back with [`StoredMessage::read_record`] and [`QueueDefinition::read_record`]. The keys are
/// the [`QueueId`] for queues and marks, and the id with the [`Position`] for messages.
///
/// [`commit`](Self::commit) has this to do, as one transaction and in this order:
///
/// 1. Forget the [closed](Batch::closed) queues, with their marks and all their messages.
/// 2. Write the [opened](Batch::opened) ones, over what is there of them.
/// 3. Write the [marks](Batch::marks), over those that are there.
/// 4. Delete the [removed](Batch::removes) messages, of which some may not be there.
/// 5. Write the messages that were [put](Batch::puts), over those that are there.
///
/// A [`Snapshot`] does the same in memory. The whole of a store that keeps a copy of it somewhere:
///
/// ```
/// use tidings::store::{Batch, Recovered, Snapshot, Store, StoreError, StoreFault};
///
/// #[derive(Clone, Default)]
/// struct Somewhere {
///     snapshot: Snapshot,
///     starts: u64,
/// }
///
/// impl Store for Somewhere {
///     fn recover(&mut self) -> Result<Recovered, StoreError> {
///         let damaged = |error| StoreError::new(StoreFault::Damaged).caused_by(error);
///         let queues = self.snapshot.queues().map_err(damaged)?;
///         self.starts += 1;
///         Ok(Recovered::new(queues, "somewhere", self.starts))
///     }
///
///     fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
///         self.snapshot.apply(batch);
///         Ok(())
///     }
/// }
///
/// let app = tidings::App::builder().store(Somewhere::default()).build()?;
/// # Ok::<(), tidings::BuildError>(())
/// ```
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
    /// more in it, is then committed again a second later, and so on until that works. Meanwhile
    /// clients who send persistent messages are refused, with what
    /// [the fault](StoreError::fault) says of the reason.
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
    /// What a store holds: its queues, what the ids of messages begin with there (letters, digits,
    /// `-` and `_`; best different for every store), and how many times a server has started with it.
    #[must_use]
    pub fn new(queues: Vec<StoredQueue>, message_id_prefix: &str, starts: u64) -> Self {
        Self { queues, message_id_prefix: message_id_prefix.to_owned(), starts }
    }

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
