//! A WebSocket as a door, with or without SockJS's framing inside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidings_websocket::{CloseCode, CloseReason, Connection, Event, Message};

use super::outbox::Phase;
use super::source::{Alarm, Incoming, Patience, Source, linger};
use super::{Framing, Outbox, Stream};

/// Messages handled before other connections of the worker get their turn.
const TURN_MESSAGES_MAX: u32 = 256;

/// Octets read ahead while a handler runs, to find pings among them.
const READ_AHEAD_OCTETS_MAX: usize = 64 * 1024;

/// Delivers the messages of a WebSocket.
pub(crate) struct WebSocketSource {
    stream: Stream,
    connection: Connection,
    outbox: Arc<Outbox>,
    framing: Framing,
    /// The rest of a SockJS array.
    unframed: VecDeque<Message>,
    patience: Patience,
    alarm: Alarm,
    closing_since: Option<Instant>,
    read_ahead: usize,
    delivered: u32,
    owes_pongs: bool,
    last_received: Instant,
}

impl WebSocketSource {
    pub(crate) fn new(
        stream: Stream,
        outbox: Arc<Outbox>,
        connection: Connection,
        framing: Framing,
    ) -> Self {
        Self {
            stream,
            connection,
            outbox,
            framing,
            unframed: VecDeque::new(),
            patience: Patience::default(),
            alarm: Alarm::default(),
            closing_since: None,
            read_ahead: 0,
            delivered: 0,
            owes_pongs: false,
            last_received: Instant::now(),
        }
    }

    /// Moves everything on that needs no input. `Ready` when the connection is over.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        // First, because it tells the outbox whom to wake when its phase changes.
        let _ = self.stream.poll_drive(cx, &self.outbox);
        match self.outbox.phase() {
            Phase::Closing(reason) => self.start_close(&reason),
            Phase::Broken => return Poll::Ready(abnormal()),
            Phase::Open | Phase::Finished(_) => {}
        }
        if self.owes_pongs {
            self.answer_pings();
        }
        self.poll_patience(cx)
    }

    /// Says goodbye as the application asked, and begins to wait for the peer's answer.
    fn start_close(&mut self, reason: &CloseReason) {
        let (farewell, on_wire) = self.framing.farewell(reason);
        if let Some(farewell) = farewell {
            self.outbox.push_control(&farewell);
        }
        self.close_connection(&on_wire, reason);
    }

    /// Sends our close frame; `reason` is what the application sees.
    fn close_connection(&mut self, on_wire: &CloseReason, reason: &CloseReason) {
        self.unframed.clear();
        self.connection.close(on_wire);
        self.closing_since = Some(Instant::now());
        let last = self.transmit();
        self.outbox.finish(reason.clone(), &last);
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
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let closing =
            self.closing_since.map(|since| self.patience.close_deadline(since, &self.outbox));
        let blocked = self.outbox.blocked_since().map(|since| since + self.patience.send_timeout);
        self.alarm.set(closing.into_iter().chain(blocked).min());
        if self.alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        let reason = match self.outbox.phase() {
            Phase::Finished(reason) => reason,
            _ => abnormal(),
        };
        tracing::debug!(%reason, "peer does not answer or read: connection dropped");
        self.stream.abandon(&self.outbox);
        Poll::Ready(reason)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { stream, connection, read_ahead, .. } = self;
        let read = stream.poll_read(cx, |octets| {
            *read_ahead += octets.len();
            connection.handle_input(octets);
        });
        match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => self.connection.handle_end_of_stream(),
            Poll::Ready(Ok(_)) => self.last_received = Instant::now(),
        }
        self.answer_pings();
        Poll::Ready(())
    }

    /// Sends pongs, unless the peer does not read: then the connection holds back a few.
    fn answer_pings(&mut self) {
        self.owes_pongs = self.outbox.is_backlogged();
        // The answer to a close frame waits until the messages before it are handled.
        if self.owes_pongs || self.connection.is_closing() {
            return;
        }
        let pongs = self.transmit();
        if !pongs.is_empty() {
            self.outbox.push_control(&pongs);
        }
    }

    /// What the application gets to see of an event.
    fn take_event(&mut self, event: Event) -> Option<Incoming> {
        match event {
            Event::Message(message) => self.take_message(message),
            Event::Closed(closed) => {
                let reason = match self.outbox.phase() {
                    Phase::Finished(reason) if self.closing_since.is_some() => reason,
                    _ => closed.reason,
                };
                let last = self.transmit();
                self.outbox.finish(reason.clone(), &last);
                Some(Incoming::Closed(reason))
            }
            _ => None,
        }
    }

    fn take_message(&mut self, message: Message) -> Option<Incoming> {
        if self.closing_since.is_some() {
            return None;
        }
        match self.framing.unframe(message, &mut self.unframed) {
            Ok(first) => first.map(Incoming::Message),
            Err(reason) => {
                self.close_connection(&reason, &reason);
                None
            }
        }
    }
}

impl Source for WebSocketSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if let Poll::Ready(reason) = self.poll_output(cx) {
                return Poll::Ready(Incoming::Closed(reason));
            }
            if self.delivered >= TURN_MESSAGES_MAX {
                self.delivered = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let next = match self.unframed.pop_front() {
                Some(message) => Some(Incoming::Message(message)),
                None => match self.connection.poll_event() {
                    Some(event) => match self.take_event(event) {
                        Some(incoming) => Some(incoming),
                        None => continue,
                    },
                    None => None,
                },
            };
            if let Some(incoming) = next {
                self.delivered += 1;
                return Poll::Ready(incoming);
            }
            self.read_ahead = 0;
            self.delivered = 0;
            if self.poll_read(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        if self.poll_output(cx).is_ready() {
            return;
        }
        while self.read_ahead < READ_AHEAD_OCTETS_MAX && !self.connection.is_closing() {
            if self.poll_read(cx).is_pending() {
                break;
            }
        }
        let _ = self.stream.poll_drive(cx, &self.outbox);
    }

    fn last_received(&self) -> Instant {
        self.last_received
    }

    fn last_sent(&self) -> Instant {
        self.outbox.last_write()
    }

    async fn finish(mut self) {
        linger(&mut self.stream, &self.outbox, self.patience).await;
    }
}

fn abnormal() -> CloseReason {
    CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE)
}
