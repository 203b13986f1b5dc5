//! What a client knows and what it has still to do, behind one lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_stomp::{Headers, Message, NotSent, SubscriptionId, Version};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::confirmation::Asked;
use super::connection::Connection;
use super::operation::{Bound, ConnectionNumber, Entry, Operation, Outgoing};
use super::receipts::{Awaited, Outcome, Progress, Receipts};
use super::shared::{REPLIES_ID, Text};
use super::subscriptions::{Record, Standing, Subscriptions, Target};
use super::{ConnectionEnd, DeliveryError, StompError};

/// How often the server may end the connection, without a word why, before a subscription is confirmed that was the
/// first to be. Then it is taken for refused, so that the client's others go on.
const REFUSALS_MAX: u32 = 3;

/// A reply, and the connection that it came by.
pub(super) type Reply = (Message, ConnectionNumber);

/// Who waits for replies, by correlation id.
pub(super) type Requests = HashMap<String, oneshot::Sender<Result<Reply, StompError>>>;

pub(super) struct State {
    pub(super) text: Text,
    pub(super) phase: Phase,
    /// When the client was left, once it was.
    pub(super) left_at: Option<Instant>,
    pub(super) outgoing: Outgoing,
    /// What is on its way into the connection right now.
    pub(super) leaving: Option<Entry>,
    pub(super) receipts: Receipts,
    pub(super) subscriptions: Subscriptions,
    pub(super) last_transaction: u64,
    pub(super) requests: Requests,
}

pub(super) enum Phase {
    /// Not connected, and trying to be.
    Connecting,
    Open(Arc<Connection>),
    /// Not connected, and trying to be only to send what waits, with DISCONNECT behind it.
    Leaving,
    /// DISCONNECT is among what is to be sent; nothing is added to that any more.
    Disconnecting(Arc<Connection>),
    Ended(ConnectionEnd),
}

/// Why an operation was not queued.
pub(super) enum NotQueued {
    /// There is no room yet.
    Full(Box<Entry>),
    Refused(StompError),
}

/// What comes of ending a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server has to confirm it.
    Awaited,
    Over,
}

impl State {
    pub(super) fn new(text: Text) -> Self {
        Self {
            text,
            phase: Phase::Connecting,
            left_at: None,
            outgoing: Outgoing::default(),
            leaving: None,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            last_transaction: 0,
            requests: Requests::new(),
        }
    }

    pub(super) fn queue(&mut self, entry: Entry, octets_max: usize) -> Result<(), NotQueued> {
        let is_connected = match &self.phase {
            Phase::Open(connection) => {
                if let Bound::Only(number) = entry.bound
                    && number != connection.number
                {
                    return Err(NotQueued::Refused(StompError::Stale));
                }
                true
            }
            Phase::Connecting if entry.bound != Bound::Any => {
                return Err(NotQueued::Refused(StompError::Stale));
            }
            Phase::Connecting => false,
            Phase::Leaving
            | Phase::Disconnecting(_)
            | Phase::Ended(ConnectionEnd::Disconnected) => {
                return Err(NotQueued::Refused(StompError::Closed));
            }
            Phase::Ended(end) => {
                return Err(NotQueued::Refused(StompError::Lost(end.clone())));
            }
        };
        if self.text == Text::Only && !entry.operation.is_text() {
            return Err(NotQueued::Refused(StompError::NotText));
        }
        if let Some(connection) = self.phase.connection()
            && let Operation::Nack { .. } = entry.operation
            && connection.opened().is_some_and(|opened| opened.version == Version::V1_0)
        {
            return Err(NotQueued::Refused(StompError::NotSent(NotSent::NoNack)));
        }
        if self.outgoing.has_room(&entry, self.receipts.octets(), octets_max) {
            self.outgoing.push_back(entry);
            return Ok(());
        }
        match is_connected {
            true => Err(NotQueued::Full(Box::new(entry))),
            false => Err(NotQueued::Refused(StompError::QueueFull { octets_max })),
        }
    }

