use super::Batch;
use crate::record::Change;

/// Counts up over the batches of a collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

/// Gathers the changes of operations in batches: what comes while one batch is stored is in the
/// next.
///
/// The changes of one operation are in one batch, so that they are stored together or not at all.
/// An operation says [`finish`](Self::finish) when it has made its last change; the
/// [next batch](Self::next_batch) is there once all operations in it have. What cannot be stored is
/// [given back](Self::give_back), and comes again with what was recorded since.
#[derive(Debug)]
pub struct BatchCollector {
    current: Collecting,
    current_number: BatchNumber,
    /// Is going to be stored once its operations have ended.
    closing: Option<Collecting>,
    /// Could not be stored, and is older than everything else.
    failed: Option<Batch>,
}

#[derive(Debug, Default)]
struct Collecting {
    batch: Batch,
    /// Operations that have not ended.
    operations: usize,
    touched: Touched,
}

/// Whether anything was recorded, though it may have been taken back again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Touched {
    #[default]
    Not,
    Something,
}

impl Default for BatchCollector {
    fn default() -> Self {
        Self {
            current: Collecting::default(),
            current_number: BatchNumber(1),
            closing: None,
            failed: None,
        }
    }
}

impl BatchCollector {
    /// Adds a change of an operation, whose `ticket` is `None` before its first one: from then on it
    /// is the batch in which all of the operation is.
    pub fn record(&mut self, ticket: &mut Option<BatchNumber>, change: Change) {
        let number = *ticket.get_or_insert_with(|| {
            self.current.operations += 1;
            self.current_number
        });
        let mut needed = Vec::new();
        if number < self.current_number {
            self.current.batch.supersede(&change);
            if let Change::Put { queue, .. } = change {
                needed.extend(self.current.batch.of_queue(queue));
            }
        }
        let own = self.batch_of(number);
        own.touched = Touched::Something;
        needed.into_iter().chain([change]).for_each(|change| own.batch.apply(change));
    }

    /// The operation has made its last change.
    pub fn finish(&mut self, ticket: BatchNumber) {
        self.batch_of(ticket).operations -= 1;
    }

