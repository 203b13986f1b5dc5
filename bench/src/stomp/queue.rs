//! A durable queue: persistent messages with receipts, each acknowledged by itself.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use super::clients::{Clients, PATIENCE, TICK};
use super::dialect::{Role, body};
use super::{Dialect, Door};
use crate::load::Delivery;

/// How many clients send, and how many consume.
pub(super) const PRODUCERS: usize = 4;
pub(super) const CONSUMERS: usize = 4;

/// Messages of a producer that may be without their receipt.
pub(super) const UNCONFIRMED: u64 = 256;

/// Producers and consumers of one queue, at the same time.
pub(crate) struct Turnover {
    parties: Parties,
}

/// First the producers, then the consumers.
pub(crate) struct Backlog {
    parties: Parties,
}

struct Parties {
    clients: Clients,
    /// Each by its number as a client.
    producers: Vec<Producer>,
    /// The first consumer's number.
    consumers_from: usize,
    consumers: Vec<Consumer>,
    consumed: u64,
    received_octets: u64,
}

#[derive(Clone, Debug)]
struct Producer {
    frames: Frames,
    sent: u64,
    confirmed: u64,
}

/// Makes SEND frames, which differ in their receipt.
#[derive(Clone, Debug)]
struct Frames {
    /// What comes before the receipt, and after it.
    head: Vec<u8>,
    tail: Vec<u8>,
    out: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Consumer {
    /// The beginning of a frame.
    rest: Vec<u8>,
    has_left: bool,
}

impl Turnover {
    /// Opens producers and consumers.
    ///
    /// # Errors
    ///
    /// When somebody cannot be opened.
    pub(crate) fn open(address: &str, octets: usize) -> Result<Self, Box<dyn Error>> {
        let mut parties = Parties::open(address, octets)?;
        parties.open_consumers()?;
        Ok(Self { parties })
    }

    /// Sends for so long, and waits until all is confirmed and consumed.
    ///
    /// # Errors
    ///
    /// When the broker does anything but its work.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Delivery, Box<dyn Error>> {
        let parties = &mut self.parties;
        let (start, before, octets) = (Instant::now(), parties.consumed, parties.received_octets);
        while start.elapsed() < window {
            parties.produce(u64::MAX)?;
            parties.poll()?;
        }
        parties.settle()?;
        let (messages, octets) = (parties.consumed - before, parties.received_octets - octets);
        Ok(Delivery { messages, octets, took: start.elapsed() })
    }
}

impl Backlog {
    /// Opens producers.
    ///
    /// # Errors
    ///
    /// When somebody cannot be opened.
    pub(crate) fn open(address: &str, octets: usize) -> Result<Self, Box<dyn Error>> {
        Ok(Self { parties: Parties::open(address, octets)? })
    }

    /// Sends so many messages, or for so long, until all are confirmed; then has them consumed.
    ///
    /// # Errors
    ///
    /// When the broker does anything but its work.
    pub(crate) fn run(
        mut self,
        messages: u64,
        at_most: Duration,
    ) -> Result<Delivery, Box<dyn Error>> {
        let (start, parties) = (Instant::now(), &mut self.parties);
        let each = messages / u64::try_from(PRODUCERS)?;
        while start.elapsed() < at_most && parties.sent() < each * u64::try_from(PRODUCERS)? {
            parties.produce(each)?;
            parties.poll()?;
        }
        parties.wait_until(|parties| parties.unconfirmed() == 0)?;
        parties.open_consumers()?;
        parties.settle()?;
        parties.take_leave()?;
        let (messages, octets) = (parties.consumed, parties.received_octets);
        Ok(Delivery { messages, octets, took: start.elapsed() })
    }
}

impl Parties {
    fn open(address: &str, octets: usize) -> Result<Self, Box<dyn Error>> {
        let mut clients = Clients::new(address, Dialect::Stomp)?;
        clients.open(PRODUCERS, Role::Publisher, Door::Tcp)?;
        let producer = Producer { frames: Frames::new(octets), sent: 0, confirmed: 0 };
        Ok(Self {
            clients,
            producers: vec![producer; PRODUCERS],
            consumers_from: PRODUCERS,
            consumers: vec![Consumer::default(); CONSUMERS],
            consumed: 0,
            received_octets: 0,
        })
    }

    fn open_consumers(&mut self) -> Result<(), Box<dyn Error>> {
        // Messages for those who are there already come while others are opened.
        let Self { clients, consumers_from, consumers, .. } = self;
        for index in 0..consumers.len() {
            let number = clients.open(1, Role::Consumer, Door::Tcp)?;
            debug_assert_eq!(number, *consumers_from + index);
        }
        Ok(())
    }

