use std::sync::Arc;

use super::backlog::Queued;
use crate::arguments::QueueArguments;
use crate::binding::Binding;
use crate::dead_letter::DeathReason;
use crate::destination::Destination;
use crate::message::{Kept, Message, Properties};
use crate::operation::Operation;
use crate::record::{Change, Position, QueueDefinition, QueueId};
use crate::timestamp::Timestamp;

/// How far the mark is set ahead of the messages, so that it need not be moved for every one.
const MARK_AHEAD: u64 = 4096;

/// What the store knows of a queue.
///
/// Which messages were delivered when a server ended is told by a mark: those below may have been.
/// It is stored no later than the messages that it covers, or before they are delivered.
#[derive(Debug)]
pub(super) struct Journal {
    id: QueueId,
    knowledge: Knowledge,
    marked_below: Position,
}

#[derive(Debug, PartialEq, Eq)]
enum Knowledge {
    /// The queue is not for keeping.
    Never,
    Nothing,
    Stored,
}

impl Journal {
    /// Of a queue that is not stored yet.
    pub(super) fn new(id: QueueId) -> Self {
        Self { id, knowledge: Knowledge::Nothing, marked_below: Position(0) }
    }

    /// Of a queue that ends with its session.
    pub(super) fn never() -> Self {
        let (id, marked_below) = (QueueId(0), Position(0));
        Self { id, knowledge: Knowledge::Never, marked_below }
    }

    /// Of a queue that was found in the store.
    pub(super) fn recovered(id: QueueId, marked_below: Position) -> Self {
        Self { id, knowledge: Knowledge::Stored, marked_below }
    }

    /// Stores what is known of the queue itself.
    pub(super) fn define<S>(
        &mut self,
        name: &Destination,
        arguments: &QueueArguments,
        binding: Option<&Binding>,
        operation: &mut Operation<'_, S>,
    ) {
        if self.knowledge == Knowledge::Never {
            return;
        }
        self.knowledge = Knowledge::Stored;
        let (arguments, binding) = (arguments.clone(), binding.cloned());
        let definition = Arc::new(QueueDefinition { name: name.clone(), arguments, binding });
        operation.sink.record(Change::Open { queue: self.id, definition });
    }

    pub(super) fn is_stored(&self) -> bool {
        self.knowledge == Knowledge::Stored
    }

    /// Whether the queue stores this message. The first one needs [`define`](Self::define) before.
    pub(super) fn keeps(&self, queued: &Queued) -> bool {
        self.knowledge != Knowledge::Never && queued.message.is_persistent()
    }

    pub(super) fn put<S>(&self, queued: &Queued, operation: &mut Operation<'_, S>) {
        if self.keeps(queued) {
            let (queue, position) = (self.id, queued.place.position);
            let message = as_stored(&queued.message, queued.expires_at);
            operation.sink.record(Change::Put { queue, position, message });
        }
    }

    /// Stores that a message has been given up, and why.
    pub(super) fn put_letter<S>(
        &self,
        queued: &Queued,
        reason: DeathReason,
        operation: &mut Operation<'_, S>,
    ) {
        if self.keeps(queued) {
            let (queue, position) = (self.id, queued.place.position);
            let kept = Kept::GivenUp { reason, deliveries: queued.deliveries };
            let message = with_kept(&queued.message, kept);
            operation.sink.record(Change::Put { queue, position, message });
        }
    }

    pub(super) fn remove<S>(&self, queued: &Queued, operation: &mut Operation<'_, S>) {
        if self.keeps(queued) {
            let (queue, position) = (self.id, queued.place.position);
            operation.sink.record(Change::Remove { queue, position });
        }
    }

    /// Messages up to this position are going to be delivered.
    pub(super) fn mark<S>(&mut self, upto: Position, operation: &mut Operation<'_, S>) {
        if upto >= self.marked_below {
            self.mark_ahead(upto, operation);
        }
    }

    /// Sets the mark as far ahead of this position as it goes.
    pub(super) fn mark_ahead<S>(&mut self, of: Position, operation: &mut Operation<'_, S>) {
        if self.is_stored() {
            let below = Position(of.0.saturating_add(MARK_AHEAD));
            self.marked_below = below;
            operation.sink.record(Change::Mark { queue: self.id, below });
        }
    }

    /// Whether the mark covers also what comes, from this position on, while a subscription waits
    /// for the store: that is delivered with it at once.
    pub(super) fn is_far_ahead(&self, next: Position) -> bool {
        self.is_marked(Position(next.0.saturating_add(MARK_AHEAD / 2)))
    }

    /// Stores the mark once more.
    pub(super) fn mark_again<S>(&self, operation: &mut Operation<'_, S>) {
        if self.is_stored() {
            let (queue, below) = (self.id, self.marked_below);
            operation.sink.record(Change::Mark { queue, below });
        }
    }

    /// Whether all messages below may be delivered at once.
    pub(super) fn is_marked(&self, below: Position) -> bool {
        !self.is_stored() || self.marked_below >= below
    }

    /// The queue is gone.
    pub(super) fn close<S>(&mut self, operation: &mut Operation<'_, S>) {
        if self.is_stored() {
            self.knowledge = Knowledge::Nothing;
            operation.sink.record(Change::Close { queue: self.id });
        }
    }
}

/// The message as it is stored: what its queue says about how long it waits counts from now, not from a restart.
fn as_stored(message: &Arc<Message>, expires_at: Option<Timestamp>) -> Arc<Message> {
    let Properties { expires_at: own, kept, .. } = message.properties;
    match expires_at {
        // A dead letter stays one where it is stored under another id.
        _ if matches!(kept, Kept::GivenUp { .. }) => Arc::clone(message),
        Some(until) if expires_at != own => with_kept(message, Kept::Until(until)),
        _ => Arc::clone(message),
    }
}

fn with_kept(message: &Arc<Message>, kept: Kept) -> Arc<Message> {
    if message.properties.kept == kept {
        return Arc::clone(message);
    }
    let properties = Properties { kept, ..message.properties };
    Arc::new(Message { properties, ..Message::clone(message) })
}
