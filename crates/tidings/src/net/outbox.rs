use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tidings_websocket::{CloseCode, CloseReason};
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use super::segments::Segments;
use super::turn::{self, Schedule};

/// Octets a connection may have waiting to be written, unless configured: 1 MiB.
pub(crate) const OUTBOX_OCTETS_MAX: usize = 1024 * 1024;

/// What one connection has still to write. Any task may push to it.
///
/// Over a plain TCP socket the pushing task writes at once (or at the end of its turn), and no other
/// task is woken; only what the socket does not take waits for the connection's own task, the
/// driver. Over any other stream the driver writes everything.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    octets_max: usize,
    room: Notify,
}

#[derive(Debug)]
struct State {
    segments: Segments,
    phase: Phase,
    flush: Flush,
    /// Gone once the driver is done: handles of the session may outlive the connection.
    socket: Option<OwnedWriteHalf>,
    driver: Option<Waker>,
    last_write: Instant,
}

/// How far the outbox is from its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes messages.
    Open,
    /// The application asked to close; the driver has still to say goodbye.
    Closing(CloseReason),
    /// The last octets are queued.
    Finished(CloseReason),
    /// The stream failed; nothing more can be written.
    Broken,
}

#[derive(Debug, PartialEq, Eq)]
enum Flush {
    Idle,
    /// A turn will flush at its end.
    Scheduled,
    /// The stream has taken nothing since then; the driver flushes when it does again.
    Blocked {
        since: Instant,
    },
}

/// Why a push was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full,
    Closed(CloseReason),
}

impl Outbox {
    /// An outbox that writes to `socket` by itself.
    pub(crate) fn for_socket(socket: OwnedWriteHalf, octets_max: usize) -> Arc<Self> {
        Self::new(Some(socket), octets_max)
    }

    /// An outbox that leaves all writing to its driver.
    pub(crate) fn for_driver(octets_max: usize) -> Arc<Self> {
        Self::new(None, octets_max)
    }

    fn new(socket: Option<OwnedWriteHalf>, octets_max: usize) -> Arc<Self> {
        let state = State {
            segments: Segments::default(),
            phase: Phase::Open,
            flush: Flush::Idle,
            socket,
            driver: None,
            last_write: Instant::now(),
        };
        Arc::new(Self { state: Mutex::new(state), octets_max, room: Notify::new() })
    }

    /// Queues octets that other outboxes may share. One message may exceed the limit, if the outbox
    /// is below it.
    pub(crate) fn push_shared(self: &Arc<Self>, octets: &Bytes) -> Result<(), PushError> {
        self.push_segments(|segments| segments.append_shared(octets))
    }

    /// Queues a frame's header and its payload, which is not copied if it is large.
    pub(crate) fn push_framed(
        self: &Arc<Self>,
        header: &[u8],
        payload: &Bytes,
    ) -> Result<(), PushError> {
        self.push_segments(|segments| {
            segments.append(|batch| batch.extend_from_slice(header));
            segments.append_shared(payload);
        })
    }

