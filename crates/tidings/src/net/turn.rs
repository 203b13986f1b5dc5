//! A turn is one poll of a connection's task. What the turn sends, to its own peer and to others, is
//! gathered, and each outbox touched is flushed once at its end: one write per batch of input.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Outbox;

/// Batch buffers that a thread keeps for its next turn, and the largest it keeps.
const SPARE_BUFFERS_MAX: usize = 8;
const SPARE_OCTETS_MAX: usize = 64 * 1024;

thread_local! {
    /// How many times this thread has pushed into outboxes, ever; wraps around.
    static PUSHES: Cell<u32> = const { Cell::new(0) };
    static TURN: RefCell<Turn> = const { RefCell::new(Turn {
        depth: 0,
        touched: Vec::new(),
        spare: Vec::new(),
    }) };
}

struct Turn {
    depth: usize,
    touched: Vec<Arc<Outbox>>,
    spare: Vec<Vec<u8>>,
}

/// Has each poll of `future` be a turn.
pub(crate) fn in_turns<F: Future>(future: F) -> InTurns<F> {
    InTurns(Box::pin(future))
}

/// A future whose polls are turns.
pub(crate) struct InTurns<F>(Pin<Box<F>>);

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = TurnGuard::enter();
        self.0.as_mut().poll(cx)
    }
}

/// Makes the synchronous code of a scope one turn. Turns nest; the outermost one flushes.
pub(crate) struct TurnGuard(());

impl TurnGuard {
    pub(crate) fn enter() -> Self {
        TURN.with_borrow_mut(|turn| turn.depth += 1);
        Self(())
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        let mut touched = TURN.with_borrow_mut(|turn| {
            turn.depth -= 1;
            if turn.depth == 0 { std::mem::take(&mut turn.touched) } else { Vec::new() }
        });
        for outbox in touched.drain(..) {
            outbox.flush();
        }
        TURN.with_borrow_mut(|turn| {
            if turn.touched.capacity() < touched.capacity() {
                turn.touched = touched;
            }
        });
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
pub(super) fn schedule_flush(outbox: &Arc<Outbox>) -> Schedule {
    TURN.with_borrow_mut(|turn| {
        if turn.depth == 0 {
            return Schedule::Now;
        }
        turn.touched.push(Arc::clone(outbox));
        Schedule::AtEndOfTurn
    })
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
    TURN.with_borrow_mut(|turn| turn.spare.pop()).unwrap_or_default()
}

/// Keeps the capacity of a drained batch buffer for the next turn.
pub(super) fn recycle_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > SPARE_OCTETS_MAX {
        return;
    }
    buffer.clear();
    TURN.with_borrow_mut(|turn| {
        if turn.spare.len() < SPARE_BUFFERS_MAX {
            turn.spare.push(buffer);
        }
    });
}
