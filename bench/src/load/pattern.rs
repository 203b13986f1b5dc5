//! Who sends when.

use std::error::Error;
use std::time::{Duration, Instant};

use super::Clients;
use crate::message::Frames;

/// How long to wait for input before looking at the clock again.
const TICK: Duration = Duration::from_millis(50);

/// What came of some time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// Messages that the server delivered.
    pub(crate) messages: u64,
    /// Octets that these had on the wire.
    pub(crate) octets: u64,
    pub(crate) took: Duration,
}

/// Every connection keeps as many messages in flight.
pub(crate) struct Echo<'a> {
    clients: Clients,
    frames: &'a Frames,
}

impl<'a> Echo<'a> {
    /// Sends the first `depth` messages on each connection.
    ///
    /// # Errors
    ///
    /// When a connection does not take them.
    pub(crate) fn start(
        mut clients: Clients,
        frames: &'a Frames,
        depth: usize,
    ) -> Result<Self, Box<dyn Error>> {
        for connection in &mut clients.connections {
            // Not all at the same place, or all would be at the same message for ever.
            let first = connection.index % frames.period();
            let (octets, next) = frames.batch(first, depth).ok_or("too deep")?;
            connection.next_frame = next;
            connection.send(octets)?;
            connection.register(&clients.epoll)?;
        }
        Ok(Self { clients, frames })
    }

    /// Goes on for so long.
    ///
    /// # Errors
    ///
    /// When the server does anything but echo.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Delivery, Box<dyn Error>> {
        let (start, octets) = (Instant::now(), self.clients.received);
        let mut messages = 0;
        while start.elapsed() < window {
            self.clients.poll(TICK, |connection, count| {
                messages += count;
                let batch = self.frames.batch(connection.next_frame, usize::try_from(count)?);
                let (octets, next) = batch.ok_or("more answers than messages")?;
                connection.next_frame = next;
                Ok(connection.send(octets)?)
            })?;
        }
        delivery(messages, self.clients.received - octets, start)
    }
}

/// One connection sends a burst as soon as all have got the last one.
pub(crate) struct Broadcast<'a> {
    clients: Clients,
    burst: &'a [u8],
    burst_len: u64,
    /// Messages of the burst that are still to come.
    missing: u64,
}

impl<'a> Broadcast<'a> {
    /// Sends the first burst.
    ///
    /// # Errors
    ///
    /// When the connection does not take it.
    pub(crate) fn start(
        clients: Clients,
        frames: &'a Frames,
        burst: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let (octets, _) = frames.batch(0, burst).ok_or("too many at a time")?;
        let mut broadcast =
            Self { clients, burst: octets, burst_len: u64::try_from(burst)?, missing: 0 };
        broadcast.publish()?;
        Ok(broadcast)
    }

    /// Goes on for so long.
    ///
    /// # Errors
    ///
    /// When the server does anything but broadcast.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Delivery, Box<dyn Error>> {
        let (start, octets) = (Instant::now(), self.clients.received);
        let mut messages = 0;
        while start.elapsed() < window {
            let mut got = 0;
            self.clients.poll(TICK, |_, count| {
                got += count;
                Ok(())
            })?;
            messages += got;
            self.missing = self.missing.checked_sub(got).ok_or("more deliveries than receivers")?;
            if self.missing == 0 {
                self.publish()?;
            }
        }
        delivery(messages, self.clients.received - octets, start)
    }

    fn publish(&mut self) -> Result<(), Box<dyn Error>> {
        self.missing = self.burst_len * u64::try_from(self.clients.connections.len())?;
        let publisher = self.clients.connections.first_mut().ok_or("nobody is there to publish")?;
        publisher.send(self.burst)?;
        Ok(publisher.register(&self.clients.epoll)?)
    }
}

/// One connection sends a message when the last has come back. Another may flood the server.
pub(crate) struct PingPong<'a> {
    clients: Clients,
    frames: &'a Frames,
}

/// What the second connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Nothing.
    Absent,
    /// It sends as much as it can, and reads what comes back.
    Present,
}

impl<'a> PingPong<'a> {
    /// `clients` are two connections: the ping-pong, and the flood.
    pub(crate) fn new(clients: Clients, frames: &'a Frames) -> Self {
        Self { clients, frames }
    }

    /// Returns the delays of all messages, sorted. The flood goes on after a run with it.
    ///
    /// # Errors
    ///
    /// When the server does anything but echo.
    pub(crate) fn run(
        &mut self,
        window: Duration,
        flood: Flood,
    ) -> Result<Vec<Duration>, Box<dyn Error>> {
        let (one, _) = self.frames.batch(0, 1).ok_or("no message to send")?;
        let (many, _) = self.frames.batch(0, self.frames.batch_max()).ok_or("too many")?;
        let start = Instant::now();
        let mut delays = Vec::new();
        let mut sent_at = Instant::now();
        self.clients.connections[0].send(one)?;
        loop {
            let mut timeout = TICK;
            if flood == Flood::Present {
                let flooding = &mut self.clients.connections[1];
                if !flooding.has_unsent() {
                    flooding.send(many)?;
                    flooding.register(&self.clients.epoll)?;
                }
                if !flooding.has_unsent() {
                    timeout = Duration::ZERO;
                }
            }
            let mut over = false;
            self.clients.poll(timeout, |connection, count| {
                if connection.index == 0 && count > 0 {
                    delays.push(sent_at.elapsed());
                    over = start.elapsed() >= window;
                    sent_at = Instant::now();
                    if !over {
                        connection.send(one)?;
                    }
                }
                Ok(())
            })?;
            if over {
                break;
            }
            if sent_at.elapsed() > window * 10 {
                return Err("the ping-pong gets no answer".into());
            }
        }
        delays.sort_unstable();
        Ok(delays)
    }
}

fn delivery(messages: u64, octets: u64, start: Instant) -> Result<Delivery, Box<dyn Error>> {
    match messages {
        0 => Err("the server delivered nothing".into()),
        _ => Ok(Delivery { messages, octets, took: start.elapsed() }),
    }
}
