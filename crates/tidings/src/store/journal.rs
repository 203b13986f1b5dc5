use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tidings_broker::{Batch, BatchCollector, BatchNumber, Change, Storage};

use super::{Store, StoreError, StoreFault};
use crate::net::TurnGuard;

/// How long the writer waits at least before it tries again to store what it could not.
const RETRY: Duration = Duration::from_secs(1);

/// How long it waits at most.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How many times as long as an attempt took: a store that fails may check all that it has before it is used again.
const RETRY_FACTOR: u32 = 10;

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
    /// Nothing more is written.
    Closed,
    /// The store is not used any more.
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
        if let Some(failure) = state.failure.clone() {
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

    fn write_all(&self, store: Box<dyn Store>) {
        let _end = End(self);
        // Gone before that: others may use it by the time that this is known to have ended.
        let mut store = store;
        // What the journal was when the last attempt had failed.
        let mut life = Life::Running;
        while let Some((number, batch)) = self.next_batch() {
            let begin = Instant::now();
            let Err(error) = commit(&mut *store, &batch) else {
                life = Life::Running;
                self.tell_committed(number);
                continue;
            };
            let (messages, is_last) = (batch.puts().count(), life != Life::Running);
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, messages, is_last, "messages cannot be stored");
            self.tell_failed(error, batch);
            if is_last {
                break;
            }
            life = self.wait_before_retry(wait_after(begin.elapsed()));
        }
        self.close();
    }

    /// Waits until there is something to write and the operations in it have ended.
    fn next_batch(&self) -> Option<(BatchNumber, Batch)> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.collector.next_batch() {
                return Some(next);
            }
            if state.collector.is_empty() && state.life != Life::Running {
                return None;
            }
            state.writer = Writer::Waits;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.writer = Writer::Works;
        }
    }

    /// Waits for a while, unless the journal ends.
    fn wait_before_retry(&self, wait: Duration) -> Life {
        let running = |state: &mut State| state.life == Life::Running;
        let waited = self.wake.wait_timeout_while(self.lock(), wait, running);
        waited.unwrap_or_else(PoisonError::into_inner).0.life
    }

    fn tell_failed(&self, error: StoreError, batch: Batch) {
        let error = Arc::new(error);
        let mut state = self.lock();
        state.collector.give_back(batch);
        self.fail_waiting(state, &error);
    }

    /// Nothing more is written, and whoever waits for something is told.
    fn close(&self) {
        let mut state = self.lock();
        state.life = Life::Closed;
        let over = || Arc::new(StoreError::new(StoreFault::Io));
        let error = state.failure.clone().unwrap_or_else(over);
        self.fail_waiting(state, &error);
    }

    /// Tells those who wait, and whoever comes until something is stored.
    fn fail_waiting(&self, mut state: MutexGuard<'_, State>, error: &Arc<StoreError>) {
        state.failure = Some(Arc::clone(error));
        self.fails.store(true, Ordering::Relaxed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for awaiting in waiting {
            guarded(|| {
                awaiting.failed(error);
                Waits::NoLonger
            });
        }
    }

    fn tell_committed(&self, number: BatchNumber) {
        let mut state = self.lock();
        state.committed = number;
        state.failure = None;
        self.fails.store(false, Ordering::Relaxed);
        let mut waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // Everything for one peer goes into one write.
        let _turn = TurnGuard::enter();
        waiting.retain(|awaiting| {
            guarded(|| Arc::clone(awaiting).committed(number)) == Waits::ForMore
        });
        self.lock().waiting.append(&mut waiting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store that panics has stored nothing, as far as anybody knows. Nothing is written of an empty
/// batch, whose messages were consumed before.
fn commit(store: &mut dyn Store, batch: &Batch) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let committed = panic::catch_unwind(AssertUnwindSafe(|| store.commit(batch)));
    committed.unwrap_or_else(|_| Err(StoreError::new(StoreFault::Io).caused_by("it has panicked")))
}

/// Tells somebody something. If they panic it is their end, and not that of all others.
fn guarded(tell: impl FnOnce() -> Waits) -> Waits {
    panic::catch_unwind(AssertUnwindSafe(tell)).unwrap_or(Waits::NoLonger)
}

/// However the thread that writes ends, it is known.
struct End<'a>(&'a Journal);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().life = Life::Ended;
        self.0.ended.notify_all();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// How long to wait after an attempt that took so long.
fn wait_after(attempt: Duration) -> Duration {
    attempt.saturating_mul(RETRY_FACTOR).clamp(RETRY, RETRY_MAX)
}

#[cfg(test)]
mod tests;
