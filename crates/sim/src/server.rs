use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidings_broker::{
    self as broker, AckTarget, Action, Batch, BatchNumber, Broker, Destination, EncodingClass,
    Kind, NackAction, Owner, Selection, Sender, SessionKey, Storage, SubscribeError,
    SubscribeOptions, Timestamp,
};
use tidings_stomp::{
    self as stomp, Acknowledge, Error, Event, ReceiptId, Requeue, Send, Severity, Subscribe,
    SubscriptionId, TransactionAction,
};

use crate::disk::{Disk, number};
use crate::outside::Outside;
use crate::plan::Plant;
use crate::random::Random;
use crate::session::{Life, ServerSession, Waiting, WaitingFrame};
use crate::sink::Deliveries;
use crate::trace::Trace;
use crate::wrong::{Verdict, Wrong};

/// A server between two crashes: the broker and its sessions, with as little around them as they can
/// do with.
pub(crate) struct Server {
    broker: Broker<u64>,
    pub(crate) sessions: BTreeMap<u64, ServerSession>,
    /// What operations leave behind besides deliveries.
    pub(crate) outside: Outside,
    /// Operations that have not ended, as far as their batches know.
    open: Vec<BatchNumber>,
    /// How many of these are new.
    pub(crate) opened: usize,
    /// What clients have settled, and the broker has taken note of.
    pub(crate) taken: Vec<(u64, stomp::AckTarget)>,
    /// How often messages may have gone back because a client has left a queue.
    pub(crate) left: usize,
    random: Random,
    /// All batches up to this one are stored.
    pub(crate) stored: BatchNumber,
    pub(crate) storage: Storage,
    plant: Plant,
}

/// What came of one more attempt to do what waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Done,
    Waits,
    Refused,
}

/// What time it is, in both ways that matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) timestamp: Timestamp,
}

impl Server {
    /// Starts with what is on disk.
    pub(crate) fn start(
        now: Now,
        disk: &mut Disk,
        plant: Plant,
        random: Random,
        trace: Trace,
    ) -> Result<Self, Wrong> {
        let (options, queues) = disk.recover()?;
        let names = queues.iter().map(|queue| (queue.id, queue.definition.name.clone())).collect();
        let mut server = Self {
            broker: Broker::new(options),
            sessions: BTreeMap::new(),
            outside: Outside::new(names, trace),
            open: Vec::new(),
            opened: 0,
            taken: Vec::new(),
            left: 0,
            random,
            stored: BatchNumber(0),
            storage: Storage::Available,
            plant,
        };
        let (recovered, _) =
            server.operate(now, |broker, sink| broker.recover(now.timestamp, queues, sink));
        recovered.expect("a simulation has few queues");
        Ok(server)
    }

