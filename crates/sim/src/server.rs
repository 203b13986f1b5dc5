use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidings_broker::{
    self as broker, AckTarget, Action, Batch, BatchCollector, BatchNumber, Broker, Change,
    Delivered, Delivery, Destination, EncodingClass, Message, NackAction, Owner, Position, QueueId,
    Selection, Sender, SessionKey, Sink, Storage, SubscribeError, SubscribeOptions, Subscribers,
    Timestamp,
};
use tidings_stomp::{
    self as stomp, Acknowledge, Error, Event, MessageParts, ReceiptId, Requeue, Send, Severity,
    Subscribe, SubscriptionId, TransactionAction, Version, encode_message,
};

use crate::disk::{Disk, number};
use crate::plan::Plant;
use crate::random::Random;
use crate::session::{Life, ServerSession};

/// A server between two crashes: the broker and its sessions, with as little around them as they can
/// do with.
pub(crate) struct Server {
    broker: Broker<u64>,
    pub(crate) sessions: BTreeMap<u64, ServerSession>,
    pub(crate) collector: BatchCollector,
    /// The disk has nothing to do, and would take a batch.
    pub(crate) disk: DiskIs,
    /// A batch that it is going to get.
    due: Option<(BatchNumber, Batch)>,
    /// Operations that have not ended, as far as their batches know.
    open: Vec<BatchNumber>,
    /// How many of these are new.
    pub(crate) opened: usize,
    /// What clients have settled, and the broker has taken note of.
    pub(crate) taken: Vec<(u64, stomp::AckTarget)>,
    /// What the disk forgets too early, as a planted defect.
    pub(crate) forgotten: Vec<(QueueId, Position)>,
    random: Random,
    /// All batches up to this one are stored.
    pub(crate) stored: BatchNumber,
    pub(crate) storage: Storage,
    plant: Plant,
    /// When the broker wants to be told the time.
    pub(crate) wake_at: Option<Timestamp>,
}

/// Whether the disk waits for the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskIs {
    Busy,
    Waiting,
}

/// What time it is, in both ways that matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) timestamp: Timestamp,
}

impl Server {
    /// Starts with what is on disk.
    pub(crate) fn start(now: Now, disk: &mut Disk, plant: Plant, random: Random) -> Self {
        let (options, queues) = disk.recover();
        let mut server = Self {
            broker: Broker::new(options),
            sessions: BTreeMap::new(),
            collector: BatchCollector::default(),
            disk: DiskIs::Busy,
            due: None,
            open: Vec::new(),
            opened: 0,
            taken: Vec::new(),
            forgotten: Vec::new(),
            random,
            stored: BatchNumber(0),
            storage: Storage::Available,
            plant,
            wake_at: None,
        };
        let (recovered, _) =
            server.operate(now, |broker, sink| broker.recover(now.timestamp, queues, sink));
        recovered.expect("a simulation has few queues");
        server
    }

    /// Handles what there is of a session's input.
    pub(crate) fn advance(&mut self, now: Now, key: u64) {
        loop {
            self.go_on_subscribing(now, key);
            let Some(session) = self.sessions.get_mut(&key) else { return };
            if session.subscribing.is_some() || session.is_held_up() || session.life == Life::Ending
            {
                return;
            }
            let event = session.stomp.poll_event();
            session.transmit(now.instant);
            let Some(event) = event else {
                if session.stomp.is_closed() && session.held.is_empty() {
                    session.life = Life::Ending;
                }
                return;
            };
            self.handle_event(now, key, event);
            if let Some(session) = self.sessions.get_mut(&key) {
                session.transmit(now.instant);
            }
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnect(&mut self, now: Now, key: u64) {
        self.sessions.remove(&key);
        if self.plant == Plant::ForgottenUnsettled {
            // Whoever asks for the session finds none, and nothing goes back.
            return;
        }
        self.operate(now, |broker, sink| broker.disconnect(now.timestamp, SessionKey(key), sink));
    }

    /// The client has read enough for more of what was held back to leave.
    pub(crate) fn release(&mut self, now: Now, key: u64) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.release(now.instant);
        }
        self.advance(now, key);
    }

    /// The client has read enough for queues to go on.
    pub(crate) fn resume(&mut self, now: Now, key: u64) {
        self.operate(now, |broker, sink| broker.resume(now.timestamp, SessionKey(key), sink));
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while self.broker.next_deadline().is_some_and(|at| at <= now.timestamp) {
            self.operate(now, |broker, sink| broker.handle_timeout(now.timestamp, sink));
        }
        self.wake_at = self.broker.next_deadline();
    }

