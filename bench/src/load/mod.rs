//! The clients: one thread, raw sockets, octets made beforehand. Not a WebSocket library.

mod connection;
mod opening;
mod pattern;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use connection::{Connection, Stage};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

pub(crate) use opening::FirstMessage;
pub(crate) use pattern::{Broadcast, Delivery, Echo, Flood, PingPong};

/// Octets read at a time.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Sockets looked at in one go.
const EVENTS: usize = 1024;

/// Connections to one server.
pub(crate) struct Clients {
    address: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// The octets that each message from the server has to have, if they are known.
    reply_len: Option<u64>,
    /// Octets that came in, headers included.
    received: u64,
}

impl Clients {
    /// No connections yet.
    ///
    /// # Errors
    ///
    /// When `address` is none, or the process may not have an epoll instance.
    pub(crate) fn new(address: &str, reply_len: Option<usize>) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            address: address.parse()?,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; BUFFER_OCTETS],
            reply_len: reply_len.map(u64::try_from).transpose()?,
            received: 0,
        })
    }

    /// Waits for input; calls `on_messages` for each connection with the number of messages that it
    /// got.
    ///
    /// # Errors
    ///
    /// When a connection ends, or gets anything but messages.
    fn poll(
        &mut self,
        timeout: Duration,
        mut on_messages: impl FnMut(&mut Connection, u64) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let index = usize::try_from(event.data.u64())?;
            let connection = &mut self.connections[index];
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                connection.flush()?;
            }
            // Errors and the end of the stream come to light by reading.
            if !(flags & !epoll::EventFlags::OUT).is_empty() {
                let read = match connection.read(&mut self.buffer) {
                    Ok(0) => return Err("the server ended a connection".into()),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                };
                self.received += u64::try_from(read)?;
                let messages = connection.take(&self.buffer[..read], self.reply_len)?;
                if messages > 0 || !matches!(connection.stage, Stage::Handshake { .. }) {
                    on_messages(connection, messages)?;
                }
            }
            connection.register(&self.epoll)?;
        }
        Ok(())
    }
}