    fn push_segments(
        self: &Arc<Self>,
        append: impl FnOnce(&mut Segments),
    ) -> Result<(), PushError> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Open if state.segments.octets() >= self.octets_max => {
                return Err(PushError::Full);
            }
            Phase::Open => {}
            closed => return Err(PushError::Closed(closed.reason())),
        }
        append(&mut state.segments);
        self.schedule(state);
        Ok(())
    }

    /// Queues a control frame of the driver, whatever the limit, until the last octets are queued.
    pub(crate) fn push_control(self: &Arc<Self>, octets: &[u8]) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            state.segments.append(|batch| batch.extend_from_slice(octets));
            self.schedule(state);
        }
    }

    /// Queues the last octets. Nothing is taken afterwards; the first call wins.
    pub(crate) fn finish(self: &Arc<Self>, reason: CloseReason, last: &[u8]) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            state.segments.append(|batch| batch.extend_from_slice(last));
            state.phase = Phase::Finished(reason);
            self.room.notify_waiters();
            self.schedule(state);
        }
    }

    /// Asks the driver to close the connection. The first call wins.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing(reason);
            self.room.notify_waiters();
            wake(&mut state.driver);
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase.clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// When the stream last took octets.
    pub(crate) fn last_write(&self) -> Instant {
        self.lock().last_write
    }

    /// Whether more than half of the room is taken by octets that the peer has not read.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.lock().segments.octets() > self.octets_max / 2
    }

    /// Waits until at most half of the room is taken, or the outbox is no longer open.
    pub(crate) async fn drained(&self) {
        loop {
            let notified = self.room.notified();
            if !self.is_backlogged() || !self.is_open() {
                return;
            }
            notified.await;
        }
    }

    /// Writes as much as the stream takes now.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        if state.flush == Flush::Scheduled {
            state.flush = Flush::Idle;
        }
        self.flush_locked(&mut state);
    }

    /// The driver's part: remembers whom to wake, and writes what the pushing tasks could not.
    /// `Ready` once nothing is left to write.
    ///
    /// `writer` is the stream, where the outbox has no socket of its own.
    pub(crate) fn poll_drive(
        &self,
        cx: &mut Context<'_>,
        writer: Option<Pin<&mut (dyn AsyncWrite + Send)>>,
    ) -> Poll<()> {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        match writer {
            Some(writer) => self.poll_write(&mut state, cx, writer),
            None => self.poll_socket(&mut state, cx),
        }
    }

    fn poll_socket(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<()> {
        while let (Flush::Blocked { .. }, Some(socket)) = (&state.flush, &state.socket) {
            match socket.as_ref().poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {
                    state.flush = Flush::Idle;
                    self.flush_locked(state);
                }
                Poll::Ready(Err(error)) => self.fail(state, &error),
                Poll::Pending => return Poll::Pending,
            }
        }
        if state.segments.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_write(
        &self,
        state: &mut State,
        cx: &mut Context<'_>,
        mut writer: Pin<&mut (dyn AsyncWrite + Send)>,
    ) -> Poll<()> {
        while !state.segments.is_empty() {
            let mut pending = false;
            let written = state.segments.write_once(|slices| {
                match writer.as_mut().poll_write_vectored(cx, slices) {
                    Poll::Ready(result) => result,
                    Poll::Pending => {
                        pending = true;
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                }
            });
            match written {
                Ok(()) => {
                    state.flush = Flush::Idle;
                    self.note_progress(state);
                }
                Err(_) if pending => {
                    if state.flush == Flush::Idle {
                        state.flush = Flush::Blocked { since: Instant::now() };
                    }
                    return Poll::Pending;
                }
                Err(error) => self.fail(state, &error),
            }
        }
        state.flush = Flush::Idle;
        match writer.poll_flush(cx) {
            Poll::Ready(Err(error)) => {
                self.fail(state, &error);
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Since when the stream has taken no octets although some were offered.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        match self.lock().flush {
            Flush::Blocked { since } => Some(since),
            Flush::Idle | Flush::Scheduled => None,
        }
    }

    /// Lets go of the socket, which tells the peer that no more octets follow.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        state.segments.clear();
        state.driver = None;
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            state.phase = Phase::Broken;
        }
        state.socket = None;
        self.room.notify_waiters();
    }

    fn schedule(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.flush != Flush::Idle {
            return;
        }
        match turn::schedule_flush(self) {
            Schedule::AtEndOfTurn => state.flush = Flush::Scheduled,
            Schedule::Now => self.flush_locked(&mut state),
        }
    }

    fn flush_locked(&self, state: &mut State) {
        let State { segments, flush, socket, driver, .. } = state;
        let Some(socket) = socket else {
            if !segments.is_empty() {
                wake(driver);
            }
            return;
        };
        let written = loop {
            if segments.is_empty() || *flush != Flush::Idle {
                break Ok(());
            }
            match segments.write_once(|slices| socket.try_write_vectored(slices)) {
                Ok(()) => state.last_write = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *flush = Flush::Blocked { since: Instant::now() };
                    wake(driver);
                }
                Err(error) => break Err(error),
            }
        };
        match written {
            Ok(()) => self.note_room(state),
            Err(error) => self.fail(state, &error),
        }
    }

    fn note_progress(&self, state: &mut State) {
        state.last_write = Instant::now();
        self.note_room(state);
    }

    fn note_room(&self, state: &State) {
        if state.segments.octets() <= self.octets_max / 2 {
            self.room.notify_waiters();
        }
    }

    fn fail(&self, state: &mut State, error: &io::Error) {
        tracing::debug!(%error, "connection can no longer be written to");
        state.segments.clear();
        state.phase = Phase::Broken;
        state.flush = Flush::Idle;
        self.room.notify_waiters();
        wake(&mut state.driver);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    /// The reason that a refused send is told.
    fn reason(&self) -> CloseReason {
        match self {
            Self::Closing(reason) | Self::Finished(reason) => reason.clone(),
            Self::Open | Self::Broken => CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE),
        }
    }
}

