use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use tidings_stomp::{
    AckMode, AckTarget, Acknowledge, Client, ClientEvent, ClientOptions, Headers, Message,
    ReceiptId, Requeue, Send, SubscriptionId, TransactionId, Version,
};

use crate::disk::{self, Disk};
use crate::door::{ClientDoor, DoorKind, Packet};
use crate::model::{DURABLE, Manner, Mark, Model, Persistence, Place, Verdict};
use crate::random::Random;
use crate::role::{MOVED_FROM, MOVED_TO, PLACES, Role, TOPIC};

/// One connection of a client, from its side.
pub(crate) struct Connection {
    /// Names the connection, and whoever produces or consumes on it.
    key: u64,
    role: Role,
    stomp: Client,
    door: ClientDoor,
    is_connected: bool,
    next_receipt: u64,
    receipts: BTreeMap<String, Awaited>,
    /// Messages that are not settled, in the order in which they came.
    unsettled: Vec<(Place, u64, AckTarget)>,
    next_transaction: u64,
}

/// What a receipt tells.
#[derive(Debug)]
enum Awaited {
    Sent(u64),
    Settled(Vec<(Place, u64)>),
    Committed(u64),
    Subscribed,
    Aborted,
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
        let version = *random.pick(&[Version::V1_1, Version::V1_2]);
        let options = ClientOptions {
            versions: vec![version],
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
    ) -> Result<Option<Packet>, String> {
        let (octets, answer) = self.door.handle(packet);
        self.stomp.handle_input(now, octets);
        while let Some(event) = self.stomp.poll_event() {
            match event {
                ClientEvent::Connected { .. } => self.subscribe(world),
                ClientEvent::Message(message) => self.message(&message, world)?,
                ClientEvent::Receipt { id: receipt, .. } => self.receipt(&receipt, world)?,
                ClientEvent::Failed(error) => {
                    return Err(format!("the server broke the protocol: {error}"));
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
            Role::Listener(_) | Role::Drain => {}
        }
    }

    fn subscribe(&mut self, world: &mut Seen<'_>) {
        self.is_connected = true;
        match self.role {
            Role::Producer(_) | Role::Transactor => {}
            Role::Mover => self.subscribe_to(MOVED_FROM, AckMode::ClientIndividual, world),
            Role::Consumer { place, ack } => self.subscribe_to(place, ack, world),
            Role::Listener(pattern) => self.subscribe_to(pattern, AckMode::Auto, world),
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
            let prefetch = world.random.pick(&[1, 5, 20]).to_string();
            headers.push("prefetch-count", &prefetch);
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
            Role::Listener(_) => return world.model.hear(self.key, TOPIC, number),
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
        world.model.deliver(self.key, place, number, mark)?;
        let ack = message.ack.clone().ok_or("a message cannot be acknowledged")?;
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
            Awaited::Subscribed => match self.role {
                Role::Listener(_) => world.model.listen(self.key),
                Role::Consumer { place: DURABLE, .. } => world.model.durable_is_active(),
                _ => {}
            },
            Awaited::Aborted => {}
        }
        Ok(())
    }

    fn send(&mut self, destination: Place, transaction: Option<u64>, world: &mut Seen<'_>) {
        let is_persistent = transaction.is_some() || world.random.percent(85);
        let persistence =
            if is_persistent { Persistence::Persistent } else { Persistence::Transient };
        let is_plain = transaction.is_some() || destination == TOPIC;
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
            destination: destination.to_owned(),
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
            let destination = *world.random.pick(&["/queue/a", "/queue/b", MOVED_TO]);
            self.send(destination, Some(transaction), world);
        }
        self.end(transaction, world);
    }

    fn move_one(&mut self, world: &mut Seen<'_>) {
        if self.unsettled.is_empty() {
            return;
        }
        let (place, message, ack) = self.unsettled.remove(0);
        let transaction = self.begin();
        world.model.settle_in(transaction, self.key, &ack, (place, message));
        let ack = Acknowledge { target: ack, requeue: Requeue::Allow, receipt: None };
        let id = transaction_id(transaction);
        self.stomp.ack(&ack, Some(&id)).expect("the session is open");
        self.send(MOVED_TO, Some(transaction), world);
        self.end(transaction, world);
    }

    fn begin(&mut self) -> u64 {
        self.next_transaction += 1;
        let transaction = self.key << 20 | self.next_transaction;
        self.stomp.begin(&transaction_id(transaction), None).expect("the session is open");
        transaction
    }

    fn end(&mut self, transaction: u64, world: &mut Seen<'_>) {
        let id = transaction_id(transaction);
        if world.random.percent(25) {
            world.model.abort(transaction);
            let receipt = self.await_receipt(Awaited::Aborted);
            self.stomp.abort(&id, Some(&receipt)).expect("the session is open");
        } else {
            world.model.commit(transaction);
            let receipt = self.await_receipt(Awaited::Committed(transaction));
            self.stomp.commit(&id, Some(&receipt)).expect("the session is open");
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
            let requeue = if world.random.percent(50) { Requeue::Allow } else { Requeue::Refuse };
            if mode == AckMode::ClientIndividual && world.random.percent(20) {
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

/// What a client needs of the world.
pub(crate) struct Seen<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) model: &'a mut Model,
    pub(crate) disk: &'a Disk,
}

fn transaction_id(transaction: u64) -> TransactionId {
    TransactionId::from(format!("t{transaction}").as_str())
}