    /// What the disk is to store next.
    pub(crate) fn next_batch(&mut self) -> Option<(BatchNumber, Batch)> {
        let due = self.due.take().or_else(|| self.collector.next_batch());
        self.disk = if due.is_some() { DiskIs::Busy } else { DiskIs::Waiting };
        due
    }

    /// An operation has ended that has taken its time.
    pub(crate) fn end_operation(&mut self) {
        if !self.open.is_empty() {
            let ticket = self.open.remove(0);
            self.collector.finish(ticket);
        }
    }

    /// An operator sends dead letters back to where they came from, all of those that nobody has.
    /// Returns which of them.
    pub(crate) fn revive(&mut self, now: Now, queue: &str) -> Vec<u64> {
        let queue = Destination::parse(queue).expect("it is one");
        let all = Selection::First(usize::MAX);
        let letters = self.broker.peek(&queue, usize::MAX).unwrap_or_default();
        let (moved, _) = self.operate(now, |broker, sink| {
            broker.move_messages(now.timestamp, &queue, None, all, sink)
        });
        let moved = moved.unwrap_or_else(|error| error.moved);
        letters.iter().take(moved).filter_map(|(message, _)| number(&message.body)).collect()
    }

    /// All batches up to this one are stored.
    pub(crate) fn handle_stored(&mut self, now: Now, number: BatchNumber) {
        self.stored = number;
        self.storage = Storage::Available;
        let keys: Vec<u64> = self.sessions.keys().copied().collect();
        for key in keys {
            if let Some(session) = self.sessions.get_mut(&key) {
                session.handle_stored(now.instant, number);
            }
            self.advance(now, key);
        }
    }

    /// A commit has failed.
    pub(crate) fn handle_failure(&mut self, now: Now) {
        self.storage = Storage::Full;
        for session in self.sessions.values_mut().filter(|session| !session.held.is_empty()) {
            session.fail(now.instant);
        }
    }

    fn handle_event(&mut self, now: Now, key: u64, event: Event) {
        match event {
            Event::Connect(connect) => {
                let Some(session) = self.sessions.get_mut(&key) else { return };
                session.owner = Owner::new(None, connect.headers.get("client-id"));
                session.stomp.accept(&key.to_string(), None);
            }
            Event::Send(send) => self.send(now, key, send),
            Event::Subscribe(subscribe) => self.prepare_subscribe(now, key, subscribe),
            Event::Unsubscribe { id, receipt, .. } => {
                let session = SessionKey(key);
                let ((), batch) = self.operate(now, |broker, sink| {
                    broker.unsubscribe(now.timestamp, session, id.as_str(), sink);
                });
                self.receipt_after(now, key, batch, receipt);
            }
            Event::Ack(ack) => self.settle(now, key, &ack, None),
            Event::Nack(nack) => {
                let action = nack_action(nack.requeue);
                self.settle(now, key, &nack, Some(action));
            }
            Event::Transaction(actions, receipt) => self.commit(now, key, &actions, receipt),
            Event::Disconnect { receipt } => self.receipt_after(now, key, None, receipt),
            _ => {}
        }
    }

    fn send(&mut self, now: Now, key: u64, send: Send) {
        let Send { destination, headers, body, receipt } = send;
        let destination = Destination::parse(&destination).expect("clients send to destinations");
        let Some(sender) = self.sender(&key) else { return };
        let (sent, batch) = self.operate(now, |broker, sink| {
            broker.send_from(now.timestamp, sender, destination, headers, body, sink)
        });
        match sent {
            Ok(_) => self.receipt_after(now, key, batch, receipt),
            Err(error) => self.refuse(key, &error, receipt),
        }
    }

    /// What is going to be delivered must be known to have been.
    fn prepare_subscribe(&mut self, now: Now, key: u64, subscribe: Subscribe) {
        let Some(request) = self.subscribe_request(key, &subscribe) else { return };
        let ((), batch) = self.operate(now, |broker, sink| {
            broker.prepare_subscribe(now.timestamp, &request, sink);
        });
        let is_failing = self.storage != Storage::Available;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.subscribing = Some(subscribe);
        match batch {
            Some(_) if is_failing => session.fail(now.instant),
            Some(batch) => session.held.hold(batch, Bytes::new()),
            None => {}
        }
    }

