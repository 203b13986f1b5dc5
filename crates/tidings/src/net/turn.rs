//! A turn is one poll of a connection's task. What the turn sends, to its own peer and to others, is
//! gathered, and each outbox touched is flushed once at its end: one write per batch of input.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Outbox, shared_batch};

/// Batch buffers that a thread keeps for its next turn, and the largest it keeps.
const SPARE_BUFFERS_MAX: usize = 8;
const SPARE_OCTETS_MAX: usize = 64 * 1024;

thread_local! {
    /// How many times this thread has pushed into outboxes, ever; wraps around.
    static PUSHES: Cell<u32> = const { Cell::new(0) };
    /// How many turns are running on this thread, one inside the other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The outbox, by its address, whose connection flushes it by itself before the turn ends.
    static OWN: Cell<usize> = const { Cell::new(0) };
    /// What has to be flushed at the end of the turn.
    static TOUCHED: RefCell<Vec<Arc<Outbox>>> = const { RefCell::new(Vec::new()) };
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Has each poll of `future` be a turn.
pub(crate) fn in_turns<F: Future>(future: F) -> InTurns<F> {
    InTurns { future }
}

pin_project! {
    /// A future whose polls are turns.
    pub(crate) struct InTurns<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = TurnGuard::enter();
        self.project().future.poll(cx)
    }
}

/// Makes the synchronous code of a scope one turn. Turns nest; the outermost one flushes.
pub(crate) struct TurnGuard(());

impl TurnGuard {
    pub(crate) fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self(())
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            OWN.set(0);
            flush_touched();
            shared_batch::end_turn();
        }
    }
}

fn flush_touched() {
    if TOUCHED.with_borrow(Vec::is_empty) {
        return;
    }
    let mut touched = TOUCHED.take();
    for outbox in touched.drain(..) {
        outbox.flush();
    }
    TOUCHED.with_borrow_mut(|again| {
        if again.capacity() < touched.capacity() {
            *again = touched;
        }
    });
}

/// Leaves the flush of `outbox` to its connection, whose turn it is: it [drives](Outbox::drive) the outbox
/// before the turn ends.
pub(super) fn own(outbox: &Arc<Outbox>) {
    if is_running() {
        OWN.set(Arc::as_ptr(outbox).addr());
    }
}

/// The connection of `outbox` has driven it: from now on it is flushed like any other.
pub(super) fn disown(outbox: &Outbox) {
    if OWN.get() == std::ptr::from_ref(outbox).addr() {
        OWN.set(0);
    }
}

/// What became of an outbox that asked to be flushed.
pub(super) enum Schedule {
    /// The running turn flushes it at its end.
    AtEndOfTurn,
    /// No turn is running on this thread: flush now.
    Now,
}

/// Leaves the flush of `outbox` to the running turn, if there is one.
#[inline]
pub(super) fn schedule_flush(outbox: &Arc<Outbox>) -> Schedule {
    if OWN.get() == Arc::as_ptr(outbox).addr() {
        return Schedule::AtEndOfTurn;
    }
    if !is_running() {
        return Schedule::Now;
    }
    TOUCHED.with_borrow_mut(|touched| touched.push(Arc::clone(outbox)));
    Schedule::AtEndOfTurn
}

/// Whether a turn is running on this thread.
pub(super) fn is_running() -> bool {
    DEPTH.get() > 0
}

/// Counts a push as work of the running turn.
#[inline]
pub(super) fn count_push() {
    PUSHES.set(PUSHES.get().wrapping_add(1));
}

/// How many pushes were counted on this thread, ever; wraps around.
#[inline]
pub(super) fn pushes() -> u32 {
    PUSHES.get()
}

/// An empty batch buffer, with the capacity of an earlier one where the thread has one.
pub(super) fn take_buffer() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the capacity of a drained batch buffer for the next turn.
pub(super) fn recycle_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > SPARE_OCTETS_MAX {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_BUFFERS_MAX {
            spare.push(buffer);
        }
    });
}
