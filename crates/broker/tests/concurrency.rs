//! Several threads publish while subscribers come and go.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use tidings_broker::{
    AckTarget, Beginning, Broker, BrokerOptions, Delivered, Delivery, Destination,
    DestinationPattern, DestinationPolicy, EncodingClass, HistoryPolicy, HistoryPosition, Message,
    Recovery, Retention, Rewind, SessionKey, Sink, Subscribe, SubscribeOptions, Subscribers,
    Timestamp,
};
use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};

const PUBLISHERS: usize = 4;
const MESSAGES: usize = 1500;
const QUEUE: &str = "/queue/q";
/// The body of a message that no publisher sends.
const RETAINED: &[u8] = b"retained";

/// Where a subscriber's messages go.
#[derive(Default)]
struct Inbox(Mutex<Vec<Entry>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Confirmed,
    /// As `Confirmed`, for a subscriber that looks at the history.
    Began(Beginning),
    Topic(Number),
    /// What a topic retains, where nobody else says that.
    Retained,
    /// Of a topic with a history.
    Kept {
        number: Number,
        offset: u64,
    },
    Queue {
        number: Number,
        ack: Option<String>,
        delivery_count: u32,
    },
}

/// A message: by whom, and which of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    publisher: usize,
    sequence: usize,
}

impl Inbox {
    fn push(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }

    fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }
}

struct ToInboxes;

impl Sink<Arc<Inbox>> for ToInboxes {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<Arc<Inbox>>) {
        for (_, group) in subscribers.groups() {
            for subscription in group {
                subscription.subscriber.push(of_topic(message));
            }
        }
        if *message.body == *RETAINED {
            // It comes between the confirmation and the first live message: now is the time for others.
            (0..100).for_each(|_| thread::yield_now());
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, Arc<Inbox>>) -> Delivered {
        if delivery.message.position().is_some() {
            delivery.subscription.subscriber.push(of_topic(delivery.message));
            return Delivered::Ready;
        }
        delivery.subscription.subscriber.push(Entry::Queue {
            number: number(delivery.message),
            ack: delivery.ack.map(|ack| ack.to_string()),
            delivery_count: delivery.delivery_count,
        });
        Delivered::Ready
    }
}

fn of_topic(message: &Message) -> Entry {
    if *message.body == *RETAINED {
        return Entry::Retained;
    }
    let number = number(message);
    match message.position() {
        Some(HistoryPosition { offset, .. }) => Entry::Kept { number, offset },
        None => Entry::Topic(number),
    }
}

/// How far each publisher is with its messages to one destination.
#[derive(Default)]
struct Progress {
    begun: [AtomicUsize; PUBLISHERS],
    done: [AtomicUsize; PUBLISHERS],
}

impl Progress {
    fn begun(&self) -> [usize; PUBLISHERS] {
        std::array::from_fn(|publisher| self.begun[publisher].load(Ordering::SeqCst))
    }

    fn done(&self) -> [usize; PUBLISHERS] {
        std::array::from_fn(|publisher| self.done[publisher].load(Ordering::SeqCst))
    }

    fn is_complete(&self) -> bool {
        self.done().iter().all(|done| *done == MESSAGES)
    }
}

fn publish(broker: &Broker<Arc<Inbox>>, destination: &str, publisher: usize, progress: &Progress) {
    let destination = Destination::parse(destination).unwrap();
    for sequence in 0..MESSAGES {
        progress.begun[publisher].store(sequence + 1, Ordering::SeqCst);
        let body = Bytes::from(format!("{publisher} {sequence}"));
        let headers = Headers::default();
        broker.send(now(), destination.clone(), headers, body, &mut ToInboxes).unwrap();
        progress.done[publisher].store(sequence + 1, Ordering::SeqCst);
    }
}

fn subscribe(
    broker: &Broker<Arc<Inbox>>,
    session: u64,
    destination: &str,
    ack: AckMode,
    on_active: impl FnOnce(),
) -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::default());
    let request = Subscribe {
        session: SessionKey(session),
        subscriber: Arc::clone(&inbox),
        id: SubscriptionId::from("x"),
        destination,
        ack,
        class: EncodingClass::stomp(Version::V1_2, None),
        options: SubscribeOptions {
            prefetch: Some(10),
            user: Some("ann".into()),
            ..Default::default()
        },
    };
    let confirm = |_| {
        on_active();
        inbox.push(Entry::Confirmed);
    };
    broker.subscribe(now(), request, confirm, &mut ToInboxes).unwrap();
    inbox
}

