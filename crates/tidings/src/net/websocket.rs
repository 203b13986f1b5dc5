//! A WebSocket as a door, with or without SockJS's framing inside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidings_websocket::{
    CloseCode, CloseReason, Closed, Connection, Event, Initiator, Message, MessageKind, Reception,
};

use super::budget::{ControlFrames, TurnBudget};
use super::input::Input;
use super::outbox::Phase;
use super::source::{Alarm, Incoming, Source, close_deadline, linger};
use super::{Framing, Outbox, Stream};
use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::server::Counted;

/// Octets of messages decoded ahead while a handler runs, to find pings among them: 64 KiB.
const AHEAD_OCTETS_MAX: usize = 64 * 1024;

/// Delivers the messages of a WebSocket.
pub(crate) struct WebSocketSource {
    stream: Stream,
    connection: Connection,
    outbox: Arc<Outbox>,
    framing: Framing,
    input: Input,
    /// Decoded and not yet delivered: ahead of the handler, or the rest of a SockJS array.
    queue: VecDeque<Incoming>,
    budget: TurnBudget,
    alarm: Alarm,
    closing_since: Option<Instant>,
    /// The end, read ahead: it waits until what came before it is handled and answered.
    read_end: Option<Box<Closed>>,
    owes_pongs: bool,
    control_frames: ControlFrames,
    _counted: Option<Arc<Counted>>,
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
        Self {
            stream,
            connection,
            outbox,
            framing,
            input: Input::from(early.to_vec()),
            queue: VecDeque::new(),
            budget: TurnBudget::default(),
            alarm: Alarm::default(),
            closing_since: None,
            read_end: None,
            owes_pongs: false,
            control_frames: ControlFrames::default(),
            _counted: None,
        }
    }

    /// Counts the connection among those of its address as long as this lives.
    pub(crate) fn counted(self, counted: Option<Arc<Counted>>) -> Self {
        Self { _counted: counted, ..self }
    }

    /// Moves everything on that needs no input. `Ready` when the connection is over.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<CloseInfo> {
        // This also tells the outbox whom to wake when its phase changes.
        let driven = self.stream.drive(cx, &self.outbox);
        match driven.phase {
            Phase::Closing(info) => self.start_close(*info),
            Phase::Broken(info) => return Poll::Ready(*info),
            Phase::Open | Phase::Finished(_) => {}
        }
        if self.owes_pongs {
            self.answer_pings();
        }
        self.poll_patience(cx, driven.blocked_since)
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
        self.queue.clear();
        self.connection.close(on_wire);
        self.closing_since = Some(Instant::now());
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
        let closing = self.closing_since.map(|since| close_deadline(since, &self.outbox));
        let blocked = blocked_since.map(|since| since + self.outbox.terms().send_timeout);
        self.alarm.set(closing.into_iter().chain(blocked).min());
        if self.alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("peer does not answer or read: connection dropped");
        let info = self.local_end().unwrap_or_else(CloseInfo::timed_out);
        self.stream.abandon(&self.outbox);
        Poll::Ready(info)
    }

    /// What this end said when it closed, if it did.
    fn local_end(&self) -> Option<CloseInfo> {
        self.closing_since?;
        self.outbox.finished()
    }

    /// Sends pongs, unless the peer does not read: then the connection holds back a few.
    #[inline]
    fn answer_pings(&mut self) {
        if self.connection.owes_pongs() {
            self.send_pongs();
        } else {
            self.owes_pongs = false;
        }
    }

    fn send_pongs(&mut self) {
        self.owes_pongs = self.outbox.is_backlogged();
        // The answer to a close frame waits until the messages before it are handled.
        if self.owes_pongs || self.connection.is_closing() {
            return;
        }
        let pongs = self.transmit();
        self.outbox.push_control(&pongs);
    }

    /// The next event among the octets that are here.
    #[inline]
    fn decode(&mut self) -> Option<Event> {
        let connection = &mut self.connection;
        self.input.take_with(|octets| connection.poll_event(octets))
    }

    /// What the application gets to see of an event. A SockJS array goes to the queue.
    #[inline]
    fn take_event(&mut self, event: Event) -> Option<Incoming> {
        match event {
            Event::Message(message)
                if self.framing == Framing::WebSocket && self.closing_since.is_none() =>
            {
                Some(Incoming::Message(message))
            }
            event => self.take_rare_event(event),
        }
    }

    fn take_rare_event(&mut self, event: Event) -> Option<Incoming> {
        match event {
            Event::Closed(closed) => return Some(Incoming::Closed(self.end(*closed))),
            Event::Ping(_) | Event::Pong(_) if self.too_many_control_frames() => return None,
            _ if self.closing_since.is_some() => return None,
            _ => {}
        }
        match event {
            Event::Message(message) => {
                self.take_array(message);
                None
            }
            Event::Part(part) => Some(Incoming::Part(part)),
            Event::Pong(payload) => Some(Incoming::Pong(payload)),
            _ => None,
        }
    }

    fn take_array(&mut self, message: Message) {
        match self.framing.unframe(message) {
            Ok(messages) => self.queue.extend(messages.into_iter().map(Incoming::Message)),
            Err(reason) => {
                let info = CloseInfo::new(reason.clone(), CloseInitiator::Local);
                self.close_connection(&reason, info);
            }
        }
    }

    fn too_many_control_frames(&mut self) -> bool {
        let max = self.outbox.terms().control_frames_per_second_max;
        let too_many = self.control_frames.count(Instant::now(), max).is_err();
        if too_many && self.closing_since.is_none() {
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
        let info = match (self.local_end(), initiator) {
            (Some(info), _) => info,
            (None, Initiator::Peer) => CloseInfo::new(reason, CloseInitiator::Remote),
            (None, Initiator::EndOfStream) => CloseInfo::new(reason, CloseInitiator::Transport),
            (None, _) => CloseInfo::new(reason, CloseInitiator::Local),
        };
        let info = if clean { info.cleanly() } else { info };
        let last = self.transmit();
        self.outbox.finish(info.clone(), &last);
        Box::new(info)
    }

    /// Reads once. `Ready` also when the stream has ended, which is an event.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stream.poll_fill(cx, &mut self.input) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => self.connection.handle_end_of_stream(),
            Poll::Ready(Ok(_)) => self.budget.start(self.outbox.note_read()),
        }
        Poll::Ready(())
    }

    /// Ends the turn: others come first.
    fn yield_now(&mut self, cx: &mut Context<'_>) {
        self.input.keep();
        self.budget.reset();
        cx.waker().wake_by_ref();
    }
}

