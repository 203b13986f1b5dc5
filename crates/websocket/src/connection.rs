use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::decoder::{Decoder, Item};
use crate::encoder::MaskingKeys;
use crate::{
    CloseCode, CloseReason, Limits, MaskingKey, Message, MessageKind, MessagePart, Opcode,
    PerMessageDeflate, ProtocolError, Reception, close_payload, encode_frame,
};

/// Which end of a connection one is. Clients mask what they send, servers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that asked for the connection.
    Client,
    /// The end that accepted it.
    Server,
}

/// One end of a WebSocket after its opening handshake: RFC 6455, sections 5 to 7.
///
/// The driver hands what it reads to [`poll_event`](Self::poll_event) until that is used up, or says
/// that the stream has ended; and it writes what [`poll_transmit`](Self::poll_transmit) gives until
/// that is nothing. It may stop after any event and come back later with the rest of the octets, so
/// that a connection takes no more of its time than it is given. Messages to be sent do not pass
/// through the connection: [`Encoder`](crate::Encoder) makes frames of them.
///
/// Pings are answered and the closing handshake is carried out without the application. A peer
/// that breaks the protocol is told so by a close frame, and nothing more is read from it.
///
/// Holds no clock. The driver gives up on a peer that leaves a close frame unanswered, and closes
/// the stream once the connection [is closed](Self::is_closed) and all is written.
///
/// Between messages and with all polled, a connection owns no memory beyond itself, but for the
/// source of a client's masking keys.
#[derive(Debug)]
pub struct Connection {
    decoder: Decoder,
    keys: MaskingKeys,
    /// `None` while the connection is open and owes no pongs.
    rare: Option<Box<Rare>>,
}

impl Connection {
    /// The server's end of a connection.
    pub fn new_server(limits: impl Into<Arc<Limits>>) -> Self {
        Self::new(Role::Server, MaskingKeys::none(), limits.into())
    }

    /// The client's end of a connection, which takes a fresh key for each frame from `keys`.
    ///
    /// RFC 6455, section 5.3, wants keys that nobody can predict: see [`MaskingKey`].
    pub fn new_client(
        limits: impl Into<Arc<Limits>>,
        keys: impl FnMut() -> MaskingKey + Send + 'static,
    ) -> Self {
        Self::new(Role::Client, MaskingKeys::from(keys), limits.into())
    }

    fn new(role: Role, keys: MaskingKeys, limits: Arc<Limits>) -> Self {
        Self { decoder: Decoder::new(role, limits), keys, rare: None }
    }

    /// Takes compressed messages, as the opening handshake agreed: RFC 7692.
    #[must_use]
    pub fn with_deflate(mut self, agreed: &PerMessageDeflate) -> Self {
        self.decoder.set_deflate(agreed);
        self
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.decoder.role()
    }

    /// Says how the messages of one kind are handed on, from the next message of that kind on.
    ///
    /// By default they come whole, as long as [`Limits::message_octets_max`] allows.
    pub fn set_reception(&mut self, kind: MessageKind, reception: Reception) {
        self.decoder.set_reception(kind, reception);
    }

    /// Takes octets that the stream gave, however they are cut, off the front of `input` until
    /// something happens. `None` when all of `input` is taken and nothing more has happened.
    ///
    /// Unmasks them in place, and copies out of them the message that is complete or the part of a
    /// message that is not. The last of all events is [`Event::Closed`]; what follows a close frame
    /// or an error is taken and ignored.
    pub fn poll_event(&mut self, input: &mut &mut [u8]) -> Option<Event> {
        if let Some((message, len)) = self.next_message(input) {
            let _ = input.split_off_mut(..len);
            return Some(Event::Message(message));
        }
        self.poll_any_event(input)
    }

