use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::limits::Limits;

/// The messages of one row, until a request fetches them.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
    octets: usize,
    /// Which of the requests that wait is the last; the others give up.
    receiver: Receiver,
    waker: Option<Waker>,
}

/// One request that waits for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Receiver(u64);

/// There is no room for another message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Mailbox {
    pub(super) fn post(&self, message: Bytes, limits: &Limits) -> Result<(), Full> {
        let mut state = self.lock();
        let octets = state.octets + message.len();
        if state.waiting.len() == limits.waiting_messages_max || octets > limits.waiting_octets_max
        {
            return Err(Full);
        }
        state.octets = octets;
        state.waiting.push_back(message);
        state.wake();
        Ok(())
    }

    /// Everything that is there.
    pub(super) fn take(&self) -> VecDeque<Bytes> {
        self.lock().take()
    }

    /// Lets a request wait for messages, instead of the one that did.
    pub(super) fn attach(&self) -> Receiver {
        let mut state = self.lock();
        state.receiver.0 += 1;
        state.wake();
        state.receiver
    }

    /// Sends away whoever waits.
    pub(super) fn detach(&self) {
        self.attach();
    }

    /// Everything that is there, once there is something; `None` if the receiver is to wait no longer.
    pub(super) fn poll_take(
        &self,
        receiver: Receiver,
        cx: &Context<'_>,
    ) -> Poll<Option<VecDeque<Bytes>>> {
        let mut state = self.lock();
        if state.receiver != receiver {
            return Poll::Ready(None);
        }
        if state.waiting.is_empty() {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(state.take()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> VecDeque<Bytes> {
        self.octets = 0;
        mem::take(&mut self.waiting)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