impl Source for WebSocketSource {
    fn set_reception(&mut self, kind: MessageKind, reception: Reception) {
        // In SockJS, a message of the application is an element of an array.
        if self.framing == Framing::WebSocket {
            self.connection.set_reception(kind, reception);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if self.budget.is_spent() {
            self.yield_now(cx);
            return Poll::Pending;
        }
        loop {
            if self.outbox.is_closing()
                && self.closing_since.is_none()
                && let Poll::Ready(info) = self.poll_output(cx)
            {
                return Poll::Ready(Incoming::Closed(Box::new(info)));
            }
            if let Some(incoming) = self.queue.pop_front() {
                return Poll::Ready(incoming);
            }
            if let Some(closed) = self.read_end.take() {
                return Poll::Ready(Incoming::Closed(self.end(*closed)));
            }
            if let Some(event) = self.decode() {
                match self.take_event(event) {
                    Some(incoming) => {
                        // Of what goes out, a pong is before the reply to what came after its ping.
                        self.answer_pings();
                        return Poll::Ready(incoming);
                    }
                    None if self.budget.is_spent() => {
                        self.yield_now(cx);
                        return Poll::Pending;
                    }
                    None => continue,
                }
            }
            self.answer_pings();
            if let Poll::Ready(info) = self.poll_output(cx) {
                return Poll::Ready(Incoming::Closed(Box::new(info)));
            }
            if self.poll_read(cx).is_pending() {
                self.budget.reset();
                return Poll::Pending;
            }
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        self.budget.reset();
        if self.poll_output(cx).is_pending() {
            let mut ahead = self.queue.iter().map(Incoming::octets).sum::<usize>();
            while ahead < AHEAD_OCTETS_MAX && self.read_end.is_none() {
                if let Some(event) = self.decode() {
                    if let Event::Closed(closed) = event {
                        self.read_end = Some(closed);
                        break;
                    }
                    let before = self.queue.len();
                    if let Some(incoming) = self.take_event(event) {
                        self.queue.push_back(incoming);
                    }
                    ahead += self.queue.range(before..).map(Incoming::octets).sum::<usize>();
                    continue;
                }
                self.answer_pings();
                if self.poll_read(cx).is_pending() {
                    break;
                }
            }
        }
        self.input.keep();
    }

    fn last_received(&self) -> Instant {
        self.outbox.last_read()
    }

    fn last_sent(&self) -> Instant {
        self.outbox.last_write()
    }

    async fn finish(&mut self) {
        self.input = Input::default();
        linger(&mut self.stream, &self.outbox).await;
    }
}
