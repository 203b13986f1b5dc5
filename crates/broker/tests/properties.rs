//! Random operations of several sessions, compared with a plain model of what may happen.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use tidings_broker::{
    AckTarget, Broker, BrokerOptions, Delivered, Delivery, Destination, DestinationPattern,
    DestinationPolicy, EncodingClass, Message, NackAction, SendError, Sender, SessionKey, Sink,
    Subscribe, SubscribeOptions, Subscribers, Timestamp,
};
use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};

const SENT_TO: [&str; 7] = [
    "/queue/a",
    "/queue/b",
    "/topic/a",
    "/topic/a.b",
    "/topic/c",
    "/temp-queue/t",
    "/temp-topic/t",
];
const SUBSCRIBED_TO: [&str; 9] = [
    "/queue/a",
    "/queue/b",
    "/topic/a",
    "/topic/a.b",
    "/topic/*",
    "/topic/a.#",
    "/topic/**",
    "/temp-queue/t",
    "/temp-topic/t",
];
/// How many messages those queues hold whose names are given.
const MESSAGES_MAX: usize = 6;
const IDS: [&str; 3] = ["x", "y", "z"];
const SESSIONS: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Send { session: usize, to: usize, answers: Vec<Delivered> },
    Subscribe { session: usize, id: usize, to: usize, ack: AckMode, prefetch: Option<u32> },
    Unsubscribe { session: usize, id: usize },
    Disconnect { session: usize },
    Settle { session: usize, delivery: Index, verdict: Verdict, named_by: NamedBy },
    Pause { session: usize },
    Resume { session: usize, answers: Vec<Delivered> },
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Ack,
    Nack(NackAction),
}

#[derive(Clone, Copy, Debug)]
enum NamedBy {
    AckId,
    SubscriptionAndMessage,
    Message,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let session = 0..SESSIONS;
    let id = 0..IDS.len();
    let ack = prop::sample::select(vec![AckMode::Auto, AckMode::Client, AckMode::ClientIndividual]);
    let verdict = prop::sample::select(vec![
        Verdict::Ack,
        Verdict::Nack(NackAction::Requeue),
        Verdict::Nack(NackAction::Reject),
    ]);
    let named_by = prop::sample::select(vec![
        NamedBy::AckId,
        NamedBy::SubscriptionAndMessage,
        NamedBy::Message,
    ]);
    let answer = prop::sample::select(vec![
        Delivered::Ready,
        Delivered::Ready,
        Delivered::ThenPause,
        Delivered::Refused,
    ]);
    let answers = prop::collection::vec(answer, 0..3);
    prop_oneof![
        6 => (session.clone(), 0..SENT_TO.len(), answers.clone())
            .prop_map(|(session, to, answers)| Send { session, to, answers }),
        4 => (session.clone(), id.clone(), 0..SUBSCRIBED_TO.len(), ack, prop::option::of(0_u32..4))
            .prop_map(|(session, id, to, ack, prefetch)| {
                Subscribe { session, id, to, ack, prefetch }
            }),
        2 => (session.clone(), id).prop_map(|(session, id)| Unsubscribe { session, id }),
        1 => session.clone().prop_map(|session| Disconnect { session }),
        6 => (session.clone(), any::<Index>(), verdict, named_by)
            .prop_map(|(session, delivery, verdict, named_by)| {
                Settle { session, delivery, verdict, named_by }
            }),
        1 => session.clone().prop_map(|session| Pause { session }),
        2 => (session, answers).prop_map(|(session, answers)| Resume { session, answers }),
    ]
}

/// A session and one of its subscription ids.
type Subscriber = (SessionKey, &'static str);

#[derive(Clone, Debug)]
struct Got {
    subscriber: Subscriber,
    message: u64,
    message_id: String,
    ack: Option<String>,
    delivery_count: u32,
    answer: Delivered,
}

#[derive(Default)]
struct Log {
    topic: Vec<(Subscriber, u64)>,
    queue: Vec<Got>,
    answers: VecDeque<Delivered>,
    /// Queues that told that they have room.
    rooms: Vec<String>,
}

impl Sink<&'static str> for Log {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<&'static str>) {
        for (_, group) in subscribers.groups() {
            let subscriptions = group.map(|one| ((one.session, one.subscriber), number(message)));
            self.topic.extend(subscriptions);
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, &'static str>) -> Delivered {
        let answer = self.answers.pop_front().unwrap_or(Delivered::Ready);
        self.queue.push(Got {
            subscriber: (delivery.subscription.session, delivery.subscription.subscriber),
            message: number(delivery.message),
            message_id: delivery.message.message_id.to_string(),
            ack: delivery.ack.map(|ack| ack.to_string()),
            delivery_count: delivery.delivery_count,
            answer,
        });
        answer
    }

