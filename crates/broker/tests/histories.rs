//! Random use of a topic with a history, compared with a plain model: a subscriber gets every message once
//! and in order from where it has asked for, or is told that it cannot.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tidings_broker::{
    Broker, BrokerOptions, Delivered, Delivery, Destination, DestinationPattern, DestinationPolicy,
    EncodingClass, HistoryPolicy, HistoryPosition, Message, Recovery, Rewind, SessionKey, Sink,
    Subscribe, SubscribeOptions, Subscribers, Subscription, Timestamp,
};
use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};

const NAME: &str = "/topic/kept";
const CLIENTS: usize = 3;
const MESSAGES_MAX: usize = 6;
const AGE_MAX: u64 = 100;

#[derive(Clone, Debug)]
enum Operation {
    Publish,
    /// A client that is away comes back; what its session answers to deliveries.
    ComeBack {
        client: usize,
        answers: Vec<Delivered>,
    },
    /// A client that is away forgets what it has seen, and asks for a part of the past.
    Ask {
        client: usize,
        part: Part,
        answers: Vec<Delivered>,
    },
    GoAway {
        client: usize,
    },
    Resume {
        client: usize,
        answers: Vec<Delivered>,
    },
    Wait {
        milliseconds: u64,
    },
    /// A client comes back so late that the topic may still keep what is too old: just before the broker
    /// is told the time again.
    ComeLate {
        client: usize,
    },
}

/// A part of the past.
#[derive(Clone, Copy, Debug)]
enum Part {
    Last(usize),
    /// What was sent in so many milliseconds.
    Recent(u64),
    Everything,
    From(u64),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (0..MESSAGES_MAX + 2).prop_map(Part::Last),
        (0..AGE_MAX * 2).prop_map(Part::Recent),
        Just(Part::Everything),
        (0..MESSAGES_MAX as u64 * 2).prop_map(Part::From),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let client = 0..CLIENTS;
    let answer = prop::sample::select(vec![
        Delivered::Ready,
        Delivered::Ready,
        Delivered::ThenPause,
        Delivered::Refused,
    ]);
    let answers = prop::collection::vec(answer, 0..4);
    prop_oneof![
        4 => Just(Publish),
        3 => (client.clone(), answers.clone())
            .prop_map(|(client, answers)| ComeBack { client, answers }),
        2 => (client.clone(), part(), answers.clone())
            .prop_map(|(client, part, answers)| Ask { client, part, answers }),
        2 => client.clone().prop_map(|client| GoAway { client }),
        2 => (client.clone(), answers).prop_map(|(client, answers)| Resume { client, answers }),
        2 => client.clone().prop_map(|client| ComeLate { client }),
        3 => (0..AGE_MAX / 4).prop_map(|milliseconds| Wait { milliseconds }),
        1 => (0..AGE_MAX * 2).prop_map(|milliseconds| Wait { milliseconds }),
    ]
}

#[derive(Default)]
struct Log {
    got: Vec<(usize, HistoryPosition, u64)>,
    answers: VecDeque<Delivered>,
    overtaken: Vec<usize>,
}

impl Log {
    fn got(&mut self, client: usize, message: &Message) {
        let number = std::str::from_utf8(&message.body).unwrap().parse().unwrap();
        self.got.push((client, message.position().expect("a history"), number));
    }
}

impl Sink<usize> for Log {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<usize>) {
        for subscription in subscribers.groups().flat_map(|(_, group)| group) {
            self.got(subscription.subscriber, message);
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, usize>) -> Delivered {
        let answer = self.answers.pop_front().unwrap_or(Delivered::Ready);
        if answer != Delivered::Refused {
            self.got(delivery.subscription.subscriber, delivery.message);
        }
        answer
    }

    fn overtaken(&mut self, subscription: &Arc<Subscription<usize>>) {
        self.overtaken.push(subscription.subscriber);
    }
}

/// What one client knows.
#[derive(Default)]
struct Client {
    session: Option<SessionKey>,
    seen: Option<HistoryPosition>,
    /// The number of the message that it has to get next.
    next: u64,
    /// It was told that messages may be missing before the next one.
    gap_told: bool,
}

struct Run {
    broker: Broker<usize>,
    log: Log,
    now: Timestamp,
    clients: BTreeMap<usize, Client>,
    /// When each message was sent.
    published: Vec<Timestamp>,
    next_session: u64,
}

