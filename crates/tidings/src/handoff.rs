use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tidings_websocket::{CloseReason, Message};

/// Octets of messages that wait to be taken: 64 KiB. One message may go beyond it.
const OCTETS_MAX: usize = 64 * 1024;

/// Messages on their way from a connection's task to whoever reads its socket.
#[derive(Debug, Default)]
pub(crate) struct Handoff(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    octets: usize,
    end: End,
    custody: Custody,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Open,
    /// The session is over; what waits can still be taken.
    Closed(CloseReason),
    /// Nobody reads any more.
    Abandoned,
}

/// Who closes the session when its socket is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Custody {
    /// Whoever drops the socket.
    #[default]
    Socket,
    /// The function that was given the socket, when it returns: it may return an error.
    Handler,
}

impl Handoff {
    pub(crate) fn held_by_handler() -> Self {
        Self(Mutex::new(State { custody: Custody::Handler, ..State::default() }))
    }

    /// The function that was given the socket has returned: whether the socket is gone too.
    pub(crate) fn end_handler(&self) -> bool {
        let mut state = self.lock();
        state.custody = Custody::Socket;
        matches!(state.end, End::Abandoned)
    }

    /// `Ready` once there is room for more, or nobody reads any more.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.octets < OCTETS_MAX || matches!(state.end, End::Abandoned) {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Adds a message; the caller has waited for room.
    pub(crate) fn put(&self, message: Message) {
        let mut state = self.lock();
        if matches!(state.end, End::Abandoned) {
            return;
        }
        state.octets += weight(&message);
        state.messages.push_back(message);
        wake(state.reader.take(), state);
    }

    /// Says that no more messages come.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Closed(reason);
            wake(state.reader.take(), state);
        }
    }

    /// The next message, or `None` at the end.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        if let Some(message) = state.messages.pop_front() {
            state.octets -= weight(&message);
            if state.messages.is_empty() {
                state.messages = VecDeque::new();
            }
            if state.octets < OCTETS_MAX {
                wake(state.writer.take(), state);
            }
            return Poll::Ready(Some(message));
        }
        if !matches!(state.end, End::Open) {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Drops what waits and what comes. Says who closes the session.
    pub(crate) fn abandon(&self) -> Custody {
        let mut state = self.lock();
        state.messages = VecDeque::new();
        state.end = End::Abandoned;
        let custody = state.custody;
        wake(state.writer.take(), state);
        custody
    }

    /// Why the session is over, if it is.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        match &self.lock().end {
            End::Closed(reason) => Some(reason.clone()),
            End::Open | End::Abandoned => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message counts for; even an empty one takes room.
fn weight(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

/// Wakes after the lock is released.
fn wake(waker: Option<Waker>, state: MutexGuard<'_, State>) {
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tidings_websocket::CloseCode;

    use super::*;

    fn is_full(handoff: &Handoff) -> bool {
        handoff.poll_room(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    async fn take(handoff: &Handoff) -> Option<Message> {
        poll_fn(|cx| handoff.poll_take(cx)).await
    }

    #[tokio::test]
    async fn messages_are_taken_in_order_and_then_comes_the_end() {
        let handoff = Handoff::default();
        handoff.put("a".into());
        handoff.put("b".into());
        let reason = CloseReason::from_code(CloseCode::NORMAL_CLOSURE);
        handoff.close(reason.clone());
        assert_eq!(take(&handoff).await, Some("a".into()));
        assert_eq!(take(&handoff).await, Some("b".into()));
        assert_eq!(take(&handoff).await, None);
        assert_eq!(handoff.close_reason(), Some(reason));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_even_if_it_is_empty() {
        let handoff = Handoff::default();
        let mut count = 0;
        while !is_full(&handoff) {
            handoff.put("".into());
            count += 1;
        }
        assert!(count <= OCTETS_MAX / size_of::<Message>() + 1);
        let large = Handoff::default();
        large.put(vec![0; 1024 * 1024].into());
        assert!(is_full(&large));
        take(&large).await;
        assert!(!is_full(&large));
    }

    #[tokio::test]
    async fn each_side_wakes_the_other() {
        let handoff = Arc::new(Handoff::default());
        let reader = Arc::clone(&handoff);
        let reading = tokio::spawn(async move {
            let mut taken = 0;
            while take(&reader).await.is_some() {
                taken += 1;
            }
            taken
        });
        for _ in 0..100 {
            poll_fn(|cx| handoff.poll_room(cx)).await;
            handoff.put(vec![0; 32 * 1024].into());
        }
        handoff.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        assert_eq!(reading.await.unwrap(), 100);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_is_gone() {
        let handoff = Handoff::default();
        handoff.put(vec![0; OCTETS_MAX].into());
        handoff.abandon();
        assert!(!is_full(&handoff));
        handoff.put("dropped".into());
        assert_eq!(take(&handoff).await, None);
    }
}