    /// The message that `input` begins with, and how many octets of it that takes up: the usual event,
    /// without the detours of others. `None` if the next event is anything else, or anything is unfinished:
    /// then [`poll_event`](Self::poll_event) is to be asked, with the same octets.
    #[inline]
    pub fn next_message(&mut self, input: &mut [u8]) -> Option<(Message, usize)> {
        if self.is_closing() {
            return None;
        }
        let (message, len) = self.decoder.next_whole(input)?;
        match message {
            Ok(message) => Some((message, len)),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn poll_any_event(&mut self, input: &mut &mut [u8]) -> Option<Event> {
        loop {
            if let Some(Phase::Closed(closed)) = self.phase_mut() {
                let closed = closed.take();
                *input = &mut [];
                return closed.map(Event::Closed);
            }
            match self.decoder.next(input) {
                Ok(Some(item)) => {
                    if let Some(event) = self.handle_item(item) {
                        return Some(event);
                    }
                }
                Ok(None) => return None,
                Err(error) => self.fail(error),
            }
        }
    }

    /// Takes in that the stream has ended or broken.
    ///
    /// Without a close frame from the peer the connection was closed abnormally, with code 1006,
    /// unless this end had begun to close it. What had to be written is forgotten, but for the
    /// answer to a close frame, since a peer that only stopped sending can still read it.
    pub fn handle_end_of_stream(&mut self) {
        let closed = match self.take_phase() {
            None => Closed {
                reason: CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE),
                initiator: Initiator::EndOfStream,
                clean: false,
            },
            Some(Phase::Closing(reason)) => {
                Closed { reason: *reason, initiator: Initiator::Local, clean: false }
            }
            Some(Phase::Closed(closed)) => {
                self.rare().phase = Some(Phase::Closed(closed));
                return;
            }
        };
        let rare = self.rare();
        rare.pongs = Vec::new();
        if let CloseFrame::Due(_) = rare.close_frame {
            rare.close_frame = CloseFrame::NotDue;
        }
        self.finish(closed);
    }

    /// The octets of whole frames to be written next: pongs, then the close frame.
    ///
    /// After the close frame nothing may be written.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let rare = self.rare.as_mut()?;
        if !rare.pongs.is_empty() {
            let pongs = mem::take(&mut rare.pongs);
            if rare.phase.is_none() {
                self.rare = None;
            }
            return Some(pongs);
        }
        let close_frame = &mut rare.close_frame;
        match mem::replace(close_frame, CloseFrame::Sent) {
            CloseFrame::Due(frame) => Some(frame),
            other => {
                *close_frame = other;
                None
            }
        }
    }

    /// Starts the closing handshake: RFC 6455, section 7.1.2.
    ///
    /// The close frame comes out of [`poll_transmit`](Self::poll_transmit), and the peer's answer
    /// ends the connection. What arrives before it is dropped, and not looked into; pings are not answered any more,
    /// because nothing is written after a close frame. Does nothing when the connection is closing
    /// already.
    ///
    /// A code that [may not be sent](CloseCode::is_sendable) is left out of the close frame.
    pub fn close(&mut self, reason: &CloseReason) {
        if !self.is_closing() {
            self.rare().phase = Some(Phase::Closing(Box::new(reason.clone())));
            self.decoder.skip_messages();
            self.queue_close(reason);
        }
    }

