use std::collections::{BTreeMap, HashMap};

use tidings_broker::{
    Batch, BatchCollector, BatchNumber, Change, Destination, Position, QueueId, Timestamp,
};

use crate::disk::number;
use crate::plan::Plant;
use crate::publication::Publication;
use crate::trace::Trace;

/// What operations of the broker leave behind besides deliveries.
pub(crate) struct Outside {
    pub(crate) collector: BatchCollector,
    /// The disk has nothing to do, and would take a batch.
    disk: DiskIs,
    /// A batch that it is going to get.
    due: Option<(BatchNumber, Batch)>,
    /// What the disk forgets too early, as a planted defect.
    pub(crate) forgotten: Vec<(QueueId, Position)>,
    /// When the broker wants to be told the time.
    pub(crate) wake_at: Option<Timestamp>,
    /// Queues that have room again.
    pub(crate) rooms: Vec<Destination>,
    /// What the application is going to send.
    pub(crate) publications: Vec<Publication>,
    pub(crate) publishing: Publishing,
    /// How often that was in the middle of something else.
    pub(crate) meanwhile: u64,
    /// In which batch each message was put.
    puts: HashMap<(QueueId, Position), BatchNumber>,
    /// How many messages an operation has removed that one in a later batch had put.
    pub(crate) superseded: u64,
    /// What the application has sent, and is to be told of once this batch is stored.
    pub(crate) published: Vec<(BatchNumber, u64)>,
    /// What it is told of now.
    pub(crate) kept: Vec<u64>,
    names: BTreeMap<QueueId, Destination>,
    pub(crate) trace: Trace,
}

/// Whether the disk waits for the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskIs {
    Busy,
    Waiting,
}

/// Whether the application sends something just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publishing {
    Nothing,
    Something,
}

impl Outside {
    pub(crate) fn new(names: BTreeMap<QueueId, Destination>, trace: Trace) -> Self {
        Self {
            collector: BatchCollector::default(),
            disk: DiskIs::Busy,
            due: None,
            forgotten: Vec::new(),
            wake_at: None,
            rooms: Vec::new(),
            publications: Vec::new(),
            publishing: Publishing::Nothing,
            meanwhile: 0,
            puts: HashMap::new(),
            superseded: 0,
            published: Vec::new(),
            kept: Vec::new(),
            names,
            trace,
        }
    }

    /// What the disk is to store next.
    pub(crate) fn next_batch(&mut self) -> Option<(BatchNumber, Batch)> {
        let due = self.due.take().or_else(|| self.collector.next_batch());
        self.disk = if due.is_some() { DiskIs::Busy } else { DiskIs::Waiting };
        due
    }

    /// The next batch begins in the middle of an operation.
    pub(crate) fn begin_batch(&mut self) {
        if self.disk == DiskIs::Waiting
            && let Some(due) = self.collector.next_batch()
        {
            self.due = Some(due);
            self.disk = DiskIs::Busy;
        }
    }

    /// All batches up to this one are stored.
    pub(crate) fn handle_stored(&mut self, stored: BatchNumber) {
        self.kept.extend(
            self.published
                .extract_if(.., |(batch, _)| *batch <= stored)
                .map(|(_, message)| message),
        );
    }

    /// The application is told that nothing of what it waits for is sure to be stored.
    pub(crate) fn handle_failure(&mut self) {
        self.published.clear();
    }

    /// Records a change of an operation, which is in the batch of its `ticket`.
    pub(crate) fn record(&mut self, ticket: &mut Option<BatchNumber>, change: Change) {
        let (put, removed) = match &change {
            Change::Put { queue, position, .. } => (Some((*queue, *position)), None),
            Change::Remove { queue, position } => (None, Some((*queue, *position))),
            _ => (None, None),
        };
        self.collector.record(ticket, change);
        let batch = ticket.unwrap_or_default();
        let put_in = removed.and_then(|place| self.puts.remove(&place));
        self.superseded += u64::from(put_in.is_some_and(|put_in| put_in > batch));
        self.puts.extend(put.map(|place| (place, batch)));
    }

    /// Looks at what an operation records, and says which queue it has in its hand for that.
    pub(crate) fn note(&mut self, change: &Change, plant: Plant) -> Option<Destination> {
        let queue = match change {
            Change::Open { queue, definition } => {
                self.names.insert(*queue, definition.name.clone());
                return None;
            }
            Change::Mark { queue, .. } => queue,
            Change::Put { queue, position, message } => {
                if let Some(message) = number(&message.body) {
                    let what = format_args!("is put at {position:?} of {queue:?}");
                    self.trace.message(message, what);
                }
                queue
            }
            Change::Remove { queue, position } => {
                if plant == Plant::EarlyRemoves {
                    self.forgotten.push((*queue, *position));
                }
                queue
            }
            // It may be routing that has it in hand.
            _ => return None,
        };
        self.names.get(queue).cloned()
    }
}
