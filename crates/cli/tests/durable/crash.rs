//! The server is killed under load: nothing that it acknowledged is lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, process, thread};

/// How often the server is killed. `TIDINGS_CRASHES` asks for more.
const CRASHES: u64 = 5;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    stomp: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tidings"))
            .args(["serve", "--listen", "127.0.0.1:0", "--stomp-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let is_stomp = |line: &String| line.trim_start().starts_with("STOMP");
        let line = lines.by_ref().map(Result::unwrap).find(is_stomp).unwrap();
        let stomp = line.split_whitespace().nth(1).unwrap().to_owned();
        // Whatever else it says must find a reader.
        thread::spawn(move || lines.for_each(drop));
        Self { process, stomp }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.stomp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        client.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0").unwrap();
        assert!(client.frame().unwrap().starts_with("CONNECTED"));
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// The next frame; `None` once the server is gone.
    fn frame(&mut self) -> Option<String> {
        let mut octets = Vec::new();
        match self.reader.read_until(0, &mut octets) {
            Ok(1..) if octets.pop() == Some(0) => {
                Some(String::from_utf8(octets).unwrap().trim_start_matches('\n').to_owned())
            }
            _ => None,
        }
    }
}

fn header<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let head = frame.split("\n\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Sends until the server is gone, and says what it has a receipt for.
fn publish(mut client: Client, round: u64, acknowledged: Arc<AtomicU64>) -> BTreeSet<u64> {
    let mut reader = Client {
        reader: BufReader::new(client.stream.try_clone().unwrap()),
        stream: client.stream.try_clone().unwrap(),
    };
    let receipts = thread::spawn(move || {
        let frames = std::iter::from_fn(|| reader.frame());
        let ids = frames.filter_map(|frame| header(&frame, "receipt-id")?.parse().ok());
        let count = |_: &u64| {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        };
        ids.inspect(count).collect::<BTreeSet<u64>>()
    });
    for number in (round * 1_000_000).. {
        let frame = format!(
            "SEND\ndestination:/queue/load\npersistent:true\nreceipt:{number}\n\n{number}\0"
        );
        if client.write(&frame).is_err() {
            break;
        }
    }
    receipts.join().unwrap()
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
        let mut last = None;
        loop {
            let number = self.message(&client.frame().unwrap());
            if number == u64::MAX {
                return;
            }
            assert!(last < Some(number), "{number} comes after {last:?}");
            last = Some(number);
        }
    }
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_server_is_killed() {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(since_1970.subsec_nanos());
    println!("seed {seed}");
    let name = format!("tidings-crash-{}-{seed}", process::id());
    let data = Directory(env::temp_dir().join(name));
    let crashes = env::var("TIDINGS_CRASHES").map_or(CRASHES, |text| text.parse().unwrap());
    let mut receipted = BTreeSet::new();
    let mut seen = Seen::default();
    for round in 0..crashes {
        let mut server = Server::start(&data.0);
        let (publisher, consumer) = (server.connect(), server.connect());
        let mut watcher = server.connect();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acknowledged);
        let publishing = thread::spawn(move || publish(publisher, round, count));
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
        receipted.extend(publishing.join().unwrap());
        seen = consuming.join().unwrap();
    }
    let server = Server::start(&data.0);
    seen.drain(server.connect());
    let lost: Vec<_> =
        receipted.iter().filter(|number| !seen.deliveries.contains_key(number)).collect();
    assert!(lost.is_empty(), "lost with a receipt: {lost:?}");
    assert!(!receipted.is_empty(), "the load was too small to say anything");
}
