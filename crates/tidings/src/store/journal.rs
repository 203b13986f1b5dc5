use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidings_broker::Change;

use super::{Batch, Store, StoreError, StoreFault};
use crate::net::TurnGuard;

/// How long the writer waits before it tries again to store what it could not.
const RETRY: Duration = Duration::from_secs(1);

/// Stores what operations of the broker change, by one thread: the next commit begins as the last
/// one ends, with everything that has come meanwhile.
///
/// The changes of one operation are in one batch, so that they are stored together or not at all. A
/// batch that is to be written waits for the operations that are in it already; whoever comes then
/// is in the next one.
pub(crate) struct Journal {
    state: Mutex<State>,
    /// There is something to write, or an operation has ended.
    wake: Condvar,
}

struct State {
    current: Collecting,
    /// Is going to be written once its operations have ended.
    closing: Option<Collecting>,
    current_number: BatchNumber,
    /// All batches up to this one are stored.
    committed: BatchNumber,
    waiting: Vec<Arc<dyn Awaiting>>,
    /// Why the last attempt to store something failed.
    failure: Option<Arc<StoreError>>,
    life: Life,
}

#[derive(Default)]
struct Collecting {
    batch: Batch,
    /// Operations that have not ended.
    operations: usize,
    /// Whether anything was recorded, though it may have been forgotten again.
    touched: Touched,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Touched {
    #[default]
    Not,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// What there is is written, and nothing more.
    Ending,
    Ended,
}

/// Counts up over the batches of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchNumber(u64);

/// Somebody who waits for batches to be stored.
pub(crate) trait Awaiting: Send + Sync {
    /// All batches up to this one are stored. Whether it waits for more.
    fn committed(&self, number: BatchNumber) -> Waits;

    /// What is waited for could not be stored now. It is not told anything more.
    fn failed(&self, error: &StoreError);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    ForMore,
    NoLonger,
}

impl Journal {
    /// Starts the thread that writes to `store`, from which everything has been recovered.
    pub(crate) fn start(store: Box<dyn Store>) -> Arc<Self> {
        let journal = Arc::new(Self {
            state: Mutex::new(State {
                current: Collecting::default(),
                closing: None,
                current_number: BatchNumber(1),
                committed: BatchNumber(0),
                waiting: Vec::new(),
                failure: None,
                life: Life::Running,
            }),
            wake: Condvar::new(),
        });
        let writer = Arc::clone(&journal);
        thread::Builder::new()
            .name("tidings-store".to_owned())
            .spawn(move || writer.write_all(store))
            .expect("the system can start a thread");
        journal
    }

    /// Adds a change of an operation, whose `ticket` is `None` before its first one.
    pub(crate) fn record(&self, ticket: &mut Option<BatchNumber>, change: Change) {
        let mut state = self.lock();
        let number = *ticket.get_or_insert_with(|| {
            state.current.operations += 1;
            state.current_number
        });
        state.current.touched = Touched::Something;
        if let Change::Remove { queue, position } = change {
            // It may have been put by an operation that came later, and yet before this change.
            let State { current, closing, .. } = &mut *state;
            let mut batches = [Some(current), closing.as_mut()].into_iter().flatten();
            if batches.any(|collecting| collecting.batch.forget(queue, position)) {
                return;
            }
        }
        state.collecting(number).batch.apply(change);
    }

    /// The operation has ended.
    pub(crate) fn finish(&self, ticket: BatchNumber) {
        let mut state = self.lock();
        state.collecting(ticket).operations -= 1;
        drop(state);
        self.wake.notify_one();
    }