impl Run {
    fn new() -> Self {
        let mut options = BrokerOptions::default();
        let history = HistoryPolicy {
            messages_max: MESSAGES_MAX,
            age_max: Duration::from_millis(AGE_MAX),
            ..HistoryPolicy::default()
        };
        let policy = DestinationPolicy { history: Some(history), ..DestinationPolicy::default() };
        options.policies.push(DestinationPattern::parse(NAME).unwrap(), policy);
        let clients = (0..CLIENTS).map(|client| (client, Client::default())).collect();
        let (broker, log, now) = (Broker::new(options), Log::default(), Timestamp(1));
        Self { broker, log, now, clients, published: Vec::new(), next_session: 1 }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Publish => {
                let body = Bytes::from(self.published().to_string());
                self.published.push(self.now);
                let name = Destination::parse(NAME).unwrap();
                let headers = Headers::default();
                self.broker.send(self.now, name, headers, body, &mut self.log).unwrap();
            }
            Operation::ComeBack { client, answers } => {
                if self.clients[&client].session.is_none() {
                    let rewind = self.clients[&client].seen.clone().map(Rewind::After);
                    self.come_back(client, rewind, answers);
                }
            }
            Operation::Ask { client, part, answers } => self.ask(client, part, answers),
            Operation::GoAway { client } => self.go_away(client),
            Operation::Resume { client, answers } => {
                let Some(session) = self.clients[&client].session else { return };
                self.log.answers = answers.into();
                self.broker.resume(self.now, session, &mut self.log);
            }
            Operation::Wait { milliseconds } => self.wait_until(self.now.0 + milliseconds),
            Operation::ComeLate { client } => {
                self.go_away(client);
                self.wait_until(self.next_alarm());
                self.wait_until(self.next_alarm().saturating_sub(1));
                self.apply(Operation::ComeBack { client, answers: Vec::new() });
            }
        }
        self.check();
    }

    fn next_alarm(&self) -> u64 {
        self.broker.next_deadline().unwrap_or_default().0
    }

    fn wait_until(&mut self, until: u64) {
        let until = Timestamp(until).max(self.now);
        while let Some(due) = self.broker.next_deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.broker.handle_timeout(self.now, &mut self.log);
        }
        self.now = until;
    }

    fn published(&self) -> u64 {
        self.published.len() as u64
    }

    /// The number of the first message that was sent at this time or later.
    fn since(&self, time: Timestamp) -> u64 {
        self.published.partition_point(|sent| *sent < time) as u64
    }

    /// How many messages must be kept.
    fn kept(&self) -> u64 {
        let young =
            self.published() - self.since(Timestamp((self.now.0 + 1).saturating_sub(AGE_MAX)));
        young.min(MESSAGES_MAX as u64)
    }

    fn ask(&mut self, client: usize, part: Part, answers: Vec<Delivered>) {
        if self.clients[&client].session.is_some() {
            return;
        }
        let (published, kept) = (self.published(), self.kept());
        let (rewind, next) = match part {
            Part::Last(count) => (Rewind::Last(count), published.saturating_sub(count as u64)),
            Part::Recent(milliseconds) => {
                let time = Timestamp(self.now.0.saturating_sub(milliseconds));
                (Rewind::Since(time), self.since(time))
            }
            Part::Everything => (Rewind::Everything, published - kept),
            Part::From(offset) => (Rewind::From(offset), 0),
        };
        *self.clients.get_mut(&client).unwrap() = Client { next, ..Client::default() };
        let recovery = self.come_back(client, Some(rewind), answers);
        let is_complete = recovery == Recovery::Complete;
        match part {
            Part::Last(count) => assert_eq!(is_complete, count as u64 <= kept, "{part:?}"),
            Part::Recent(_) => {
                assert!(!is_complete || published - next <= kept, "{part:?}");
                // One of those that must be kept is older. Without one, the history may have begun later.
                let must_be_complete = published - next < kept;
                assert!(is_complete || !must_be_complete, "{part:?}");
            }
            Part::Everything => assert!(is_complete),
            Part::From(_) => assert!(!is_complete),
        }
    }

    /// A client that is away subscribes. What it has seen so far is known.
    fn come_back(
        &mut self,
        client: usize,
        rewind: Option<Rewind>,
        answers: Vec<Delivered>,
    ) -> Recovery {
        let session = SessionKey(self.next_session);
        self.next_session += 1;
        self.log.answers = answers.into();
        let id = SubscriptionId::from("x");
        let request = Subscribe {
            session,
            subscriber: client,
            id: id.clone(),
            destination: NAME,
            ack: AckMode::Auto,
            class: EncodingClass::stomp(Version::V1_2, Some(id)),
            options: SubscribeOptions { rewind, ..Default::default() },
        };
        let mut beginning = None;
        let on_active = |it| beginning = Some(it);
        self.broker.subscribe(self.now, request, on_active, &mut self.log).unwrap();
        let beginning = beginning.unwrap();
        let published = self.published();
        let known = self.clients.get_mut(&client).unwrap();
        known.session = Some(session);
        match beginning.recovery {
            Recovery::NotAsked => known.next = published,
            Recovery::Complete => {}
            Recovery::Incomplete => known.gap_told = true,
        }
        known.seen = beginning.position;
        beginning.recovery
    }

    fn go_away(&mut self, client: usize) {
        if let Some(session) = self.clients.get_mut(&client).unwrap().session.take() {
            self.broker.disconnect(self.now, session, &mut self.log);
        }
    }

    /// Everything was the next message of its client.
    fn check(&mut self) {
        for (client, position, number) in std::mem::take(&mut self.log.got) {
            let known = self.clients.get_mut(&client).unwrap();
            if std::mem::take(&mut known.gap_told) {
                assert!(number >= known.next, "client {client}: none twice");
                known.next = number;
            }
            assert_eq!(number, known.next, "client {client}: in order, none twice, none missing");
            let seen = known.seen.as_ref().expect("its subscription began somewhere");
            assert_eq!((&position.epoch, position.offset), (&seen.epoch, seen.offset + 1));
            known.next += 1;
            known.seen = Some(position);
        }
        self.log.answers.clear();
        for client in std::mem::take(&mut self.log.overtaken) {
            self.go_away(client);
        }
    }

    /// Nobody who can take messages still waits for one.
    fn finish(mut self) {
        for client in 0..CLIENTS {
            self.apply(Operation::Resume { client, answers: Vec::new() });
            let known = &self.clients[&client];
            let has_all = known.next == self.published() || known.gap_told;
            assert!(known.session.is_none() || has_all, "client {client} waits");
            self.apply(Operation::GoAway { client });
        }
        self.apply(Operation::Wait { milliseconds: 3 * AGE_MAX });
        assert_eq!(self.broker.stats(), Default::default(), "nothing is left behind");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whoever_asks_for_the_past_gets_every_message_once_or_is_told(
        operations in prop::collection::vec(operation(), 1..150),
    ) {
        let mut run = Run::new();
        for operation in operations {
            run.apply(operation);
        }
        run.finish();
    }
}