    fn has_room(&mut self, queue: &Destination) {
        self.rooms.push(queue.to_string());
    }
}

/// Temporary destinations of two sessions are two, whatever they are called.
fn name_of(session: SessionKey, destination: &str) -> String {
    if destination.starts_with("/temp-") {
        format!("{destination} of {}", session.0)
    } else {
        destination.to_owned()
    }
}

fn is_queue(name: &str) -> bool {
    name.contains("queue/")
}

/// Messages carry a number, which counts up.
fn number(message: &Message) -> u64 {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

struct Consumer {
    destination: String,
    ack: AckMode,
    prefetch: usize,
    /// In the order of delivery.
    unsettled: Vec<Got>,
    settled: Vec<Got>,
}

/// What must hold, said as simply as possible.
#[derive(Default)]
struct Model {
    /// The messages of each queue that are ready, with the number of their deliveries.
    ready: BTreeMap<String, BTreeMap<u64, u32>>,
    consumers: BTreeMap<Subscriber, Consumer>,
    paused: BTreeSet<SessionKey>,
    /// What was rejected, by queue.
    dead: BTreeMap<String, Vec<u64>>,
    /// Queues for whose room somebody waits.
    awaited: BTreeSet<String>,
    /// What came of subscriptions that have ended.
    ended: BTreeMap<Subscriber, Vec<Got>>,
}

impl Model {
    /// Every delivery is of the first message that is ready, to a consumer that may have it.
    fn deliver(&mut self, got: Got) {
        let consumer = self.consumers.get_mut(&got.subscriber).expect("a subscription");
        let ready = self.ready.get_mut(&consumer.destination).expect("a queue");
        let (&first, &delivered) = ready.first_key_value().expect("a message that is ready");
        assert_eq!((got.message, got.delivery_count), (first, delivered + 1), "in order");
        assert!(!self.paused.contains(&got.subscriber.0), "a paused session gets nothing");
        assert!(consumer.unsettled.len() < consumer.prefetch, "prefetch holds");
        assert_eq!(got.ack.is_some(), consumer.ack != AckMode::Auto);
        if got.answer != Delivered::Ready {
            self.paused.insert(got.subscriber.0);
        }
        if got.answer != Delivered::Refused {
            ready.remove(&first);
            if consumer.ack != AckMode::Auto {
                consumer.unsettled.push(got);
            }
        }
    }

    /// Nobody waits for a message that is ready.
    fn assert_nobody_waits(&self) {
        for (subscriber, consumer) in &self.consumers {
            let waits = !self.paused.contains(&subscriber.0)
                && consumer.unsettled.len() < consumer.prefetch
                && self.ready.get(&consumer.destination).is_some_and(|ready| !ready.is_empty());
            assert!(!waits, "{subscriber:?} waits");
        }
    }

    /// All messages of a queue, those with its consumers included.
    fn count(&self, queue: &str) -> usize {
        let of_queue = |consumer: &&Consumer| consumer.destination == queue;
        let unsettled = self.consumers.values().filter(of_queue).map(|it| it.unsettled.len());
        self.ready.get(queue).map_or(0, BTreeMap::len) + unsettled.sum::<usize>()
    }

    /// Whoever waits for room is told when there is some, and nobody else.
    fn check_rooms(&mut self, told: Vec<String>) {
        let awaited = std::mem::take(&mut self.awaited);
        let (with_room, full): (BTreeSet<_>, _) =
            awaited.into_iter().partition(|queue| self.count(queue) < MESSAGES_MAX);
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), with_room);
        self.awaited = full;
    }

    fn requeue(&mut self, destination: &str, unsettled: Vec<Got>) {
        let ready = self.ready.get_mut(destination).expect("a queue");
        for got in unsettled {
            assert_eq!(ready.insert(got.message, got.delivery_count), None);
        }
    }

    fn unsubscribe(&mut self, subscriber: Subscriber) {
        let Some(consumer) = self.consumers.remove(&subscriber) else { return };
        let ended = self.ended.entry(subscriber).or_default();
        ended.extend(consumer.settled);
        ended.extend(consumer.unsettled.iter().cloned());
        if is_queue(&consumer.destination) {
            self.requeue(&consumer.destination, consumer.unsettled);
        }
    }

    /// Settles what `chosen` covers, which is unsettled.
    fn settle(&mut self, chosen: &Got, verdict: Verdict) {
        let consumer = self.consumers.get_mut(&chosen.subscriber).expect("a subscription");
        let is_chosen = |got: &Got| got.ack == chosen.ack;
        let at = consumer.unsettled.iter().position(is_chosen).expect("it is unsettled");
        let first = if consumer.ack == AckMode::Client { 0 } else { at };
        let settled: Vec<Got> = consumer.unsettled.drain(first..=at).collect();
        consumer.settled.extend(settled.iter().cloned());
        let destination = consumer.destination.clone();
        match verdict {
            Verdict::Ack => {}
            Verdict::Nack(NackAction::Requeue) => self.requeue(&destination, settled),
            Verdict::Nack(NackAction::Reject) => {
                let dead = self.dead.entry(destination).or_default();
                dead.extend(settled.iter().map(|got| got.message));
            }
        }
    }

    /// Whether it is refused to settle what nobody has unsettled. It is not where that may be of a subscription
    /// that has ended, or of one that acknowledges nothing.
    fn is_refused(&self, chosen: &Got, named_by: NamedBy) -> bool {
        let may_be = |subscriber: &Subscriber| match named_by {
            NamedBy::AckId | NamedBy::SubscriptionAndMessage => *subscriber == chosen.subscriber,
            NamedBy::Message => subscriber.0 == chosen.subscriber.0,
        };
        let is_it = |got: &Got| got.ack == chosen.ack;
        let acknowledges =
            |consumer: &Consumer| is_queue(&consumer.destination) && consumer.ack != AckMode::Auto;
        let mut ended = self.ended.iter().filter(|(subscriber, _)| may_be(subscriber));
        let mut live = self.consumers.iter().filter(|(subscriber, _)| may_be(subscriber));
        match named_by {
            NamedBy::AckId => !ended.any(|(_, got)| got.iter().any(is_it)),
            NamedBy::SubscriptionAndMessage | NamedBy::Message => {
                ended.next().is_none() && live.all(|(_, consumer)| acknowledges(consumer))
            }
        }
    }

    fn topic_subscribers(&self, name: &str) -> Vec<Subscriber> {
        let destination = Destination::parse(name).unwrap();
        let matches = |consumer: &Consumer| {
            DestinationPattern::parse(&consumer.destination).unwrap().matches(&destination)
        };
        let matching = self.consumers.iter().filter(|(_, consumer)| matches(consumer));
        matching.map(|(subscriber, _)| *subscriber).collect()
    }
}

