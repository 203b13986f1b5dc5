//! What the handles of a client, its connection and its driver share.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_stomp::{Headers, Message, NotSent, ReceiptId, SubscriptionId, TransactionId, Version};
use tokio::sync::{Notify, oneshot, watch};

use super::connection::Connection;
use super::operation::{Bound, ConnectionNumber, Entry, Operation, Outgoing, Unconfirmed};
use super::position::Position;
use super::receipts::{Awaited, Lost, Progress, Receipts};
use super::subscriptions::{Delivered, Record, SlowConsumer, Subscriptions, Target};
use super::{ConnectionEnd, DeliveryError, StompError};

/// The destination of replies. Where a RabbitMQ makes their subscription, that is its id too.
pub(super) const REPLIES: &str = "/temp-queue/tidings-replies";

/// The id of the subscription to replies: brokers keep those that look like temporary queues for themselves.
pub(super) const REPLIES_ID: &str = "tidings-replies";

/// How often a message is sent again because its receipt did not come. A message that makes a server end the
/// connection must not do so for ever.
pub(super) const RESENDS_MAX: u32 = 5;

/// How often the server may end the connection, without a word why, before a subscription is confirmed that was the
/// first to be. Then it is taken for refused, so that the client's others go on.
const REFUSALS_MAX: u32 = 3;

/// A reply, and the connection that it came by.
pub(super) type Reply = (Message, ConnectionNumber);

/// Who waits for replies, by correlation id.
type Requests = HashMap<String, oneshot::Sender<Result<Reply, StompError>>>;

/// Whether connections carry only text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Only,
    OrOctets,
}

/// What a client grants itself.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) queue_octets_max: usize,
    pub(super) inbox_octets_max: usize,
    pub(super) slow_consumer: SlowConsumer,
    pub(super) receipt_timeout: Duration,
}

pub(super) struct Shared {
    pub(super) bounds: Bounds,
    state: Mutex<State>,
    /// There is something to send, or to stop for.
    work: Notify,
    /// There may be room for more.
    room: Notify,
    /// How the client has ended, once it has.
    end: watch::Sender<Option<ConnectionEnd>>,
}

struct State {
    text: Text,
    phase: Phase,
    outgoing: Outgoing,
    /// What is on its way into the connection right now.
    leaving: Option<Entry>,
    receipts: Receipts,
    subscriptions: Subscriptions,
    last_transaction: u64,
    requests: Requests,
}

enum Phase {
    /// Not connected, and trying to be.
    Connecting,
    Open(Arc<Connection>),
    /// DISCONNECT is among what is to be sent; nothing is added to that any more.
    Disconnecting(Option<Arc<Connection>>),
    Ended(ConnectionEnd),
}

/// Why an operation was not queued.
enum NotQueued {
    /// There is no room yet.
    Full(Box<Entry>),
    Refused(StompError),
}

impl Shared {
    pub(super) fn new(bounds: Bounds, text: Text) -> Self {
        let state = State {
            text,
            phase: Phase::Connecting,
            outgoing: Outgoing::default(),
            leaving: None,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            last_transaction: 0,
            requests: Requests::new(),
        };
        let (end, _) = watch::channel(None);
        let (work, room) = (Notify::new(), Notify::new());
        Self { bounds, state: Mutex::new(state), work, room, end }
    }

