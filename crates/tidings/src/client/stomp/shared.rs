//! What the handles of a client, its connections and its driver share.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_stomp::{Headers, SubscriptionId, TransactionId};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::confirmation::Confirmation;
use super::connection::Connection;
use super::operation::{Bound, ConnectionNumber, Entry, Operation};
use super::receipts::Outcome;
use super::state::{Ending, NotQueued, Phase, Reply, State};
use super::subscriptions::{Record, SlowConsumer, Standing, Target};
use super::{ConnectionEnd, StompError};

/// The destination of replies. Where a RabbitMQ makes their subscription, that is its id too.
pub(super) const REPLIES: &str = "/temp-queue/tidings-replies";

/// The id of the subscription to replies: brokers keep those that look like temporary queues for themselves.
pub(super) const REPLIES_ID: &str = "tidings-replies";

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
    pub(super) leave_timeout: Duration,
}

pub(super) struct Shared {
    pub(super) bounds: Bounds,
    state: Mutex<State>,
    /// There is something to send, or to stop for.
    pub(super) work: Notify,
    /// There may be room for more, or an id free again.
    pub(super) room: Notify,
    /// How the client has ended, once it has.
    pub(super) end: watch::Sender<Option<ConnectionEnd>>,
}

impl Shared {
    pub(super) fn new(bounds: Bounds, text: Text) -> Self {
        let (end, _) = watch::channel(None);
        let (work, room) = (Notify::new(), Notify::new());
        Self { bounds, state: Mutex::new(State::new(text)), work, room, end }
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
    pub(super) async fn confirmed(
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

    /// Asks for DISCONNECT behind everything that waits, and lets nothing more in. Without a connection, that is for
    /// the next one to send. `None` if there is nothing to send.
    pub(super) fn leave(&self) -> Option<Confirmation<'_>> {
        let mut state = self.lock();
        let connection = match &state.phase {
            Phase::Open(connection) => Some(Arc::clone(connection)),
            Phase::Connecting => None,
            Phase::Leaving | Phase::Disconnecting(_) | Phase::Ended(_) => return None,
        };
        let asked = match connection {
            Some(connection) => {
                state.subscriptions.close();
                state.phase = Phase::Disconnecting(connection);
                Some(state.ask_to_disconnect())
            }
            None => {
                state.leave_unconnected();
                state.has_unsent().then(|| state.ask_to_disconnect())
            }
        };
        state.left_at = Some(Instant::now());
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
        asked.map(|asked| Confirmation { shared: self, asked })
    }

    /// Sends nothing more of what waits: it could not be sent in time.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        for entry in state.outgoing.drain() {
            state.fail(&entry, StompError::SendTimeout(self.bounds.receipt_timeout));
        }
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
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
        let standing = Arc::clone(&record.standing);
        let id = self.add_subscription(id, record).await?;
        self.work.notify_waiters();
        let abandoned = AbandonSubscription { shared: self, id: &id, standing: &standing };
        self.confirmed(&mut confirmed).await?;
        std::mem::forget(abandoned);
        Ok(id)
    }

    /// Adds a subscription once its id is free, or the server has had its time to confirm that: it begins when
    /// UNSUBSCRIBE is sent, for which there is as much.
    async fn add_subscription(
        &self,
        id: Option<SubscriptionId>,
        record: Record,
    ) -> Result<SubscriptionId, StompError> {
        let id = id.unwrap_or_else(|| self.lock().subscriptions.next_id());
        let (timeout, began) = (self.bounds.receipt_timeout, Instant::now());
        loop {
            let mut freed = pin!(self.room.notified());
            freed.as_mut().enable();
            let awaited_for = {
                let mut state = self.lock();
                if state.phase.is_left() {
                    return Err(StompError::Closed);
                }
                state.give_up_ends(timeout);
                if !state.subscriptions.is_ending(&id) {
                    state.add_subscription(id.clone(), record)?;
                    return Ok(id);
                }
                state.subscriptions.end_awaited_for(&id)
            };
            let left = timeout.saturating_sub(awaited_for.unwrap_or_else(|| began.elapsed()));
            if awaited_for.is_none() && left.is_zero() {
                return Err(StompError::ReceiptTimeout(timeout));
            }
            let _ = tokio::time::timeout(left, freed).await;
        }
    }

    /// Ends a subscription that somebody has let go of.
    pub(super) fn abandon(&self, id: &SubscriptionId, standing: &Arc<Standing>) {
        // Without a connection, there is nothing to end.
        let _ = self.end_subscription(id, standing, Headers::default(), None);
    }

    /// Ends a subscription, and waits until it has ended.
    pub(super) async fn unsubscribe(
        &self,
        id: &SubscriptionId,
        standing: &Arc<Standing>,
        headers: Headers,
    ) -> Result<(), StompError> {
        let (outcome, mut confirmed) = oneshot::channel();
        match self.end_subscription(id, standing, headers, Some(outcome))? {
            Ending::Awaited => self.confirmed(&mut confirmed).await,
            Ending::Over => Ok(()),
        }
    }

    fn end_subscription(
        &self,
        id: &SubscriptionId,
        standing: &Arc<Standing>,
        headers: Headers,
        outcome: Option<Outcome>,
    ) -> Result<Ending, StompError> {
        let mut state = self.lock();
        state.give_up_ends(self.bounds.receipt_timeout);
        let ending = state.end_subscription(id, standing, headers, outcome);
        drop(state);
        self.work.notify_waiters();
        self.room.notify_waiters();
        ending
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription that nobody waits for any more does not come about.
struct AbandonSubscription<'a> {
    shared: &'a Shared,
    id: &'a SubscriptionId,
    standing: &'a Arc<Standing>,
}

impl Drop for AbandonSubscription<'_> {
    fn drop(&mut self) {
        self.shared.abandon(self.id, self.standing);
    }
}

#[cfg(test)]
mod tests;
