//! The server is killed under load: nothing that it acknowledged is lost.
//!
//! What the operating system has of a file outlives the process. That it outlives the machine too is seen to by the
//! tests of the store, which cut its power.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, thread};

use crate::server::{Client, DURABLY, Directory, PATIENCE, Server, header};

/// How often the server is killed. `TIDINGS_CRASHES` asks for more.
const CRASHES: u64 = 5;

/// By what the numbers of the second producer are larger than those of the first.
const PRODUCER: u64 = 500_000;

/// The queue that transactions send to, and how many messages each of them sends.
const TRANSACTIONS: &str = "/queue/transactions";
const TOGETHER: usize = 3;

/// Sends to a destination until the server is gone, from a number on, and says what it has a receipt
/// for.
fn publish(
    mut client: Client,
    destination: &str,
    first: u64,
    acknowledged: Arc<AtomicU64>,
) -> BTreeSet<u64> {
    let mut reader = Client {
        reader: BufReader::new(client.stream.try_clone().unwrap()),
        stream: client.stream.try_clone().unwrap(),
    };
    let receipts = thread::spawn(move || {
        let frames = std::iter::from_fn(|| reader.frame());
        // ERROR, where the queue is full, has the id of the receipt that there is not.
        let frames = frames.filter(|frame| frame.starts_with("RECEIPT"));
        let ids = frames.filter_map(|frame| header(&frame, "receipt-id")?.parse().ok());
        let count = |_: &u64| {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        };
        ids.inspect(count).collect::<BTreeSet<u64>>()
    });
    for number in first.. {
        let frame = format!(
            "SEND\ndestination:{destination}\npersistent:true\nreceipt:{number}\n\n{number}\0"
        );
        if client.write(&frame).is_err() {
            break;
        }
    }
    receipts.join().unwrap()
}

