use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidings_broker::{BatchNumber, Destination, HeldBack, Owner};
use tidings_stomp::{
    Error, ReceiptId, Send, Server, ServerOptions, Subscribe, TransactionAction, encode,
};

use crate::door::{Broken, DoorKind, Packet, ServerDoor};

/// How many octets may be on their way to a client.
const WINDOW: usize = 600;

/// How many octets may wait behind those before queues pause, and before the session is closed.
const BACKLOG: usize = 1500;
const OUTBOX_MAX: usize = 60_000;

/// How many octets may wait for the disk before nothing more is taken from the client.
const HELD_MAX: usize = 1000;

/// What the server has of one connection.
#[derive(Debug)]
pub(crate) struct ServerSession {
    pub(crate) stomp: Server,
    pub(crate) door: ServerDoor,
    pub(crate) held: HeldBack<Bytes>,
    /// A subscription that waits until nothing is held back.
    pub(crate) subscribing: Option<Subscribe>,
    /// What waits until a queue has room; nothing behind it is handled.
    pub(crate) waiting: Option<Waiting>,
    /// Says that it is active, and comes before its first message.
    confirmation: Vec<Bytes>,
    /// Whom durable subscriptions belong to.
    pub(crate) owner: Owner,
    /// Whose its destinations of users are.
    pub(crate) user: Option<Arc<str>>,
    pub(crate) life: Life,
    pub(crate) is_paused: bool,
    outbox: VecDeque<Packet>,
    outbox_octets: usize,
    in_flight: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// It ends once everything has been sent.
    Ending,
}

/// A frame that waits for room.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) queue: Destination,
    pub(crate) frame: WaitingFrame,
    /// What it is answered with if there is none in time.
    pub(crate) error: Error,
    /// When that is; `None` as long as nobody looks after it.
    pub(crate) ends_at: Option<Instant>,
}

#[derive(Debug)]
pub(crate) enum WaitingFrame {
    Send(Send),
    Commit(Vec<TransactionAction>, Option<ReceiptId>),
}

impl ServerSession {
    pub(crate) fn new(now: Instant, kind: DoorKind) -> Self {
        Self {
            stomp: Server::new(now, ServerOptions::default()),
            door: ServerDoor::new(kind),
            held: HeldBack::default(),
            subscribing: None,
            waiting: None,
            confirmation: Vec::new(),
            owner: Owner::default(),
            user: None,
            life: Life::Open,
            is_paused: false,
            outbox: VecDeque::new(),
            outbox_octets: 0,
            in_flight: 0,
        }
    }

    /// What the session says now confirms a subscription that is not active yet.
    pub(crate) fn confirm_later(&mut self) {
        self.confirmation.extend(std::iter::from_fn(|| self.stomp.poll_transmit()));
    }

    /// The subscription is active.
    pub(crate) fn confirm(&mut self, now: Instant) {
        for frame in std::mem::take(&mut self.confirmation) {
            self.send(now, frame);
        }
    }

    /// The subscription is not active.
    pub(crate) fn forget_confirmation(&mut self) {
        self.confirmation.clear();
    }

    /// Sends a frame that waits for nothing.
    pub(crate) fn send(&mut self, now: Instant, frame: Bytes) {
        self.confirm(now);
        // Somebody waits for a batch, and has nothing to say.
        if self.life == Life::Ending || frame.is_empty() {
            return;
        }
        if self.door.send(now, frame).is_err() {
            self.life = Life::Ending;
        }
        self.collect();
    }

    /// Sends what the session itself says, behind what is held back.
    pub(crate) fn transmit(&mut self, now: Instant) {
        while let Some(frame) = self.stomp.poll_transmit() {
            if let Some(free) = self.held.hold_behind(frame) {
                self.send(now, free);
            }
        }
    }

    /// All batches up to this one are stored.
    pub(crate) fn handle_stored(&mut self, now: Instant, stored: BatchNumber) {
        self.held.handle_stored(stored);
        self.release(now);
    }

    /// Sends what may leave, as far as the client reads.
    pub(crate) fn release(&mut self, now: Instant) {
        while !self.is_backlogged()
            && let Some(frame) = self.held.release()
        {
            self.send(now, frame);
        }
    }

    /// Whether something that was held back may leave now.
    pub(crate) fn can_release(&self) -> bool {
        !self.is_backlogged() && self.held.first().is_some()
    }

    /// Whether so much waits for the disk that nothing more is taken from the client.
    pub(crate) fn is_held_up(&self) -> bool {
        self.held.octets() > HELD_MAX
    }

    /// What the session waits for could not be stored.
    pub(crate) fn fail(&mut self, now: Instant) {
        let Some(version) = self.stomp.version() else { return };
        self.held = HeldBack::default();
        self.waiting = None;
        let mut frame = Vec::new();
        encode(&Error::new("cannot store", "Try again later.\n").to_frame(), version, &mut frame);
        self.send(now, frame.into());
        self.life = Life::Ending;
    }

    pub(crate) fn handle(&mut self, now: Instant, packet: Packet) -> Result<(), Broken> {
        let octets = self.door.handle(now, packet)?;
        self.collect();
        self.stomp.handle_input(now, octets);
        Ok(())
    }

    /// Whether what the client sends may arrive in any pieces.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.door, ServerDoor::Tcp(_))
    }

    pub(crate) fn is_backlogged(&self) -> bool {
        self.outbox_octets > BACKLOG
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// The next packet that may be on its way.
    pub(crate) fn poll_packet(&mut self) -> Option<Packet> {
        if self.in_flight > WINDOW {
            return None;
        }
        let packet = self.outbox.pop_front()?;
        self.outbox_octets -= octets(&packet);
        self.in_flight += octets(&packet);
        Some(packet)
    }

    /// So many octets have arrived.
    pub(crate) fn handle_arrival(&mut self, packet: &Packet) {
        self.in_flight = self.in_flight.saturating_sub(octets(packet));
    }

    fn collect(&mut self) {
        while let Some(packet) = self.door.poll() {
            self.outbox_octets += octets(&packet);
            self.outbox.push_back(packet);
        }
        if self.outbox_octets > OUTBOX_MAX {
            self.life = Life::Ending;
        }
    }
}

pub(crate) fn octets(packet: &Packet) -> usize {
    match packet {
        Packet::Octets(octets) => octets.len(),
        Packet::Receive(_) | Packet::ResponseEnds => 0,
    }
}
