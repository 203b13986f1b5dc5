use std::collections::{BTreeMap, HashMap};

use tidings_stomp::AckTarget;

use crate::counts::Counts;
use crate::disk::Disk;
use crate::trace::Trace;
use crate::wrong::{Verdict, Wrong};

/// Says in plain terms what a server owes its clients, and checks every delivery against it.
///
/// It knows nothing of brokers: only what clients have sent, what they were told, and what they got.
#[derive(Debug, Default)]
pub(crate) struct Model {
    next: u64,
    sent: HashMap<u64, Sent>,
    transactions: BTreeMap<u64, Transaction>,
    /// By place and message.
    deliveries: HashMap<(Place, u64), Fate>,
    /// What an ACK of a connection is for, until the server takes it.
    acks: Vec<Said>,
    /// What each consumer got last of each producer and each priority, unmarked.
    consumed: HashMap<(u64, Place, u64, Option<u8>), u64>,
    /// What each subscriber of a topic got last of each producer, and where it had to begin.
    topics: HashMap<(u64, u64), Progress>,
    /// How far each producer is.
    produced: BTreeMap<u64, u64>,
    /// Messages that came to anybody, each with the last server that they came from.
    came: HashMap<u64, u64>,
    /// What was left at the end, and where.
    drained: HashMap<u64, Place>,
    /// When the durable subscription was made: messages from this one on are its.
    durable_since: Option<u64>,
    /// How often messages may have gone back after a delivery that nobody knows of: sessions and
    /// subscriptions that have ended, and crashes.
    returns: u64,
    trace: Trace,
    pub(crate) counts: Counts,
}

/// Where a message can be waited for: a queue, or a durable subscription.
pub(crate) type Place = &'static str;

/// The durable subscription, as a place.
pub(crate) const DURABLE: Place = "durable subscription";

#[derive(Clone, Copy, Debug)]
struct Sent {
    destination: Place,
    producer: u64,
    /// Counts up for each producer.
    ordinal: u64,
    manner: Manner,
    receipt: Told,
    /// How often messages had gone back by then.
    returns: u64,
}

/// What a client has said that it has consumed.
#[derive(Clone, Debug)]
struct Said {
    client: u64,
    ack: AckTarget,
    messages: Vec<(Place, u64)>,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) persistence: Persistence,
    pub(crate) priority: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    Transient,
    Persistent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Receipt,
}

/// What a delivery says of earlier ones: the `redelivered` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    New,
    Redelivered,
}

/// What became of a message at a place.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    deliveries: u32,
    unmarked: u32,
    /// A consumer has said that it has consumed it.
    settled: Settled,
    history: History,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum History {
    #[default]
    Plain,
    /// It was a dead letter, and has come back: it may look as if it were new.
    Revived,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Settled {
    #[default]
    Not,
    Said,
    /// And the server has taken note of it.
    Taken,
    /// And has confirmed it.
    Confirmed,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    sends: Vec<u64>,
    /// The message of which it settles, and where.
    acks: Vec<(Place, u64)>,
    end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Aborted,
    /// To the server that came after so many crashes.
    CommitSent {
        crashes: u64,
    },
    Committed,
}

/// Whether a transaction was committed, as far as anybody can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Known,
    None,
    /// Some of its messages came, and then the server crashed: it may never have been stored.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The ordinal that must have come by the end, and that the first may not be beyond.
    owed: u64,
    last: Option<u64>,
}

impl Model {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    /// A message is sent. Its body is the number that is returned.
    pub(crate) fn send(
        &mut self,
        producer: u64,
        destination: Place,
        manner: Manner,
        transaction: Option<u64>,
    ) -> u64 {
        self.next += 1;
        let message = self.next;
        let ordinal = self.produced.entry(producer).or_default();
        *ordinal += 1;
        let (ordinal, receipt, returns) = (*ordinal, Told::Nothing, self.returns);
        let sent = Sent { destination, producer, ordinal, manner, receipt, returns };
        let what = format_args!(
            "is sent to {destination} as number {ordinal} of {producer:x}: {manner:?}"
        );
        self.trace.message(message, what);
        self.sent.insert(message, sent);
        if let Some(transaction) = transaction {
            self.transactions.entry(transaction).or_default().sends.push(message);
        }
        self.counts.sent += 1;
        message
    }