    pub(super) fn next_frame(&mut self, connection: &Connection) -> Option<bytes::Bytes> {
        while let Some(mut entry) = self.outgoing.pop_front() {
            let record = match &entry.operation {
                Operation::Subscribe(id) => {
                    let Some(record) = self.subscriptions.get(id) else { continue };
                    // A RabbitMQ makes this one by itself.
                    if connection.is_rabbitmq() && id.as_str() == REPLIES_ID {
                        self.subscriptions.confirm(id, &Headers::default());
                        continue;
                    }
                    let awaited = Awaited::Subscription(id.clone());
                    entry.receipt = Some(self.receipts.ask(awaited));
                    Some(record)
                }
                Operation::Unsubscribe { id, .. } => {
                    self.subscriptions.set_end_sent(id);
                    let awaited = Awaited::Unsubscription(id.clone());
                    entry.receipt = Some(self.receipts.ask(awaited));
                    None
                }
                _ => None,
            };
            match connection.encode(&entry.operation, entry.receipt.as_ref(), record) {
                Ok(Some(frame)) => {
                    self.leaving = Some(entry);
                    return Some(frame);
                }
                Ok(None) => {}
                Err(NotSent::NotOpen) => {
                    // The end of the connection is about to be told, or that it goes on after all.
                    if let Operation::Subscribe(_) | Operation::Unsubscribe { .. } = entry.operation
                        && let Some(receipt) = entry.receipt.take()
                    {
                        self.receipts.take(&receipt);
                    }
                    self.outgoing.push_front(entry);
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, "a frame for a STOMP server could not be sent");
                    self.fail(&entry, StompError::NotSent(error));
                }
            }
        }
        None
    }

    /// Puts DISCONNECT behind everything that waits.
    pub(super) fn ask_to_disconnect(&mut self) -> Asked {
        let mut entry = Entry::new(Operation::Disconnect, Bound::Any);
        let asked = self.ask(&mut entry);
        self.outgoing.push_back(entry);
        asked
    }

    /// Whether something waits to be sent, other than a goodbye.
    pub(super) fn has_unsent(&self) -> bool {
        self.outgoing.iter().any(|entry| !matches!(entry.operation, Operation::Disconnect))
    }

    /// Whether DISCONNECT is still to be sent.
    pub(super) fn says_goodbye(&self) -> bool {
        self.outgoing.iter().any(|entry| matches!(entry.operation, Operation::Disconnect))
    }

    /// The client is left, and has no connection: whatever waits for something to come ends.
    pub(super) fn leave_unconnected(&mut self) {
        self.phase = Phase::Leaving;
        for (id, reply) in std::mem::take(&mut self.requests) {
            self.outgoing.remove(|entry| entry.operation.correlation_id() == Some(&id));
            let _ = reply.send(Err(StompError::Closed));
        }
        self.subscriptions.end(|| (StompError::Closed, None));
    }

    /// Whether the client keeps no connection, and wants no other one.
    pub(super) fn is_stopping(&self) -> bool {
        match self.phase {
            Phase::Connecting | Phase::Open(_) => false,
            Phase::Leaving => !self.has_unsent(),
            Phase::Disconnecting(_) | Phase::Ended(_) => true,
        }
    }

    /// Asks for the receipt of an operation.
    pub(super) fn ask(&mut self, entry: &mut Entry) -> Asked {
        let (outcome, confirmed) = oneshot::channel();
        let awaited = Awaited::Operation { outcome, progress: Progress::Waits };
        let receipt = self.receipts.ask(awaited);
        entry.receipt = Some(receipt.clone());
        Asked { receipt, confirmed }
    }

    pub(super) fn add_subscription(
        &mut self,
        id: SubscriptionId,
        record: Record,
    ) -> Result<(), StompError> {
        self.subscriptions.insert(id.clone(), record)?;
        // Without a connection, the next one makes it.
        if let Phase::Open(connection) = &self.phase {
            let bound = Bound::Only(connection.number);
            self.outgoing.push_back(Entry::new(Operation::Subscribe(id), bound));
        }
        Ok(())
    }

    /// Takes out a subscription, and has UNSUBSCRIBE sent if the server may know of it. `outcome` is told what comes
    /// of that.
    pub(super) fn end_subscription(
        &mut self,
        id: &SubscriptionId,
        standing: &Arc<Standing>,
        headers: Headers,
        outcome: Option<Outcome>,
    ) -> Result<Ending, StompError> {
        // What the server has ended, or lost with a connection, is over already.
        let Some(record) = self.subscriptions.take(id, standing) else { return Ok(Ending::Over) };
        if let Target::Inbox(deliveries) = &record.target {
            deliveries.close();
        }
        self.receipts.forget_subscription(id);
        let subscribe =
            |entry: &Entry| matches!(&entry.operation, Operation::Subscribe(of) if of == id);
        if self.outgoing.remove(subscribe).is_some() {
            return Ok(Ending::Over);
        }
        let bound = Bound::Only(self.phase.open_number()?);
        self.subscriptions.await_end(id.clone(), outcome);
        let unsubscribe = Operation::Unsubscribe { id: id.clone(), headers };
        self.outgoing.push_back(Entry::new(unsubscribe, bound));
        Ok(Ending::Awaited)
    }

    /// Frees the ids of subscriptions whose end the server has not confirmed within this time.
    pub(super) fn give_up_ends(&mut self, timeout: Duration) {
        for id in self.subscriptions.give_up_ends(timeout) {
            tracing::warn!(%id, "a STOMP server has not confirmed UNSUBSCRIBE");
            self.receipts.forget_unsubscription(&id);
        }
    }

    /// The server has ended a subscription that UNSUBSCRIBE is waiting or on its way for.
    pub(super) fn confirm_crossed_end(&mut self, id: &SubscriptionId) {
        self.subscriptions.confirm_end(id);
        self.receipts.cross_unsubscription(id);
        self.outgoing.remove(
            |entry| matches!(&entry.operation, Operation::Unsubscribe { id: of, .. } if of == id),
        );
    }

    /// The server has refused a subscription.
    pub(super) fn refuse_subscription(
        &mut self,
        id: &SubscriptionId,
        error: &tidings_stomp::Error,
    ) {
        self.lose_subscription(id, error, DeliveryError::Refused);
    }

    /// The server has ended a subscription that it had confirmed.
    pub(super) fn cancel_subscription(
        &mut self,
        id: &SubscriptionId,
        error: &tidings_stomp::Error,
    ) {
        self.lose_subscription(id, error, DeliveryError::Cancelled);
    }

    /// `reason` is for who reads the subscription; who has not got it yet is told that it was refused.
    fn lose_subscription(
        &mut self,
        id: &SubscriptionId,
        error: &tidings_stomp::Error,
        reason: fn(tidings_stomp::Error) -> DeliveryError,
    ) {
        let Some(record) = self.subscriptions.remove(id) else { return };
        match (record.outcome, record.target) {
            (Some(outcome), _) => drop(outcome.send(Err(StompError::Refused(error.clone())))),
            (None, Target::Inbox(deliveries)) => deliveries.end(reason(error.clone())),
            (None, Target::Requests) => {
                for (_, reply) in self.requests.drain() {
                    let _ = reply.send(Err(StompError::Refused(error.clone())));
                }
            }
        }
    }

    /// The server has ended the connection for something that it does not name, while these subscriptions were not
    /// confirmed. Servers answer in order, so it is the first of them, if it is one at all.
    pub(super) fn suspect(&mut self, unconfirmed: &[SubscriptionId], error: &tidings_stomp::Error) {
        let Some(first) = unconfirmed.first() else { return };
        let Some(record) = self.subscriptions.get_mut(first) else { return };
        record.refusals += 1;
        let is_new = record.standing.made.load(Ordering::Relaxed) == 0;
        if record.refusals >= REFUSALS_MAX || (is_new && unconfirmed.len() == 1) {
            self.refuse_subscription(&first.clone(), error);
        }
    }

    /// Tells who waits for replies to what was sent; what still waits to be sent has a reply yet.
    pub(super) fn lose_requests(&mut self, end: &ConnectionEnd) {
        let mut requests = std::mem::take(&mut self.requests);
        for entry in self.outgoing.iter() {
            if let Some((id, reply)) =
                entry.operation.correlation_id().and_then(|id| requests.remove_entry(id))
            {
                self.requests.insert(id, reply);
            }
        }
        for (_, reply) in requests {
            let _ = reply.send(Err(StompError::Unconfirmed(end.clone())));
        }
    }

    /// Tells whoever waits for an operation that it was not sent.
    pub(super) fn fail(&mut self, entry: &Entry, error: StompError) {
        if let Operation::Unsubscribe { id, .. } = &entry.operation {
            self.subscriptions.fail_end(id, error.clone());
        }
        let awaited = entry.receipt.as_ref().and_then(|receipt| self.receipts.take(receipt));
        if let Some(Awaited::Operation { outcome, .. }) = awaited {
            let _ = outcome.send(Err(error));
        }
    }
}

impl Phase {
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Open(connection) | Self::Disconnecting(connection) => Some(connection),
            Self::Connecting | Self::Leaving | Self::Ended(_) => None,
        }
    }

    pub(super) fn open_number(&self) -> Result<ConnectionNumber, StompError> {
        match self {
            Self::Open(connection) => Ok(connection.number),
            Self::Connecting => Err(StompError::NotConnected),
            Self::Leaving | Self::Disconnecting(_) | Self::Ended(_) => Err(StompError::Closed),
        }
    }

    /// Whether nothing more is asked of the client.
    pub(super) fn is_left(&self) -> bool {
        match self {
            Self::Connecting | Self::Open(_) => false,
            Self::Leaving | Self::Disconnecting(_) | Self::Ended(_) => true,
        }
    }
}
