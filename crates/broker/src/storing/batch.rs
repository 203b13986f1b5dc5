use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::message::Message;
use crate::record::{Change, Position, QueueDefinition, QueueId};

/// Changes that are stored together.
///
/// A message that is put and removed again before the batch is stored leaves no trace in it: it
/// need never be written.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    opened: BTreeMap<QueueId, Arc<QueueDefinition>>,
    closed: HashSet<QueueId>,
    marks: HashMap<QueueId, Position>,
    /// In order, in which a store that keeps an order is quicker to write them.
    puts: BTreeMap<(QueueId, Position), Arc<Message>>,
    removes: BTreeSet<(QueueId, Position)>,
}

impl Batch {
    /// Adds a change, which happens after those that are there.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Open { queue, definition } => {
                self.opened.insert(queue, definition);
            }
            Change::Close { queue } => self.close(queue),
            Change::Mark { queue, below } => {
                let mark = self.marks.entry(queue).or_default();
                *mark = below.max(*mark);
            }
            Change::Put { queue, position, message } => {
                self.removes.remove(&(queue, position));
                self.puts.insert((queue, position), message);
            }
            Change::Remove { queue, position } => {
                if self.puts.remove(&(queue, position)).is_none() {
                    self.removes.insert((queue, position));
                }
            }
        }
    }

    /// An operation that is in an earlier batch makes this change now: whatever this batch has of
    /// the same thing is older, and must not come back with it.
    ///
    /// The other way round, a change takes nothing from an earlier batch. An operation may put
    /// elsewhere what it removes, and must not be half done where only the earlier one is stored.
    pub(super) fn supersede(&mut self, change: &Change) {
        match change {
            Change::Open { queue, .. } => {
                self.opened.remove(queue);
            }
            Change::Close { queue } => self.forget(*queue),
            Change::Mark { queue, below } => {
                if let Some(mark) = self.marks.get_mut(queue) {
                    *mark = (*below).max(*mark);
                }
            }
            Change::Put { queue, position, .. } | Change::Remove { queue, position } => {
                self.puts.remove(&(*queue, *position));
                self.removes.remove(&(*queue, *position));
            }
        }
    }

    /// What a message of this queue needs in the store before it is of use: the queue, and up to where messages may
    /// have been delivered.
    pub(super) fn of_queue(&self, queue: QueueId) -> impl Iterator<Item = Change> {
        let open = self.opened.get(&queue).map(Arc::clone);
        let mark = self.marks.get(&queue).copied();
        open.map(|definition| Change::Open { queue, definition })
            .into_iter()
            .chain(mark.map(|below| Change::Mark { queue, below }))
    }

    /// Adds all changes of a batch that comes after this one, which could not be stored, as far as is
    /// known: what is removed of it is removed from the store in any case.
    pub fn append(&mut self, later: Self) {
        let Self { opened, closed, marks, puts, removes } = later;
        for queue in closed {
            self.close(queue);
        }
        self.opened.extend(opened);
        for (queue, below) in marks {
            self.apply(Change::Mark { queue, below });
        }
        for key in removes {
            self.puts.remove(&key);
            self.removes.insert(key);
        }
        for ((queue, position), message) in puts {
            self.apply(Change::Put { queue, position, message });
        }
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
            && self.closed.is_empty()
            && self.marks.is_empty()
            && self.puts.is_empty()
            && self.removes.is_empty()
    }

    /// Queues that are gone, with their messages. They come before everything else.
    pub fn closed(&self) -> impl Iterator<Item = QueueId> {
        self.closed.iter().copied()
    }

    /// Queues that there are from now on, or are so from now on.
    pub fn opened(&self) -> impl Iterator<Item = (QueueId, &QueueDefinition)> {
        self.opened.iter().map(|(queue, definition)| (*queue, &**definition))
    }

    /// Up to where messages of queues may have been delivered.
    pub fn marks(&self) -> impl Iterator<Item = (QueueId, Position)> {
        self.marks.iter().map(|(queue, below)| (*queue, *below))
    }

    /// Messages that queues have no more, in the order of queues and positions. Some may never have
    /// been stored.
    pub fn removes(&self) -> impl Iterator<Item = (QueueId, Position)> {
        self.removes.iter().copied()
    }

    /// Messages that queues have from now on, in the order of queues and positions.
    pub fn puts(&self) -> impl Iterator<Item = (QueueId, Position, &Message)> {
        self.puts.iter().map(|((queue, position), message)| (*queue, *position, &**message))
    }

    fn close(&mut self, queue: QueueId) {
        // It may be stored from before, whatever the batch knows of it.
        self.closed.insert(queue);
        self.forget(queue);
    }

    fn forget(&mut self, queue: QueueId) {
        self.opened.remove(&queue);
        self.marks.remove(&queue);
        self.puts.retain(|(of, _), _| *of != queue);
        self.removes.retain(|(of, _)| *of != queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recording;

    fn batch(changes: impl IntoIterator<Item = Change>) -> Batch {
        let mut batch = Batch::default();
        changes.into_iter().for_each(|change| batch.apply(change));
        batch
    }

    fn remove(position: u64) -> Change {
        Change::Remove { queue: QueueId(1), position: Position(position) }
    }

    #[test]
    fn a_message_that_is_put_and_removed_is_not_there() {
        let mut batch = batch(Recording::changes_of("/queue/a", &["0", "1"]));
        batch.apply(remove(0));
        assert_eq!((batch.puts().count(), batch.removes().count()), (1, 0));
        batch.apply(remove(7));
        assert_eq!(batch.removes().collect::<Vec<_>>(), [(QueueId(1), Position(7))]);
    }

    #[test]
    fn nothing_is_left_of_a_queue_that_was_closed() {
        let mut batch = batch(Recording::changes_of("/queue/a", &["0"]));
        batch.apply(remove(9));
        batch.apply(Change::Mark { queue: QueueId(1), below: Position(5) });
        batch.apply(Change::Close { queue: QueueId(1) });
        assert_eq!(batch.closed().collect::<Vec<_>>(), [QueueId(1)]);
        assert_eq!(batch.opened().count() + batch.puts().count() + batch.marks().count(), 0);
        assert_eq!(batch.removes().count(), 0);
    }

    #[test]
    fn batches_add_up() {
        let mut first = batch(Recording::changes_of("/queue/a", &["0", "1"]));
        first.append(batch([remove(0), Change::Mark { queue: QueueId(1), below: Position(3) }]));
        // The first may have been stored, though that was said to have failed.
        assert_eq!((first.puts().count(), first.removes().count()), (1, 1));
        assert_eq!(first.marks().collect::<Vec<_>>(), [(QueueId(1), Position(3))]);
        first.append(batch([Change::Close { queue: QueueId(1) }]));
        assert_eq!((first.puts().count(), first.closed().count()), (0, 1));
    }
}
