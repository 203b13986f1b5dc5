use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tidings_broker::{Position, QueueId};

use super::*;
use crate::store::conformance::sent;
use crate::store::{MemoryStore, Recovered};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what somebody tells.
fn awaited<T>(from: &mpsc::Receiver<T>, what: &str) -> T {
    from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("waited for {what}: {error}"))
}

/// A store that waits for permission, and fails where it is told to.
struct Gated {
    inner: MemoryStore,
    verdicts: mpsc::Receiver<Verdict>,
    began: mpsc::Sender<usize>,
}

enum Verdict {
    Store,
    Fail(StoreFault),
    Panic,
}

impl Store for Gated {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inner.recover()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.began.send(batch.puts().count()).unwrap();
        match awaited(&self.verdicts, "what becomes of a commit") {
            Verdict::Store => self.inner.commit(batch),
            Verdict::Fail(fault) => Err(StoreError::new(fault)),
            Verdict::Panic => panic!("as it was told to"),
        }
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
        let told = self.0.lock().unwrap();
        let (told, waited) = self.1.wait_timeout_while(told, PATIENCE, missing).unwrap();
        assert!(!waited.timed_out(), "waited to be told {what:?}, was told {told:?}");
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

type Allow = mpsc::Sender<Verdict>;

/// A journal, its store, what allows a commit, and what tells how many messages one begins with.
fn gated() -> (Arc<Journal>, MemoryStore, Allow, mpsc::Receiver<usize>) {
    let inner = MemoryStore::new();
    let (allow, verdicts) = mpsc::channel();
    let (began, commits) = mpsc::channel();
    let store = Gated { inner: inner.clone(), verdicts, began };
    (Journal::start(Box::new(store)), inner, allow, commits)
}

fn end(journal: &Arc<Journal>) {
    let (ended, has_ended) = mpsc::channel();
    let journal = Arc::clone(journal);
    thread::spawn(move || {
        journal.end();
        // Nobody may wait for it any more.
        let _ = ended.send(());
    });
    awaited(&has_ended, "the journal to end");
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

fn mark(journal: &Journal) -> BatchNumber {
    let mut ticket = None;
    journal.record(&mut ticket, Change::Mark { queue: QUEUE, below: Position(1) });
    let ticket = ticket.unwrap();
    journal.finish(ticket);
    ticket
}

#[test]
fn what_comes_while_one_batch_is_written_is_in_the_next() {
    let (journal, store, allow, commits) = gated();
    let first = put(&journal, "1");
    assert_eq!(awaited(&commits, "a commit"), 1);
    let second = put(&journal, "2");
    assert!(second > first);
    let listener = Arc::new(Listener::default());
    journal.wait_for(first, Arc::clone(&listener) as _).unwrap();
    allow.send(Verdict::Store).unwrap();
    listener.wait(Ok(first.0));
    allow.send(Verdict::Store).unwrap();
    end(&journal);
    assert!(journal.wait_for(second, listener).is_err(), "it is stored already");
    assert_eq!(store.clone().recover().unwrap().messages(), 1, "both have one position here");
}

#[test]
fn a_batch_is_not_written_before_its_operations_have_ended() {
    let (journal, store, allow, commits) = gated();
    let mut changes = sent("/queue/a", &["1", "2"]).into_iter();
    let mut ticket = None;
    journal.record(&mut ticket, changes.next().unwrap());
    journal.record(&mut ticket, changes.next().unwrap());
    let first = ticket.unwrap();
    // Others come until the writer wants the batch: it would take it now, if it did not wait.
    let begun = Instant::now();
    while mark(&journal) == first {
        assert!(begun.elapsed() < PATIENCE, "waited for the writer to want the batch");
        thread::yield_now();
    }
    for change in changes {
        journal.record(&mut ticket, change);
    }
    journal.finish(first);
    assert_eq!(awaited(&commits, "a commit"), 2, "all of the operation is in it");
    allow.send(Verdict::Store).unwrap();
    allow.send(Verdict::Store).unwrap();
    end(&journal);
    assert_eq!(store.clone().recover().unwrap().messages(), 2);
}

#[test]
fn what_is_consumed_before_it_is_written_is_not_written_and_yet_told() {
    let (journal, _store, allow, commits) = gated();
    put(&journal, "1");
    assert_eq!(awaited(&commits, "a commit"), 1);
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
    allow.send(Verdict::Store).unwrap();
    listener.wait(Ok(ticket.0));
    end(&journal);
    assert!(commits.try_recv().is_err(), "it took no other commit");
}

#[test]
fn whoever_waits_is_told_of_a_failure_and_nothing_is_lost() {
    let (journal, store, allow, commits) = gated();
    let number = put(&journal, "1");
    let listener = Arc::new(Listener::default());
    journal.wait_for(number, Arc::clone(&listener) as _).unwrap();
    awaited(&commits, "a commit");
    allow.send(Verdict::Fail(StoreFault::Full)).unwrap();
    listener.wait(Err(StoreFault::Full));
    assert_eq!(journal.storage(), Storage::Full);
    allow.send(Verdict::Store).unwrap();
    awaited(&commits, "a commit");
    end(&journal);
    assert!(journal.wait_for(number, listener).is_err(), "it is stored now");
    assert_eq!(store.clone().recover().unwrap().messages(), 1);
}

const QUEUE: QueueId = QueueId(1);

#[test]
fn consumers_make_room_for_what_could_not_be_stored() {
    let (journal, _store, allow, commits) = gated();
    put(&journal, "1");
    awaited(&commits, "a commit");
    let mut ticket = None;
    journal.record(&mut ticket, Change::Remove { queue: QUEUE, position: Position(0) });
    // That there is such a queue is all that is left to store.
    journal.record(&mut ticket, Change::Close { queue: QUEUE });
    let ticket = ticket.unwrap();
    journal.finish(ticket);
    let listener = Arc::new(Listener::default());
    journal.wait_for(ticket, Arc::clone(&listener) as _).unwrap();
    allow.send(Verdict::Fail(StoreFault::Full)).unwrap();
    listener.wait(Err(StoreFault::Full));
    allow.send(Verdict::Store).unwrap();
    assert_eq!(awaited(&commits, "a commit"), 0, "the message is taken");
    mark(&journal);
    assert_eq!(awaited(&commits, "a commit"), 0);
    assert_eq!(journal.storage(), Storage::Available);
    assert!(journal.wait_for(ticket, listener).is_err(), "it is stored with the batch before");
    allow.send(Verdict::Store).unwrap();
    end(&journal);
}

#[test]
fn a_journal_ends_though_nothing_can_be_stored() {
    let (journal, store, allow, commits) = gated();
    put(&journal, "1");
    allow.send(Verdict::Fail(StoreFault::Denied)).unwrap();
    allow.send(Verdict::Fail(StoreFault::Denied)).unwrap();
    end(&journal);
    assert_eq!(commits.try_iter().count(), 2, "it has tried again");
    assert_eq!(journal.storage(), Storage::Failing);
    assert_eq!(store.clone().recover().unwrap().messages(), 0);
}

#[test]
fn a_store_that_panics_is_asked_again() {
    let (journal, store, allow, commits) = gated();
    let number = put(&journal, "1");
    let listener = Arc::new(Listener::default());
    journal.wait_for(number, Arc::clone(&listener) as _).unwrap();
    awaited(&commits, "a commit");
    allow.send(Verdict::Panic).unwrap();
    listener.wait(Err(StoreFault::Io));
    assert_eq!(journal.storage(), Storage::Failing);
    allow.send(Verdict::Store).unwrap();
    end(&journal);
    assert_eq!(store.clone().recover().unwrap().messages(), 1);
}

#[test]
fn somebody_who_panics_when_told_ends_nobody_else() {
    struct Careless;
    impl Awaiting for Careless {
        fn committed(self: Arc<Self>, _: BatchNumber) -> Waits {
            panic!("as it does")
        }

        fn failed(self: Arc<Self>, _: &StoreError) {
            panic!("as it does")
        }
    }
    let (journal, _store, allow, commits) = gated();
    let number = put(&journal, "1");
    awaited(&commits, "a commit");
    let listener = Arc::new(Listener::default());
    for _ in 0..2 {
        journal.wait_for(number, Arc::new(Careless)).unwrap();
    }
    journal.wait_for(number, Arc::clone(&listener) as _).unwrap();
    allow.send(Verdict::Fail(StoreFault::Full)).unwrap();
    listener.wait(Err(StoreFault::Full));
    allow.send(Verdict::Store).unwrap();
    awaited(&commits, "a commit");
    let later = put(&journal, "2");
    awaited(&commits, "a commit");
    journal.wait_for(later, Arc::new(Careless)).unwrap();
    journal.wait_for(later, Arc::clone(&listener) as _).unwrap();
    allow.send(Verdict::Store).unwrap();
    listener.wait(Ok(later.0));
    end(&journal);
}

/// A store that takes its time to go.
struct Slow {
    goes: mpsc::Sender<()>,
    may_go: mpsc::Receiver<()>,
}

impl Store for Slow {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        MemoryStore::new().recover()
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.goes.send(()).unwrap();
        awaited(&self.may_go, "permission to go");
    }
}

#[test]
fn whoever_comes_after_the_last_batch_is_told() {
    let ((goes, is_going), (let_go, may_go)) = (mpsc::channel(), mpsc::channel());
    let journal = Journal::start(Box::new(Slow { goes, may_go }));
    journal.begin_to_end();
    awaited(&is_going, "the store to go");
    assert_eq!(journal.storage(), Storage::Failing, "nothing is stored any more");
    let listener = Arc::new(Listener::default());
    let number = put(&journal, "too late");
    journal.wait_for(number, Arc::clone(&listener) as _).unwrap();
    listener.wait(Err(StoreFault::Io));
    let_go.send(()).unwrap();
    end(&journal);
}

#[test]
fn a_store_whose_attempts_take_long_is_asked_less_often() {
    let wait = |milliseconds| wait_after(Duration::from_millis(milliseconds));
    assert_eq!(wait(0), RETRY);
    assert_eq!(wait(99), RETRY);
    assert_eq!(wait(2500), Duration::from_secs(25));
    assert_eq!(wait(6001), RETRY_MAX);
    assert_eq!(wait_after(Duration::MAX), RETRY_MAX);
}
