//! A topic: one client publishes, others have subscribed.

use std::error::Error;
use std::time::{Duration, Instant};

use super::clients::{Clients, PATIENCE, TICK};
use super::dialect::Role;
use super::scanner::Scanner;
use super::{Dialect, Door, Path};
use crate::load::Delivery;

/// One publisher, and its subscribers.
pub(crate) struct FanOut {
    publisher: Publisher,
    subscribers: Clients,
    scanners: Vec<Scanner>,
    subscribers_len: u64,
    /// Messages that are sent at a time: half of what may be in flight.
    piece: Vec<u8>,
    piece_len: u64,
    sent: u64,
    delivered: u64,
    received_octets: u64,
}

/// Whose connection the publisher's is.
enum Publisher {
    /// The same broker's clients, by this number.
    AmongSubscribers(usize),
    /// The broker has another address for it.
    Apart(Clients),
}

impl FanOut {
    /// Opens everybody. The publisher is at `publisher_address`, by TCP.
    ///
    /// # Errors
    ///
    /// When somebody cannot be opened, or what a subscriber gets first is not what was sent.
    pub(crate) fn open(
        (address, publisher_address): (&str, &str),
        dialect: Dialect,
        (path, door): (Path, Door),
        (subscribers, depth, octets): (usize, usize, usize),
    ) -> Result<Self, Box<dyn Error>> {
        let mut clients = Clients::new(address, dialect)?;
        clients.open(subscribers, Role::Subscriber, door)?;
        let publisher = if door == Door::Tcp {
            Publisher::AmongSubscribers(clients.open(1, Role::Publisher, Door::Tcp)?)
        } else {
            let mut apart = Clients::new(publisher_address, dialect)?;
            apart.open(1, Role::Publisher, Door::Tcp)?;
            Publisher::Apart(apart)
        };
        let piece_len = (depth / 2).max(1);
        let scanners = (0..=subscribers).map(|_| Scanner::new(dialect, door, octets)).collect();
        let mut fan_out = Self {
            publisher,
            subscribers: clients,
            scanners,
            subscribers_len: u64::try_from(subscribers)?,
            piece: dialect.publications(path, octets, piece_len),
            piece_len: u64::try_from(piece_len)?,
            sent: 0,
            delivered: 0,
            received_octets: 0,
        };
        fan_out.check_body(path, octets)?;
        Ok(fan_out)
    }

    /// Sends one message, and looks at what the first subscriber gets.
    fn check_body(&mut self, path: Path, octets: usize) -> Result<(), Box<dyn Error>> {
        let one = self.subscribers.dialect().publications(path, octets, 1);
        self.publish(&one)?;
        self.sent += 1;
        let (start, body) = (Instant::now(), super::dialect::body(octets));
        let mut first = Vec::new();
        while self.delivered < self.subscribers_len {
            self.poll(|number, octets| {
                if number == 0 {
                    first.extend_from_slice(octets);
                }
            })?;
            if start.elapsed() > PATIENCE {
                return Err("a message did not get to all subscribers".into());
            }
        }
        if memchr::memmem::find(&first, body.as_bytes()).is_none() {
            return Err("a subscriber got something else than what was sent".into());
        }
        Ok(())
    }

    /// Publishes for so long, and waits until all is delivered.
    ///
    /// # Errors
    ///
    /// When the broker does anything but its work.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Delivery, Box<dyn Error>> {
        let (start, before, octets) = (Instant::now(), self.delivered, self.received_octets);
        while start.elapsed() < window {
            while self.in_flight() <= self.piece_len {
                let piece = std::mem::take(&mut self.piece);
                self.publish(&piece)?;
                self.piece = piece;
                self.sent += self.piece_len;
            }
            self.poll(|_, _| ())?;
        }
        let published = Instant::now();
        while self.delivered < self.sent * self.subscribers_len {
            self.poll(|_, _| ())?;
            if published.elapsed() > PATIENCE {
                return Err("messages did not get to all subscribers".into());
            }
        }
        let (messages, octets) = (self.delivered - before, self.received_octets - octets);
        Ok(Delivery { messages, octets, took: start.elapsed() })
    }

    /// Messages that have not got to all subscribers, on average.
    fn in_flight(&self) -> u64 {
        self.sent - self.delivered / self.subscribers_len
    }

    fn publish(&mut self, octets: &[u8]) -> Result<(), Box<dyn Error>> {
        match &mut self.publisher {
            Publisher::AmongSubscribers(number) => self.subscribers.send(*number, octets),
            Publisher::Apart(clients) => {
                clients.send(0, octets)?;
                // It may not have taken all of it.
                clients.poll(Duration::ZERO, |_, _, _| Ok(()))
            }
        }
    }

    fn poll(&mut self, mut look: impl FnMut(usize, &[u8])) -> Result<(), Box<dyn Error>> {
        if let Publisher::Apart(clients) = &mut self.publisher {
            clients.poll(Duration::ZERO, |_, octets, _| said_to_publisher(octets))?;
        }
        let Self { subscribers, scanners, delivered, received_octets, .. } = self;
        subscribers.poll(TICK, |number, octets, _| {
            look(number, octets);
            *received_octets += u64::try_from(octets.len())?;
            *delivered += scanners[number].take(octets)?;
            Ok(())
        })
    }
}

/// A publisher is told nothing but what went wrong.
fn said_to_publisher(octets: &[u8]) -> Result<(), Box<dyn Error>> {
    let said = String::from_utf8_lossy(octets);
    if said.contains("ERR") { Err(said.into_owned().into()) } else { Ok(()) }
}
