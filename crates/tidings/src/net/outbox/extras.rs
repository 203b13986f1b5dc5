use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_websocket::{Encoder, Opcode};

use super::{Outgoing, Written};

/// What only some connections need, and only some of the time.
#[derive(Debug, Default)]
pub(super) struct Extras {
    encoder: Option<Encoder>,
    /// Messages that wait behind one that is being written in parts, or for room.
    deferred: VecDeque<Deferred>,
    deferred_octets: usize,
    batching: Batching,
    open_message: OpenMessage,
    pub(super) own_timeouts: Option<Box<OwnTimeouts>>,
}

/// Those of this session instead of the door's.
#[derive(Debug, Default)]
pub(super) struct OwnTimeouts {
    pub(super) idle: Option<Option<Duration>>,
    pub(super) send: Option<Option<Duration>>,
    /// Of the entry that keeps the outbox.
    pub(super) generation: u32,
    /// The deadline that the entry was made for.
    pub(super) kept_until: Option<Instant>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Batching {
    #[default]
    Off,
    /// Nothing is written until asked for.
    Held,
    /// What there is now is written, and then nothing more until asked for.
    Flushing,
}

/// Whether a message is being written in parts.
#[derive(Debug, Default, PartialEq, Eq)]
enum OpenMessage {
    #[default]
    None,
    Open,
}

/// A message that has not been encoded yet.
#[derive(Debug)]
pub(super) struct Deferred {
    /// `None` for octets that go out as they are.
    opcode: Option<Opcode>,
    payload: Bytes,
    pub(super) ticket: Option<Written>,
}

impl Deferred {
    pub(super) fn as_outgoing(&self) -> Outgoing<'_> {
        let payload = &self.payload;
        match self.opcode {
            Some(opcode) => Outgoing::Message { opcode, payload },
            None => Outgoing::Octets(payload),
        }
    }

    fn octets(&self) -> usize {
        self.payload.len() + size_of::<Self>()
    }
}

impl Extras {
    pub(super) fn with_encoder(encoder: Encoder) -> Self {
        Self { encoder: Some(encoder), ..Self::default() }
    }

    pub(super) fn encoder(&mut self) -> Option<&mut Encoder> {
        self.encoder.as_mut()
    }

    pub(super) fn must_defer(&self) -> bool {
        self.open_message == OpenMessage::Open || !self.deferred.is_empty()
    }

    pub(super) fn deferred_octets(&self) -> usize {
        self.deferred_octets
    }

    pub(super) fn defer(&mut self, outgoing: Outgoing<'_>, ticket: Option<Written>) {
        let opcode = match outgoing {
            Outgoing::Octets(_) | Outgoing::SharedOctets { .. } => None,
            Outgoing::Message { opcode, .. } | Outgoing::Shared { opcode, .. } => Some(opcode),
        };
        let deferred = Deferred { opcode, payload: outgoing.payload().clone(), ticket };
        self.deferred_octets += deferred.octets();
        self.deferred.push_back(deferred);
    }

    /// The first message that waited, unless it has to go on waiting.
    pub(super) fn next_deferred(&mut self) -> Option<Deferred> {
        if self.open_message == OpenMessage::Open {
            return None;
        }
        self.pop_deferred()
    }

    /// Drops messages that wait, the oldest first, until at most `octets_max` are left.
    pub(super) fn drop_deferred(&mut self, octets_max: usize) {
        let mut dropped = 0;
        while self.deferred_octets > octets_max && self.pop_deferred().is_some() {
            dropped += 1;
        }
        if dropped > 0 {
            tracing::debug!(dropped, "outbox is full: messages dropped");
        }
    }

    fn pop_deferred(&mut self) -> Option<Deferred> {
        let deferred = self.deferred.pop_front()?;
        self.deferred_octets -= deferred.octets();
        if self.deferred.is_empty() {
            self.deferred = VecDeque::new();
        }
        Some(deferred)
    }

    pub(super) fn open_message(&mut self) {
        self.open_message = OpenMessage::Open;
    }

    pub(super) fn end_message(&mut self) {
        self.open_message = OpenMessage::None;
    }

    /// Holds back what comes; what is there already goes.
    pub(super) fn hold(&mut self) {
        self.batching = Batching::Flushing;
    }

    /// Lets what there is go.
    pub(super) fn flush_held(&mut self) {
        if self.batching == Batching::Held {
            self.batching = Batching::Flushing;
        }
    }

    /// Nothing is there any more.
    pub(super) fn note_empty(&mut self) {
        if self.batching == Batching::Flushing {
            self.batching = Batching::Held;
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.batching == Batching::Held
    }

    pub(super) fn release_hold(&mut self) {
        self.batching = Batching::Off;
    }
}
