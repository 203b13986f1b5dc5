//! The subscriptions of a client, which outlive its connections, and the messages on their way to who reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tidings_stomp::{AckMode, Headers, Message, SubscriptionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio::time::Instant;

use super::operation::ConnectionNumber;
use super::position::Position;
use super::receipts::Outcome;
use super::{DeliveryError, StompError};

/// What happens when messages come faster than a subscription's are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The connection is not read until there is room. Receipts, and messages of other subscriptions, wait as
    /// well. Nothing is lost. The default.
    #[default]
    StopsReading,
    /// The subscription ends, with [`DeliveryError::TooSlow`] behind the messages that have come.
    EndSubscription,
}

/// A message on its way to who reads a subscription.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) message: Message,
    pub(super) connection: ConnectionNumber,
    /// Its part of what may wait.
    _room: OwnedSemaphorePermit,
}

/// What comes out of a subscription: messages, or at last why there are no more.
pub(super) type Inbox = mpsc::UnboundedReceiver<Result<Arrived, DeliveryError>>;

/// The writing end of an [`Inbox`]: bounded by octets, so that the channel need not be.
#[derive(Clone, Debug)]
pub(super) struct Deliveries {
    sender: mpsc::UnboundedSender<Result<Arrived, DeliveryError>>,
    room: Arc<Semaphore>,
    octets_max: u32,
    slow_consumer: SlowConsumer,
}

/// Whether a message could be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    Done,
    /// The subscription has to end: its reader is too slow, or gone.
    Refused,
}

impl Deliveries {
    pub(super) fn new(octets_max: usize, slow_consumer: SlowConsumer) -> (Self, Inbox) {
        let octets_max = u32::try_from(octets_max).unwrap_or(u32::MAX).clamp(1, MAX_PERMITS);
        let room = Arc::new(Semaphore::new(octets_max as usize));
        let (sender, inbox) = mpsc::unbounded_channel();
        (Self { sender, room, octets_max, slow_consumer }, inbox)
    }

    /// Hands a message over, and waits for room if that is what a slow consumer means.
    pub(super) async fn deliver(
        &self,
        message: Message,
        connection: ConnectionNumber,
    ) -> Delivered {
        // One message may be larger than all that may wait.
        let octets = u32::try_from(weight(&message)).unwrap_or(u32::MAX).min(self.octets_max);
        let room = Arc::clone(&self.room);
        let permit = match self.slow_consumer {
            SlowConsumer::StopsReading => tokio::select! {
                biased;
                permit = room.acquire_many_owned(octets) => permit.ok(),
                () = self.sender.closed() => None,
            },
            SlowConsumer::EndSubscription => {
                let permit = room.try_acquire_many_owned(octets);
                if let Err(TryAcquireError::NoPermits) = permit {
                    let _ = self.sender.send(Err(DeliveryError::TooSlow));
                }
                permit.ok()
            }
        };
        let Some(room) = permit else { return Delivered::Refused };
        match self.sender.send(Ok(Arrived { message, connection, _room: room })) {
            Ok(()) => Delivered::Done,
            Err(_) => Delivered::Refused,
        }
    }

    /// Lets nothing more in, and nobody wait to get in.
    pub(super) fn close(&self) {
        self.room.close();
    }

    /// Puts the reason of the end behind the messages that have come.
    pub(super) fn end(&self, error: DeliveryError) {
        let _ = self.sender.send(Err(error));
    }
}

/// What the semaphore can count, and fits its interface.
const MAX_PERMITS: u32 = u32::MAX >> 3;

/// What a message counts for; even an empty one takes room.
fn weight(message: &Message) -> usize {
    let headers = message.headers.iter().map(|(name, value)| name.len() + value.len());
    size_of::<Arrived>() + headers.sum::<usize>() + message.body.len()
}

/// What a reader may know of its subscription.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// How often it was made.
    pub(super) made: AtomicU64,
    recovered: AtomicU8,
}

const NOT_TOLD: u8 = 0;
const NOT_RECOVERED: u8 = 1;
const RECOVERED: u8 = 2;

impl Standing {
    fn set_recovered(&self, told: Option<&str>) {
        let recovered = match told {
            Some("true") => RECOVERED,
            Some(_) => NOT_RECOVERED,
            None => NOT_TOLD,
        };
        self.recovered.store(recovered, Ordering::Relaxed);
    }

