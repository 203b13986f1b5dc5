use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use tidings_sockjs::ReceiverId;

use super::HttpSession;

/// The response that a session's frames are written to now. Each chunk becomes one HTTP chunk.
#[derive(Debug)]
pub(super) struct Receiver {
    id: ReceiverId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    octets: usize,
    /// The chunk that is being written, as far as can be told: no other has been asked for since.
    writing: Option<Writing>,
    ended: bool,
    reader: Option<Waker>,
}

/// A chunk on its way out.
#[derive(Clone, Copy, Debug)]
struct Writing {
    since: Instant,
    octets: usize,
}

/// Octets that a client reads in a second, if it is not to be taken for one that reads nothing: 64 KiB. Of a
/// large chunk that is being written, only the end can be seen.
const READ_OCTETS_PER_SECOND_MIN: u64 = 64 * 1024;

impl Receiver {
    pub(super) fn new(id: ReceiverId) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default() })
    }

    pub(super) fn id(&self) -> ReceiverId {
        self.id
    }

    pub(super) fn push(&self, chunk: Bytes) {
        let mut state = self.lock();
        state.octets += chunk.len();
        state.chunks.push_back(chunk);
        state.wake_reader();
    }

    /// No more chunks follow.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake_reader();
    }

    /// Nobody reads what there is: gives its memory back.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        *state = State { ended: true, reader: state.reader.take(), ..State::default() };
        state.wake_reader();
    }

    /// When a client that reads has had the time for what is being written: `timeout`, and longer for a large
    /// chunk.
    pub(super) fn stall_deadline(&self, timeout: Duration) -> Option<Instant> {
        let Writing { since, octets } = self.lock().writing?;
        let transfer = Duration::from_secs(octets as u64 / READ_OCTETS_PER_SECOND_MIN);
        since.checked_add(timeout)?.checked_add(transfer)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Octets that the client has not read.
    pub(super) fn octets(&self) -> usize {
        self.lock().octets
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The body of a receive request's response. Dropped before its end, it tells the session that the
/// client went away.
#[derive(Debug)]
pub(super) struct ReceiverBody {
    receiver: Arc<Receiver>,
    session: Arc<HttpSession>,
}

impl ReceiverBody {
    pub(super) fn new(receiver: Arc<Receiver>, session: Arc<HttpSession>) -> Self {
        Self { receiver, session }
    }
}

impl http_body::Body for ReceiverBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.receiver.lock();
        let Some(chunk) = state.chunks.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.writing = None;
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.octets -= chunk.len();
        state.writing = Some(Writing { since: Instant::now(), octets: chunk.len() });
        drop(state);
        self.session.handle_read(&self.receiver);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl Drop for ReceiverBody {
    fn drop(&mut self) {
        let unfinished = {
            let state = self.receiver.lock();
            !state.ended || !state.chunks.is_empty()
        };
        if unfinished {
            self.session.handle_aborted(self.receiver.id());
        }
    }
}
