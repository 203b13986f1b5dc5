//! What the handles of a client, its connection and its driver share.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_stomp::{Message, ReceiptId, SubscriptionId, TransactionId};
use tokio::sync::{Notify, oneshot, watch};

use super::connection::Connection;
use super::operation::{Bound, ConnectionNumber, Entry, Operation, Outgoing, Unconfirmed};
use super::receipts::{Awaited, Progress, Receipts};
use super::subscriptions::{Delivered, Record, SlowConsumer, Subscriptions, Target};
use super::{ConnectionEnd, DeliveryError, StompError};

/// The destination of replies. Where a RabbitMQ makes their subscription, that is its id too.
pub(super) const REPLIES: &str = "/temp-queue/tidings-replies";

/// The id of the subscription to replies: brokers keep those that look like temporary queues for themselves.
pub(super) const REPLIES_ID: &str = "tidings-replies";

/// How often a message is sent again because its receipt did not come. A message that makes a server end the
/// connection must not do so for ever.
pub(super) const RESENDS_MAX: u32 = 5;

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
    phase: Phase,
    outgoing: Outgoing,
    /// What is on its way into the connection right now.
    leaving: Option<Entry>,
    receipts: Receipts,
    subscriptions: Subscriptions,
    last_transaction: u64,
    requests: HashMap<String, oneshot::Sender<Result<Message, StompError>>>,
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
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State {
            phase: Phase::Connecting,
            outgoing: Outgoing::default(),
            leaving: None,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            last_transaction: 0,
            requests: HashMap::new(),
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
        let (outcome, confirmed) = oneshot::channel();
        let awaited = Awaited::Operation { outcome, progress: Progress::Waits };
        let receipt = self.lock().receipts.ask(awaited);
        let _forget = ForgetReceipt { shared: self, receipt: receipt.clone() };
        entry.receipt = Some(receipt);
        self.queue(entry).await?;
        self.confirmed(confirmed).await
    }

    /// Waits for a receipt, within the time for that.
    async fn confirmed(
        &self,
        confirmed: oneshot::Receiver<Result<(), StompError>>,
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

    /// Asks for DISCONNECT behind everything that waits, and lets nothing more in. Whether it will be sent.
    pub(super) fn leave(&self) -> Option<oneshot::Receiver<Result<(), StompError>>> {
        let mut state = self.lock();
        let (outcome, confirmed) = oneshot::channel();
        let connection = match &state.phase {
            Phase::Connecting => None,
            Phase::Open(connection) => Some(Arc::clone(connection)),
            Phase::Disconnecting(_) | Phase::Ended(_) => return None,
        };
        state.subscriptions.close();
        let is_connected = connection.is_some();
        if is_connected {
            let awaited = Awaited::Operation { outcome, progress: Progress::Waits };
            let receipt = Some(state.receipts.ask(awaited));
            let entry = Entry { receipt, ..Entry::new(Operation::Disconnect, Bound::Any) };
            state.outgoing.push_back(entry);
        }
        state.phase = Phase::Disconnecting(connection);
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
        is_connected.then_some(confirmed)
    }

    /// Waits for the receipt of DISCONNECT.
    pub(super) async fn left(
        &self,
        confirmed: oneshot::Receiver<Result<(), StompError>>,
    ) -> Result<(), StompError> {
        self.confirmed(confirmed).await
    }

    // Subscriptions.

    /// Adds a subscription, and waits until it is active.
    pub(super) async fn subscribe(
        &self,
        id: Option<SubscriptionId>,
        mut record: Record,
    ) -> Result<SubscriptionId, StompError> {
        let (outcome, confirmed) = oneshot::channel();
        record.outcome = Some(outcome);
        let id = {
            let mut state = self.lock();
            if let Phase::Disconnecting(_) | Phase::Ended(_) = state.phase {
                return Err(StompError::Closed);
            }
            let id = id.unwrap_or_else(|| state.subscriptions.next_id());
            state.subscriptions.insert(id.clone(), record)?;
            // Without a connection, the next one makes it.
            if let Phase::Open(connection) = &state.phase {
                let bound = Bound::Only(connection.number);
                state.outgoing.push_back(Entry::new(Operation::Subscribe(id.clone()), bound));
            }
            id
        };
        self.work.notify_waiters();
        let abandoned = AbandonSubscription { shared: self, id: &id };
        self.confirmed(confirmed).await?;
        std::mem::forget(abandoned);
        Ok(id)
    }

    /// Ends a subscription that somebody has let go of.
    pub(super) fn abandon(&self, id: &SubscriptionId) {
        let mut state = self.lock();
        if state.subscriptions.remove(id).is_none() {
            return;
        }
        let Ok(number) = state.phase.open_number() else { return };
        let operation = Operation::Unsubscribe { id: id.clone(), headers: Default::default() };
        state.outgoing.push_back(Entry::new(operation, Bound::Only(number)));
        drop(state);
        self.work.notify_waiters();
    }

    /// Ends a subscription, and waits until it has ended.
    pub(super) async fn unsubscribe(
        &self,
        id: &SubscriptionId,
        headers: tidings_stomp::Headers,
    ) -> Result<(), StompError> {
        let number = {
            let mut state = self.lock();
            // What the server has ended, or lost with a connection, is over already.
            if state.subscriptions.remove(id).is_none() {
                return Ok(());
            }
            state.phase.open_number()?
        };
        let operation = Operation::Unsubscribe { id: id.clone(), headers };
        self.queue_and_confirm(Entry::new(operation, Bound::Only(number))).await
    }

    /// Waits for a reply with this correlation id.
    pub(super) fn expect_reply(
        &self,
        correlation_id: &str,
    ) -> oneshot::Receiver<Result<Message, StompError>> {
        let (reply, replied) = oneshot::channel();
        self.lock().requests.insert(correlation_id.to_owned(), reply);
        replied
    }

    /// Waits no longer for a reply.
    pub(super) fn forget_reply(&self, correlation_id: &str) {
        self.lock().requests.remove(correlation_id);
    }

    /// Whether replies have their subscription already.
    pub(super) fn has_replies(&self) -> bool {
        self.lock().subscriptions.get(&REPLIES_ID.into()).is_some()
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
            Target::Requests => return self.reply(message),
        };
        if deliveries.deliver(message, connection.number).await == Delivered::Refused {
            self.abandon(&id);
        }
    }

    fn reply(&self, message: Message) {
        let correlation_id = message.headers.get("correlation-id").unwrap_or_default();
        match self.lock().requests.remove(correlation_id) {
            // Nobody may be waiting any more.
            Some(reply) => drop(reply.send(Ok(message))),
            None => tracing::debug!(correlation_id, "nobody waits for this reply"),
        }
    }

    pub(super) fn confirm(&self, receipt: &ReceiptId) {
        let mut state = self.lock();
        match state.receipts.take(receipt) {
            Some(Awaited::Subscription(id)) => state.subscriptions.confirm(&id),
            Some(Awaited::Operation { outcome, .. }) => drop(outcome.send(Ok(()))),
            None => {}
        }
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
            Some(Awaited::Subscription(id)) => {
                let Some(record) = state.subscriptions.remove(&id) else { return };
                match (record.outcome, record.target) {
                    (Some(outcome), _) => {
                        let _ = outcome.send(Err(StompError::Refused(error.clone())));
                    }
                    (None, Target::Inbox(deliveries)) => {
                        deliveries.end(DeliveryError::Refused(error.clone()));
                    }
                    (None, Target::Requests) => {}
                }
            }
            None => {}
        }
    }

    // The driver.

    /// A connection is open: subscriptions are made first, and then what waits is sent.
    pub(super) fn open(&self, connection: &Arc<Connection>) {
        let mut state = self.lock();
        if let Phase::Disconnecting(_) | Phase::Ended(_) = state.phase {
            return;
        }
        let bound = Bound::Only(connection.number);
        for id in state.subscriptions.ids().into_iter().rev() {
            state.outgoing.push_front(Entry::new(Operation::Subscribe(id), bound));
        }
        state.phase = Phase::Open(Arc::clone(connection));
        drop(state);
        self.work.notify_waiters();
    }

    /// The next frame for a connection, which [`sent`](Self::sent) has to be called after.
    pub(super) async fn next_frame(&self, connection: &Connection) -> bytes::Bytes {
        loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if let Some(frame) = self.lock().next_frame(connection) {
                return frame;
            }
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
            state.fail(&entry, error);
        }
    }

    /// The connection has ended. Whether there is to be another one.
    pub(super) fn lose(&self, end: &ConnectionEnd) -> AfterLoss {
        let mut state = self.lock();
        let leaving = state.leaving.take();
        leaving.into_iter().for_each(|entry| state.outgoing.push_front(entry));
        for entry in state.outgoing.take_bound() {
            state.fail(&entry, StompError::Lost(end.clone()));
        }
        for entry in state.receipts.lose(end).into_iter().rev() {
            state.outgoing.push_front(entry);
        }
        for (_, reply) in std::mem::take(&mut state.requests) {
            let _ = reply.send(Err(StompError::Unconfirmed(end.clone())));
        }
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
        let end = if was_asked_for { ConnectionEnd::Disconnected } else { end };
        let error = match was_asked_for {
            true => StompError::Closed,
            false => StompError::Lost(end.clone()),
        };
        let entries = state.outgoing.drain();
        entries.iter().for_each(|entry| state.fail(entry, error.clone()));
        state.receipts.end(&error);
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

    /// How many messages wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.lock().outgoing.len()
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
        if self.outgoing.has_room(&entry, octets_max) {
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
                    // A RabbitMQ makes this one by itself.
                    if connection.is_rabbitmq() && id.as_str() == REPLIES_ID {
                        self.subscriptions.confirm(id);
                        continue;
                    }
                    let awaited = Awaited::Subscription(id.clone());
                    entry.receipt = Some(self.receipts.ask(awaited));
                    self.subscriptions.get(id)
                }
                _ => None,
            };
            match connection.encode(&entry.operation, entry.receipt.as_ref(), record) {
                Ok(Some(frame)) => {
                    self.leaving = Some(entry);
                    return Some(frame);
                }
                Ok(None) => {}
                Err(tidings_stomp::NotSent::NotOpen) => {
                    // The end of the connection is about to be told.
                    self.outgoing.push_front(entry);
                    return None;
                }
                Err(error) => self.fail(&entry, StompError::NotSent(error)),
            }
        }
        None
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

/// Whoever waits no longer for a receipt is not in its way.
struct ForgetReceipt<'a> {
    shared: &'a Shared,
    receipt: ReceiptId,
}

impl Drop for ForgetReceipt<'_> {
    fn drop(&mut self) {
        drop(self.shared.lock().receipts.take(&self.receipt));
    }
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