    /// Whether nothing is left to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.touched == Touched::Not && self.closing.is_none() && self.failed.is_none()
    }

    /// The batch to store next: what was recorded until the first call, and not stored yet. `None`
    /// while there is nothing, or operations in it have not ended; whoever comes meanwhile is in the
    /// batch after it.
    ///
    /// To be called again when the batch is stored or [given back](Self::give_back), and not before.
    pub fn next_batch(&mut self) -> Option<(BatchNumber, Batch)> {
        if self.is_empty() {
            return None;
        }
        if self.closing.is_none() {
            self.closing = Some(std::mem::take(&mut self.current));
            self.current_number.0 += 1;
        }
        let closed = self.closing.take_if(|closing| closing.operations == 0)?.batch;
        let batch = match self.failed.take() {
            None => closed,
            Some(mut failed) => {
                failed.append(closed);
                failed
            }
        };
        Some((BatchNumber(self.current_number.0 - 1), batch))
    }

    /// A batch could not be stored.
    pub fn give_back(&mut self, batch: Batch) {
        debug_assert!(self.failed.is_none(), "one batch is stored after the other");
        self.failed = Some(batch);
    }

    fn batch_of(&mut self, number: BatchNumber) -> &mut Collecting {
        if number == self.current_number {
            return &mut self.current;
        }
        self.closing.as_mut().expect("a batch is not taken before its operations have ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Position, QueueId};
    use crate::recording::Recording;

    const QUEUE: QueueId = QueueId(1);

    fn record_all(
        collector: &mut BatchCollector,
        ticket: &mut Option<BatchNumber>,
        changes: impl IntoIterator<Item = Change>,
    ) {
        changes.into_iter().for_each(|change| collector.record(ticket, change));
    }

    /// An operation that has put a message into a queue and has not ended, and one in the next batch.
    fn two_operations() -> (BatchCollector, Option<BatchNumber>, Option<BatchNumber>) {
        let mut collector = BatchCollector::default();
        let (mut early, mut late) = (None, None);
        record_all(&mut collector, &mut early, Recording::changes_of("/queue/a", &["1"]));
        assert!(collector.next_batch().is_none(), "its operation has not ended");
        let mark = Change::Mark { queue: QUEUE, below: Position(5) };
        collector.record(&mut late, mark);
        (collector, early, late)
    }

    #[test]
    fn what_an_operation_puts_elsewhere_stays_where_only_the_batch_before_is_stored() {
        let (mut collector, early, mut late) = two_operations();
        collector.record(&mut late, Change::Remove { queue: QUEUE, position: Position(0) });
        record_all(&mut collector, &mut late, Recording::changes_of("/queue/b", &["1"]));
        collector.finish(early.unwrap());
        let (number, batch) = collector.next_batch().unwrap();
        assert_eq!((Some(number), batch.puts().count()), (early, 1));
    }

    #[test]
    fn a_message_is_not_stored_before_its_queue() {
        let (mut collector, mut early, mut late) = two_operations();
        let mut changes = Recording::changes_of("/queue/b", &["1"]).into_iter();
        let (Some(Change::Open { definition, .. }), Some(Change::Put { position, message, .. })) =
            (changes.next(), changes.next())
        else {
            panic!("expected a queue and its message")
        };
        let queue = QueueId(2);
        collector.record(&mut late, Change::Open { queue, definition });
        collector.record(&mut late, Change::Mark { queue, below: Position(7) });
        collector.record(&mut early, Change::Put { queue, position, message });
        collector.finish(early.unwrap());
        let (number, batch) = collector.next_batch().unwrap();
        assert_eq!((Some(number), batch.puts().count()), (early, 2));
        assert!(batch.opened().any(|(opened, _)| opened == queue), "the message has no queue");
        assert!(batch.marks().any(|mark| mark == (queue, Position(7))));
    }

    #[test]
    fn what_an_earlier_batch_gets_later_is_not_undone_by_the_next() {
        let (mut collector, mut early, mut late) = two_operations();
        record_all(&mut collector, &mut late, Recording::changes_of("/queue/b", &["1", "2"]));
        collector.record(&mut early, Change::Mark { queue: QUEUE, below: Position(9) });
        collector.record(&mut early, Change::Remove { queue: QUEUE, position: Position(1) });
        for ticket in [early, late] {
            collector.finish(ticket.unwrap());
        }
        collector.next_batch().unwrap();
        let (number, batch) = collector.next_batch().unwrap();
        assert_eq!(Some(number), late);
        assert_eq!(batch.marks().collect::<Vec<_>>(), [(QUEUE, Position(9))]);
        assert_eq!(
            batch.puts().map(|(_, position, _)| position).collect::<Vec<_>>(),
            [Position(0)]
        );
    }

    #[test]
    fn nothing_comes_back_of_a_queue_that_an_earlier_batch_closes_later() {
        let (mut collector, mut early, mut late) = two_operations();
        record_all(&mut collector, &mut late, Recording::changes_of("/queue/a", &["2"]));
        collector.record(&mut early, Change::Close { queue: QUEUE });
        for ticket in [early, late] {
            collector.finish(ticket.unwrap());
        }
        collector.next_batch().unwrap();
        assert!(collector.next_batch().unwrap().1.is_empty());
        assert!(collector.is_empty() && collector.next_batch().is_none());
    }

    #[test]
    fn what_could_not_be_stored_comes_again_with_what_has_come_since() {
        let mut collector = BatchCollector::default();
        let (mut early, mut late) = (None, None);
        record_all(&mut collector, &mut early, Recording::changes_of("/queue/a", &["1"]));
        collector.finish(early.unwrap());
        let (_, batch) = collector.next_batch().unwrap();
        assert!(collector.is_empty());
        collector.give_back(batch);
        collector.record(&mut late, Change::Mark { queue: QUEUE, below: Position(5) });
        assert!(collector.next_batch().is_none(), "an operation in it has not ended");
        collector.finish(late.unwrap());
        let (number, batch) = collector.next_batch().unwrap();
        assert_eq!((Some(number), batch.puts().count(), batch.marks().count()), (late, 1, 1));
        collector.give_back(batch);
        let (number, _) = collector.next_batch().unwrap();
        assert!(Some(number) > late, "it is another attempt, though nothing has come");
    }
}