    /// Has each producer send what it may, up to so many in all.
    fn produce(&mut self, up_to: u64) -> Result<(), Box<dyn Error>> {
        for (number, producer) in self.producers.iter_mut().enumerate() {
            let may = producer.confirmed + UNCONFIRMED;
            let wanted = may.min(up_to).saturating_sub(producer.sent);
            // Not one at a time.
            if wanted > 0 && (wanted >= UNCONFIRMED / 8 || producer.sent + wanted == up_to) {
                let octets = producer.frames.make(producer.sent, wanted);
                producer.sent += wanted;
                self.clients.send(number, octets)?;
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), Box<dyn Error>> {
        let Self { clients, producers, consumers, consumers_from, consumed, received_octets } =
            self;
        clients.poll(TICK, |number, octets, answer| {
            *received_octets += u64::try_from(octets.len())?;
            if let Some(producer) = producers.get_mut(number) {
                if octets.starts_with(b"ERROR") {
                    return Err(String::from_utf8_lossy(octets).into_owned().into());
                }
                producer.confirmed += u64::try_from(memchr::memchr_iter(0, octets).count())?;
            } else {
                *consumed += consumers[number - *consumers_from].take(octets, answer)?;
            }
            Ok(())
        })
    }

    fn sent(&self) -> u64 {
        self.producers.iter().map(|producer| producer.sent).sum()
    }

    fn unconfirmed(&self) -> u64 {
        let confirmed: u64 = self.producers.iter().map(|producer| producer.confirmed).sum();
        self.sent() - confirmed
    }

    /// Waits until all that was sent is confirmed and consumed.
    fn settle(&mut self) -> Result<(), Box<dyn Error>> {
        self.wait_until(|parties| {
            parties.unconfirmed() == 0 && parties.consumed >= parties.sent()
        })?;
        if self.consumed > self.sent() {
            return Err("messages were delivered more than once".into());
        }
        Ok(())
    }

    /// Waits until the broker knows of all that the consumers have acknowledged.
    fn take_leave(&mut self) -> Result<(), Box<dyn Error>> {
        for number in self.consumers_from..self.consumers_from + self.consumers.len() {
            self.clients.send(number, b"UNSUBSCRIBE\nid:0\nreceipt:bye\n\n\0")?;
        }
        self.wait_until(|parties| parties.consumers.iter().all(|consumer| consumer.has_left))
    }

    fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), Box<dyn Error>> {
        let mut last = (self.consumed, self.unconfirmed(), Instant::now());
        while !is_so(self) {
            self.poll()?;
            let now = (self.consumed, self.unconfirmed(), Instant::now());
            if (last.0, last.1) != (now.0, now.1) {
                last = now;
            } else if last.2.elapsed() > PATIENCE {
                let (consumed, unconfirmed) = (self.consumed, self.unconfirmed());
                let sent = self.sent();
                return Err(format!(
                    "of {sent} messages {unconfirmed} have no receipt, and {consumed} were consumed"
                )
                .into());
            }
        }
        Ok(())
    }
}

impl Frames {
    fn new(octets: usize) -> Self {
        let head = "SEND\ndestination:/queue/bench\npersistent:true\nreceipt:".to_owned();
        let tail = format!("\ncontent-length:{octets}\n\n{}\0", body(octets));
        Self { head: head.into_bytes(), tail: tail.into_bytes(), out: Vec::new() }
    }

    /// So many frames, whose receipts count up from `first`.
    fn make(&mut self, first: u64, count: u64) -> &[u8] {
        self.out.clear();
        for receipt in first..first + count {
            self.out.extend_from_slice(&self.head);
            // Writing to a vector does not fail.
            let _ = write!(self.out, "{receipt}");
            self.out.extend_from_slice(&self.tail);
        }
        &self.out
    }
}

impl Consumer {
    /// Takes octets in, and appends an ACK for each message that ends in them. Returns how many those are.
    fn take(&mut self, octets: &[u8], answer: &mut Vec<u8>) -> Result<u64, Box<dyn Error>> {
        let mut messages = 0;
        let mut rest = octets;
        while let Some(end) = memchr::memchr(0, rest) {
            let (frame, after) = rest.split_at(end);
            rest = &after[1..];
            if self.rest.is_empty() {
                messages += self.take_frame(frame, answer)?;
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(frame);
                messages += self.take_frame(&whole, answer)?;
            }
        }
        self.rest.extend_from_slice(rest);
        Ok(messages)
    }

    /// Takes a frame, which some brokers begin with the line end of the one before. Returns how many messages
    /// it is.
    fn take_frame(&mut self, frame: &[u8], answer: &mut Vec<u8>) -> Result<u64, Box<dyn Error>> {
        let frame = frame.trim_ascii_start();
        if frame.starts_with(b"RECEIPT") {
            self.has_left = true;
            return Ok(0);
        }
        acknowledge(frame, answer)?;
        Ok(1)
    }
}

/// Appends the ACK of a MESSAGE frame.
fn acknowledge(frame: &[u8], answer: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    const ACK: &[u8] = b"\nack:";
    let is_message = frame.starts_with(b"MESSAGE");
    let id = memchr::memmem::find(frame, ACK).filter(|_| is_message).and_then(|at| {
        let value = &frame[at + ACK.len()..];
        Some(&value[..memchr::memchr(b'\n', value)?])
    });
    let Some(id) = id else {
        return Err(String::from_utf8_lossy(frame).into_owned().into());
    };
    answer.extend_from_slice(b"ACK\nid:");
    answer.extend_from_slice(id);
    answer.extend_from_slice(b"\n\n\0");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_acknowledged_by_itself_however_it_is_cut() {
        let octets = b"MESSAGE\nack:1-1\n\nxx\0\nMESSAGE\nsubscription:0\nack:1-2\n\nxx\0";
        for piece in 1..=octets.len() {
            let (mut consumer, mut answer) = (Consumer::default(), Vec::new());
            let pieces =
                octets.chunks(piece).map(|octets| consumer.take(octets, &mut answer).unwrap());
            assert_eq!(pieces.sum::<u64>(), 2);
            assert_eq!(answer, b"ACK\nid:1-1\n\n\0ACK\nid:1-2\n\n\0");
        }
        let error = Consumer::default().take(b"ERROR\nmessage:no\n\n\0", &mut Vec::new());
        assert!(error.unwrap_err().to_string().contains("message:no"));
    }

    #[test]
    fn receipts_count_up() {
        let mut frames = Frames::new(2);
        let made = String::from_utf8(frames.make(9, 2).to_vec()).unwrap();
        assert!(made.contains("receipt:9\n") && made.contains("receipt:10\n"), "{made}");
        assert_eq!(made.matches('\0').count(), 2);
    }
}