    /// Subscribes, once nothing is held back.
    fn go_on_subscribing(&mut self, now: Now, key: u64) {
        let Some(session) = self.sessions.get_mut(&key).filter(|it| it.held.is_empty()) else {
            return;
        };
        let Some(subscribe) = session.subscribing.take() else { return };
        if let Some(receipt) = subscribe.receipt.clone() {
            session.stomp.receipt(receipt);
            session.confirm_later();
        }
        let Some(request) = self.subscribe_request(key, &subscribe) else { return };
        let (subscribed, _) = self
            .operate(now, |broker, sink| broker.subscribe(now.timestamp, request, |_| {}, sink));
        let Some(session) = self.sessions.get_mut(&key) else { return };
        match subscribed {
            Ok(()) => session.confirm(now.instant),
            Err(error) => {
                session.forget_confirmation();
                match error {
                    SubscribeError::Unprepared { .. } => {
                        self.prepare_subscribe(now, key, subscribe)
                    }
                    error => self.refuse(key, &error, None),
                }
            }
        }
    }

    fn subscribe_request<'a>(
        &self,
        key: u64,
        subscribe: &'a Subscribe,
    ) -> Option<broker::Subscribe<'a, u64>> {
        let session = self.sessions.get(&key)?;
        let Subscribe { id, headers, .. } = subscribe;
        let (destination, owner) = (&subscribe.destination, &session.owner);
        let options = SubscribeOptions::from_headers(headers, id.as_str(), destination, owner);
        Some(broker::Subscribe {
            session: SessionKey(key),
            subscriber: key,
            class: EncodingClass::stomp(session.stomp.version()?, id.on_wire()),
            id: id.clone(),
            destination,
            ack: subscribe.ack,
            options: options.expect("clients ask for what there is"),
        })
    }

    fn settle(&mut self, now: Now, key: u64, ack: &Acknowledge, nack: Option<NackAction>) {
        let (session, target) = (SessionKey(key), target(&ack.target));
        let (settled, batch) = self.operate(now, |broker, sink| match nack {
            None => broker.ack(now.timestamp, session, target, sink),
            Some(action) => broker.nack(now.timestamp, session, target, action, sink),
        });
        match settled {
            Ok(()) => {
                if nack.is_none() {
                    self.taken.push((key, ack.target.clone()));
                }
                self.receipt_after(now, key, batch, ack.receipt.clone());
            }
            Err(error) => self.refuse(key, &error, ack.receipt.clone()),
        }
    }

    fn commit(
        &mut self,
        now: Now,
        key: u64,
        actions: &[TransactionAction],
        receipt: Option<ReceiptId>,
    ) {
        let Some(sender) = self.sender(&key) else { return };
        let for_broker = actions.iter().map(action).collect();
        let (committed, batch) = self
            .operate(now, |broker, sink| broker.commit(now.timestamp, sender, for_broker, sink));
        match committed {
            Ok(()) => {
                let acks = actions.iter().filter_map(|action| match action {
                    TransactionAction::Ack(ack) => Some((key, ack.target.clone())),
                    TransactionAction::Send(_) | TransactionAction::Nack(_) => None,
                });
                self.taken.extend(acks);
                self.receipt_after(now, key, batch, receipt);
            }
            Err(error) => self.refuse(key, &error, receipt),
        }
    }

    fn sender<'k>(&self, key: &'k u64) -> Option<Sender<'k, u64>> {
        let version = self.sessions.get(key)?.stomp.version()?;
        Some(Sender { session: SessionKey(*key), subscriber: key, version })
    }

    fn refuse<'e, E>(&mut self, key: u64, error: &'e E, receipt: Option<ReceiptId>)
    where
        Error: From<&'e E>,
    {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.stomp.error(&Error::from(error).with_receipt(receipt), Severity::Session);
        }
    }

    /// Gives a receipt once a batch is stored, and those before it are given.
    fn receipt_after(
        &mut self,
        now: Now,
        key: u64,
        batch: Option<BatchNumber>,
        receipt: Option<ReceiptId>,
    ) {
        let is_failing = self.storage != Storage::Available;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(receipt) = receipt else { return };
        session.stomp.receipt(receipt);
        let early = self.plant == Plant::EarlyReceipts;
        let Some(batch) = batch.filter(|_| !early) else { return session.transmit(now.instant) };
        if is_failing {
            return session.fail(now.instant);
        }
        while let Some(frame) = session.stomp.poll_transmit() {
            session.held.hold(batch, frame);
        }
    }

    /// One operation of the broker, and the batch that it is in.
    fn operate<T>(
        &mut self,
        now: Now,
        operation: impl FnOnce(&Broker<u64>, &mut Deliveries<'_>) -> T,
    ) -> (T, Option<BatchNumber>) {
        let mut deliveries = Deliveries {
            now,
            sessions: &mut self.sessions,
            collector: &mut self.collector,
            disk: &mut self.disk,
            due: &mut self.due,
            forgotten: &mut self.forgotten,
            random: &mut self.random,
            storage: self.storage,
            plant: self.plant,
            batch: None,
            wake_at: self.wake_at,
        };
        let result = operation(&self.broker, &mut deliveries);
        let Deliveries { batch, wake_at, .. } = deliveries;
        self.wake_at = wake_at;
        if let Some(batch) = batch {
            // Others may come before it ends, as far as its batch knows.
            if self.random.percent(20) {
                self.open.push(batch);
                self.opened += 1;
            } else {
                self.collector.finish(batch);
            }
        }
        (result, batch)
    }
}

