use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidings_broker::{Batch, BatchCollector, BatchNumber, Change, Storage};

use super::{Store, StoreError, StoreFault};
use crate::net::TurnGuard;

/// How long the writer waits before it tries again to store what it could not.
const RETRY: Duration = Duration::from_secs(1);

/// Stores what operations of the broker change, by one thread: the next commit begins as the last
/// one ends, with everything that has come meanwhile.
///
/// The changes of one operation are in one batch, so that they are stored together or not at all. A
/// batch that is to be written waits for the operations that are in it already; whoever comes then
/// is in the next one.
///
/// What cannot be stored is tried again, together with what has come since: consumers may have
/// taken so much of it that there is room for the rest.
pub(crate) struct Journal {
    state: Mutex<State>,
    /// For the writer: there is something to write, or an operation has ended.
    wake: Condvar,
    /// For those who wait for the writer's end.
    ended: Condvar,
    /// Whether the last attempt failed, to be known without the lock.
    fails: AtomicBool,
}

struct State {
    collector: BatchCollector,
    /// All batches up to this one are stored.
    committed: BatchNumber,
    waiting: Vec<Arc<dyn Awaiting>>,
    /// Why the last attempt to store something failed.
    failure: Option<Arc<StoreError>>,
    life: Life,
    writer: Writer,
}

/// What the thread that writes does. It is woken only if it waits: to wake nobody is a system call too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Works,
    Waits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// What there is is written, and nothing more.
    Ending,
    Ended,
}

/// Somebody who waits for batches to be stored.
pub(crate) trait Awaiting: Send + Sync {
    /// All batches up to this one are stored. Whether it waits for more.
    fn committed(self: Arc<Self>, number: BatchNumber) -> Waits;

    /// What is waited for could not be stored now. It is not told anything more.
    fn failed(self: Arc<Self>, error: &StoreError);
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
                collector: BatchCollector::default(),
                committed: BatchNumber(0),
                waiting: Vec::new(),
                failure: None,
                life: Life::Running,
                writer: Writer::Works,
            }),
            wake: Condvar::new(),
            ended: Condvar::new(),
            fails: AtomicBool::new(false),
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
        self.lock().collector.record(ticket, change);
    }

    /// The operation has ended.
    pub(crate) fn finish(&self, ticket: BatchNumber) {
        let mut state = self.lock();
        state.collector.finish(ticket);
        let waits = state.writer == Writer::Waits;
        drop(state);
        if waits {
            self.wake.notify_one();
        }
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

    /// Whether what is recorded now is going to be stored soon.
    pub(crate) fn storage(&self) -> Storage {
        if !self.fails.load(Ordering::Relaxed) {
            return Storage::Available;
        }
        match self.lock().failure.as_deref().map(StoreError::fault) {
            None => Storage::Available,
            Some(StoreFault::Full) => Storage::Full,
            Some(_) => Storage::Failing,
        }
    }

    /// Has what there is written, and ends.
    pub(crate) fn begin_to_end(&self) {
        let mut state = self.lock();
        if state.life == Life::Running {
            state.life = Life::Ending;
        }
        self.wake.notify_one();
    }

    /// Has what there is written, and ends. Blocks until that is done.
    pub(crate) fn end(&self) {
        self.begin_to_end();
        let running = |state: &mut State| state.life != Life::Ended;
        drop(self.ended.wait_while(self.lock(), running).unwrap_or_else(PoisonError::into_inner));
    }

    fn write_all(&self, mut store: Box<dyn Store>) {
        while let Some((number, batch)) = self.next_batch() {
            match self.commit(&mut *store, number, batch) {
                Ok(number) => self.tell_committed(number),
                Err(Ending) => break,
            }
        }
        // Others may use the store by the time that this is known to have ended.
        drop(store);
        self.lock().life = Life::Ended;
        self.ended.notify_all();
    }

    /// Waits until there is something to write and the operations in it have ended.
    fn next_batch(&self) -> Option<(BatchNumber, Batch)> {
        let mut state = self.lock();
        while state.collector.is_empty() && state.life == Life::Running {
            state = self.wait(state);
        }
        (!state.collector.is_empty()).then(|| self.close_batch(state))
    }

    /// Begins another batch, and waits until the operations in the last one have ended.
    fn close_batch(&self, mut state: MutexGuard<'_, State>) -> (BatchNumber, Batch) {
        state.collector.close();
        loop {
            match state.collector.take_closed() {
                Some(closed) => return closed,
                None => state = self.wait(state),
            }
        }
    }

    /// Waits as the writer, until something may have changed.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writer = Writer::Waits;
        let mut state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.writer = Writer::Works;
        state
    }

    /// Stores a batch and, if that takes more than one attempt, what has come meanwhile. Gives up
    /// only when the journal is to end. Returns the last batch that is stored.
    fn commit(
        &self,
        store: &mut dyn Store,
        mut number: BatchNumber,
        mut batch: Batch,
    ) -> Result<BatchNumber, Ending> {
        let mut life = Life::Running;
        while !batch.is_empty()
            && let Err(error) = store.commit(&batch)
        {
            if life != Life::Running {
                let messages = batch.puts().count();
                tracing::error!(%error, messages, "the server ends with messages that are not stored");
                return Err(Ending);
            }
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "messages cannot be stored, trying again");
            self.tell_failed(error);
            let running = |state: &mut State| state.life == Life::Running;
            let (state, _) = self
                .wake
                .wait_timeout_while(self.lock(), RETRY, running)
                .unwrap_or_else(PoisonError::into_inner);
            life = state.life;
            let (later, more) = self.close_batch(state);
            number = later;
            batch.append(more);
        }
        self.lock().failure = None;
        self.fails.store(false, Ordering::Relaxed);
        Ok(number)
    }

    fn tell_failed(&self, error: StoreError) {
        let error = Arc::new(error);
        let mut state = self.lock();
        state.failure = Some(Arc::clone(&error));
        self.fails.store(true, Ordering::Relaxed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for awaiting in waiting {
            awaiting.failed(&error);
        }
    }

    fn tell_committed(&self, number: BatchNumber) {
        let mut state = self.lock();
        state.committed = number;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // Everything for one peer goes into one write.
        let _turn = TurnGuard::enter();
        let mut still = waiting;
        still.retain(|awaiting| Arc::clone(awaiting).committed(number) == Waits::ForMore);
        self.lock().waiting.append(&mut still);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal ends with something that could not be stored.
struct Ending;

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