    /// The server says that it has taken responsibility for a message.
    pub(crate) fn sent(&mut self, message: u64, disk: &Disk) -> Verdict {
        self.trace.message(message, format_args!("has its receipt"));
        let Some(sent) = self.sent.get_mut(&message) else {
            return Err(format!("a receipt for message {message}, which nobody has sent").into());
        };
        sent.receipt = Told::Receipt;
        self.counts.receipts += 1;
        let sent = *sent;
        for place in self.places(message, sent) {
            let is_stored = [place, dead_letters_of(place)]
                .iter()
                .any(|place| disk.holds(queue_of(place), message));
            if !is_stored && self.settled(place, message) < Settled::Taken {
                let what =
                    format!("message {message} has its receipt, and is not stored for {place}");
                return Err(Wrong::with(message, what));
            }
        }
        Ok(())
    }

    /// A message arrives at a consumer of a place.
    pub(crate) fn deliver(
        &mut self,
        consumer: u64,
        place: Place,
        message: u64,
        mark: Mark,
    ) -> Verdict {
        let fate = self.arrive(consumer, place, message, mark)?;
        let sent = *self.expected(place, message)?;
        let (is_dead, is_plain) = (place.starts_with(DEAD_LETTERS), fate.history == History::Plain);
        if is_dead && self.settled(origin(place), message) == Settled::Confirmed {
            let what = format!("message {message} is a dead letter after it was settled");
            return Err(Wrong::with(message, what));
        }
        if fate.settled == Settled::Confirmed {
            let what = format!("message {message} comes from {place} after it was settled");
            return Err(Wrong::with(message, what));
        }
        let is_first = fate.deliveries == 1 && sent.returns == self.returns;
        if mark == Mark::Redelivered && is_first && is_plain && !is_dead {
            let what = format!(
                "message {message} of {place} has a mark, and nobody can have had it before"
            );
            return Err(Wrong::with(message, what));
        }
        if mark == Mark::Redelivered || is_dead || !is_plain {
            return Ok(());
        }
        self.in_order(consumer, sent, place, message)
    }

    /// A message arrives at a consumer that has left the place meanwhile. It has gone back there, and
    /// others may have settled it by now.
    pub(crate) fn deliver_late(
        &mut self,
        consumer: u64,
        place: Place,
        message: u64,
        mark: Mark,
    ) -> Verdict {
        self.arrive(consumer, place, message, mark).map(|_| ())
    }

    fn arrive(
        &mut self,
        consumer: u64,
        place: Place,
        message: u64,
        mark: Mark,
    ) -> Result<Fate, Wrong> {
        self.counts.deliveries += 1;
        self.counts.redeliveries += u64::from(mark == Mark::Redelivered);
        self.expected(place, message)?;
        self.came.insert(message, self.counts.crashes);
        self.trace.message(message, format_args!("comes from {place} to {consumer:x}: {mark:?}"));
        let fate = self.deliveries.entry((place, message)).or_default();
        fate.deliveries += 1;
        // A first delivery may be overtaken, on its way, by the second one to another client.
        fate.unmarked += u32::from(mark == Mark::New);
        if fate.unmarked > 1 && fate.history == History::Plain {
            let what = format!("message {message} comes from {place} again without a mark");
            return Err(Wrong::with(message, what));
        }
        Ok(*fate)
    }

    /// A message arrives at the last consumer of a place, which gets everything that is left.
    pub(crate) fn drain(&mut self, place: Place, message: u64, mark: Mark) -> Verdict {
        let consumer = u64::MAX;
        self.deliver(consumer, place, message, mark)?;
        self.counts.drained += 1;
        if let Some(other) = self.drained.insert(message, place) {
            let what = format!("message {message} is in {other} and in {place}");
            return Err(Wrong::with(message, what));
        }
        let sent = *self.expected(place, message)?;
        let is_plain = self.deliveries[&(place, message)].history == History::Plain;
        if mark == Mark::Redelivered && !place.starts_with(DEAD_LETTERS) && is_plain {
            self.in_order(consumer, sent, place, message)?;
        }
        Ok(())
    }

