//! A WebSocket as a door, with or without SockJS's framing inside it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidings_websocket::{
    CloseCode, CloseReason, Closed, Connection, Event, Initiator, Message, MessageKind, Reception,
};

use super::budget::{ControlFrames, TurnBudget};
use super::input::Input;
use super::moment::Moment;
use super::outbox::{Driven, Phase, Reading};
use super::source::{Alarm, Incoming, Rest, Source, close_deadline, linger};
use super::{Framing, Outbox, Stream, element_octets, sockjs_octets_max, turn};
use crate::clock;
use crate::endpoint::{CloseInfo, CloseInitiator, Payload, Pong};
use crate::server::Counted;

/// Octets of messages decoded ahead while a handler runs, to find pings among them: 64 KiB.
const AHEAD_OCTETS_MAX: usize = 64 * 1024;

/// Delivers the messages of a WebSocket.
pub(crate) struct WebSocketSource {
    stream: Stream,
    connection: Connection,
    outbox: Arc<Outbox>,
    framing: Framing,
    /// Octets that elements of SockJS arrays may count for while it is not known who the peer is.
    stranger_octets_max: Option<NonZeroU32>,
    control_frames: ControlFrames,
    /// What is under way; absent while the connection waits for its peer.
    work: Option<Box<Work>>,
    _counted: Option<Arc<Counted>>,
}

/// What a connection needs while it does something.
#[derive(Default)]
struct Work {
    input: Input,
    /// Decoded and not yet delivered: ahead of the handler, or the rest of a SockJS array.
    queue: VecDeque<Incoming>,
    budget: TurnBudget,
    alarm: Alarm,
    /// When octets were read that the outbox has not been told of.
    read_at: Option<Moment>,
    closing_since: Option<Instant>,
    /// The stream broke, and what the peer has sent before is still read.
    rest: Option<Box<Rest>>,
    /// The end, read ahead: it waits until what came before it is handled and answered.
    read_end: Option<Box<Closed>>,
    pongs: Pongs,
    /// How the stream broke.
    read_error: Option<io::Error>,
    /// What the outbox has been told.
    reading: Reading,
}

/// Whether pongs are due that the peer would not read now.
#[derive(Default, PartialEq, Eq)]
enum Pongs {
    #[default]
    None,
    Owed,
}

impl Work {
    /// Whether it is as new.
    fn is_done(&self) -> bool {
        self.input.is_empty()
            && self.queue.is_empty()
            && !self.alarm.is_set()
            && self.closing_since.is_none()
            && self.rest.is_none()
            && self.read_end.is_none()
            && self.read_at.is_none()
            && self.pongs == Pongs::None
            && self.reading == Reading::GoesOn
    }
}

thread_local! {
    /// For the next connection of this thread that has something to do.
    static SPARE_WORK: Cell<Option<Box<Work>>> = const { Cell::new(None) };
}

impl WebSocketSource {
    /// `early` are octets that came with the handshake.
    pub(crate) fn new(
        stream: Stream,
        outbox: Arc<Outbox>,
        connection: Connection,
        framing: Framing,
        early: &[u8],
    ) -> Self {
        let work = Work { input: Input::from(early.to_vec()), ..Work::default() };
        let work = Some(Box::new(work));
        let control_frames = ControlFrames::default();
        let stranger_octets_max = None;
        Self {
            stream,
            connection,
            outbox,
            framing,
            stranger_octets_max,
            control_frames,
            work,
            _counted: None,
        }
    }