    /// Has `awaiting` told when a batch is stored.
    ///
    /// # Errors
    ///
    /// Up to which batch all are stored, if that one is among them.
    pub(crate) fn wait_for(
        &self,
        number: BatchNumber,
        awaiting: Arc<dyn Awaiting>,
    ) -> Result<(), BatchNumber> {
        let mut state = self.lock();
        if state.committed >= number {
            return Err(state.committed);
        }
        let ended = || Arc::new(StoreError::new(StoreFault::Io));
        let ended = (state.life == Life::Ended).then(ended);
        if let Some(failure) = state.failure.clone().or(ended) {
            drop(state);
            awaiting.failed(&failure);
            return Ok(());
        }
        state.waiting.push(awaiting);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn failure(&self) -> Option<Arc<StoreError>> {
        self.lock().failure.clone()
    }

    /// Has what there is written, and ends.
    pub(crate) fn begin_to_end(&self) {
        let mut state = self.lock();
        if state.life == Life::Running {
            state.life = Life::Ending;
        }
        self.wake.notify_all();
    }

    /// Has what there is written, and ends. Blocks until that is done.
    pub(crate) fn end(&self) {
        self.begin_to_end();
        let mut state = self.lock();
        while state.life != Life::Ended {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_all(&self, mut store: Box<dyn Store>) {
        while let Some((number, batch)) = self.next_batch() {
            if !batch.is_empty() && self.commit(&mut *store, &batch).is_err() {
                break;
            }
            self.tell_committed(number);
        }
        // Others may use the store by the time that this is known to have ended.
        drop(store);
        self.lock().life = Life::Ended;
        self.wake.notify_all();
    }

    /// Waits until there is something to write and the operations in it have ended.
    fn next_batch(&self) -> Option<(BatchNumber, Batch)> {
        let mut state = self.lock();
        while state.current.touched == Touched::Not {
            if state.life == Life::Ending {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let number = state.current_number;
        state.current_number = BatchNumber(number.0 + 1);
        state.closing = Some(std::mem::take(&mut state.current));
        loop {
            match state.closing.take_if(|closing| closing.operations == 0) {
                Some(closing) => return Some((number, closing.batch)),
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Stores a batch, however often it takes. Gives up only when the journal is to end.
    fn commit(&self, store: &mut dyn Store, batch: &Batch) -> Result<(), Ending> {
        while let Err(error) = store.commit(batch) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "messages cannot be stored, trying again");
            let error = Arc::new(error);
            let mut state = self.lock();
            state.failure = Some(Arc::clone(&error));
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            for awaiting in waiting {
                awaiting.failed(&error);
            }
            let state = self.lock();
            let running = |state: &mut State| state.life == Life::Running;
            let (state, _) = self
                .wake
                .wait_timeout_while(state, RETRY, running)
                .unwrap_or_else(PoisonError::into_inner);
            if state.life != Life::Running {
                return Err(Ending);
            }
        }
        self.lock().failure = None;
        Ok(())
    }

    fn tell_committed(&self, number: BatchNumber) {
        let mut state = self.lock();
        state.committed = number;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // Everything for one peer goes into one write.
        let _turn = TurnGuard::enter();
        let mut still = waiting;
        still.retain(|awaiting| awaiting.committed(number) == Waits::ForMore);
        self.lock().waiting.append(&mut still);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal ends with something that could not be stored.
struct Ending;

impl State {
    /// The batch that an operation is in.
    fn collecting(&mut self, number: BatchNumber) -> &mut Collecting {
        if number == self.current_number {
            return &mut self.current;
        }
        self.closing.as_mut().expect("a batch is not written before its operations have ended")
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tidings_broker::{Position, QueueId};

    use super::*;
    use crate::store::batch::tests::sent;
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
        fn committed(&self, number: BatchNumber) -> Waits {
            self.told(Ok(number.0));
            Waits::ForMore
        }

        fn failed(&self, error: &StoreError) {
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
        assert_eq!(journal.failure().unwrap().fault(), StoreFault::Full);
        allow.send(Ok(())).unwrap();
        commits.recv().unwrap();
        journal.end();
        assert!(journal.wait_for(number, listener).is_err(), "it is stored now");
        assert_eq!(store.clone().recover().unwrap().messages(), 1);
    }
}