    /// A consumer says that it has consumed messages.
    pub(crate) fn settle(&mut self, client: u64, ack: &AckTarget, messages: &[(Place, u64)]) {
        self.say(messages);
        self.acks.push(Said { client, ack: ack.clone(), messages: messages.to_vec() });
    }

    /// The server has taken note of what a consumer said.
    pub(crate) fn taken(&mut self, client: u64, ack: &AckTarget) {
        let is_it = |said: &Said| said.client == client && said.ack == *ack;
        let Some(at) = self.acks.iter().position(is_it) else { return };
        for (place, message) in self.acks.swap_remove(at).messages {
            let fate = self.deliveries.entry((place, message)).or_default();
            fate.settled = fate.settled.max(Settled::Taken);
            self.trace.message(message, format_args!("is settled in {place}, as the server knows"));
        }
    }

    /// Messages may go back to where they were, after deliveries that never arrived.
    pub(crate) fn may_go_back(&mut self) {
        self.returns += 1;
    }

    /// An operator has sent a dead letter back to where it came from.
    pub(crate) fn revive(&mut self, place: Place, message: u64) {
        self.counts.revived += 1;
        self.trace.message(message, format_args!("is sent back to {place} by an operator"));
        self.deliveries.entry((place, message)).or_default().history = History::Revived;
    }

    fn say(&mut self, messages: &[(Place, u64)]) {
        for (place, message) in messages {
            let fate = self.deliveries.entry((place, *message)).or_default();
            fate.settled = fate.settled.max(Settled::Said);
            self.trace.message(*message, format_args!("is settled in {place} by its consumer"));
        }
    }

    /// The server confirms it.
    pub(crate) fn settled_for_good(&mut self, place: Place, message: u64) {
        self.deliveries.entry((place, message)).or_default().settled = Settled::Confirmed;
        self.trace.message(message, format_args!("is settled in {place} with a receipt"));
    }

    /// A transaction settles a message too.
    pub(crate) fn settle_in(
        &mut self,
        transaction: u64,
        client: u64,
        ack: &AckTarget,
        (place, message): (Place, u64),
    ) {
        self.transactions.entry(transaction).or_default().acks.push((place, message));
        self.acks.push(Said { client, ack: ack.clone(), messages: vec![(place, message)] });
    }

    pub(crate) fn abort(&mut self, transaction: u64) {
        self.transactions.entry(transaction).or_default().end = End::Aborted;
    }

    pub(crate) fn commit(&mut self, transaction: u64) {
        let transaction = self.transactions.entry(transaction).or_default();
        transaction.end = End::CommitSent { crashes: self.counts.crashes };
        let acks = transaction.acks.clone();
        self.say(&acks);
    }

    pub(crate) fn committed(&mut self, transaction: u64, disk: &Disk) -> Verdict {
        self.counts.commits += 1;
        let transaction = self.transactions.entry(transaction).or_default();
        transaction.end = End::Committed;
        let Transaction { sends, acks, .. } = transaction.clone();
        for (place, message) in acks {
            self.settled_for_good(place, message);
        }
        sends.into_iter().try_for_each(|message| self.sent(message, disk))
    }

    /// A subscription to a topic is active: from now on it gets everything.
    pub(crate) fn listen(&mut self, subscriber: u64) {
        for (producer, ordinal) in &self.produced {
            let progress = Progress { owed: ordinal + 1, last: None };
            self.topics.insert((subscriber, *producer), progress);
        }
    }