struct Run {
    broker: Broker<&'static str>,
    log: Log,
    model: Model,
    now: Timestamp,
    sessions: [SessionKey; SESSIONS],
    next_session: u64,
    next_message: u64,
}

impl Run {
    fn new() -> Self {
        Self {
            broker: Broker::new(options()),
            log: Log::default(),
            model: Model::default(),
            now: now(),
            sessions: [SessionKey(0), SessionKey(1), SessionKey(2)],
            next_session: 3,
            next_message: 0,
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Send { session, to, answers } => {
                self.send(self.sessions[session], SENT_TO[to], answers);
            }
            Operation::Subscribe { session, id, to, ack, prefetch } => {
                self.subscribe((self.sessions[session], IDS[id]), SUBSCRIBED_TO[to], ack, prefetch);
            }
            Operation::Unsubscribe { session, id } => {
                let (session, id) = (self.sessions[session], IDS[id]);
                self.model.unsubscribe((session, id));
                self.broker.unsubscribe(self.now, session, id, &mut self.log);
            }
            Operation::Disconnect { session } => self.disconnect(session),
            Operation::Settle { session, delivery, verdict, named_by } => {
                self.settle(self.sessions[session], delivery, verdict, named_by);
            }
            Operation::Pause { session } => {
                let session = self.sessions[session];
                // Without subscriptions ever, there is nothing to pause.
                if self.model.consumers.keys().any(|subscriber| subscriber.0 == session) {
                    self.model.paused.insert(session);
                    self.broker.pause(session);
                }
            }
            Operation::Resume { session, answers } => {
                self.log.answers = answers.into();
                self.model.paused.remove(&self.sessions[session]);
                self.broker.resume(self.now, self.sessions[session], &mut self.log);
            }
        }
        for got in std::mem::take(&mut self.log.queue) {
            self.model.deliver(got);
        }
        assert_eq!(self.log.topic, [], "only SEND makes topics speak");
        self.log.answers.clear();
        self.model.assert_nobody_waits();
        self.model.check_rooms(std::mem::take(&mut self.log.rooms));
    }

