//! The driver's side of an outbox, and everything that writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use super::{Flush, Outbox, Phase, Reading, State, wake};
use crate::endpoint::CloseInfo;
use crate::net::moment::Moment;
use crate::net::{socket, turn};

/// How an outbox stands after its driver has done its part, unless it is open and its stream takes octets.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) phase: Phase,
    /// Since when the stream has taken no octets although some were offered.
    pub(crate) blocked_since: Option<Instant>,
}

impl Outbox {
    /// Writes as much as the stream takes now.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        if state.flush == Flush::Scheduled {
            state.flush = Flush::Idle;
        }
        self.flush_locked(&mut state, None);
    }

    /// The driver's part: remembers whom to wake, and writes what was pushed, where nobody else does.
    ///
    /// `writer` is the stream, where the outbox has no socket of its own; `read_at` is when octets were read,
    /// if any were since the last time.
    pub(crate) fn drive(
        &self,
        cx: &mut Context<'_>,
        writer: Option<Pin<&mut (dyn AsyncWrite + Send)>>,
        read_at: Option<Moment>,
    ) -> Option<Driven> {
        turn::disown(self);
        let mut state = self.lock();
        if let Some(at) = read_at {
            state.last_read = at;
            state.reading = Reading::GoesOn;
        }
        let _ = self.poll_locked(&mut state, cx, writer, read_at);
        let is_usual = matches!(state.phase, Phase::Open) && state.blocked.is_none();
        if is_usual {
            return None;
        }
        let blocked_since = state.blocked.map(Instant::from);
        Some(Driven { phase: state.phase.clone(), blocked_since })
    }

    /// As [`drive`](Self::drive); `Ready` once nothing is left to write.
    pub(crate) fn poll_drive(
        &self,
        cx: &mut Context<'_>,
        writer: Option<Pin<&mut (dyn AsyncWrite + Send)>>,
    ) -> Poll<()> {
        turn::disown(self);
        self.poll_locked(&mut self.lock(), cx, writer, None)
    }

    /// Lets go of the socket, which tells the peer that no more octets follow.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        state.segments.clear();
        state.driver = None;
        if matches!(state.phase, Phase::Open | Phase::Closing(_)) {
            self.set_phase(&mut state, Phase::Broken(Box::new(CloseInfo::abnormal())));
        }
        state.socket = None;
        self.tell_waiters();
    }

    /// The socket, for another use. Nothing is written to it from here any more.
    pub(crate) fn take_socket(&self) -> Option<OwnedWriteHalf> {
        self.lock().socket.take()
    }

    /// `now` is given where it is known: to ask for the time is no small part of a short message's way.
    pub(super) fn flush_locked(&self, state: &mut State, now: Option<Moment>) {
        if state.socket.is_none() {
            if state.octets() > 0 {
                wake(&mut state.driver);
            }
            return;
        }
        let before = self.left(state);
        let mut written = Ok(0);
        loop {
            if state.segments.is_empty() {
                state.promote_deferred();
            }
            let Some(socket) = &state.socket else { break };
            if state.segments.is_empty() || state.blocked.is_some() {
                break;
            }
            let write = |slices: &[IoSlice<'_>]| match slices {
                [one] => socket::try_write(socket.as_ref(), one),
                several => socket.try_write_vectored(several),
            };
            match state.segments.write_once(write) {
                Ok(taken) => written = written.map(|before| before + taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.blocked = Some(Moment::now());
                    wake(&mut state.driver);
                }
                Err(error) => {
                    written = Err(error);
                    break;
                }
            }
        }
        if state.segments.is_empty() {
            state.note_empty();
        }
        match written {
            Ok(0) => {}
            Ok(_) => self.note_written(state, before, now),
            Err(error) => self.fail(state, &error),
        }
    }

    fn poll_locked(
        &self,
        state: &mut State,
        cx: &mut Context<'_>,
        writer: Option<Pin<&mut (dyn AsyncWrite + Send)>>,
        now: Option<Moment>,
    ) -> Poll<()> {
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        match writer {
            Some(writer) => self.poll_write(state, cx, writer),
            None => {
                if state.flush == Flush::Scheduled {
                    state.flush = Flush::Idle;
                    self.flush_locked(state, now);
                }
                self.poll_socket(state, cx)
            }
        }
    }

    fn poll_socket(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<()> {
        while let (Some(_), Some(socket)) = (state.blocked, &state.socket) {
            match socket.as_ref().poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {
                    state.blocked = None;
                    self.flush_locked(state, None);
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
        if state.is_held() {
            return Poll::Ready(());
        }
        state.segments.own();
        loop {
            if state.segments.is_empty() {
                state.promote_deferred();
            }
            if state.segments.is_empty() {
                break;
            }
            let before = self.left(state);
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
                Ok(_) => {
                    state.blocked = None;
                    self.note_written(state, before, None);
                }
                Err(_) if pending => {
                    state.blocked.get_or_insert_with(Moment::now);
                    return Poll::Pending;
                }
                Err(error) => self.fail(state, &error),
            }
        }
        state.flush = Flush::Idle;
        state.blocked = None;
        state.note_empty();
        match writer.poll_flush(cx) {
            Poll::Ready(Err(error)) => {
                self.fail(state, &error);
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The stream took octets: whoever waits for room is told as soon as there is half of it.
    fn note_written(&self, state: &mut State, before: Option<Left>, now: Option<Moment>) {
        state.last_write = now.unwrap_or_else(Moment::now);
        let (Some(before), Some(left)) = (before, self.left(state)) else { return };
        let half = self.terms.outbox_octets_max / 2;
        let falls = |before, left| left <= half && before > half;
        if falls(before.weight, left.weight) || falls(before.segments, left.segments) {
            self.tell_waiters();
        }
    }

    /// `None` as long as nobody has ever waited.
    fn left(&self, state: &State) -> Option<Left> {
        self.room.get()?;
        Some(Left { weight: state.weight(), segments: state.segments.octets() })
    }

    fn fail(&self, state: &mut State, error: &io::Error) {
        tracing::debug!(%error, "connection can no longer be written to");
        self.give_up_locked(state, CloseInfo::broken(error));
    }

    /// Forgets what was not written, and has the driver end the connection.
    pub(super) fn give_up_locked(&self, state: &mut State, info: CloseInfo) {
        state.segments.clear();
        state.flush = Flush::Idle;
        state.blocked = None;
        let info = match &state.phase {
            Phase::Closing(info) | Phase::Finished(info) | Phase::Broken(info) => info.clone(),
            Phase::Open => Box::new(info),
        };
        self.set_phase(state, Phase::Broken(info));
        wake(&mut state.driver);
    }
}

/// What is left to write. Those who send wait for all of it to fall, those who write a message in parts for
/// what is before them.
struct Left {
    weight: usize,
    segments: usize,
}