    /// A message arrives at a subscriber of a topic, or of what is sent to its user.
    pub(crate) fn hear(&mut self, subscriber: u64, topic: Place, message: u64) -> Verdict {
        self.counts.deliveries += 1;
        let Sent { producer, ordinal, .. } = *self.expected(topic, message)?;
        let beginning = Progress { owed: 1, last: None };
        let progress = self.topics.entry((subscriber, producer)).or_insert(beginning);
        let wrong = match progress.last {
            Some(last) => ordinal != last + 1,
            None => ordinal > progress.owed,
        };
        let (owed, last) = (progress.owed, progress.last.replace(ordinal));
        if wrong {
            let what = format!(
                "message {message} is number {ordinal} of its producer; the subscriber of {topic} \
                 got {last:?} before, and was owed all from {owed} on"
            );
            return Err(Wrong::with(message, what));
        }
        Ok(())
    }

    /// Everything has come to rest, and this subscriber and this producer were never cut off.
    pub(crate) fn caught_up(&self, subscriber: u64, producer: u64) -> Verdict {
        let ordinal = self.produced.get(&producer).copied().unwrap_or(0);
        let progress = self.topics.get(&(subscriber, producer));
        let last = progress.and_then(|progress| progress.last);
        let owed = progress.map_or(1, |progress| progress.owed);
        if last == Some(ordinal) || ordinal < owed {
            return Ok(());
        }
        let what = format!(
            "subscriber {subscriber} got {last:?} last of producer {producer}, which has sent {ordinal}"
        );
        Err(what.into())
    }

    /// The durable subscription is active: everything that is sent from now on is its.
    pub(crate) fn durable_is_active(&mut self) {
        self.durable_since.get_or_insert(self.next + 1);
    }

    /// Everything that was left has been drained: what was promised must have come to somebody.
    pub(crate) fn check_at_the_end(&self) -> Verdict {
        let mut messages: Vec<(&u64, &Sent)> = self.sent.iter().collect();
        messages.sort_by_key(|(message, _)| **message);
        for (message, sent) in messages {
            if sent.receipt == Told::Receipt {
                for place in self.places(*message, *sent) {
                    self.check_is_somewhere(*message, place)?;
                }
            }
        }
        let mut takers: BTreeMap<(Place, u64), Vec<Effect>> = BTreeMap::new();
        for (number, transaction) in &self.transactions {
            let effect = self.effect(*number, transaction)?;
            for ack in &transaction.acks {
                takers.entry(*ack).or_default().push(effect);
            }
        }
        takers.into_iter().try_for_each(|(taken, takers)| self.check_moved(taken, &takers))
    }

    /// A message that transactions have settled is gone with one of them, or is still there.
    fn check_moved(&self, (place, message): (Place, u64), takers: &[Effect]) -> Verdict {
        let is_promised = self.sent.get(&message).is_some_and(|sent| {
            sent.receipt == Told::Receipt && sent.manner.persistence == Persistence::Persistent
        });
        let known = takers.iter().filter(|effect| **effect == Effect::Known).count();
        let is_gone_for_nothing = takers.iter().all(|effect| *effect == Effect::None);
        let what = match (known, self.drained.contains_key(&message)) {
            (0, false) if is_promised && is_gone_for_nothing => format!(
                "message {message} is not in {place}, and no transaction that took it was committed"
            ),
            (1.., true) => format!("message {message} is in {place}, and was moved from there"),
            (2.., _) => format!("message {message} was moved from {place} {known} times"),
            _ => return Ok(()),
        };
        Err(Wrong::with(message, what))
    }

    /// A message that has its receipt was settled by a consumer, or was there at the end, in its place
    /// or among the dead letters.
    fn check_is_somewhere(&self, message: u64, place: Place) -> Verdict {
        if self.settled(place, message) >= Settled::Taken || self.drained.contains_key(&message) {
            return Ok(());
        }
        let what = format!("message {message} for {place} has its receipt, and is lost");
        Err(Wrong::with(message, what))
    }