    fn send(&mut self, session: SessionKey, to: &str, answers: Vec<Delivered>) {
        let number = self.next_message;
        self.next_message += 1;
        self.log.answers = answers.into();
        let destination = Destination::parse(to).unwrap();
        let body = Bytes::from(number.to_string());
        let headers = Headers::default();
        let sender = Sender { session, subscriber: &"", version: Version::V1_2 };
        let log = &mut self.log;
        let sent = self.broker.send_from(self.now, sender, destination, headers, body, log);
        let name = name_of(session, to);
        if to.starts_with("/queue/") && self.model.count(&name) >= MESSAGES_MAX {
            assert!(matches!(sent, Err(SendError::QueueFull { .. })), "{sent:?}");
            self.model.awaited.insert(name);
            return;
        }
        let sent = sent.unwrap();
        if is_queue(to) {
            self.model.ready.entry(name).or_default().insert(number, 0);
        } else {
            let expected = self.model.topic_subscribers(&name);
            assert_eq!(sent.subscribers, expected.len());
            let mut got = std::mem::take(&mut self.log.topic);
            got.sort();
            let expected: Vec<_> = expected.into_iter().map(|one| (one, number)).collect();
            assert_eq!(got, expected);
        }
    }

    fn subscribe(
        &mut self,
        subscriber: Subscriber,
        destination: &'static str,
        ack: AckMode,
        prefetch: Option<u32>,
    ) {
        let id = SubscriptionId::from(subscriber.1);
        let request = Subscribe {
            session: subscriber.0,
            subscriber: subscriber.1,
            id: id.clone(),
            destination,
            ack,
            class: EncodingClass::stomp(Version::V1_2, Some(id)),
            options: SubscribeOptions { prefetch, ..Default::default() },
        };
        let mut confirmed = 0;
        let confirm = |_| confirmed += 1;
        let subscribed = self.broker.subscribe(self.now, request, confirm, &mut self.log);
        let is_new = !self.model.consumers.contains_key(&subscriber);
        assert_eq!((subscribed.is_ok(), confirmed), (is_new, usize::from(is_new)));
        if is_new {
            let prefetch = match (ack, prefetch) {
                (AckMode::Auto, _) | (_, Some(0)) => usize::MAX,
                (_, None) => 100,
                (_, Some(prefetch)) => usize::try_from(prefetch).unwrap(),
            };
            let name = name_of(subscriber.0, destination);
            if is_queue(destination) {
                self.model.ready.entry(name.clone()).or_default();
            }
            let (unsettled, settled) = (Vec::new(), Vec::new());
            let consumer = Consumer { destination: name, ack, prefetch, unsettled, settled };
            self.model.consumers.insert(subscriber, consumer);
        }
    }

    fn disconnect(&mut self, session: usize) {
        let key = self.sessions[session];
        for id in IDS {
            self.model.unsubscribe((key, id));
        }
        self.model.paused.remove(&key);
        self.model.ready.remove(&name_of(key, "/temp-queue/t"));
        self.broker.disconnect(self.now, key, &mut self.log);
        self.sessions[session] = SessionKey(self.next_session);
        self.next_session += 1;
    }