    /// Handles what there is of a session's input.
    pub(crate) fn advance(&mut self, now: Now, key: u64) {
        loop {
            self.go_on_subscribing(now, key);
            let Some(session) = self.sessions.get_mut(&key) else { return };
            let is_busy = session.subscribing.is_some() || session.waiting.is_some();
            if is_busy || session.is_held_up() || session.life == Life::Ending {
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
        if self.plant == Plant::ForgottenResume {
            return;
        }
        self.operate(now, |broker, sink| broker.resume(now.timestamp, SessionKey(key), sink));
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while self.broker.next_deadline().is_some_and(|at| at <= now.timestamp) {
            self.operate(now, |broker, sink| broker.handle_timeout(now.timestamp, sink));
        }
        self.outside.wake_at = self.broker.next_deadline();
    }

    /// What the disk is to store next.
    pub(crate) fn next_batch(&mut self) -> Option<(BatchNumber, Batch)> {
        self.outside.next_batch()
    }

    /// An operation has ended that has taken its time.
    pub(crate) fn end_operation(&mut self) {
        if !self.open.is_empty() {
            let ticket = self.open.remove(0);
            self.outside.collector.finish(ticket);
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

    /// Sends what the application was going to send, in the middle of something else or not.
    pub(crate) fn publish_rest(&mut self, now: Now) {
        for publication in std::mem::take(&mut self.outside.publications) {
            self.operate(now, |broker, sink| publication.publish(broker, now, sink));
        }
    }

    /// The persistent messages of all queues that nobody has.
    pub(crate) fn persistent(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let all = self.broker.destinations().into_iter();
        all.filter(|stats| stats.kind == Kind::Queue)
            .map(|stats| {
                let ready = self.broker.peek(&stats.name, usize::MAX).unwrap_or_default();
                let kept = ready.iter().filter(|(message, _)| message.is_persistent());
                let messages = kept.filter_map(|(message, _)| number(&message.body)).collect();
                (stats.name.to_string(), messages)
            })
            .collect()
    }

    /// How many messages of a queue nobody has.
    pub(crate) fn ready(&self, queue: &str) -> usize {
        let queue = Destination::parse(queue).expect("it is one");
        self.broker.peek(&queue, usize::MAX).unwrap_or_default().len()
    }

    /// Whoever waits for room in a queue that has some tries again.
    pub(crate) fn use_room(&mut self, now: Now) {
        while let Some(queue) = self.outside.rooms.pop() {
            let waits = |session: &ServerSession| {
                session.waiting.as_ref().is_some_and(|waiting| waiting.queue == queue)
            };
            let sessions = self.sessions.iter().filter(|(_, session)| waits(session));
            for key in sessions.map(|(key, _)| *key).collect::<Vec<_>>() {
                if self.try_again(now, key) != Tried::Waits {
                    self.advance(now, key);
                }
            }
        }
    }

    /// Nobody waits for ever, and nobody for what there is.
    pub(crate) fn give_up(&mut self, now: Now, key: u64) -> Verdict {
        // Who has been told of room and was not asked yet does not wait for it.
        self.use_room(now);
        let waiting = self.sessions.get(&key).and_then(|session| session.waiting.as_ref());
        let Some(waiting) = waiting.filter(|it| it.ends_at.is_some_and(|at| at <= now.instant))
        else {
            return Ok(());
        };
        let queue = waiting.queue.clone();
        if self.try_again(now, key) == Tried::Done {
            return Err(format!("{key:x} waits for room in {queue} that there is").into());
        }
        if let Some(session) = self.sessions.get_mut(&key)
            && let Some(waiting) = session.waiting.take()
        {
            session.stomp.error(&waiting.error, Severity::Session);
        }
        self.advance(now, key);
        Ok(())
    }

    fn try_again(&mut self, now: Now, key: u64) -> Tried {
        let waiting = self.sessions.get_mut(&key).and_then(|session| session.waiting.take());
        let Some(Waiting { frame, ends_at, .. }) = waiting else { return Tried::Refused };
        match frame {
            WaitingFrame::Send(send) => self.send(now, key, send),
            WaitingFrame::Commit(actions, receipt) => self.commit(now, key, actions, receipt),
        }
        let Some(session) = self.sessions.get_mut(&key) else { return Tried::Refused };
        match &mut session.waiting {
            Some(waiting) => {
                waiting.ends_at = ends_at;
                Tried::Waits
            }
            None if session.stomp.has_failed() || session.life == Life::Ending => Tried::Refused,
            None => Tried::Done,
        }
    }

    fn wait_for_room<'e, E>(
        &mut self,
        key: u64,
        queue: &Destination,
        frame: WaitingFrame,
        error: &'e E,
    ) where
        Error: From<&'e E>,
    {
        let receipt = match &frame {
            WaitingFrame::Send(send) => send.receipt.clone(),
            WaitingFrame::Commit(_, receipt) => receipt.clone(),
        };
        let error = Error::from(error).with_receipt(receipt);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.waiting = Some(Waiting { queue: queue.clone(), frame, error, ends_at: None });
        }
    }

    /// All batches up to this one are stored.
    pub(crate) fn handle_stored(&mut self, now: Now, number: BatchNumber) {
        self.stored = number;
        self.storage = Storage::Available;
        self.outside.handle_stored(number);
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
        self.outside.handle_failure();
        for session in self.sessions.values_mut().filter(|session| !session.held.is_empty()) {
            session.fail(now.instant);
        }
    }

    fn handle_event(&mut self, now: Now, key: u64, event: Event) {
        match event {
            Event::Connect(connect) => {
                let Some(session) = self.sessions.get_mut(&key) else { return };
                session.owner = Owner::new(None, connect.headers.get("client-id"));
                session.user = connect.login.as_deref().map(Arc::from);
                session.stomp.accept(&key.to_string(), None);
            }
            Event::Send(send) => self.send(now, key, send),
            Event::Subscribe(subscribe) => self.prepare_subscribe(now, key, subscribe),
            Event::Unsubscribe { id, receipt, .. } => {
                let session = SessionKey(key);
                self.left += 1;
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
            Event::Transaction(actions, receipt) => self.commit(now, key, actions, receipt),
            Event::Disconnect { receipt } => self.receipt_after(now, key, None, receipt),
            _ => {}
        }
    }

    fn send(&mut self, now: Now, key: u64, send: Send) {
        let Send { destination, headers, body, receipt } = send.clone();
        let destination = Destination::parse(&destination).expect("clients send to destinations");
        let Some(sender) = self.sender(&key) else { return };
        let (sent, batch) = self.operate(now, |broker, sink| {
            broker.send_from(now.timestamp, sender, destination, headers, body, sink)
        });
        match sent {
            Ok(_) => self.receipt_after(now, key, batch, receipt),
            Err(error) => match error.full_queue() {
                Some(queue) => self.wait_for_room(key, queue, WaitingFrame::Send(send), &error),
                None => self.refuse(key, &error, receipt),
            },
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
        let options = options.expect("clients ask for what there is");
        Some(broker::Subscribe {
            session: SessionKey(key),
            subscriber: key,
            class: EncodingClass::stomp(session.stomp.version()?, id.on_wire()),
            id: id.clone(),
            destination,
            ack: subscribe.ack,
            options: SubscribeOptions { user: session.user.clone(), ..options },
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
        actions: Vec<TransactionAction>,
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
            Err(error) => match error.full_queue() {
                Some(queue) => {
                    let frame = WaitingFrame::Commit(actions, receipt);
                    self.wait_for_room(key, queue, frame, &error);
                }
                None => self.refuse(key, &error, receipt),
            },
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
        let Self { broker, sessions, outside, random, storage, plant, .. } = self;
        let (storage, plant) = (*storage, *plant);
        let mut deliveries =
            Deliveries { now, broker, sessions, outside, random, storage, plant, batch: None };
        let result = operation(broker, &mut deliveries);
        let batch = deliveries.batch;
        if let Some(batch) = batch {
            // Others may come before it ends, as far as its batch knows.
            if self.random.percent(20) {
                self.open.push(batch);
                self.opened += 1;
            } else {
                self.outside.collector.finish(batch);
            }
        }
        (result, batch)
    }
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