    /// Whether a transaction was committed, as far as its messages tell: all of them or none.
    fn effect(&self, number: u64, transaction: &Transaction) -> Result<Effect, Wrong> {
        let Transaction { sends, end, .. } = transaction;
        let came: Vec<u64> =
            sends.iter().filter_map(|message| self.came.get(message)).copied().collect();
        let is_all = came.len() == sends.len();
        let effect = match *end {
            End::Open | End::Aborted if came.is_empty() => Some(Effect::None),
            End::Open | End::Aborted => None,
            End::Committed => is_all.then_some(Effect::Known),
            End::CommitSent { .. } if came.is_empty() => Some(Effect::None),
            // What came from a later server was stored, and so was the rest.
            End::CommitSent { crashes } if came.iter().any(|after| *after > crashes) => {
                is_all.then_some(Effect::Known)
            }
            End::CommitSent { crashes } if crashes < self.counts.crashes => Some(Effect::Unknown),
            End::CommitSent { .. } => is_all.then_some(Effect::Known),
        };
        effect.ok_or_else(|| {
            let (came, all) = (came.len(), sends.len());
            let what =
                format!("transaction {number} was {end:?}, and {came} of its {all} messages came");
            let missing = sends.iter().find(|message| !self.came.contains_key(message));
            Wrong { what, message: missing.or(sends.first()).copied() }
        })
    }

    /// Where a persistent message must be kept.
    fn places(&self, message: u64, sent: Sent) -> Vec<Place> {
        let (is_topic, is_of_user) =
            (sent.destination.starts_with("/topic/"), sent.destination.starts_with("/user/"));
        match sent.manner.persistence {
            Persistence::Transient => Vec::new(),
            Persistence::Persistent if is_of_user => Vec::new(),
            Persistence::Persistent if !is_topic => vec![sent.destination],
            Persistence::Persistent => {
                let is_durable = self.durable_since.is_some_and(|since| message >= since);
                is_durable.then_some(DURABLE).into_iter().collect()
            }
        }
    }

    fn settled(&self, place: Place, message: u64) -> Settled {
        self.deliveries.get(&(place, message)).map_or(Settled::Not, |fate| fate.settled)
    }

    fn expected(&self, place: Place, message: u64) -> Result<&Sent, Wrong> {
        let unexpected = || {
            let what = format!("{place} has message {message}, which was not sent there");
            Wrong::with(message, what)
        };
        let sent = self.sent.get(&message).ok_or_else(unexpected)?;
        let fits = match place {
            DURABLE | DEAD_DURABLE => sent.destination.starts_with("/topic/"),
            place => origin(place) == sent.destination,
        };
        if fits { Ok(sent) } else { Err(unexpected()) }
    }

    fn in_order(&mut self, consumer: u64, sent: Sent, place: Place, message: u64) -> Verdict {
        let last = self
            .consumed
            .entry((consumer, place, sent.producer, sent.manner.priority))
            .or_default();
        if sent.ordinal <= *last {
            let (last, ordinal) = (*last, sent.ordinal);
            let what = format!(
                "message {message} of {place} is number {ordinal} of its producer, and comes after {last}"
            );
            return Err(Wrong::with(message, what));
        }
        *last = sent.ordinal;
        Ok(())
    }
}

/// What the names of the queues of dead letters begin with.
pub(crate) const DEAD_LETTERS: &str = "/queue/DLQ.";

/// Where the dead letters of the durable subscription are.
pub(crate) const DEAD_DURABLE: Place = "/queue/DLQ.+d/news";

/// What is somewhere, and where its dead letters go.
const PAIRS: &[(Place, Place)] = &[
    ("/queue/a", "/queue/DLQ.a"),
    ("/queue/b", "/queue/DLQ.b"),
    ("/queue/in", "/queue/DLQ.in"),
    ("/queue/out", "/queue/DLQ.out"),
    (DURABLE, DEAD_DURABLE),
];

fn dead_letters_of(place: Place) -> Place {
    PAIRS.iter().find(|(of, _)| *of == place).map_or(place, |(_, dead)| dead)
}

/// Where dead letters were before, and everything else is.
fn origin(place: Place) -> Place {
    PAIRS.iter().find(|(_, dead)| *dead == place).map_or(place, |(of, _)| of)
}

/// The queue in which a place keeps its messages.
pub(crate) fn queue_of(place: Place) -> &'static str {
    if place == DURABLE { "/dsub/+d/news" } else { place }
}