    /// What the server said when the subscription was made last, if anything.
    pub(super) fn recovered(&self) -> Option<bool> {
        match self.recovered.load(Ordering::Relaxed) {
            RECOVERED => Some(true),
            NOT_RECOVERED => Some(false),
            _ => None,
        }
    }
}

/// A subscription, as it is made with each connection.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) destination: String,
    pub(super) ack: AckMode,
    pub(super) headers: Headers,
    pub(super) target: Target,
    /// Who waits for the first receipt.
    pub(super) outcome: Option<Outcome>,
    pub(super) standing: Arc<Standing>,
    /// What of its topic's history it has got to.
    pub(super) position: Option<Position>,
    /// How often in a row it may have been why the server ended the connection.
    pub(super) refusals: u32,
}

impl Record {
    /// Without acknowledgements and further headers.
    pub(super) fn new(destination: String, target: Target) -> Self {
        Self {
            destination,
            ack: AckMode::Auto,
            headers: Headers::default(),
            target,
            outcome: None,
            standing: Arc::default(),
            position: None,
            refusals: 0,
        }
    }
}

/// Where the messages of a subscription go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Inbox(Deliveries),
    /// To whoever waits for a reply.
    Requests,
}

/// The subscription that a message is for.
pub(super) struct Addressee {
    pub(super) id: SubscriptionId,
    pub(super) standing: Arc<Standing>,
    pub(super) target: Target,
}

/// All subscriptions of a client.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    last: u64,
    records: BTreeMap<SubscriptionId, Record>,
    /// The server has not confirmed the end of these, and may have sent messages before it: nobody else is to get
    /// them, so that the ids are kept.
    ending: BTreeMap<SubscriptionId, End>,
}

/// The end of a subscription that is still to be confirmed.
#[derive(Debug)]
struct End {
    /// Who waits for the receipt.
    outcome: Option<Outcome>,
    /// When UNSUBSCRIBE was sent, once it was.
    sent_at: Option<Instant>,
}

impl Subscriptions {
    /// An id that no other subscription has or will have.
    pub(super) fn next_id(&mut self) -> SubscriptionId {
        loop {
            self.last += 1;
            let id = SubscriptionId::from(format!("sub-{}", self.last).as_str());
            if !self.records.contains_key(&id) && !self.is_ending(&id) {
                return id;
            }
        }
    }

    pub(super) fn insert(&mut self, id: SubscriptionId, record: Record) -> Result<(), StompError> {
        if self.records.contains_key(&id) {
            return Err(StompError::DuplicateSubscription(id.to_string()));
        }
        self.records.insert(id, record);
        Ok(())
    }

    pub(super) fn get(&self, id: &SubscriptionId) -> Option<&Record> {
        self.records.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &SubscriptionId) -> Option<&mut Record> {
        self.records.get_mut(id)
    }

    pub(super) fn ids(&self) -> Vec<SubscriptionId> {
        self.records.keys().cloned().collect()
    }

    pub(super) fn remove(&mut self, id: &SubscriptionId) -> Option<Record> {
        self.records.remove(id)
    }

    /// Takes out a subscription, but not another one that has got its id since.
    pub(super) fn take(&mut self, id: &SubscriptionId, standing: &Arc<Standing>) -> Option<Record> {
        let record = self.records.get(id)?;
        if !Arc::ptr_eq(&record.standing, standing) {
            return None;
        }
        self.records.remove(id)
    }

    /// Keeps the id of a subscription until its end is confirmed.
    pub(super) fn await_end(&mut self, id: SubscriptionId, outcome: Option<Outcome>) {
        self.ending.insert(id, End { outcome, sent_at: None });
    }

    /// UNSUBSCRIBE is on its way.
    pub(super) fn set_end_sent(&mut self, id: &SubscriptionId) {
        if let Some(end) = self.ending.get_mut(id) {
            end.sent_at = Some(Instant::now());
        }
    }

    /// How long the end of a subscription has been waited for, if UNSUBSCRIBE was sent.
    pub(super) fn end_awaited_for(&self, id: &SubscriptionId) -> Option<Duration> {
        Some(self.ending.get(id)?.sent_at?.elapsed())
    }

