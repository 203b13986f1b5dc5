use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http_body::Frame;
use tidings_sockjs::ReceiverId;

use super::HttpSession;
use super::direct::DirectResponse;
use crate::clock;
use crate::endpoint::CloseInfo;
use crate::net::Outbox;
use crate::server::handover::{Handover, ResponseHead};

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
    /// All of it is given to the connection, or it is given up.
    left: bool,
    reader: Option<Waker>,
    /// Where chunks go once the response has its connection; none wait here then.
    outbox: Option<Arc<Outbox>>,
    /// What is written before the first of them.
    head: Option<ResponseHead>,
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

/// Octets that are given to hyper at a time: 16 KiB. Over HTTP/2 it holds what its peer has no room for, and is
/// not asked to give it back.
const PIECE_OCTETS_MAX: usize = 16 * 1024;

/// What ends a chunked body: RFC 9112, section 7.1.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Receiver {
    pub(super) fn new(id: ReceiverId) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default() })
    }

    pub(super) fn id(&self) -> ReceiverId {
        self.id
    }

    pub(super) fn push(&self, chunk: Bytes) {
        let mut state = self.lock();
        if state.outbox.is_some() {
            return state.write_chunk(&chunk);
        }
        state.octets += chunk.len();
        state.chunks.push_back(chunk);
        state.expect_reader();
        state.wake_reader();
    }

    /// No more chunks follow.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.expect_reader();
        state.write_end();
        state.wake_reader();
    }

    /// Nobody reads what there is: gives its memory back.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let (reader, outbox) = (state.reader.take(), state.outbox.take());
        *state = State { ended: true, left: true, reader, outbox, ..State::default() };
        match &state.outbox {
            Some(outbox) => outbox.give_up(CloseInfo::timed_out()),
            None => state.wake_reader(),
        }
    }

    /// Lets `outbox` write the chunks from now on, those first that wait, and `head` before them all.
    pub(super) fn hand_over(&self, outbox: &Arc<Outbox>, head: Option<ResponseHead>) {
        let mut state = self.lock();
        let chunks = std::mem::take(&mut state.chunks);
        let (ended, outbox) = (state.ended, Some(Arc::clone(outbox)));
        *state = State { ended, outbox, head, ..State::default() };
        for chunk in chunks {
            state.write_chunk(&chunk);
        }
        if ended {
            state.write_end();
        }
    }

    /// When a client that reads has had the time for what is being written: `timeout`, and longer for a large
    /// chunk.
    pub(super) fn stall_deadline(&self, timeout: Duration) -> Option<Instant> {
        let state = self.lock();
        let Writing { since, octets } = state.writing.filter(|_| !state.left)?;
        let transfer = Duration::from_secs(octets as u64 / READ_OCTETS_PER_SECOND_MIN);
        since.checked_add(timeout)?.checked_add(transfer)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether nothing of it waits for its client any more.
    pub(super) fn has_left(&self) -> bool {
        let state = self.lock();
        state.left || state.outbox.is_some()
    }

    /// Octets that the client has not read.
    pub(super) fn octets(&self) -> usize {
        let state = self.lock();
        state.outbox.as_ref().map_or(state.octets, |outbox| outbox.waiting_octets())
    }

    /// Has whoever writes look for room: the session waits for it.
    pub(super) fn ask_for_room(&self) {
        if let Some(outbox) = &self.lock().outbox {
            outbox.wake_driver();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Nobody may ever ask for what there is.
    fn expect_reader(&mut self) {
        if self.reader.is_none() {
            let octets = self.octets;
            self.writing.get_or_insert_with(|| Writing { since: clock::instant(), octets });
        }
    }

    /// What is to be written next.
    fn next_piece(&mut self) -> Option<Bytes> {
        let mut piece = self.chunks.pop_front()?;
        if piece.len() > PIECE_OCTETS_MAX {
            let rest = piece.split_off(PIECE_OCTETS_MAX);
            self.chunks.push_front(rest);
        }
        self.octets -= piece.len();
        self.writing = Some(Writing { since: clock::instant(), octets: piece.len() });
        Some(piece)
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Writes a chunk of a chunked body, where there is an outbox: RFC 9112, section 7.1.
    fn write_chunk(&mut self, chunk: &[u8]) {
        let Some(outbox) = &self.outbox else { return };
        let head = self.head.take();
        outbox.push_with(|batch| {
            if let Some(head) = head {
                head.write(batch);
            }
            batch.reserve(chunk.len() + 20);
            let _ = write!(batch, "{:X}\r\n", chunk.len());
            batch.extend_from_slice(chunk);
            batch.extend_from_slice(b"\r\n");
        });
    }

    /// Writes the end of a chunked body, where there is an outbox.
    fn write_end(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        outbox.finish(CloseInfo::abnormal(), LAST_CHUNK);
        outbox.wake_driver();
    }
}

/// The body of a receive request's response. Dropped before its end, it tells the session that the
/// client went away.
#[derive(Debug)]
pub(super) struct ReceiverBody {
    receiver: Arc<Receiver>,
    session: Arc<HttpSession>,
    handover: Option<Handover>,
    /// What is not written of the response's head.
    head: Option<ResponseHead>,
    /// Whether the rest of the response has been offered to `handover`.
    asked: bool,
}

impl ReceiverBody {
    pub(super) fn new(receiver: Arc<Receiver>, session: Arc<HttpSession>) -> Self {
        Self { receiver, session, handover: None, head: None, asked: false }
    }

    /// Lets the response have its connection, once its head is written.
    pub(super) fn set_handover(&mut self, handover: Option<Handover>) {
        self.handover = handover;
    }

    /// Waits until there is something to respond with. Meanwhile the response may have its connection, if `head`
    /// is what it begins with; this never returns then.
    pub(super) async fn first_chunk(&mut self, handover: Option<Handover>, head: &Parts) {
        self.handover = handover;
        poll_fn(|cx| {
            self.keep_connection();
            {
                let mut state = self.receiver.lock();
                if state.ended || !state.chunks.is_empty() {
                    return Poll::Ready(());
                }
                state.reader = Some(cx.waker().clone());
            }
            if self.handover.is_some() {
                self.head.get_or_insert_with(|| ResponseHead::chunked(head));
                self.ask_for_connection();
            }
            Poll::Pending
        })
        .await;
        self.handover = None;
    }

    fn ask_for_connection(&mut self) {
        if let Some(handover) = &self.handover {
            self.asked = true;
            let (receiver, session) = (Arc::clone(&self.receiver), Arc::clone(&self.session));
            handover.ask(Box::new(DirectResponse::new(receiver, session, self.head.clone())));
        }
    }

    /// Whether the rest of the response is this body's, and stays so.
    fn keep_connection(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asked);
        !asked || self.handover.as_ref().is_none_or(Handover::withdraw)
    }
}

impl http_body::Body for ReceiverBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.keep_connection();
        let mut state = self.receiver.lock();
        let Some(piece) = state.next_piece() else {
            if state.ended {
                state.left = true;
                return Poll::Ready(None);
            }
            state.writing = None;
            state.reader = Some(cx.waker().clone());
            drop(state);
            self.ask_for_connection();
            return Poll::Pending;
        };
        drop(state);
        self.session.handle_read(&self.receiver);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Drop for ReceiverBody {
    fn drop(&mut self) {
        let unfinished = self.keep_connection() && {
            let mut state = self.receiver.lock();
            state.left = true;
            !state.ended || !state.chunks.is_empty()
        };
        if unfinished {
            self.session.handle_aborted(self.receiver.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn a_response_that_nobody_reads_has_its_time_too() {
        let receiver = Receiver::new(ReceiverId(0));
        assert_eq!(receiver.stall_deadline(TIMEOUT), None);
        receiver.push(Bytes::from(vec![b'a'; PIECE_OCTETS_MAX + 1]));
        assert!(receiver.stall_deadline(TIMEOUT).is_some());
        receiver.end();
        assert!(receiver.stall_deadline(TIMEOUT).is_some() && !receiver.has_left());
        receiver.abandon();
        assert_eq!((receiver.stall_deadline(TIMEOUT), receiver.octets()), (None, 0));
        assert!(receiver.has_left());
    }

    #[test]
    fn each_piece_that_is_asked_for_has_its_time_anew() {
        let receiver = Receiver::new(ReceiverId(0));
        receiver.push(Bytes::from(vec![b'a'; 2 * PIECE_OCTETS_MAX]));
        let deadline_of_next = || {
            let before = Instant::now();
            receiver.lock().next_piece().unwrap();
            let deadline = receiver.stall_deadline(TIMEOUT).unwrap();
            assert!(deadline >= before + TIMEOUT && deadline <= Instant::now() + TIMEOUT);
        };
        deadline_of_next();
        deadline_of_next();
    }

    #[test]
    fn a_long_chunk_goes_out_in_pieces() {
        let receiver = Receiver::new(ReceiverId(0));
        receiver.push(Bytes::from(vec![b'a'; 2 * PIECE_OCTETS_MAX + 1]));
        let mut state = receiver.lock();
        let lengths: Vec<_> =
            std::iter::from_fn(|| state.next_piece()).map(|it| it.len()).collect();
        assert_eq!(lengths, [PIECE_OCTETS_MAX, PIECE_OCTETS_MAX, 1]);
        assert_eq!(state.octets, 0);
    }
}