    #[inline]
    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_with(|| SPARE_WORK.take().unwrap_or_default())
    }

    /// Keeps what is still to be done until the next turn, and nothing else.
    fn pause(&mut self) {
        let Some(work) = &mut self.work else { return };
        work.input.keep();
        work.budget.reset();
        if work.is_done() {
            SPARE_WORK.set(self.work.take());
        }
    }

    /// Counts the connection among those of its address as long as this lives.
    pub(crate) fn counted(mut self, counted: Option<Arc<Counted>>) -> Self {
        self._counted = counted;
        self
    }

    /// Moves everything on that needs no input. `Ready` when the connection is over.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<CloseInfo> {
        // This also tells the outbox whom to wake when its phase changes.
        let read_at = self.work().read_at.take();
        let driven = self.stream.drive(cx, &self.outbox, read_at);
        let blocked_since = match driven {
            None => None,
            Some(Driven { phase: Phase::Broken(info), .. }) => return self.poll_rest(cx, *info),
            Some(Driven { phase: Phase::Closing(info), blocked_since }) => {
                self.start_close(*info);
                blocked_since
            }
            Some(Driven { phase: Phase::Open | Phase::Finished(_), blocked_since }) => {
                blocked_since
            }
        };
        if self.work().pongs == Pongs::Owed {
            self.answer_pings();
        }
        self.poll_patience(cx, blocked_since)
    }

    /// Nothing can be written any more. `Ready` unless there may be what the peer has sent before: that is read.
    fn poll_rest(&mut self, cx: &mut Context<'_>, info: CloseInfo) -> Poll<CloseInfo> {
        if info.initiator != CloseInitiator::Transport {
            return Poll::Ready(info);
        }
        let too_long = self.work().rest.get_or_insert_default().poll_too_long(cx);
        too_long.map(|()| self.outbox.end_rest())
    }

    /// Nothing has come just now. `Ready` when nothing more will, because the stream broke.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<CloseInfo> {
        let Some(rest) = &mut self.work().rest else { return Poll::Pending };
        let quiet = rest.poll_quiet(cx);
        quiet.map(|()| self.outbox.lost().unwrap_or_else(CloseInfo::abnormal))
    }

    /// Says goodbye as this end asked, and begins to wait for the peer's answer.
    fn start_close(&mut self, info: CloseInfo) {
        let on_wire = match info.initiator {
            // RFC 6455, section 7.4.1: 1006 must not be sent.
            CloseInitiator::Timeout => {
                CloseReason::truncated(CloseCode::GOING_AWAY, "idle timeout")
            }
            _ => info.reason.clone(),
        };
        let (farewell, on_wire) = self.framing.farewell(&on_wire);
        if let Some(farewell) = farewell {
            self.outbox.push_control(&farewell);
        }
        self.close_connection(&on_wire, info);
    }

    /// Sends our close frame; `info` is what the application sees.
    fn close_connection(&mut self, on_wire: &CloseReason, info: CloseInfo) {
        let work = self.work();
        work.queue.clear();
        work.closing_since = Some(clock::instant());
        self.connection.close(on_wire);
        let last = self.transmit();
        self.outbox.finish(info, &last);
    }

    /// The control frames that the connection has to send.
    fn transmit(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(frames) = self.connection.poll_transmit() {
            octets.extend_from_slice(&frames);
        }
        octets
    }

    /// `Ready` when the peer has kept us waiting for too long.
    fn poll_patience(
        &mut self,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<CloseInfo> {
        let closing_since = self.work().closing_since;
        if closing_since.is_none() && blocked_since.is_none() {
            self.work().alarm.set(None);
            return Poll::Pending;
        }
        let closing = closing_since.and_then(|since| close_deadline(since, &self.outbox));
        let blocked = blocked_since.and_then(|since| self.outbox.blocked_deadline(since));
        let alarm = &mut self.work().alarm;
        alarm.set(closing.into_iter().chain(blocked).min());
        if alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("peer does not answer or read: connection dropped");
        let info = self.local_end().unwrap_or_else(CloseInfo::timed_out);
        // Whoever waits to send is told that it was a timeout.
        self.outbox.give_up(info.clone());
        self.stream.abandon(&self.outbox);
        Poll::Ready(info)
    }

    /// What this end said when it closed, if it did.
    fn local_end(&self) -> Option<CloseInfo> {
        self.work.as_ref()?.closing_since?;
        self.outbox.finished()
    }

    /// Sends pongs, unless the peer does not read: then the connection holds back a few.
    #[inline]
    fn answer_pings(&mut self) {
        if self.connection.owes_pongs() {
            self.send_pongs();
        } else {
            self.work().pongs = Pongs::None;
        }
    }

    fn send_pongs(&mut self) {
        if self.outbox.is_backlogged() {
            self.work().pongs = Pongs::Owed;
            return;
        }
        self.work().pongs = Pongs::None;
        // The answer to a close frame waits until the messages before it are handled.
        if !self.connection.is_closing() {
            let pongs = self.transmit();
            self.outbox.push_control(&pongs);
        }
    }

    /// The next event among the octets that are here.
    fn decode(&mut self) -> Option<Event> {
        let work = self.work.get_or_insert_with(|| SPARE_WORK.take().unwrap_or_default());
        let connection = &mut self.connection;
        work.input.take_with(|octets| connection.poll_event(octets))
    }

    /// What the application gets to see of an event. A SockJS array goes to the queue.
    fn take_event(&mut self, event: Event) -> Option<Incoming> {
        match event {
            Event::Closed(closed) => return Some(Incoming::Closed(self.end(*closed))),
            Event::Ping(_) | Event::Pong(_) if self.too_many_control_frames() => return None,
            _ if self.is_closing() => return None,
            _ => {}
        }
        match event {
            Event::Message(message) if self.framing == Framing::WebSocket => Some(message.into()),
            Event::Message(message) => {
                self.take_array(message);
                None
            }
            Event::Part(part) => Some(Incoming::Payload(Payload::Part(part))),
            Event::Pong(payload) => Some(Incoming::Payload(Payload::Pong(Pong(payload)))),
            _ => None,
        }
    }

    fn take_array(&mut self, message: Message) {
        match self.framing.unframe(message).and_then(|it| self.check_stranger(it)) {
            Ok(messages) => {
                self.work().queue.extend(messages.into_iter().map(Incoming::from));
            }
            Err(reason) => {
                let info = CloseInfo::new(reason.clone(), CloseInitiator::Local);
                self.close_connection(&reason, info);
            }
        }
    }

    /// The messages, unless more would wait than a peer may send that is not known yet.
    fn check_stranger(&mut self, messages: Vec<Message>) -> Result<Vec<Message>, CloseReason> {
        let Some(octets_max) = self.stranger_octets_max else { return Ok(messages) };
        let waiting = self.work().queue.iter().map(Incoming::payload_octets);
        let octets = waiting.chain(messages.iter().map(Message::len)).map(element_octets);
        if octets.sum::<usize>() > element_octets(octets_max.get() as usize) {
            let reason = format!("more than {octets_max} octets before login");
            return Err(CloseReason::truncated(CloseCode::MESSAGE_TOO_BIG, &reason));
        }
        Ok(messages)
    }

    fn too_many_control_frames(&mut self) -> bool {
        let max = self.outbox.terms().control_frames_per_second_max;
        let too_many = self.control_frames.count(Moment::now(), max).is_err();
        if too_many && !self.is_closing() {
            let reason =
                CloseReason::truncated(CloseCode::POLICY_VIOLATION, "too many control frames");
            let info = CloseInfo::new(reason.clone(), CloseInitiator::Local);
            self.close_connection(&reason, info);
        }
        too_many
    }

    /// The connection is over: sends the answer to a close frame, and says how it ended.
    fn end(&mut self, closed: Closed) -> Box<CloseInfo> {
        let Closed { reason, initiator, clean, .. } = closed;
        let lost = self.outbox.lost();
        let clean = clean && lost.is_none();
        let info = match (self.local_end(), initiator) {
            (Some(info), _) => info,
            // RFC 6455, section 7.1.5: what was read counts, whether or not it could be answered.
            (None, Initiator::Peer) => CloseInfo::new(reason, CloseInitiator::Remote),
            (None, Initiator::EndOfStream) => match (lost, self.work().read_error.take()) {
                (Some(lost), _) => lost,
                (None, Some(error)) => CloseInfo::broken(&error),
                (None, None) => CloseInfo::new(reason, CloseInitiator::Transport),
            },
            (None, Initiator::Failure(failure)) => CloseInfo {
                failure: Some(failure),
                ..CloseInfo::new(reason, CloseInitiator::Local)
            },
            (None, _) => CloseInfo::new(reason, CloseInitiator::Local),
        };
        let info = if clean { info.cleanly() } else { info };
        let last = self.transmit();
        self.outbox.finish(info.clone(), &last);
        Box::new(info)
    }

    /// Reads once. `Ready` also when the stream has ended, which is an event.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let work = self.work.get_or_insert_with(|| SPARE_WORK.take().unwrap_or_default());
        match self.stream.poll_fill(cx, &mut work.input) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => self.connection.handle_end_of_stream(),
            Poll::Ready(Err(error)) => {
                work.read_error = Some(error);
                self.connection.handle_end_of_stream();
            }
            Poll::Ready(Ok(_)) => {
                let now = clock::instant();
                work.read_at = Some(now.into());
                work.budget.count_read(now);
                if let Some(rest) = &mut work.rest {
                    rest.note_read();
                }
            }
        }
        Poll::Ready(())
    }

    fn set_reading(&mut self, reading: Reading) {
        if self.work().reading != reading {
            self.work().reading = reading;
            self.outbox.set_reading(reading);
        }
    }

    /// Finds pings among what arrives while a handler runs, and keeps the messages for later.
    fn read_ahead(&mut self, cx: &mut Context<'_>) {
        let mut ahead = self.work().queue.iter().map(Incoming::octets).sum::<usize>();
        while self.work().read_end.is_none() {
            if ahead >= AHEAD_OCTETS_MAX {
                self.set_reading(Reading::Paused);
                break;
            }
            if self.work().budget.is_spent() {
                cx.waker().wake_by_ref();
                break;
            }
            match self.decode() {
                Some(Event::Closed(closed)) => self.work().read_end = Some(closed),
                Some(event) => {
                    let before = self.work().queue.len();
                    let incoming = self.take_event(event);
                    let queue = &mut self.work().queue;
                    queue.extend(incoming);
                    ahead += queue.range(before..).map(Incoming::octets).sum::<usize>();
                }
                // The end has been told already.
                None if self.connection.is_closed() => break,
                None => {
                    self.answer_pings();
                    if self.poll_read(cx).is_pending() {
                        break;
                    }
                }
            }
        }
    }

    /// Whether this end has closed.
    #[inline]
    fn is_closing(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.closing_since.is_some())
    }

    /// Ends the turn: others come first. `Ready` when the connection is over.
    fn yield_now(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Poll::Ready(info) = self.poll_output(cx) {
            return Poll::Ready(Incoming::Closed(Box::new(info)));
        }
        self.pause();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A session that was not served to its end, because its endpoint panicked where nobody could catch it or its
/// runtime is gone, keeps no connection: handles of it may live on.
impl Drop for WebSocketSource {
    fn drop(&mut self) {
        self.stream.abandon(&self.outbox);
    }
}

impl Source for WebSocketSource {
    fn set_reception(&mut self, kind: MessageKind, reception: Reception) {
        // In SockJS, a message of the application is an element of an array.
        if self.framing == Framing::WebSocket {
            self.connection.set_reception(kind, reception);
        }
    }

    fn set_stranger_octets_max(&mut self, octets_max: Option<usize>) {
        if self.framing == Framing::SockJs {
            let max = |max| NonZeroU32::new(u32::try_from(max).unwrap_or(u32::MAX));
            self.stranger_octets_max = octets_max.map(|it| max(it).unwrap_or(NonZeroU32::MIN));
            let usual = self.outbox.terms().limits.message_octets_max;
            let octets_max = octets_max.map_or(usual, |max| usual.min(sockjs_octets_max(max)));
            for kind in [MessageKind::Text, MessageKind::Binary] {
                self.connection.set_reception(kind, Reception::Whole { octets_max });
            }
        }
    }

    #[inline]
    fn next_message(&mut self) -> Option<Message> {
        let work = self.work.as_mut()?;
        let is_usual = self.framing == Framing::WebSocket
            && work.queue.is_empty()
            && work.read_end.is_none()
            && !self.connection.is_closing()
            && !self.connection.owes_pongs()
            && !self.outbox.is_closing();
        if !is_usual || work.budget.is_spent() {
            return None;
        }
        work.input.take_counted(|octets| self.connection.next_message(octets))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        turn::own(&self.outbox);
        if self.work().budget.is_spent() {
            return self.yield_now(cx);
        }
        loop {
            if self.outbox.is_closing()
                && !self.is_closing()
                && let Poll::Ready(info) = self.poll_output(cx)
            {
                return Poll::Ready(Incoming::Closed(Box::new(info)));
            }
            if let Some(incoming) = self.work().queue.pop_front() {
                return Poll::Ready(incoming);
            }
            if let Some(closed) = self.work().read_end.take() {
                return Poll::Ready(Incoming::Closed(self.end(*closed)));
            }
            if (self.connection.is_closing() || !self.work().input.is_empty())
                && let Some(event) = self.decode()
            {
                match self.take_event(event) {
                    Some(incoming) => {
                        // Of what goes out, a pong is before the reply to what came after its ping.
                        self.answer_pings();
                        return Poll::Ready(incoming);
                    }
                    None if self.work().budget.is_spent() => return self.yield_now(cx),
                    None => continue,
                }
            }
            self.answer_pings();
            // What a turn begins with is most often octets, and nothing to send yet.
            let begins = self.work().budget.is_new();
            if !begins && let Poll::Ready(info) = self.poll_output(cx) {
                return Poll::Ready(Incoming::Closed(Box::new(info)));
            }
            self.set_reading(Reading::GoesOn);
            if self.poll_read(cx).is_pending() {
                if begins && let Poll::Ready(info) = self.poll_output(cx) {
                    return Poll::Ready(Incoming::Closed(Box::new(info)));
                }
                if let Poll::Ready(info) = self.poll_quiet(cx) {
                    return Poll::Ready(Incoming::Closed(Box::new(info)));
                }
                self.pause();
                return Poll::Pending;
            }
            turn::own(&self.outbox);
            if !self.connection.is_closing() {
                return Poll::Ready(Incoming::Octets);
            }
            if self.work().budget.is_spent() {
                return self.yield_now(cx);
            }
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        if self.poll_output(cx).is_pending() {
            self.read_ahead(cx);
        }
        self.pause();
    }

    fn last_received(&self) -> Instant {
        self.outbox.last_read()
    }

    fn last_sent(&self) -> Instant {
        self.outbox.last_write()
    }

    async fn finish(&mut self) {
        self.work = None;
        linger(&mut self.stream, &self.outbox).await;
    }
}
