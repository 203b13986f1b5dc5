use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use tidings_stomp::{
    AckMode, AckTarget, Acknowledge, Client, ClientEvent, ClientOptions, Headers, Message,
    ReceiptId, Requeue, Send, SubscriptionId, TransactionId, Version,
};

use crate::disk::{self, Disk};
use crate::door::{ClientDoor, DoorKind, Packet};
use crate::model::{DURABLE, Manner, Mark, Model, Persistence, Place};
use crate::random::Random;
use crate::role::{MOVED_FROM, MOVED_TO, PLACES, Role, TOPIC};
use crate::wrong::{Verdict, Wrong};

/// One connection of a client, from its side.
pub(crate) struct Connection {
    /// Names the connection, and whoever produces or consumes on it.
    key: u64,
    role: Role,
    stomp: Client,
    door: ClientDoor,
    is_connected: bool,
    subscription: Subscription,
    /// How many messages may be unsettled.
    prefetch: usize,
    next_receipt: u64,
    receipts: BTreeMap<String, Awaited>,
    /// Messages that are not settled, in the order in which they came.
    unsettled: Vec<(Place, u64, AckTarget)>,
    next_transaction: u64,
}

/// How far the subscription of a consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscription {
    Awaited,
    Active,
    /// What comes now is not the consumer's any more.
    Ending,
}

/// What the server lets be unsettled if it is not asked for less.
const PREFETCH: usize = 100;

/// What a receipt tells.
#[derive(Debug)]
enum Awaited {
    Sent(u64),
    Settled(Vec<(Place, u64)>),
    Committed(u64),
    Subscribed,
    Unsubscribed,
    Aborted,
    Disconnected,
}

impl Connection {
    /// A connection, and what opens its door.
    pub(crate) fn new(
        now: Instant,
        key: u64,
        role: Role,
        door: DoorKind,
        random: &mut Random,
    ) -> (Self, Option<Packet>) {
        let version = *random.pick(&Version::ALL);
        let options = ClientOptions {
            versions: vec![version],
            login: role.login(),
            headers: Headers::from([("client-id", "d")]),
            ..ClientOptions::default()
        };
        let (door, opening) = ClientDoor::new(door);
        let connection = Self {
            key,
            role,
            stomp: Client::new(now, options),
            door,
            is_connected: false,
            subscription: Subscription::Awaited,
            prefetch: PREFETCH,
            next_receipt: 0,
            receipts: BTreeMap::new(),
            unsettled: Vec::new(),
            next_transaction: 0,
        };
        (connection, opening)
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The next packet for the server.
    pub(crate) fn poll_packet(&mut self) -> Option<Packet> {
        let frame = self.stomp.poll_transmit()?;
        Some(self.door.send(frame))
    }

    /// Whether the server or the client has said that it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.stomp.is_closed()
    }