/// Commits and aborts transactions in turn until the server is gone, from a number on that is even,
/// and says which commits have a receipt. Those with odd numbers are aborted.
fn transact(mut client: Client, first: u64, acknowledged: &AtomicU64) -> BTreeSet<u64> {
    let mut committed = BTreeSet::new();
    for number in first.. {
        let mut frames = format!("BEGIN\ntransaction:{number}\n\n\0");
        for _ in 0..TOGETHER {
            let head = format!("destination:{TRANSACTIONS}\ntransaction:{number}\npersistent:true");
            frames += &format!("SEND\n{head}\n\n{number}\0");
        }
        let end = if number.is_multiple_of(2) { "COMMIT" } else { "ABORT" };
        frames += &format!("{end}\ntransaction:{number}\nreceipt:{number}\n\n\0");
        if client.write(&frames).is_err()
            || !client.frame().is_some_and(|frame| frame.starts_with("RECEIPT"))
        {
            break;
        }
        if number.is_multiple_of(2) {
            committed.insert(number);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    committed
}

/// What a consumer has seen: each message with how often, and which it has acknowledged, and which
/// of those it knows to be settled.
struct Seen {
    /// Where it sends, and what the head of its SUBSCRIBE has.
    destination: &'static str,
    subscription: &'static str,
    deliveries: BTreeMap<u64, u32>,
    acknowledged: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    /// How many those were in this round.
    progress: Arc<AtomicU64>,
}

impl Seen {
    fn new(destination: &'static str, subscription: &'static str) -> Self {
        Self {
            destination,
            subscription,
            deliveries: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            settled: BTreeSet::new(),
            progress: Arc::default(),
        }
    }

    fn message(&mut self, frame: &str) -> u64 {
        let number = frame.rsplit("\n\n").next().unwrap().parse().unwrap();
        let count = self.deliveries.entry(number).or_default();
        *count += 1;
        assert!(!self.settled.contains(&number), "{number} was acknowledged with a receipt");
        let is_marked = header(frame, "redelivered") == Some("true");
        assert!(*count == 1 || is_marked, "{number} comes again without a mark");
        number
    }

    /// Consumes until the server is gone.
    fn consume(&mut self, mut client: Client) {
        let head = format!("id:s\n{}\nack:client-individual", self.subscription);
        client.write(&format!("SUBSCRIBE\n{head}\n\n\0")).unwrap();
        let mut last = BTreeMap::new();
        while let Some(frame) = client.frame() {
            if let Some(receipt) = header(&frame, "receipt-id") {
                self.settled.insert(receipt.parse().unwrap());
                self.progress.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let number = self.message(&frame);
            if header(&frame, "redelivered").is_none() {
                in_order(&mut last, number);
            }
            let ack = header(&frame, "ack").unwrap();
            // Every other message is left at first, so that some are always under way.
            let is_settled = number.is_multiple_of(2) || self.deliveries[&number] > 1;
            if is_settled {
                self.acknowledged.insert(number);
            }
            if is_settled
                && client.write(&format!("ACK\nid:{ack}\nreceipt:{number}\n\n\0")).is_err()
            {
                return;
            }
        }
    }

    /// Consumes what is left, which comes in order, and says what that was.
    fn drain(&mut self, mut client: Client) -> BTreeSet<u64> {
        let Self { destination, subscription, .. } = self;
        let end = format!("SEND\ndestination:{destination}\n\n{}\0", u64::MAX);
        client.write(&format!("SUBSCRIBE\nid:s\n{subscription}\n\n\0{end}")).unwrap();
        let (mut last, mut left) = (BTreeMap::new(), BTreeSet::new());
        loop {
            let number = self.message(&client.frame().unwrap());
            if number == u64::MAX {
                return left;
            }
            in_order(&mut last, number);
            left.insert(number);
        }
    }

    /// Whatever has a receipt came, and what nobody has acknowledged was left to the end.
    fn check(mut self, receipted: &BTreeSet<u64>, client: Client) {
        let left = self.drain(client);
        let is_lost = |number: &&u64| !left.contains(number) && !self.acknowledged.contains(number);
        let (of, lost) = (self.destination, receipted.iter().find(is_lost));
        assert_eq!(lost, None, "lost with a receipt, of {of}");
        assert!(!receipted.is_empty(), "the load on {of} was too small to say anything");
        assert!(!self.settled.is_empty(), "nothing of {of} was settled");
    }
}

/// What one producer has sent in one round comes in the order of its numbers.
fn in_order(last: &mut BTreeMap<u64, u64>, number: u64) {
    let producer = number % 1_000_000 / PRODUCER;
    let before = last.insert(producer, number);
    assert!(before < Some(number), "{number} comes after {before:?}");
}

/// `TIDINGS_CRASH_SEED` gives one again. When the server is killed follows from it; what it does by then does not.
fn seed() -> u64 {
    let seed = env::var("TIDINGS_CRASH_SEED").map_or_else(
        |_| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()),
        |text| text.parse().expect("a seed is a number"),
    );
    println!("again: TIDINGS_CRASH_SEED={seed}");
    seed
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_server_is_killed() {
    let seed = seed();
    let data = Directory::new();
    let crashes = env::var("TIDINGS_CRASHES").map_or(CRASHES, |text| text.parse().unwrap());
    let mut receipted = BTreeSet::new();
    let (mut published, mut committed) = (BTreeSet::new(), BTreeSet::new());
    let mut consumers =
        [Seen::new("/queue/load", "destination:/queue/load"), Seen::new("/topic/news", DURABLY)];
    Server::start(data.path()).connect().subscribe_durably();
    for round in 0..crashes {
        let mut server = Server::start(data.path());
        let mut watcher = server.connect();
        let counts: [Arc<AtomicU64>; 3] = Default::default();
        let mut progress = counts.to_vec();
        let producers = [("/queue/load", 0), ("/queue/load", PRODUCER), ("/topic/news", 0)];
        let mut counts = counts.into_iter();
        let publishing = producers.map(|(destination, offset)| {
            let (client, count) = (server.connect(), counts.next().unwrap());
            let first = round * 1_000_000 + offset;
            thread::spawn(move || publish(client, destination, first, count))
        });
        let (transactor, count) = (server.connect(), Arc::<AtomicU64>::default());
        progress.push(Arc::clone(&count));
        let transacting = thread::spawn(move || transact(transactor, round * 1_000_000, &count));
        let consuming = consumers.map(|mut seen| {
            let consumer = server.connect();
            seen.progress = Arc::default();
            progress.push(Arc::clone(&seen.progress));
            thread::spawn(move || {
                seen.consume(consumer);
                seen
            })
        });
        // At some moment under load, which work and not a clock determines; the last time not before
        // something was acknowledged to every producer and every consumer.
        let turns = 1 + (seed ^ (round * 7919)) % 400;
        let must_acknowledge = round + 1 == crashes;
        let is_idle = || progress.iter().any(|count| count.load(Ordering::Relaxed) == 0);
        let (mut turn, begun) = (0, Instant::now());
        while turn < turns || (must_acknowledge && is_idle()) {
            assert!(begun.elapsed() < PATIENCE, "waited for acknowledgements: {progress:?}");
            turn += 1;
            let begin = "BEGIN\ntransaction:t\n\n\0";
            let abort = format!("ABORT\ntransaction:t\nreceipt:{turn}\n\n\0");
            watcher.write(&format!("{begin}{abort}")).unwrap();
            assert!(watcher.frame().unwrap().starts_with("RECEIPT"));
        }
        server.process.kill().unwrap();
        let [one, other, topic] = publishing.map(|thread| thread.join().unwrap());
        receipted.extend(one);
        receipted.extend(other);
        published.extend(topic);
        committed.extend(transacting.join().unwrap());
        consumers = consuming.map(|thread| thread.join().unwrap());
    }
    let server = Server::start(data.path());
    let [queue, topic] = consumers;
    queue.check(&receipted, server.connect());
    topic.check(&published, server.connect());
    check_transactions(&committed, &server.connect().drain(TRANSACTIONS));
}

/// Each was done as a whole or not at all, and those with a receipt were.
fn check_transactions(committed: &BTreeSet<u64>, left: &[String]) {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for body in left {
        *counts.entry(body.parse().unwrap()).or_default() += 1;
    }
    for (number, count) in &counts {
        assert_eq!(*count, TOGETHER, "transaction {number} was done in part");
        assert!(number.is_multiple_of(2), "transaction {number} was aborted");
    }
    let lost = committed.iter().find(|number| !counts.contains_key(number));
    assert_eq!(lost, None, "a transaction is lost that has a receipt");
}