/// Subscribes, and has the inbox begin with how that began.
fn subscribe_behind(
    broker: &Broker<Arc<Inbox>>,
    session: u64,
    destination: &str,
    rewind: Option<Rewind>,
) -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::default());
    let request = Subscribe {
        session: SessionKey(session),
        subscriber: Arc::clone(&inbox),
        id: SubscriptionId::from("x"),
        destination,
        ack: AckMode::Auto,
        class: EncodingClass::stomp(Version::V1_2, None),
        options: SubscribeOptions { rewind, ..Default::default() },
    };
    let began = |beginning| inbox.push(Entry::Began(beginning));
    broker.subscribe(now(), request, began, &mut ToInboxes).unwrap();
    inbox
}

fn number(message: &Message) -> Number {
    let text = std::str::from_utf8(&message.body).unwrap();
    let (publisher, sequence) = text.split_once(' ').unwrap();
    Number { publisher: publisher.parse().unwrap(), sequence: sequence.parse().unwrap() }
}

fn now() -> Timestamp {
    Timestamp(1_700_000_000_000)
}

/// Each publisher's messages are in order, and none comes twice.
#[track_caller]
fn assert_in_order(numbers: impl Iterator<Item = Number>) {
    let mut next = [0; PUBLISHERS];
    for Number { publisher, sequence } in numbers {
        assert!(sequence >= next[publisher], "{publisher} sent {sequence} before");
        next[publisher] = sequence + 1;
    }
}

/// The messages of a subscriber to a topic, who was confirmed first.
#[track_caller]
fn topic_numbers(inbox: &Inbox) -> Vec<Number> {
    let entries = inbox.entries();
    assert_eq!(entries.first(), Some(&Entry::Confirmed), "the confirmation comes first");
    let numbers = entries[1..].iter().filter_map(|entry| match entry {
        Entry::Topic(number) => Some(*number),
        Entry::Retained => None,
        other => panic!("unexpected {other:?}"),
    });
    let numbers: Vec<Number> = numbers.collect();
    assert_in_order(numbers.iter().copied());
    numbers
}

/// Subscribes and leaves until the publishers are done. Each time, all that was begun after the
/// confirmation and done before leaving must have arrived.
fn come_and_go(broker: &Broker<Arc<Inbox>>, first: u64, destination: &str, progress: &Progress) {
    for session in first.. {
        let last_round = progress.is_complete();
        let mut from = [0; PUBLISHERS];
        let confirmed = || from = progress.begun();
        let inbox = subscribe(broker, session, destination, AckMode::Auto, confirmed);
        while progress.done() == from && !progress.is_complete() {
            thread::yield_now();
        }
        let until = progress.done();
        if session % 2 == 0 {
            broker.unsubscribe(now(), SessionKey(session), "x", &mut ToInboxes);
        }
        broker.disconnect(now(), SessionKey(session), &mut ToInboxes);
        let numbers = topic_numbers(&inbox);
        for publisher in 0..PUBLISHERS {
            for sequence in from[publisher]..until[publisher] {
                let number = Number { publisher, sequence };
                assert!(numbers.contains(&number), "{number:?} is missing");
            }
        }
        if last_round {
            break;
        }
    }
}

#[test]
fn a_topic_keeps_each_publishers_order_while_subscribers_come_and_go() {
    let broker = Broker::new(BrokerOptions::default());
    let progress = Progress::default();
    let stays = ["/topic/t.a", "/topic/*.a", "/topic/**"];
    let inboxes: Vec<_> = (0..)
        .zip(stays)
        .map(|(session, to)| subscribe(&broker, session, to, AckMode::Auto, || {}))
        .collect();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, "/topic/t.a", publisher, progress));
        }
        scope.spawn(|| come_and_go(&broker, 1_000_000, "/topic/t.a", &progress));
        scope.spawn(|| come_and_go(&broker, 2_000_000, "/topic/t.*", &progress));
    });
    for inbox in inboxes {
        assert_eq!(topic_numbers(&inbox).len(), PUBLISHERS * MESSAGES);
    }
    assert_eq!(broker.stats().sessions, stays.len());
    assert_eq!(broker.stats().destinations, stays.len());
}

#[test]
fn a_destination_that_always_loses_its_last_subscriber_loses_no_message() {
    let broker = Broker::new(BrokerOptions::default());
    let progress = Progress::default();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, "/topic/t", publisher, progress));
        }
        scope.spawn(|| come_and_go(&broker, 1_000_000, "/topic/t", &progress));
        scope.spawn(|| come_and_go(&broker, 2_000_000, "/topic/t", &progress));
    });
    assert_eq!(broker.stats(), Default::default());
}