    /// Waits no longer for ends that the server has not confirmed within this time. Returns the ids, which are free.
    pub(super) fn give_up_ends(&mut self, timeout: Duration) -> Vec<SubscriptionId> {
        let is_overdue =
            |end: &mut End| end.sent_at.is_some_and(|sent_at| sent_at.elapsed() >= timeout);
        let overdue = self.ending.extract_if(.., |_, end| is_overdue(end));
        let given_up = overdue.map(|(id, end)| {
            if let Some(outcome) = end.outcome {
                let _ = outcome.send(Err(StompError::ReceiptTimeout(timeout)));
            }
            id
        });
        given_up.collect()
    }

    pub(super) fn is_ending(&self, id: &SubscriptionId) -> bool {
        self.ending.contains_key(id)
    }

    /// The server has confirmed the end of a subscription: its id is free.
    pub(super) fn confirm_end(&mut self, id: &SubscriptionId) {
        if let Some(outcome) = self.ending.remove(id).and_then(|end| end.outcome) {
            let _ = outcome.send(Ok(()));
        }
    }

    /// The end of a subscription is not confirmed by this connection any more.
    pub(super) fn fail_end(&mut self, id: &SubscriptionId, error: StompError) {
        if let Some(outcome) = self.ending.get_mut(id).and_then(|end| end.outcome.take()) {
            let _ = outcome.send(Err(error));
        }
    }

    /// The connection has ended, and with it all subscriptions that were made by it.
    pub(super) fn lose(&mut self, error: &StompError) {
        let ends = std::mem::take(&mut self.ending).into_values();
        for outcome in ends.filter_map(|end| end.outcome) {
            let _ = outcome.send(Err(error.clone()));
        }
    }

    /// The subscription is active at the server.
    pub(super) fn confirm(&mut self, id: &SubscriptionId, headers: &Headers) {
        let Some(record) = self.records.get_mut(id) else { return };
        record.standing.set_recovered(headers.get("recovered"));
        record.standing.made.fetch_add(1, Ordering::Relaxed);
        // The one before the first message that follows.
        if let Some(position) = Position::told_by(headers) {
            record.position = Some(position);
        }
        record.refusals = 0;
        if let Some(outcome) = record.outcome.take() {
            let _ = outcome.send(Ok(()));
        }
    }

    /// A message with a position has been delivered. A pattern has none: its topics have a history each.
    pub(super) fn reach(&mut self, addressee: &Addressee, destination: &str, position: Position) {
        if let Some(record) = self.records.get_mut(&addressee.id)
            && Arc::ptr_eq(&record.standing, &addressee.standing)
            && record.destination == destination
        {
            record.position = Some(position);
        }
    }

    /// Which subscription a message is for. Servers of STOMP 1.0 may name only the destination, and a RabbitMQ names
    /// temporary queues by theirs.
    pub(super) fn addressee(&self, message: &Message) -> Option<Addressee> {
        let to = |destination: &str| {
            self.records.iter().find(|(_, record)| record.destination == destination)
        };
        let found = match &message.subscription {
            Some(id) => self.records.get_key_value(id).or_else(|| to(id.as_str())),
            None => to(&message.destination),
        };
        found.map(|(id, record)| Addressee {
            id: id.clone(),
            standing: Arc::clone(&record.standing),
            target: record.target.clone(),
        })
    }

    /// Lets no more messages in, so that the connection is read to its end.
    pub(super) fn close(&self) {
        for record in self.records.values() {
            if let Target::Inbox(deliveries) = &record.target {
                deliveries.close();
            }
        }
    }

    /// Ends all of them, each with its reason.
    pub(super) fn end(&mut self, error: impl Fn() -> (StompError, Option<DeliveryError>)) {
        self.lose(&error().0);
        for record in std::mem::take(&mut self.records).into_values() {
            let (stomp_error, delivery_error) = error();
            if let Some(outcome) = record.outcome {
                let _ = outcome.send(Err(stomp_error));
            }
            if let (Target::Inbox(deliveries), Some(error)) = (record.target, delivery_error) {
                deliveries.end(error);
            }
        }
    }
}
