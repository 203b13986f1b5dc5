//! What a durable queue writes, and reads back after a restart.

mod octets;
mod stored;

use std::sync::Arc;

pub use self::stored::{RecordError, StoredMessage};
use crate::arguments::QueueArguments;
use crate::binding::Binding;
use crate::destination::Destination;
use crate::message::Message;

/// Names a durable queue in the store. No other queue of the same store ever has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// The place of a message in its queue, which it keeps when it comes back to it. It counts up over
/// the messages of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A change to what is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// There is a queue.
    Open {
        /// Its id.
        queue: QueueId,
        /// What is known of it.
        definition: Arc<QueueDefinition>,
    },
    /// There is no such queue any more; its messages are gone with it.
    Close {
        /// Its id.
        queue: QueueId,
    },
    /// Messages at lower positions may have been delivered.
    Mark {
        /// The queue.
        queue: QueueId,
        /// The position.
        below: Position,
    },
    /// The queue has a message, or has it in this form from now on.
    Put {
        /// The queue.
        queue: QueueId,
        /// Where in the queue.
        position: Position,
        /// The message.
        message: Arc<Message>,
    },
    /// The queue has no such message any more.
    Remove {
        /// The queue.
        queue: QueueId,
        /// Where in the queue.
        position: Position,
    },
}

/// What is stored of a queue besides its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDefinition {
    /// Its name.
    pub name: Destination,
    /// What clients have asked of it.
    pub arguments: QueueArguments,
    /// The topics whose messages it gets, if it is a durable subscription.
    pub binding: Option<Binding>,
}

/// A queue as it was found in a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredQueue {
    /// Its id.
    pub id: QueueId,
    /// What is known of it.
    pub definition: QueueDefinition,
    /// Messages at lower positions may have been delivered.
    pub marked_below: Position,
    /// Its messages, in the order of their positions.
    pub messages: Vec<(Position, StoredMessage)>,
}

impl QueueDefinition {
    /// A queue of this name, of which nothing more is known.
    #[must_use]
    pub fn new(name: Destination) -> Self {
        Self { name, arguments: QueueArguments::default(), binding: None }
    }
}

impl StoredQueue {
    /// A queue without messages.
    #[must_use]
    pub fn new(id: QueueId, definition: QueueDefinition, marked_below: Position) -> Self {
        Self { id, definition, marked_below, messages: Vec::new() }
    }
}
