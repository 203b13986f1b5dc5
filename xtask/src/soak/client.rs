use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::tally::Tally;

/// How often a message is published to all subscribers.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);

/// The topic of subscribers that read in time, and that of slow ones.
pub(super) const TOPIC: Topic = Topic { destination: "/topic/soak", body_octets: 1024 };
pub(super) const LARGE_TOPIC: Topic = Topic { destination: "/topic/large", body_octets: 16 * 1024 };

/// Where messages are published, and up to what size they are filled.
///
/// Slow subscribers get large ones, since the kernel keeps some megabytes for each of them before the server can
/// notice that they are slow.
#[derive(Clone, Copy)]
pub(super) struct Topic {
    destination: &'static str,
    body_octets: usize,
}

/// Messages of the queue that wait for their receipts at most, and how often so many are sent.
const WINDOW: u64 = 50;
const PRODUCE_EVERY: Duration = Duration::from_millis(50);

/// What a slow subscriber does after each message.
const SLOWNESS: Duration = Duration::from_millis(250);

/// A body of the queue is filled up to that.
const QUEUE_BODY_OCTETS: usize = 1024;

struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    frame: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        let reader = BufReader::with_capacity(2048, stream.try_clone()?);
        let mut client = Self { stream, reader, frame: Vec::new() };
        client.write("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\0")?;
        client.read();
        Ok(client)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// The next frame; `None` at the end.
    fn read(&mut self) -> Option<&str> {
        self.frame.clear();
        match self.reader.read_until(0, &mut self.frame) {
            Ok(1..) if self.frame.pop() == Some(0) => {
                std::str::from_utf8(&self.frame).ok().map(str::trim_start)
            }
            _ => None,
        }
    }
}

/// The number that a body begins with.
fn number(frame: &str) -> Option<u64> {
    frame.split_once("\n\n")?.1.split(' ').next()?.parse().ok()
}

fn header<'f>(frame: &'f str, name: &str) -> Option<&'f str> {
    let head = frame.split("\n\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn body(number: u64, octets: usize) -> String {
    format!("{number} {:.<octets$}", "")
}

/// Listens, and must not be sent away.
pub(super) fn subscribe(address: &str, tally: &Tally) {
    if listen(address, TOPIC, tally, Duration::ZERO).is_err() || !tally.is_stopped() {
        tally.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Listens more slowly than messages come, and again when it was sent away.
pub(super) fn subscribe_slowly(address: &str, tally: &Tally) {
    while !tally.is_stopped() {
        match listen(address, LARGE_TOPIC, tally, SLOWNESS) {
            Ok(()) => tally.sent_away.fetch_add(1, Ordering::Relaxed),
            Err(_) => return note_end(tally),
        };
    }
}

/// Whoever ends before the soak does must not have.
fn note_end(tally: &Tally) {
    if !tally.is_stopped() {
        tally.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn listen(address: &str, topic: Topic, tally: &Tally, slowness: Duration) -> Result<()> {
    let mut client = Client::connect(address)?;
    let destination = topic.destination;
    client.write(&format!("SUBSCRIBE\nid:s\ndestination:{destination}\nreceipt:s\n\n\0"))?;
    client.read();
    tally.subscribed.fetch_add(usize::from(slowness.is_zero()), Ordering::Relaxed);
    let seen = if slowness.is_zero() { tally.listener() } else { Arc::default() };
    let mut last = None;
    while let Some(frame) = client.read() {
        let Some(number) = number(frame).filter(|_| frame.starts_with("MESSAGE")) else { continue };
        tally.delivered.fetch_add(1, Ordering::Relaxed);
        seen.store(number + 1, Ordering::Relaxed);
        match last.replace(number) {
            Some(before) if number <= before => {
                tally.repeated.fetch_add(1, Ordering::Relaxed);
            }
            Some(before) => {
                tally.lost.fetch_add(number - before - 1, Ordering::Relaxed);
            }
            // Nothing is published before all of these listen.
            None if slowness.is_zero() => {
                tally.lost.fetch_add(number, Ordering::Relaxed);
            }
            None => {}
        }
        thread::sleep(slowness);
    }
    Ok(())
}

/// Publishes to all subscribers of a topic, and counts that.
pub(super) fn publish(address: &str, topic: Topic, published: &AtomicU64, tally: &Tally) {
    let _ = publish_until_stopped(address, topic, published, tally);
    note_end(tally);
}

fn publish_until_stopped(
    address: &str,
    topic: Topic,
    published: &AtomicU64,
    tally: &Tally,
) -> Result<()> {
    let mut client = Client::connect(address)?;
    for number in 0.. {
        if tally.is_stopped() {
            break;
        }
        let Topic { destination, body_octets } = topic;
        let body = body(number, body_octets);
        client.write(&format!("SEND\ndestination:{destination}\n\n{body}\0"))?;
        published.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PUBLISH_EVERY);
    }
    Ok(())
}

/// Sends persistent messages to a queue, with receipts.
pub(super) fn produce(address: &str, tally: &Tally) {
    let _ = produce_until_stopped(address, tally);
    note_end(tally);
}

fn produce_until_stopped(address: &str, tally: &Tally) -> Result<()> {
    let mut client = Client::connect(address)?;
    let mut next = 0;
    while !tally.is_stopped() {
        let mut frames = String::new();
        for number in next..next + WINDOW {
            let head = "SEND\ndestination:/queue/soak\npersistent:true";
            let body = body(number, QUEUE_BODY_OCTETS);
            frames += &format!("{head}\nreceipt:{number}\n\n{body}\0");
        }
        next += WINDOW;
        tally.produced.fetch_add(WINDOW, Ordering::Relaxed);
        client.write(&frames)?;
        for _ in 0..WINDOW {
            // ERROR has the id of the receipt that there is not.
            let receipt = client.read().filter(|frame| frame.starts_with("RECEIPT"));
            let receipt = receipt.and_then(|frame| header(frame, "receipt-id")?.parse().ok());
            let Some(number) = receipt else { return Ok(()) };
            tally.receipt(number);
        }
        thread::sleep(PRODUCE_EVERY);
    }
    Ok(())
}

/// Consumes from the queue, one acknowledgement for each message.
pub(super) fn consume(address: &str, tally: &Tally) {
    let _ = consume_to_the_end(address, tally);
    note_end(tally);
}

fn consume_to_the_end(address: &str, tally: &Tally) -> Result<()> {
    let mut client = Client::connect(address)?;
    let subscribe = "SUBSCRIBE\nid:s\ndestination:/queue/soak\nack:client-individual\n\n\0";
    client.write(subscribe)?;
    let mut last = None;
    while let Some(frame) = client.read() {
        let (Some(number), Some(ack)) = (number(frame), header(frame, "ack")) else { continue };
        let ack = format!("ACK\nid:{ack}\n\n\0");
        tally.consume(number);
        if last.replace(number) >= Some(number) {
            tally.repeated.fetch_add(1, Ordering::Relaxed);
        }
        client.write(&ack)?;
    }
    Ok(())
}