    /// Whether pings wait for [`poll_transmit`](Self::poll_transmit) to answer them.
    pub fn owes_pongs(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.pongs.is_empty())
    }

    /// Whether closing has begun, from either end, so that no more messages may be sent.
    pub fn is_closing(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.phase.is_some())
    }

    /// Whether the close frame of this end has been given out by
    /// [`poll_transmit`](Self::poll_transmit).
    pub fn has_sent_close(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| matches!(rare.close_frame, CloseFrame::Sent))
    }

    /// Whether nothing more will be read or has to be written: both close frames were exchanged,
    /// the connection failed and the peer was told, or the stream ended.
    ///
    /// [`Event::Closed`] may be left for [`poll_event`](Self::poll_event).
    pub fn is_closed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| {
            matches!(rare.phase, Some(Phase::Closed(_)))
                && !matches!(rare.close_frame, CloseFrame::Due(_))
        })
    }

    fn handle_item(&mut self, item: Item) -> Option<Event> {
        if let Item::Close(reason) = item {
            self.handle_close(reason);
            return None;
        }
        if self.is_closing() {
            return None;
        }
        match item {
            Item::Message(message) => Some(Event::Message(message)),
            Item::Part(part) => Some(Event::Part(part)),
            Item::Ping(payload) => {
                self.queue_pong(&payload);
                Some(Event::Ping(payload))
            }
            Item::Pong(payload) => Some(Event::Pong(payload)),
            Item::Close(_) => None,
        }
    }

    fn handle_close(&mut self, reason: CloseReason) {
        let closed = match self.take_phase() {
            Some(Phase::Closing(reason)) => {
                Closed { reason: *reason, initiator: Initiator::Local, clean: true }
            }
            None | Some(Phase::Closed(_)) => {
                self.queue_close(&CloseReason::from_code(reason.code()));
                Closed { reason, initiator: Initiator::Peer, clean: true }
            }
        };
        self.finish(closed);
    }

    /// Fails the connection: RFC 6455, section 7.1.7.
    fn fail(&mut self, error: ProtocolError) {
        let closed = match self.take_phase() {
            Some(Phase::Closing(reason)) => {
                Closed { reason: *reason, initiator: Initiator::Local, clean: false }
            }
            None | Some(Phase::Closed(_)) => {
                let reason = error.close_reason();
                self.queue_close(&reason);
                Closed { reason, initiator: Initiator::Failure(error), clean: false }
            }
        };
        self.finish(closed);
    }

    fn finish(&mut self, closed: Closed) {
        self.decoder.clear();
        self.rare().phase = Some(Phase::Closed(Some(Box::new(closed))));
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn phase_mut(&mut self) -> Option<&mut Phase> {
        self.rare.as_mut()?.phase.as_mut()
    }

    /// The phase so far, `None` for open, for [`finish`](Self::finish) to put another in its place.
    fn take_phase(&mut self) -> Option<Phase> {
        self.rare.as_mut()?.phase.take()
    }

    fn queue_close(&mut self, reason: &CloseReason) {
        let mut frame = Vec::new();
        let mask = self.keys.next();
        encode_frame(Opcode::Close, &close_payload(reason), mask, &mut frame);
        self.rare().close_frame = CloseFrame::Due(frame);
    }

    fn queue_pong(&mut self, payload: &[u8]) {
        let mask = self.keys.next();
        let pong_octets_max = self.decoder.limits().pong_octets_max;
        let pongs = &mut self.rare().pongs;
        let start = pongs.len();
        encode_frame(Opcode::Pong, payload, mask, pongs);
        if pongs.len() > pong_octets_max {
            pongs.drain(..start);
        }
    }
}

/// Something that happened to a [`Connection`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message arrived.
    Message(Message),
    /// A part of a message arrived that was asked for [in parts](Reception::Parts).
    Part(MessagePart),
    /// A ping arrived, and its pong is in [`Connection::poll_transmit`].
    Ping(Bytes),
    /// A pong arrived, asked for or not.
    Pong(Bytes),
    /// The connection is closed. Comes once for each connection, and last.
    Closed(Box<Closed>),
}

/// How a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// What the application is told.
    ///
    /// The reason of whichever end closed first; of the peer's without a code 1005; of a failure
    /// what the peer was told; of a stream that just ended 1006.
    pub reason: CloseReason,
    /// Where the end came from.
    pub initiator: Initiator,
    /// Whether close frames were exchanged: RFC 6455, section 7.1.4.
    pub clean: bool,
}

/// Where the end of a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initiator {
    /// The peer sent a close frame.
    Peer,
    /// This end called [`Connection::close`].
    Local,
    /// The peer broke the protocol or a limit.
    Failure(ProtocolError),
    /// The stream ended without a close frame.
    EndOfStream,
}

/// What a connection needs only when it ends, or was sent a ping.
#[derive(Debug, Default)]
struct Rare {
    /// `None` while the connection is open.
    phase: Option<Phase>,
    close_frame: CloseFrame,
    /// Encoded pongs that have not been given to `poll_transmit`.
    pongs: Vec<u8>,
}

#[derive(Debug)]
enum Phase {
    /// This end has closed with the reason, and waits for the peer's close frame.
    Closing(Box<CloseReason>),
    /// Nothing more is read. Holds the last event until it is polled.
    Closed(Option<Box<Closed>>),
}

/// The close frame of this end.
#[derive(Debug, Default)]
enum CloseFrame {
    #[default]
    NotDue,
    Due(Vec<u8>),
    Sent,
}

#[cfg(test)]
mod tests;