    /// The connection that is open, if one is.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        self.lock().phase.connection().cloned()
    }

    /// Waits until the client has ended.
    pub(super) async fn ended(&self) -> ConnectionEnd {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(ConnectionEnd::Disconnected),
            Err(_) => ConnectionEnd::Disconnected,
        }
    }

    // Operations.

    /// Queues an operation, and waits for room if the client is connected.
    pub(super) async fn queue(&self, entry: Entry) -> Result<(), StompError> {
        let mut entry = entry;
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            match self.lock().queue(entry, self.bounds.queue_octets_max) {
                Ok(()) => break,
                Err(NotQueued::Refused(error)) => return Err(error),
                Err(NotQueued::Full(full)) => entry = *full,
            }
            room.await;
        }
        self.work.notify_waiters();
        Ok(())
    }

    /// Queues an operation that ends something, for which there is always room. Nothing happens if there is
    /// nothing to end any more.
    pub(super) fn queue_end(&self, entry: Entry) {
        // What its beginning has allowed, its end cannot exceed.
        let _ = self.lock().queue(entry, usize::MAX);
        self.work.notify_waiters();
    }

    /// Queues an operation, and waits for its receipt.
    pub(super) async fn queue_and_confirm(&self, mut entry: Entry) -> Result<(), StompError> {
        let confirmation = self.lock().ask(&mut entry);
        let confirmation = Confirmation { shared: self, asked: confirmation };
        self.queue(entry).await?;
        confirmation.wait().await
    }

    /// Queues an operation that ends something, as [`queue_end`](Self::queue_end), and asks for its receipt.
    pub(super) fn queue_end_asking(
        &self,
        mut entry: Entry,
    ) -> Result<Confirmation<'_>, StompError> {
        let asked = {
            let mut state = self.lock();
            let asked = state.ask(&mut entry);
            if let Err(NotQueued::Refused(error)) = state.queue(entry, usize::MAX) {
                state.receipts.take(&asked.receipt);
                return Err(error);
            }
            asked
        };
        self.work.notify_waiters();
        Ok(Confirmation { shared: self, asked })
    }

    /// Waits for a receipt, within the time for that.
    async fn confirmed(
        &self,
        confirmed: &mut oneshot::Receiver<Result<(), StompError>>,
    ) -> Result<(), StompError> {
        let timeout = self.bounds.receipt_timeout;
        match tokio::time::timeout(timeout, confirmed).await {
            Ok(outcome) => outcome.unwrap_or(Err(StompError::Closed)),
            Err(_) => Err(StompError::ReceiptTimeout(timeout)),
        }
    }

    /// Starts a transaction.
    pub(super) async fn begin(&self) -> Result<(TransactionId, ConnectionNumber), StompError> {
        let (id, number) = {
            let mut state = self.lock();
            let number = state.phase.open_number()?;
            state.last_transaction += 1;
            (TransactionId::from(format!("tx-{}", state.last_transaction).as_str()), number)
        };
        self.queue(Entry::new(Operation::Begin(id.clone()), Bound::Only(number))).await?;
        Ok((id, number))
    }

    /// Asks for DISCONNECT behind everything that waits, and lets nothing more in.
    pub(super) fn leave(&self) -> Leaving<'_> {
        let mut state = self.lock();
        let connection = match &state.phase {
            Phase::Connecting => None,
            Phase::Open(connection) => Some(Arc::clone(connection)),
            Phase::Disconnecting(_) | Phase::Ended(_) => return Leaving::Over,
        };
        state.subscriptions.close();
        let leaving = if connection.is_some() {
            let mut entry = Entry::new(Operation::Disconnect, Bound::Any);
            let asked = state.ask(&mut entry);
            state.outgoing.push_back(entry);
            Leaving::Asked(Confirmation { shared: self, asked })
        } else if state.outgoing.len() > 0 {
            Leaving::NotSent
        } else {
            Leaving::Over
        };
        state.phase = Phase::Disconnecting(connection);
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
        leaving
    }

    // Subscriptions.

    /// Adds a subscription, and waits until it is active.
    pub(super) async fn subscribe(
        &self,
        id: Option<SubscriptionId>,
        mut record: Record,
    ) -> Result<SubscriptionId, StompError> {
        let (outcome, mut confirmed) = oneshot::channel();
        record.outcome = Some(outcome);
        let id = {
            let mut state = self.lock();
            if let Phase::Disconnecting(_) | Phase::Ended(_) = state.phase {
                return Err(StompError::Closed);
            }
            let id = id.unwrap_or_else(|| state.subscriptions.next_id());
            state.add_subscription(id.clone(), record)?;
            id
        };
        self.work.notify_waiters();
        let abandoned = AbandonSubscription { shared: self, id: &id };
        self.confirmed(&mut confirmed).await?;
        std::mem::forget(abandoned);
        Ok(id)
    }

    /// Ends a subscription that somebody has let go of.
    pub(super) fn abandon(&self, id: &SubscriptionId) {
        let mut state = self.lock();
        if let Ok(Some(entry)) = state.remove_subscription(id, Headers::default()) {
            state.outgoing.push_back(entry);
        }
        drop(state);
        self.work.notify_waiters();
        self.room.notify_waiters();
    }

    /// Ends a subscription, and waits until it has ended.
    pub(super) async fn unsubscribe(
        &self,
        id: &SubscriptionId,
        headers: Headers,
    ) -> Result<(), StompError> {
        let removed = {
            let mut state = self.lock();
            // It is queued with the removal, so that a dropped future does not keep it from being sent.
            state.remove_subscription(id, headers).map(|entry| {
                let mut entry = entry?;
                let asked = state.ask(&mut entry);
                state.outgoing.push_back(entry);
                Some(asked)
            })
        };
        self.work.notify_waiters();
        self.room.notify_waiters();
        match removed? {
            Some(asked) => Confirmation { shared: self, asked }.wait().await,
            None => Ok(()),
        }
    }

    /// Waits for a reply with this correlation id, by the subscription that all replies of the client come by.
    pub(super) fn expect_reply(
        &self,
        correlation_id: &str,
    ) -> oneshot::Receiver<Result<Reply, StompError>> {
        let (reply, replied) = oneshot::channel();
        let mut state = self.lock();
        if state.subscriptions.get(&REPLIES_ID.into()).is_none() {
            let record = Record::new(REPLIES.to_owned(), Target::Requests);
            let added = state.add_subscription(REPLIES_ID.into(), record);
            added.expect("no subscription has this id");
        }
        state.requests.insert(correlation_id.to_owned(), reply);
        drop(state);
        self.work.notify_waiters();
        replied
    }

    /// Waits no longer for a reply: a request that was not sent yet is not sent.
    pub(super) fn forget_reply(&self, correlation_id: &str) {
        let mut state = self.lock();
        if state.requests.remove(correlation_id).is_some() {
            state.outgoing.remove(|entry| entry.operation.correlation_id() == Some(correlation_id));
        }
        drop(state);
        self.room.notify_waiters();
    }

    // What the server says.

    pub(super) async fn deliver(&self, connection: &Connection, message: Message) {
        let target = self.lock().subscriptions.target(&message);
        let Some((id, target)) = target else {
            // It crossed with the end of its subscription; the server takes it back.
            return tracing::debug!(destination = message.destination, "nobody reads this");
        };
        let deliveries = match target {
            Target::Inbox(deliveries) => deliveries,
            Target::Requests => return self.reply(message, connection.number),
        };
        let position =
            Position::told_by(&message.headers).map(|at| (message.destination.clone(), at));
        match deliveries.deliver(message, connection.number).await {
            Delivered::Refused => self.abandon(&id),
            Delivered::Done => {
                if let Some((destination, position)) = position {
                    self.lock().subscriptions.reach(&id, &destination, position);
                }
            }
        }
    }

    fn reply(&self, message: Message, connection: ConnectionNumber) {
        let correlation_id = message.headers.get("correlation-id").unwrap_or_default();
        match self.lock().requests.remove(correlation_id) {
            // Nobody may be waiting any more.
            Some(reply) => drop(reply.send(Ok((message, connection)))),
            None => tracing::debug!(correlation_id, "nobody waits for this reply"),
        }
    }

    pub(super) fn confirm(&self, receipt: &ReceiptId, headers: &Headers) {
        let mut state = self.lock();
        match state.receipts.take(receipt) {
            Some(Awaited::Subscription(id)) => state.subscriptions.confirm(&id, headers),
            Some(Awaited::Operation { outcome, .. }) => drop(outcome.send(Ok(()))),
            None => {}
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Tells who asked for what the server refuses, if the server says which it was.
    pub(super) fn refuse(&self, error: &tidings_stomp::Error) {
        tracing::warn!(%error, body = error.body, "the server sent an error");
        let mut state = self.lock();
        let awaited = error.receipt.as_ref().and_then(|receipt| state.receipts.take(receipt));
        match awaited {
            Some(Awaited::Operation { outcome, .. }) => {
                let _ = outcome.send(Err(StompError::Refused(error.clone())));
            }
            Some(Awaited::Subscription(id)) => state.refuse_subscription(&id, error),
            None => {}
        }
    }

    // The driver.

    /// A connection is open: subscriptions are made first, and then what waits is sent. `false` if the client has
    /// been left meanwhile, and wants no connection.
    #[must_use]
    pub(super) fn open(&self, connection: &Arc<Connection>) -> bool {
        let mut state = self.lock();
        if let Phase::Disconnecting(_) | Phase::Ended(_) = state.phase {
            return false;
        }
        let bound = Bound::Only(connection.number);
        for id in state.subscriptions.ids().into_iter().rev() {
            state.outgoing.push_front(Entry::new(Operation::Subscribe(id), bound));
        }
        state.phase = Phase::Open(Arc::clone(connection));
        drop(state);
        self.work.notify_waiters();
        true
    }

    /// The next frame for a connection, which [`sent`](Self::sent) has to be called after.
    pub(super) async fn next_frame(&self, connection: &Connection) -> bytes::Bytes {
        loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if let Some(frame) = self.lock().next_frame(connection) {
                return frame;
            }
            // What has become pointless has left room.
            self.room.notify_waiters();
            work.await;
        }
    }

    /// The last frame is in the hands of the connection.
    pub(super) fn sent(&self) {
        let mut state = self.lock();
        if let Some(mut entry) = state.leaving.take()
            && let Some(receipt) = entry.receipt.clone()
        {
            let again = entry.unconfirmed.once_more().map(|unconfirmed| {
                entry.unconfirmed = unconfirmed;
                Box::new(entry)
            });
            state.receipts.set_sent(&receipt, again);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// What could not be sent is not tried again.
    pub(super) fn skip(&self, error: StompError) {
        let mut state = self.lock();
        if let Some(entry) = state.leaving.take() {
            tracing::warn!(%error, "a frame for a STOMP server could not be sent");
            state.fail(&entry, error);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// The connection has ended. Whether there is to be another one.
    pub(super) fn lose(&self, end: &ConnectionEnd) -> AfterLoss {
        let mut state = self.lock();
        let leaving = state.leaving.take();
        leaving.into_iter().for_each(|entry| state.outgoing.push_front(entry));
        for entry in state.outgoing.take_bound() {
            state.fail(&entry, StompError::Lost(end.clone()));
        }
        let Lost { again, subscriptions } = state.receipts.lose(end);
        for entry in again.into_iter().rev() {
            state.outgoing.push_front(entry);
        }
        if let ConnectionEnd::Error(error) = end
            && error.receipt.is_none()
        {
            state.suspect(&subscriptions, error);
        }
        state.lose_requests(end);
        let after = match state.phase {
            Phase::Disconnecting(_) | Phase::Ended(_) => AfterLoss::End,
            Phase::Open(_) | Phase::Connecting => {
                state.phase = Phase::Connecting;
                AfterLoss::ConnectAgain
            }
        };
        drop(state);
        self.room.notify_waiters();
        after
    }

    /// Nothing is sent or received any more.
    pub(super) fn finish(&self, end: ConnectionEnd) {
        let mut state = self.lock();
        let was_asked_for = matches!(state.phase, Phase::Disconnecting(_));
        for entry in state.outgoing.drain() {
            let error = match entry.unconfirmed {
                Unconfirmed::IsSentAgain { times: 1.. } => StompError::Unconfirmed(end.clone()),
                _ => StompError::Lost(end.clone()),
            };
            state.fail(&entry, error);
        }
        let end = if was_asked_for { ConnectionEnd::Disconnected } else { end };
        let error = match was_asked_for {
            true => StompError::Closed,
            false => StompError::Lost(end.clone()),
        };
        state.receipts.end(&error);
        for (_, reply) in state.requests.drain() {
            let _ = reply.send(Err(error.clone()));
        }
        state.subscriptions.end(|| {
            let told = (!was_asked_for).then(|| DeliveryError::Lost(end.clone()));
            (error.clone(), told)
        });
        state.phase = Phase::Ended(end.clone());
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
        self.end.send_replace(Some(end));
    }

    /// Waits until the client is to stop trying to connect.
    pub(super) async fn stopped(&self) {
        loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if let Phase::Disconnecting(_) | Phase::Ended(_) = self.lock().phase {
                return;
            }
            work.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLoss {
    ConnectAgain,
    End,
}

impl State {
    fn queue(&mut self, entry: Entry, octets_max: usize) -> Result<(), NotQueued> {
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
            Phase::Disconnecting(_) => return Err(NotQueued::Refused(StompError::Closed)),
            Phase::Ended(ConnectionEnd::Disconnected) => {
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

    fn next_frame(&mut self, connection: &Connection) -> Option<bytes::Bytes> {
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
                _ => None,
            };
            match connection.encode(&entry.operation, entry.receipt.as_ref(), record) {
                Ok(Some(frame)) => {
                    self.leaving = Some(entry);
                    return Some(frame);
                }
                Ok(None) => {}
                Err(NotSent::NotOpen) => {
                    // The end of the connection is about to be told.
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

    /// Asks for the receipt of an operation.
    fn ask(&mut self, entry: &mut Entry) -> Asked {
        let (outcome, confirmed) = oneshot::channel();
        let awaited = Awaited::Operation { outcome, progress: Progress::Waits };
        let receipt = self.receipts.ask(awaited);
        entry.receipt = Some(receipt.clone());
        Asked { receipt, confirmed }
    }

    fn add_subscription(&mut self, id: SubscriptionId, record: Record) -> Result<(), StompError> {
        self.subscriptions.insert(id.clone(), record)?;
        // Without a connection, the next one makes it.
        if let Phase::Open(connection) = &self.phase {
            let bound = Bound::Only(connection.number);
            self.outgoing.push_back(Entry::new(Operation::Subscribe(id), bound));
        }
        Ok(())
    }

    /// Takes out a subscription, and gives the UNSUBSCRIBE for it if the server may know of it.
    fn remove_subscription(
        &mut self,
        id: &SubscriptionId,
        headers: Headers,
    ) -> Result<Option<Entry>, StompError> {
        // What the server has ended, or lost with a connection, is over already.
        let Some(record) = self.subscriptions.remove(id) else { return Ok(None) };
        if let Target::Inbox(deliveries) = &record.target {
            deliveries.close();
        }
        // An id may be given again; its next owner has receipts of its own.
        self.receipts.forget_subscription(id);
        let subscribe =
            |entry: &Entry| matches!(&entry.operation, Operation::Subscribe(of) if of == id);
        if self.outgoing.remove(subscribe).is_some() {
            return Ok(None);
        }
        let bound = Bound::Only(self.phase.open_number()?);
        Ok(Some(Entry::new(Operation::Unsubscribe { id: id.clone(), headers }, bound)))
    }

    /// The server has refused a subscription.
    fn refuse_subscription(&mut self, id: &SubscriptionId, error: &tidings_stomp::Error) {
        let Some(record) = self.subscriptions.remove(id) else { return };
        match (record.outcome, record.target) {
            (Some(outcome), _) => drop(outcome.send(Err(StompError::Refused(error.clone())))),
            (None, Target::Inbox(deliveries)) => {
                deliveries.end(DeliveryError::Refused(error.clone()));
            }
            (None, Target::Requests) => {
                for (_, reply) in self.requests.drain() {
                    let _ = reply.send(Err(StompError::Refused(error.clone())));
                }
            }
        }
    }

    /// The server has ended the connection for something that it does not name, while these subscriptions were not
    /// confirmed. Servers answer in order, so it is the first of them, if it is one at all.
    fn suspect(&mut self, unconfirmed: &[SubscriptionId], error: &tidings_stomp::Error) {
        let Some(first) = unconfirmed.first() else { return };
        let Some(record) = self.subscriptions.get_mut(first) else { return };
        record.refusals += 1;
        let is_new = record.standing.made.load(Ordering::Relaxed) == 0;
        if record.refusals >= REFUSALS_MAX || (is_new && unconfirmed.len() == 1) {
            self.refuse_subscription(&first.clone(), error);
        }
    }

    /// Tells who waits for replies to what was sent; what still waits to be sent has a reply yet.
    fn lose_requests(&mut self, end: &ConnectionEnd) {
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
    fn fail(&mut self, entry: &Entry, error: StompError) {
        let awaited = entry.receipt.as_ref().and_then(|receipt| self.receipts.take(receipt));
        if let Some(Awaited::Operation { outcome, .. }) = awaited {
            let _ = outcome.send(Err(error));
        }
    }
}

impl Phase {
    fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Open(connection) | Self::Disconnecting(Some(connection)) => Some(connection),
            Self::Connecting | Self::Disconnecting(None) | Self::Ended(_) => None,
        }
    }

    fn open_number(&self) -> Result<ConnectionNumber, StompError> {
        match self {
            Self::Open(connection) => Ok(connection.number),
            Self::Connecting => Err(StompError::NotConnected),
            Self::Disconnecting(_) | Self::Ended(_) => Err(StompError::Closed),
        }
    }
}

impl Unconfirmed {
    fn once_more(self) -> Option<Self> {
        match self {
            Self::Fails => None,
            Self::IsSentAgain { times } => {
                (times < RESENDS_MAX).then_some(Self::IsSentAgain { times: times + 1 })
            }
        }
    }
}

/// A receipt that was asked for.
struct Asked {
    receipt: ReceiptId,
    confirmed: oneshot::Receiver<Result<(), StompError>>,
}

/// Somebody waits for a receipt. Whoever does so no longer is not in its way.
pub(super) struct Confirmation<'a> {
    shared: &'a Shared,
    asked: Asked,
}

impl Confirmation<'_> {
    /// Waits for the receipt, within the time for that. What is not even sent by then never is.
    pub(super) async fn wait(mut self) -> Result<(), StompError> {
        let outcome = self.shared.confirmed(&mut self.asked.confirmed).await;
        if let Err(StompError::ReceiptTimeout(timeout)) = outcome {
            let mut state = self.shared.lock();
            let receipt = Some(&self.asked.receipt);
            let waiting = state.outgoing.remove(|entry| entry.receipt.as_ref() == receipt);
            drop(state);
            if let Some(Entry { unconfirmed, .. }) = waiting
                && !matches!(unconfirmed, Unconfirmed::IsSentAgain { times: 1.. })
            {
                return Err(StompError::SendTimeout(timeout));
            }
        }
        outcome
    }
}

impl Drop for Confirmation<'_> {
    fn drop(&mut self) {
        drop(self.shared.lock().receipts.take(&self.asked.receipt));
        self.shared.room.notify_waiters();
    }
}

/// What comes of leaving.
pub(super) enum Leaving<'a> {
    Asked(Confirmation<'a>),
    /// There is no connection, and messages wait for one.
    NotSent,
    /// There is nothing to leave.
    Over,
}

/// A subscription that nobody waits for any more does not come about.
struct AbandonSubscription<'a> {
    shared: &'a Shared,
    id: &'a SubscriptionId,
}

impl Drop for AbandonSubscription<'_> {
    fn drop(&mut self) {
        self.shared.abandon(self.id);
    }
}
