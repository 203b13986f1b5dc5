use super::Batch;
use crate::record::Change;

/// Counts up over the batches of a collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

/// Gathers the changes of operations in batches: what comes while one batch is stored is in the
/// next.
///
/// The changes of one operation are in one batch, so that they are stored together or not at all.
/// An operation says [`finish`](Self::finish) when it has made its last change; a batch that was
/// [closed](Self::close) can be taken once all operations in it have.
#[derive(Debug)]
pub struct BatchCollector {
    current: Collecting,
    current_number: BatchNumber,
    /// Is going to be stored once its operations have ended.
    closing: Option<Collecting>,
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
        Self { current: Collecting::default(), current_number: BatchNumber(1), closing: None }
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
        if number < self.current_number {
            self.current.batch.supersede(&change);
        }
        let own = self.batch_of(number);
        own.touched = Touched::Something;
        own.batch.apply(change);
    }

    /// The operation has made its last change.
    pub fn finish(&mut self, ticket: BatchNumber) {
        self.batch_of(ticket).operations -= 1;
    }

    /// Whether anything was recorded since the last batch was closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.touched == Touched::Not
    }

    /// Begins the next batch. The one before must be [taken](Self::take_closed) before the next call.
    pub fn close(&mut self) {
        debug_assert!(self.closing.is_none(), "a closed batch is taken before the next is closed");
        self.closing = Some(std::mem::take(&mut self.current));
        self.current_number.0 += 1;
    }

    /// The batch that was closed, if all operations in it have ended.
    pub fn take_closed(&mut self) -> Option<(BatchNumber, Batch)> {
        let closed = self.closing.take_if(|closing| closing.operations == 0)?;
        Some((BatchNumber(self.current_number.0 - 1), closed.batch))
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
        collector.close();
        assert!(collector.take_closed().is_none(), "its operation has not ended");
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
        let (number, batch) = collector.take_closed().unwrap();
        assert_eq!((Some(number), batch.puts().count()), (early, 1));
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
        collector.take_closed().unwrap();
        collector.close();
        let (number, batch) = collector.take_closed().unwrap();
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
        collector.take_closed().unwrap();
        collector.close();
        assert!(collector.take_closed().unwrap().1.is_empty());
    }
}
