use std::sync::mpsc;

use tidings_broker::{Position, QueueId};

use super::*;
use crate::store::conformance::sent;
use crate::store::{MemoryStore, Recovered};

/// A store that waits for permission, and fails where it is told to.
struct Gated {
    inner: MemoryStore,
    verdicts: mpsc::Receiver<Result<(), StoreFault>>,
    began: mpsc::Sender<usize>,
}

impl Store for Gated {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inner.recover()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.began.send(batch.puts().count()).unwrap();
        self.verdicts.recv().unwrap().map_err(StoreError::new)?;
        self.inner.commit(batch)
    }
}

#[derive(Default)]
struct Listener(Mutex<Vec<Result<u64, StoreFault>>>, Condvar);

impl Listener {
    fn told(&self, what: Result<u64, StoreFault>) {
        self.0.lock().unwrap().push(what);
        self.1.notify_all();
    }

    /// Waits until it is told so.
    fn wait(&self, what: Result<u64, StoreFault>) {
        let missing = |told: &mut Vec<_>| !told.contains(&what);
        drop(self.1.wait_while(self.0.lock().unwrap(), missing).unwrap());
    }
}

impl Awaiting for Listener {
    fn committed(self: Arc<Self>, number: BatchNumber) -> Waits {
        self.told(Ok(number.0));
        Waits::ForMore
    }

    fn failed(self: Arc<Self>, error: &StoreError) {
        self.told(Err(error.fault()));
    }
}

type Allow = mpsc::Sender<Result<(), StoreFault>>;

/// A journal, its store, what allows a commit, and what tells how many messages one begins with.
fn gated() -> (Arc<Journal>, MemoryStore, Allow, mpsc::Receiver<usize>) {
    let inner = MemoryStore::new();
    let (allow, verdicts) = mpsc::channel();
    let (began, commits) = mpsc::channel();
    let store = Gated { inner: inner.clone(), verdicts, began };
    (Journal::start(Box::new(store)), inner, allow, commits)
}

fn put(journal: &Journal, body: &'static str) -> BatchNumber {
    let mut ticket = None;
    for change in sent("/queue/a", &[body]) {
        journal.record(&mut ticket, change);
    }
    let ticket = ticket.unwrap();
    journal.finish(ticket);
    ticket
}

#[test]
fn what_comes_while_one_batch_is_written_is_in_the_next() {
    let (journal, store, allow, commits) = gated();
    let first = put(&journal, "1");
    assert_eq!(commits.recv().unwrap(), 1);
    let second = put(&journal, "2");
    assert!(second > first);
    let listener = Arc::new(Listener::default());
    journal.wait_for(first, Arc::clone(&listener) as _).unwrap();
    allow.send(Ok(())).unwrap();
    listener.wait(Ok(first.0));
    allow.send(Ok(())).unwrap();
    journal.end();
    assert!(journal.wait_for(second, listener).is_err(), "it is stored already");
    assert_eq!(store.clone().recover().unwrap().messages(), 1, "both have one position here");
}

#[test]
fn a_batch_is_not_written_before_its_operations_have_ended() {
    let (journal, store, allow, commits) = gated();
    allow.send(Ok(())).unwrap();
    let mut changes = sent("/queue/a", &["1", "2"]).into_iter();
    let mut ticket = None;
    journal.record(&mut ticket, changes.next().unwrap());
    journal.record(&mut ticket, changes.next().unwrap());
    assert!(commits.try_recv().is_err());
    for change in changes {
        journal.record(&mut ticket, change);
    }
    journal.finish(ticket.unwrap());
    assert_eq!(commits.recv().unwrap(), 2, "all of the operation is in it");
    journal.end();
    assert_eq!(store.clone().recover().unwrap().messages(), 2);
}

#[test]
fn what_is_consumed_before_it_is_written_is_not_written_and_yet_told() {
    let (journal, _store, allow, commits) = gated();
    put(&journal, "1");
    assert_eq!(commits.recv().unwrap(), 1);
    let mut ticket = None;
    for change in sent("/queue/b", &["2"]).drain(1..) {
        journal.record(&mut ticket, change);
    }
    let (queue, position) = (QueueId(1), Position(0));
    journal.record(&mut ticket, Change::Remove { queue, position });
    let ticket = ticket.unwrap();
    journal.finish(ticket);
    let listener = Arc::new(Listener::default());
    journal.wait_for(ticket, Arc::clone(&listener) as _).unwrap();
    allow.send(Ok(())).unwrap();
    listener.wait(Ok(ticket.0));
    journal.end();
    assert!(commits.try_recv().is_err(), "it took no other commit");
}

#[test]
fn whoever_waits_is_told_of_a_failure_and_nothing_is_lost() {
    let (journal, store, allow, commits) = gated();
    let number = put(&journal, "1");
    let listener = Arc::new(Listener::default());
    journal.wait_for(number, Arc::clone(&listener) as _).unwrap();
    commits.recv().unwrap();
    allow.send(Err(StoreFault::Full)).unwrap();
    listener.wait(Err(StoreFault::Full));
    assert_eq!(journal.storage(), Storage::Full);
    allow.send(Ok(())).unwrap();
    commits.recv().unwrap();
    journal.end();
    assert!(journal.wait_for(number, listener).is_err(), "it is stored now");
    assert_eq!(store.clone().recover().unwrap().messages(), 1);
}

const QUEUE: QueueId = QueueId(1);

#[test]
fn consumers_make_room_for_what_could_not_be_stored() {
    let (journal, _store, allow, commits) = gated();
    put(&journal, "1");
    commits.recv().unwrap();
    let mut ticket = None;
    journal.record(&mut ticket, Change::Remove { queue: QUEUE, position: Position(0) });
    // That there is such a queue is all that is left to store.
    journal.record(&mut ticket, Change::Close { queue: QUEUE });
    let ticket = ticket.unwrap();
    journal.finish(ticket);
    let listener = Arc::new(Listener::default());
    journal.wait_for(ticket, Arc::clone(&listener) as _).unwrap();
    allow.send(Err(StoreFault::Full)).unwrap();
    listener.wait(Err(StoreFault::Full));
    allow.send(Ok(())).unwrap();
    assert_eq!(commits.recv().unwrap(), 0, "the message is taken");
    journal.end();
    assert!(journal.wait_for(ticket, listener).is_err(), "it is stored with the batch before");
    assert_eq!(journal.storage(), Storage::Available);
}

#[test]
fn a_journal_ends_though_nothing_can_be_stored() {
    let (journal, store, allow, commits) = gated();
    put(&journal, "1");
    allow.send(Err(StoreFault::Denied)).unwrap();
    allow.send(Err(StoreFault::Denied)).unwrap();
    journal.end();
    assert_eq!(commits.iter().count(), 2, "it has tried again");
    assert_eq!(journal.storage(), Storage::Failing);
    assert_eq!(store.clone().recover().unwrap().messages(), 0);
}