#[test]
fn a_user_whose_sessions_come_and_go_gets_every_message_as_long_as_there_is_one() {
    let broker = Broker::new(BrokerOptions::default());
    let progress = Progress::default();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, "/user/ann/queue/q", publisher, progress));
        }
        scope.spawn(|| come_and_go(&broker, 1_000_000, "/user/queue/q", &progress));
        scope.spawn(|| come_and_go(&broker, 2_000_000, "/user/queue/q", &progress));
    });
    assert_eq!(broker.stats(), Default::default());
}

#[test]
fn a_topic_that_retains_a_message_loses_none_of_the_others_while_subscribers_come_and_go() {
    let broker = Broker::new(BrokerOptions::default());
    let name = Destination::parse("/topic/t").unwrap();
    let (headers, body) = (Headers::from([("retain", "set")]), Bytes::from_static(RETAINED));
    broker.send(now(), name, headers, body, &mut ToInboxes).unwrap();
    let progress = Progress::default();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, "/topic/t", publisher, progress));
        }
        scope.spawn(|| come_and_go(&broker, 1_000_000, "/topic/t", &progress));
        scope.spawn(|| come_and_go(&broker, 2_000_000, "/topic/t", &progress));
    });
    let last = subscribe(&broker, 1, "/topic/t", AckMode::Auto, || {});
    assert_eq!(last.entries(), [Entry::Confirmed, Entry::Retained]);
}

/// The messages that a consumer got for the first time are in order; returns what it settled.
#[track_caller]
fn check_consumer(inbox: &Inbox, settled: &[String]) -> Vec<Number> {
    let entries = inbox.entries();
    assert_eq!(entries.first(), Some(&Entry::Confirmed), "the confirmation comes first");
    let first_deliveries = entries.iter().filter_map(|entry| match entry {
        Entry::Queue { number, delivery_count: 1, .. } => Some(*number),
        _ => None,
    });
    assert_in_order(first_deliveries);
    let consumed = entries.iter().filter_map(|entry| match entry {
        Entry::Queue { number, ack: None, .. } => Some(*number),
        Entry::Queue { number, ack: Some(ack), .. } if settled.contains(ack) => Some(*number),
        _ => None,
    });
    consumed.collect()
}

/// Consumes, acknowledges a part of it and leaves, until the publishers are done. Returns what was
/// acknowledged.
fn consume_a_part(broker: &Broker<Arc<Inbox>>, first: u64, progress: &Progress) -> Vec<Number> {
    let mut consumed = Vec::new();
    for session in first.. {
        let last_round = progress.is_complete();
        let inbox = subscribe(broker, session, QUEUE, AckMode::ClientIndividual, || {});
        let mut settled = Vec::new();
        for entry in inbox.entries() {
            let Entry::Queue { ack: Some(ack), .. } = entry else { continue };
            if settled.len() < 5 {
                let target = AckTarget::Ack(&ack);
                broker.ack(now(), SessionKey(session), target, &mut ToInboxes).unwrap();
                settled.push(ack);
            }
        }
        broker.disconnect(now(), SessionKey(session), &mut ToInboxes);
        consumed.extend(check_consumer(&inbox, &settled));
        if last_round {
            break;
        }
    }
    consumed
}

#[test]
fn a_queue_delivers_everything_once_and_in_order_while_consumers_come_and_go() {
    let broker = Broker::new(BrokerOptions::default());
    let progress = Progress::default();
    let stays = subscribe(&broker, 0, QUEUE, AckMode::Client, || {});
    let mut consumed = thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, QUEUE, publisher, progress));
        }
        let one = scope.spawn(|| consume_a_part(&broker, 1_000_000, &progress));
        let two = scope.spawn(|| consume_a_part(&broker, 2_000_000, &progress));
        [one.join().unwrap(), two.join().unwrap()].concat()
    });
    broker.disconnect(now(), SessionKey(0), &mut ToInboxes);
    check_consumer(&stays, &[]);
    let rest = subscribe(&broker, 1, QUEUE, AckMode::Auto, || {});
    consumed.extend(check_consumer(&rest, &[]));
    consumed.sort_unstable();
    let all = (0..PUBLISHERS)
        .flat_map(|publisher| (0..MESSAGES).map(move |sequence| Number { publisher, sequence }));
    assert_eq!(consumed, all.collect::<Vec<_>>(), "nothing is lost, nothing comes twice");
    broker.disconnect(now(), SessionKey(1), &mut ToInboxes);
    assert_eq!(broker.stats(), Default::default());
}