    /// Takes in a packet, and returns what the door answers.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        packet: Packet,
        world: &mut Seen<'_>,
    ) -> Result<Option<Packet>, Wrong> {
        let (octets, answer) = self.door.handle(packet);
        self.stomp.handle_input(now, octets);
        while let Some(event) = self.stomp.poll_event() {
            match event {
                ClientEvent::Connected { .. } => {
                    self.is_connected = true;
                    self.subscribe(world);
                }
                ClientEvent::Message(message) => self.message(&message, world)?,
                ClientEvent::Receipt { id: receipt, .. } => self.receipt(&receipt, world)?,
                ClientEvent::Failed(error) => {
                    return Err(format!("the server broke the protocol: {error}").into());
                }
                ClientEvent::Error(error) => {
                    let is_of_disk = error.message == "cannot store";
                    world.model.counts.errors += u64::from(!is_of_disk);
                }
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Does something that its role wants, now and then.
    pub(crate) fn act(&mut self, world: &mut Seen<'_>) {
        if !self.is_connected || self.is_over() {
            return;
        }
        match self.consumes() {
            _ if world.random.percent(2) => return self.disconnect(world),
            Some(place) if world.random.percent(4) => return self.unsubscribe(place, world),
            _ => {}
        }
        match self.role {
            Role::Producer(destinations) => {
                for _ in 0..world.random.between(1, 4) {
                    let destination = *world.random.pick(destinations);
                    self.send(destination, None, world);
                }
            }
            Role::Transactor => self.send_in_transaction(world),
            Role::Mover => self.move_one(world),
            Role::Consumer { ack, .. } => self.settle_some(ack, world),
            Role::Listener { .. } | Role::Drain => {}
        }
    }

    /// What it has to be given by now, as it is a consumer that may have more; an error if it could not
    /// even begin.
    pub(crate) fn may_have_more(&self) -> Result<Option<Place>, Wrong> {
        let Some(place) = self.consumes() else { return Ok(None) };
        if self.subscription != Subscription::Active {
            let (key, subscription) = (self.key, self.subscription);
            return Err(
                format!("{key:x} waits, its subscription to {place} is {subscription:?}").into()
            );
        }
        Ok((self.unsettled.len() < self.prefetch).then_some(place))
    }

    /// What still comes was sent before the server ended the session.
    pub(crate) fn server_has_left(&mut self) {
        self.subscription = Subscription::Ending;
    }

    fn consumes(&self) -> Option<Place> {
        match self.role {
            Role::Mover => Some(MOVED_FROM),
            Role::Consumer { place, .. } => Some(place),
            _ => None,
        }
    }

    fn disconnect(&mut self, world: &mut Seen<'_>) {
        self.is_connected = false;
        world.model.counts.disconnected += 1;
        let receipt = self.await_receipt(Awaited::Disconnected);
        self.stomp.disconnect(receipt).expect("the session is open");
    }

    /// Ends the subscription, to subscribe again once that is confirmed.
    fn unsubscribe(&mut self, place: Place, world: &mut Seen<'_>) {
        if self.subscription != Subscription::Active {
            return;
        }
        self.subscription = Subscription::Ending;
        self.unsettled.clear();
        world.model.counts.unsubscribed += 1;
        let receipt = self.await_receipt(Awaited::Unsubscribed);
        let (id, headers) = (SubscriptionId::from(place), Headers::default());
        self.stomp.unsubscribe(&id, &headers, Some(&receipt)).expect("the session is open");
    }

    fn subscribe(&mut self, world: &mut Seen<'_>) {
        match self.role {
            Role::Producer(_) | Role::Transactor => {}
            Role::Mover => self.subscribe_to(MOVED_FROM, AckMode::ClientIndividual, world),
            Role::Consumer { place, ack } => self.subscribe_to(place, ack, world),
            Role::Listener { destination, .. } => {
                self.subscribe_to(destination, AckMode::Auto, world);
            }
            Role::Drain => {
                for place in PLACES {
                    self.subscribe_to(place, AckMode::Auto, world);
                }
            }
        }
    }

    fn subscribe_to(&mut self, place: &'static str, ack: AckMode, world: &mut Seen<'_>) {
        let mut headers = Headers::default();
        if ack != AckMode::Auto && world.random.percent(60) {
            self.prefetch = *world.random.pick(&[1, 5, 20]);
            headers.push("prefetch-count", &self.prefetch.to_string());
        } else {
            self.prefetch = PREFETCH;
        }
        let mut destination = place;
        if place == DURABLE {
            headers.push("activemq.subscriptionName", "news");
            destination = "/topic/t.*";
        }
        let receipt = self.await_receipt(Awaited::Subscribed);
        let id = SubscriptionId::from(place);
        let sent = self.stomp.subscribe(&id, destination, ack, &headers, Some(&receipt));
        sent.expect("the session is open");
    }

    fn message(&mut self, message: &Message, world: &mut Seen<'_>) -> Verdict {
        let number = disk::number(&message.body).ok_or("a message has the body of no other")?;
        let redelivered = message.headers.get("redelivered");
        let mark = if redelivered == Some("true") { Mark::Redelivered } else { Mark::New };
        let id = message.subscription.as_ref().map(SubscriptionId::as_str).unwrap_or_default();
        match self.role {
            Role::Listener { destination, place } => {
                let shown = if place == TOPIC { TOPIC } else { destination };
                if message.destination != shown {
                    let what =
                        format!("message {number} is shown as one to {}", message.destination);
                    return Err(Wrong::with(number, what));
                }
                return world.model.hear(self.key, place, number);
            }
            Role::Drain => {
                let place = PLACES.iter().find(|place| **place == id);
                let place = place.ok_or("a message of no subscription")?;
                return world.model.drain(place, number, mark);
            }
            _ => {}
        }
        let place = match self.role {
            Role::Consumer { place, .. } => place,
            _ => MOVED_FROM,
        };
        if self.subscription == Subscription::Ending {
            return world.model.deliver_late(self.key, place, number, mark);
        }
        world.model.deliver(self.key, place, number, mark)?;
        let ack = message.ack.clone().ok_or("a message cannot be acknowledged")?;
        if self.subscription == Subscription::Awaited {
            let what = format!("message {number} comes before the receipt of its subscription");
            return Err(Wrong::with(number, what));
        }
        self.unsettled.push((place, number, ack));
        Ok(())
    }

    fn receipt(&mut self, receipt: &ReceiptId, world: &mut Seen<'_>) -> Verdict {
        let awaited = self.receipts.remove(receipt.as_str());
        match awaited.ok_or("a receipt for nothing")? {
            Awaited::Sent(message) => world.model.sent(message, world.disk)?,
            Awaited::Settled(messages) => {
                for (place, message) in messages {
                    world.model.settled_for_good(place, message);
                }
            }
            Awaited::Committed(transaction) => world.model.committed(transaction, world.disk)?,
            Awaited::Subscribed => {
                self.subscription = Subscription::Active;
                match self.role {
                    Role::Listener { .. } => world.model.listen(self.key),
                    Role::Consumer { place: DURABLE, .. } => world.model.durable_is_active(),
                    _ => {}
                }
            }
            Awaited::Unsubscribed if self.is_connected => {
                self.subscription = Subscription::Awaited;
                self.subscribe(world);
            }
            Awaited::Unsubscribed | Awaited::Aborted | Awaited::Disconnected => {}
        }
        Ok(())
    }

    fn send(&mut self, destination: Place, transaction: Option<u64>, world: &mut Seen<'_>) {
        let is_persistent = transaction.is_some() || world.random.percent(85);
        let persistence =
            if is_persistent { Persistence::Persistent } else { Persistence::Transient };
        let is_plain = transaction.is_some() || !destination.starts_with("/queue/");
        let priority = (!is_plain && world.random.percent(20)).then(|| *world.random.pick(&[0, 9]));
        let manner = Manner { persistence, priority };
        // Messages of a transaction come when it is committed, and not when they are sent.
        let producer = transaction.map_or(self.key, |transaction| transaction | 1 << 63);
        let message = world.model.send(producer, destination, manner, transaction);
        let mut headers = Headers::default();
        if is_persistent {
            headers.push("persistent", "true");
        }
        if let Some(priority) = priority {
            headers.push("priority", &priority.to_string());
        }
        if !is_plain && world.random.percent(15) {
            headers.push("expiration", &world.random.between(1, 300).to_string());
        }
        let wants_receipt = transaction.is_none() && world.random.percent(75);
        let send = Send {
            destination: destination.into(),
            headers,
            body: Bytes::from(message.to_string()),
            receipt: wants_receipt.then(|| self.await_receipt(Awaited::Sent(message))),
        };
        let transaction = transaction.map(transaction_id);
        self.stomp.send(&send, transaction.as_ref()).expect("the session is open");
    }

    fn send_in_transaction(&mut self, world: &mut Seen<'_>) {
        let transaction = self.begin();
        for _ in 0..world.random.between(1, 4) {
            let destinations = &["/queue/a", "/queue/b", MOVED_FROM, MOVED_TO];
            let destination = *world.random.pick(destinations);
            self.send(destination, Some(transaction), world);
        }
        self.end(transaction, world);
    }

    fn move_one(&mut self, world: &mut Seen<'_>) {
        if self.unsettled.is_empty() {
            return;
        }
        let (place, message, target) = self.unsettled.remove(0);
        let transaction = self.begin();
        let id = transaction_id(transaction);
        let may_refuse = self.stomp.version() > Some(Version::V1_0);
        if may_refuse && world.random.percent(20) {
            world.model.counts.refused_in_transactions += 1;
            let requeue = any_requeue(world.random);
            let nack = Acknowledge { target: target.clone(), requeue, receipt: None };
            self.stomp.nack(&nack, Some(&id)).expect("the session is open");
        } else {
            world.model.settle_in(transaction, self.key, &target, (place, message));
            let requeue = Requeue::Allow;
            let ack = Acknowledge { target: target.clone(), requeue, receipt: None };
            self.stomp.ack(&ack, Some(&id)).expect("the session is open");
        }
        self.send(MOVED_TO, Some(transaction), world);
        if self.end(transaction, world) == Ended::Aborted {
            // It is as if it had never been named.
            world.model.counts.used_again += 1;
            self.unsettled.insert(0, (place, message, target));
        }
    }

    fn begin(&mut self) -> u64 {
        self.next_transaction += 1;
        let transaction = self.key << 20 | self.next_transaction;
        self.stomp.begin(&transaction_id(transaction), None).expect("the session is open");
        transaction
    }

    fn end(&mut self, transaction: u64, world: &mut Seen<'_>) -> Ended {
        let id = transaction_id(transaction);
        if world.random.percent(25) {
            world.model.abort(transaction);
            let receipt = self.await_receipt(Awaited::Aborted);
            self.stomp.abort(&id, Some(&receipt)).expect("the session is open");
            Ended::Aborted
        } else {
            world.model.commit(transaction);
            let receipt = self.await_receipt(Awaited::Committed(transaction));
            self.stomp.commit(&id, Some(&receipt)).expect("the session is open");
            Ended::Committed
        }
    }

    fn settle_some(&mut self, mode: AckMode, world: &mut Seen<'_>) {
        for _ in 0..world.random.between(0, 4) {
            if self.unsettled.is_empty() {
                return;
            }
            let len = u64::try_from(self.unsettled.len()).unwrap_or(1);
            let at = usize::try_from(world.random.below(len)).unwrap_or(0);
            let target = self.unsettled[at].2.clone();
            let covered: Vec<_> = match mode {
                AckMode::Client => self.unsettled.drain(..=at).collect(),
                _ => vec![self.unsettled.remove(at)],
            };
            let covered: Vec<_> =
                covered.into_iter().map(|(place, message, _)| (place, message)).collect();
            let may_refuse = self.stomp.version() > Some(Version::V1_0);
            if may_refuse && mode == AckMode::ClientIndividual && world.random.percent(20) {
                let requeue = any_requeue(world.random);
                let nack = Acknowledge { target, requeue, receipt: None };
                self.stomp.nack(&nack, None).expect("the session is open");
                continue;
            }
            world.model.settle(self.key, &target, &covered);
            let wants_receipt = world.random.percent(60);
            let receipt = wants_receipt.then(|| self.await_receipt(Awaited::Settled(covered)));
            let ack = Acknowledge { target, requeue: Requeue::Allow, receipt };
            self.stomp.ack(&ack, None).expect("the session is open");
        }
    }

    fn await_receipt(&mut self, awaited: Awaited) -> ReceiptId {
        self.next_receipt += 1;
        let receipt = format!("r{}", self.next_receipt);
        self.receipts.insert(receipt.clone(), awaited);
        ReceiptId::from(receipt.as_str())
    }
}

/// How a transaction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Committed,
    Aborted,
}

fn any_requeue(random: &mut Random) -> Requeue {
    *random.pick(&[Requeue::Allow, Requeue::Refuse])
}

/// What a client needs of the world.
pub(crate) struct Seen<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) model: &'a mut Model,
    pub(crate) disk: &'a Disk,
}

fn transaction_id(transaction: u64) -> TransactionId {
    TransactionId::from(format!("t{transaction}").as_str())
}
