use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tidings_broker::{
    Batch, BatchNumber, BrokerOptions, Change, DestinationPattern, DestinationPolicies,
    DestinationPolicy, Position, QueueId, QueueOverflow, Snapshot, StoredQueue, Unprepared,
};

use crate::plan::Plant;
use crate::random::Random;
use crate::trace::Trace;
use crate::wrong::{Verdict, Wrong};

/// What outlives the server: commits take a while, fail, and are torn apart by crashes.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    snapshot: Snapshot,
    /// The messages that are in the snapshot, by what their bodies say.
    messages: BTreeMap<(QueueId, Position), u64>,
    /// How many times each of them is in a queue.
    copies: HashMap<(QueueId, u64), usize>,
    /// The names of the queues in the snapshot.
    names: BTreeMap<QueueId, String>,
    starts: u64,
    committing: Option<(BatchNumber, Batch)>,
    /// What is found to fail when a commit ends.
    pub(crate) is_full: bool,
    trace: Trace,
}

impl Disk {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    /// What a server finds that starts now.
    pub(crate) fn recover(&mut self) -> Result<(BrokerOptions, Vec<StoredQueue>), Wrong> {
        self.starts += 1;
        let options = BrokerOptions {
            message_id_prefix: "sim".to_owned(),
            message_serial_first: self.starts << 40 | 1,
            unprepared: Unprepared::Refuse,
            policies: policies(),
            ..BrokerOptions::default()
        };
        let queues = self.snapshot.queues();
        let queues = queues.map_err(|error| format!("what is stored cannot be read: {error}"))?;
        Ok((options, queues))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.committing.is_none()
    }

    pub(crate) fn begin(&mut self, number: BatchNumber, batch: Batch) {
        self.committing = Some((number, batch));
    }

    /// The commit under way ends: it is stored, or is given back because it cannot be.
    pub(crate) fn end(
        &mut self,
        plant: Plant,
        random: &mut Random,
    ) -> Option<Result<BatchNumber, (BatchNumber, Batch)>> {
        let (number, batch) = self.committing.take()?;
        if self.is_full && !batch.is_empty() {
            return Some(Err((number, batch)));
        }
        if !(plant == Plant::ForgottenCommits && random.percent(10)) {
            self.store(&batch);
        }
        Some(Ok(number))
    }

    /// The server is gone in the middle of a commit, of which all is stored or nothing.
    pub(crate) fn crash(&mut self, plant: Plant, random: &mut Random) {
        let Some((_, batch)) = self.committing.take() else { return };
        if plant == Plant::TornCommits {
            self.store(&half(&batch));
        } else if random.percent(50) {
            self.store(&batch);
        }
    }

    /// Whether a message is stored in a queue of this name.
    pub(crate) fn holds(&self, queue: &str, message: u64) -> bool {
        let named = self.names.iter().filter(|(_, name)| *name == queue);
        named.into_iter().any(|(id, _)| self.copies.contains_key(&(*id, message)))
    }

    /// Whether these messages of these queues are stored, and nothing else.
    pub(crate) fn check_holds_just(&self, queues: &BTreeMap<String, BTreeSet<u64>>) -> Verdict {
        let mut stored: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for (id, name) in &self.names {
            let all = (*id, Position(0))..=(*id, Position(u64::MAX));
            let messages = self.messages.range(all).map(|(_, message)| *message);
            stored.entry(name).or_default().extend(messages);
        }
        for (queue, messages) in queues {
            let stored = stored.remove(queue.as_str()).unwrap_or_default();
            if let Some(message) = messages.difference(&stored).next() {
                let what = format!("message {message} is in {queue}, and is not stored");
                return Err(Wrong::with(*message, what));
            }
            if let Some(message) = stored.difference(messages).next() {
                let what = format!("message {message} is stored in {queue}, and is not there");
                return Err(Wrong::with(*message, what));
            }
        }
        match stored.pop_first() {
            None => Ok(()),
            Some((queue, _)) => Err(format!("{queue} is stored, and is no more").into()),
        }
    }

    /// As a planted defect: something is gone without any commit.
    pub(crate) fn forget(&mut self, gone: Vec<(QueueId, Position)>) {
        let mut batch = Batch::default();
        for (queue, position) in gone {
            batch.apply(Change::Remove { queue, position });
        }
        self.store(&batch);
    }

    fn store(&mut self, batch: &Batch) {
        self.snapshot.apply(batch);
        for closed in batch.closed() {
            let all = (closed, Position(0))..=(closed, Position(u64::MAX));
            let gone: Vec<_> = self.messages.range(all).map(|(key, _)| *key).collect();
            gone.into_iter().for_each(|key| self.remove(key));
            self.names.remove(&closed);
        }
        for (queue, definition) in batch.opened() {
            self.names.insert(queue, definition.name.as_str().to_owned());
        }
        batch.removes().for_each(|key| self.remove(key));
        for (queue, position, message) in batch.puts() {
            self.remove((queue, position));
            if let Some(number) = number(&message.body) {
                self.messages.insert((queue, position), number);
                *self.copies.entry((queue, number)).or_default() += 1;
                self.tell(queue, number, "is stored in");
            }
        }
    }

    fn tell(&self, queue: QueueId, message: u64, what: &str) {
        let name = self.names.get(&queue).map_or("a queue without a name", String::as_str);
        self.trace.message(message, format_args!("{what} {name}"));
    }

    fn remove(&mut self, key: (QueueId, Position)) {
        let Some(number) = self.messages.remove(&key) else { return };
        self.tell(key.0, number, "is stored no more in");
        let copy = (key.0, number);
        if let Some(copies) = self.copies.get_mut(&copy) {
            *copies -= 1;
            if *copies == 0 {
                self.copies.remove(&copy);
            }
        }
    }
}

/// Queues that are soon full: two give up their oldest messages, the other takes no more.
fn policies() -> DestinationPolicies {
    let mut policies = DestinationPolicies::default();
    for (queue, messages_max, overflow) in [
        ("/queue/b", 6, QueueOverflow::DropHead),
        ("/queue/out", 6, QueueOverflow::DropHead),
        ("/queue/in", 8, QueueOverflow::Wait),
    ] {
        let pattern = DestinationPattern::parse(queue).expect("it is one");
        let messages_max = Some(messages_max);
        policies.push(pattern, DestinationPolicy { messages_max, overflow, ..Default::default() });
    }
    policies
}

/// The number of a message, which is its body.
pub(crate) fn number(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.parse().ok()
}

/// What a store would leave that does not commit as a whole: what was put, every other of it, and
/// nothing of what was removed.
fn half(batch: &Batch) -> Batch {
    let mut half = Batch::default();
    for (queue, definition) in batch.opened() {
        half.apply(Change::Open { queue, definition: Arc::new(definition.clone()) });
    }
    let mut puts: Vec<_> = batch.puts().collect();
    puts.sort_by_key(|(queue, position, _)| (*queue, *position));
    for (queue, position, message) in puts.into_iter().step_by(2) {
        half.apply(Change::Put { queue, position, message: Arc::new(message.clone()) });
    }
    half
}