    /// Settles one of what the session has unsettled, or tries to settle what it had.
    fn settle(
        &mut self,
        session: SessionKey,
        delivery: Index,
        verdict: Verdict,
        named_by: NamedBy,
    ) {
        let Model { consumers, ended, .. } = &self.model;
        let consumers = || consumers.iter().filter(|(one, _)| one.0 == session);
        let open: Vec<Got> =
            consumers().flat_map(|(_, consumer)| consumer.unsettled.clone()).collect();
        let settled = consumers().flat_map(|(_, consumer)| &consumer.settled);
        let ended = ended.iter().filter(|(one, _)| one.0 == session).flat_map(|(_, got)| got);
        let candidates: Vec<Got> = open.iter().chain(settled).chain(ended).cloned().collect();
        if candidates.is_empty() {
            return;
        }
        let chosen = delivery.get(&candidates);
        let is_open = open.iter().any(|got| got.message == chosen.message);
        let target = match named_by {
            NamedBy::AckId => AckTarget::Ack(chosen.ack.as_deref().unwrap()),
            NamedBy::SubscriptionAndMessage => AckTarget::Message {
                subscription: Some(chosen.subscriber.1),
                message_id: &chosen.message_id,
            },
            NamedBy::Message => {
                AckTarget::Message { subscription: None, message_id: &chosen.message_id }
            }
        };
        // An earlier delivery that is named by a message that came again may settle the new one:
        // name only what is unambiguous.
        let is_chosen = |got: &Got| got.ack == chosen.ack;
        let chosen_is_open = open.iter().any(is_chosen);
        if is_open && !chosen_is_open && !matches!(named_by, NamedBy::AckId) {
            return;
        }
        let result = match verdict {
            Verdict::Ack => self.broker.ack(self.now, session, target, &mut self.log),
            Verdict::Nack(action) => {
                self.broker.nack(self.now, session, target, action, &mut self.log)
            }
        };
        if chosen_is_open {
            assert_eq!(result, Ok(()));
            self.model.settle(chosen, verdict);
        } else {
            assert_eq!(result.is_err(), self.model.is_refused(chosen, named_by), "{result:?}");
        }
    }

    /// Everything that was neither consumed nor discarded is still there, in order.
    fn finish(mut self) {
        for session in 0..SESSIONS {
            self.apply(Operation::Disconnect { session });
        }
        for queue in ["/queue/a", "/queue/b"] {
            self.subscribe((self.sessions[0], queue), queue, AckMode::Auto, None);
        }
        for got in std::mem::take(&mut self.log.queue) {
            self.model.deliver(got);
        }
        assert!(self.model.ready.values().all(BTreeMap::is_empty), "nothing is lost");
        for (queue, dead) in [("/queue/a", "/queue/DLQ.a"), ("/queue/b", "/queue/DLQ.b")] {
            let expected = self.model.dead.remove(queue).unwrap_or_default();
            let letters = Destination::parse(dead).unwrap();
            let found = self.broker.peek(&letters, usize::MAX).unwrap_or_default();
            let found: Vec<u64> = found.iter().map(|(message, _)| number(message)).collect();
            assert_eq!(found, expected, "what was rejected is kept, in order");
            self.broker.purge(self.now, &letters, &mut self.log);
        }
        self.broker.disconnect(self.now, self.sessions[0], &mut self.log);
        assert_eq!(self.broker.stats(), Default::default(), "nothing is left behind");
    }
}

/// No message is delivered too often, and the queues are full soon.
fn options() -> BrokerOptions {
    let mut options = BrokerOptions::default();
    let policy = DestinationPolicy { deliveries_max: u32::MAX, ..DestinationPolicy::default() };
    let narrow = DestinationPolicy { messages_max: Some(MESSAGES_MAX), ..policy.clone() };
    for queue in ["/queue/a", "/queue/b"] {
        options.policies.push(DestinationPattern::parse(queue).unwrap(), narrow.clone());
    }
    options.policies.set_rest(policy);
    options
}

fn now() -> Timestamp {
    Timestamp(1_700_000_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_operations_keep_the_promises(
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let mut run = Run::new();
        for operation in operations {
            run.apply(operation);
        }
        run.finish();
    }

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>()) {
        if let Ok(pattern) = DestinationPattern::parse(&text) {
            let name = Destination::parse(&text).expect("every pattern is a name");
            prop_assert_eq!(pattern.as_str(), name.as_str());
            prop_assert!(pattern.matches(&name), "a pattern matches its own text");
        }
    }

    #[test]
    fn no_acknowledgement_makes_the_broker_panic(id in "[0-9a-z.-]{0,30}") {
        let broker = Broker::new(BrokerOptions::default());
        let mut log = Log::default();
        let session = SessionKey(1);
        let target = AckTarget::Message { subscription: Some("x"), message_id: &id };
        prop_assert!(broker.ack(now(), session, target, &mut log).is_err());
        prop_assert!(broker.ack(now(), session, AckTarget::Ack(&id), &mut log).is_err());
    }
}