/// The offsets that a subscriber with a history got, and the messages, which must be in order.
#[track_caller]
fn offsets(inbox: &Inbox) -> Vec<u64> {
    let entries = inbox.entries();
    let Some(Entry::Began(beginning)) = entries.first() else { panic!("it did not begin") };
    let first = beginning.position.as_ref().expect("a history").offset + 1;
    let offsets = entries[1..].iter().map(|entry| match entry {
        Entry::Kept { offset, .. } => *offset,
        other => panic!("unexpected {other:?}"),
    });
    let offsets: Vec<u64> = offsets.collect();
    let expected = first..first + offsets.len() as u64;
    assert!(offsets.iter().copied().eq(expected), "no gap, and nothing twice: {offsets:?}");
    offsets
}

/// Comes back again and again behind what it has seen, until the publishers are done.
fn come_back(broker: &Broker<Arc<Inbox>>, first: u64, progress: &Progress) {
    let mut seen: Option<HistoryPosition> = None;
    let mut all = 0;
    for session in first.. {
        let last_round = progress.is_complete();
        let rewind = match seen.take() {
            Some(position) => Rewind::After(position),
            None => Rewind::Everything,
        };
        let inbox = subscribe_behind(broker, session, "/topic/kept", Some(rewind));
        let done = progress.done();
        while progress.done() == done && !progress.is_complete() {
            thread::yield_now();
        }
        broker.disconnect(now(), SessionKey(session), &mut ToInboxes);
        let offsets = offsets(&inbox);
        let Some(Entry::Began(beginning)) = inbox.entries().into_iter().next() else {
            panic!("it did not begin")
        };
        assert_eq!(beginning.recovery, Recovery::Complete);
        all += offsets.len();
        let HistoryPosition { epoch, offset } = beginning.position.unwrap();
        let offset = offsets.last().copied().unwrap_or(offset);
        seen = Some(HistoryPosition { epoch, offset });
        if last_round {
            break;
        }
    }
    assert_eq!(all, PUBLISHERS * MESSAGES, "every message once, over all sessions");
}

#[test]
fn whoever_comes_back_to_a_history_while_others_publish_gets_every_message_once() {
    let mut options = BrokerOptions::default();
    let history =
        HistoryPolicy { messages_max: usize::MAX, octets_max: usize::MAX, ..Default::default() };
    let policy = DestinationPolicy { history: Some(history), ..Default::default() };
    options.policies.push(DestinationPattern::parse("/topic/kept").unwrap(), policy);
    let broker = Broker::new(options);
    let progress = Progress::default();
    let stays = subscribe_behind(&broker, 1, "/topic/kept", None);
    let pattern = subscribe(&broker, 2, "/topic/*", AckMode::Auto, || {});
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (broker, progress) = (&broker, &progress);
            scope.spawn(move || publish(broker, "/topic/kept", publisher, progress));
        }
        scope.spawn(|| come_back(&broker, 1_000_000, &progress));
        scope.spawn(|| come_back(&broker, 2_000_000, &progress));
    });
    assert_eq!(offsets(&stays).len(), PUBLISHERS * MESSAGES);
    // A pattern gets them in the order of the history too.
    let of_pattern = pattern.entries().into_iter().skip(1).map(|entry| match entry {
        Entry::Kept { offset, .. } => offset,
        other => panic!("unexpected {other:?}"),
    });
    assert!(of_pattern.eq(1..=(PUBLISHERS * MESSAGES) as u64));
}

#[test]
fn whoever_subscribes_to_what_is_retained_gets_the_last_value_and_nothing_twice() {
    let mut options = BrokerOptions::default();
    let policy = DestinationPolicy { retention: Retention::Last, ..Default::default() };
    options.policies.push(DestinationPattern::parse("/topic/last").unwrap(), policy);
    let broker = Broker::new(options);
    let progress = Progress::default();
    thread::scope(|scope| {
        let (broker, progress) = (&broker, &progress);
        scope.spawn(move || publish(broker, "/topic/last", 0, progress));
        for (first, to) in [(1_000_000, "/topic/last"), (2_000_000, "/topic/*")] {
            scope.spawn(move || {
                for session in first.. {
                    let done = progress.done()[0];
                    let inbox = subscribe(broker, session, to, AckMode::Auto, || {});
                    while progress.done()[0] == done && done < MESSAGES {
                        thread::yield_now();
                    }
                    broker.disconnect(now(), SessionKey(session), &mut ToInboxes);
                    let numbers = topic_numbers(&inbox);
                    let sequences: Vec<_> = numbers.iter().map(|it| it.sequence).collect();
                    let consecutive = sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]);
                    assert!(consecutive, "{to}: {sequences:?}");
                    assert!(done == 0 || sequences[0] + 1 >= done, "{to}: {sequences:?}");
                    if done == MESSAGES {
                        break;
                    }
                }
            });
        }
    });
}