/// Hands what the broker delivers to the sessions.
struct Deliveries<'a> {
    now: Now,
    sessions: &'a mut BTreeMap<u64, ServerSession>,
    collector: &'a mut BatchCollector,
    disk: &'a mut DiskIs,
    due: &'a mut Option<(BatchNumber, Batch)>,
    forgotten: &'a mut Vec<(QueueId, Position)>,
    random: &'a mut Random,
    storage: Storage,
    plant: Plant,
    batch: Option<BatchNumber>,
    wake_at: Option<Timestamp>,
}

impl Sink<u64> for Deliveries<'_> {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<u64>) {
        for (class, subscriptions) in subscribers.groups() {
            let frame = frame(message, class, subscriptions.ack(message), 1);
            for subscription in subscriptions {
                if let Some(session) = self.sessions.get_mut(&subscription.subscriber) {
                    session.send(self.now.instant, frame.clone());
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, u64>) -> Delivered {
        let subscription = delivery.subscription;
        let Some(session) = self.sessions.get_mut(&subscription.subscriber) else {
            return Delivered::Refused;
        };
        if session.life == Life::Ending {
            return Delivered::Refused;
        }
        let ack = delivery.ack.as_ref().map(|ack| ack.as_str());
        let frame = frame(delivery.message, &subscription.class, ack, delivery.delivery_count);
        session.send(self.now.instant, frame);
        if session.is_backlogged() {
            session.is_paused = true;
            return Delivered::ThenPause;
        }
        Delivered::Ready
    }

    fn record(&mut self, change: Change) {
        if self.plant == Plant::LostMarks && matches!(change, Change::Mark { .. }) {
            return;
        }
        if let Some(batch) = self.batch
            && self.random.percent(30)
        {
            self.begin_batch();
            if self.plant == Plant::SplitOperations {
                self.collector.finish(batch);
                self.batch = None;
            }
        }
        if let Change::Remove { queue, position } = change
            && self.plant == Plant::EarlyRemoves
        {
            self.forgotten.push((queue, position));
        }
        self.collector.record(&mut self.batch, change);
    }

    fn storage(&self) -> Storage {
        self.storage
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.wake_at = self.wake_at.into_iter().chain([at]).min();
    }
}

impl Deliveries<'_> {
    /// The next batch begins in the middle of an operation.
    fn begin_batch(&mut self) {
        if *self.disk == DiskIs::Waiting
            && let Some(due) = self.collector.next_batch()
        {
            *self.due = Some(due);
            *self.disk = DiskIs::Busy;
        }
    }
}

fn frame(message: &Message, class: &EncodingClass, ack: Option<&str>, deliveries: u32) -> Bytes {
    let parts = MessageParts {
        destination: message.destination.as_str(),
        message_id: message.message_id.as_str(),
        subscription: class.subscription.as_ref().map(SubscriptionId::as_str),
        ack: ack.filter(|_| class.version >= Version::V1_2),
        redelivered: deliveries > 1,
        headers: &message.headers,
        body: &message.body,
    };
    let mut frame = Vec::new();
    encode_message(&parts, class.version, &mut frame);
    frame.into()
}

fn target(target: &stomp::AckTarget) -> AckTarget<'_> {
    match target {
        stomp::AckTarget::Ack(id) => AckTarget::Ack(id),
        stomp::AckTarget::Message { subscription, message_id } => AckTarget::Message {
            subscription: subscription.as_ref().map(SubscriptionId::as_str),
            message_id: message_id.as_str(),
        },
    }
}

fn action(action: &TransactionAction) -> Action<'_> {
    match action {
        TransactionAction::Send(send) => Action::Send {
            destination: Destination::parse(&send.destination).expect("it is a destination"),
            headers: send.headers.clone(),
            body: send.body.clone(),
        },
        TransactionAction::Ack(ack) => Action::Ack(target(&ack.target)),
        TransactionAction::Nack(nack) => {
            Action::Nack(target(&nack.target), nack_action(nack.requeue))
        }
    }
}

fn nack_action(requeue: Requeue) -> NackAction {
    match requeue {
        Requeue::Allow => NackAction::Requeue,
        Requeue::Refuse => NackAction::Reject,
    }
}