fn wake(driver: &mut Option<Waker>) {
    if let Some(waker) = driver.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::io::AsyncReadExt;

    use super::*;

    const LIMIT: usize = 10;

    fn going_away() -> CloseReason {
        CloseReason::from_code(CloseCode::GOING_AWAY)
    }

    fn push(outbox: &Arc<Outbox>, octets: &'static [u8]) -> Result<(), PushError> {
        outbox.push_shared(&Bytes::from_static(octets))
    }

    #[test]
    fn a_full_outbox_takes_control_frames_only() {
        let outbox = Outbox::for_driver(LIMIT);
        assert_eq!(push(&outbox, b"one message may exceed it"), Ok(()));
        assert_eq!(push(&outbox, b"x"), Err(PushError::Full));
        assert!(outbox.is_backlogged());
        outbox.push_control(b"pong");
        outbox.finish(going_away(), b"close");
        assert_eq!(push(&outbox, b"x"), Err(PushError::Closed(going_away())));
    }

    #[test]
    fn the_first_reason_to_close_holds() {
        let outbox = Outbox::for_driver(LIMIT);
        outbox.close(going_away());
        outbox.close(CloseReason::from_code(CloseCode::POLICY_VIOLATION));
        assert_eq!(outbox.phase(), Phase::Closing(going_away()));
        assert_eq!(push(&outbox, b"x"), Err(PushError::Closed(going_away())));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_the_peer_has_read() {
        let outbox = Outbox::for_driver(LIMIT);
        let (stream, mut peer) = tokio::io::duplex(1);
        let mut stream = pin!(stream);
        push(&outbox, b"0123456789").unwrap();
        let waiting = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { outbox.drained().await }
        });
        let drive = poll_fn(|cx| outbox.poll_drive(cx, Some(stream.as_mut())));
        let mut read = [0; 10];
        let (_, result) = tokio::join!(drive, peer.read_exact(&mut read));
        result.unwrap();
        waiting.await.unwrap();
        assert_eq!(&read, b"0123456789");
        assert!(!outbox.is_backlogged());
    }

    #[tokio::test]
    async fn a_stream_that_fails_ends_the_waiting_too() {
        let outbox = Outbox::for_driver(LIMIT);
        let (stream, peer) = tokio::io::duplex(1);
        drop(peer);
        let mut stream = pin!(stream);
        push(&outbox, b"0123456789").unwrap();
        poll_fn(|cx| outbox.poll_drive(cx, Some(stream.as_mut()))).await;
        outbox.drained().await;
        assert_eq!(outbox.phase(), Phase::Broken);
    }
}
