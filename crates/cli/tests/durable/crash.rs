//! The server is killed under load: nothing that it acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, thread};

use crate::server::{Client, Directory, Server, header};

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
fn transact(mut client: Client, first: u64) -> BTreeSet<u64> {
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
        }
    }
    committed
}

/// What a consumer has seen: each message with how often, and what it knows to be settled.
#[derive(Default)]
struct Seen {
    deliveries: BTreeMap<u64, u32>,
    settled: BTreeSet<u64>,
}

impl Seen {
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
        let ack = "client-individual";
        let subscribe = format!("SUBSCRIBE\nid:s\ndestination:/queue/load\nack:{ack}\n\n\0");
        client.write(&subscribe).unwrap();
        while let Some(frame) = client.frame() {
            if let Some(receipt) = header(&frame, "receipt-id") {
                self.settled.insert(receipt.parse().unwrap());
                continue;
            }
            let number = self.message(&frame);
            let ack = header(&frame, "ack").unwrap();
            // Every other message is settled, so that some are always under way.
            if number.is_multiple_of(2)
                && client.write(&format!("ACK\nid:{ack}\nreceipt:{number}\n\n\0")).is_err()
            {
                return;
            }
        }
    }

    /// Consumes what is left, which comes in order.
    fn drain(&mut self, mut client: Client) {
        client
            .write(
                "SUBSCRIBE\nid:s\ndestination:/queue/load\n\n\0\
                 SEND\ndestination:/queue/load\n\n18446744073709551615\0",
            )
            .unwrap();
        let mut last = BTreeMap::new();
        loop {
            let number = self.message(&client.frame().unwrap());
            if number == u64::MAX {
                return;
            }
            let producer = number % 1_000_000 / PRODUCER;
            let before = last.insert(producer, number);
            assert!(before < Some(number), "{number} comes after {before:?}");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_server_is_killed() {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(since_1970.subsec_nanos());
    println!("seed {seed}");
    let data = Directory::new();
    let crashes = env::var("TIDINGS_CRASHES").map_or(CRASHES, |text| text.parse().unwrap());
    let mut receipted = BTreeSet::new();
    let (mut published, mut committed) = (BTreeSet::new(), BTreeSet::new());
    let mut seen = Seen::default();
    Server::start(data.path()).connect().subscribe_durably();
    for round in 0..crashes {
        let mut server = Server::start(data.path());
        let consumer = server.connect();
        let mut watcher = server.connect();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let producers = [("/queue/load", 0), ("/queue/load", PRODUCER), ("/topic/news", 0)];
        let publishing = producers.map(|(destination, offset)| {
            let (client, count) = (server.connect(), Arc::clone(&acknowledged));
            let first = round * 1_000_000 + offset;
            thread::spawn(move || publish(client, destination, first, count))
        });
        let transactor = server.connect();
        let transacting = thread::spawn(move || transact(transactor, round * 1_000_000));
        let mut before = std::mem::take(&mut seen);
        let consuming = thread::spawn(move || {
            before.consume(consumer);
            before
        });
        // At some moment under load, which work and not a clock determines; the last time not before
        // something was acknowledged.
        let turns = 1 + (seed ^ (round * 7919)) % 400;
        let must_acknowledge = round + 1 == crashes;
        let mut turn = 0;
        while turn < turns || (must_acknowledge && acknowledged.load(Ordering::Relaxed) == 0) {
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
        seen = consuming.join().unwrap();
    }
    let server = Server::start(data.path());
    seen.drain(server.connect());
    let came: BTreeSet<u64> = seen.deliveries.keys().copied().collect();
    assert_eq!(receipted.difference(&came).next(), None, "lost with a receipt");
    assert!(!receipted.is_empty(), "the load was too small to say anything");
    let kept = server.connect().take_durable();
    assert_eq!(published.difference(&kept).next(), None, "lost with a receipt, of a subscription");
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
