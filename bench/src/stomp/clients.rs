//! The clients of a broker: one thread, raw sockets.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::dialect::{Role, Step};
use super::door::Way;
use super::{Dialect, Door};
use crate::socket::Socket;

/// Octets read at a time.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Sockets looked at in one go.
const EVENTS: usize = 1024;

/// How long to wait for input before looking at the clock again.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// Clients being opened at a time.
const UNDER_WAY: usize = 64;

/// How long nothing may come of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Clients of one broker, each with a number.
pub(crate) struct Clients {
    address: String,
    addr: SocketAddr,
    dialect: Dialect,
    epoll: OwnedFd,
    clients: Vec<Client>,
    opened: usize,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// What came for clients while others were opened.
    early: Vec<(usize, Vec<u8>)>,
    /// What requests are sent on that are not a client's own connection.
    requests: Option<TcpStream>,
}

struct Client {
    socket: Socket,
    door: Door,
    /// `None` once it is open.
    opening: Option<Box<Opening>>,
}

/// What has still to be said before a client is open.
struct Opening {
    /// What is awaited, in the octets that come.
    until: String,
    /// What is said then.
    later: std::vec::IntoIter<Step>,
    received: Vec<u8>,
}

impl Clients {
    /// Nobody yet.
    ///
    /// # Errors
    ///
    /// When `address` is none, or the process may not have an epoll instance.
    pub(crate) fn new(address: &str, dialect: Dialect) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            address: address.to_owned(),
            addr: address.parse()?,
            dialect,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            opened: 0,
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; BUFFER_OCTETS],
            early: Vec::new(),
            requests: None,
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Opens so many more. Returns the number of the first.
    ///
    /// # Errors
    ///
    /// When one does not open.
    pub(crate) fn open(
        &mut self,
        count: usize,
        role: Role,
        door: Door,
    ) -> Result<usize, Box<dyn Error>> {
        let first = self.clients.len();
        let wanted = first + count;
        let mut last_opened = Instant::now();
        while self.opened < wanted {
            while self.clients.len() < wanted && self.clients.len() - self.opened < UNDER_WAY {
                self.connect(role, door)?;
            }
            let before = self.opened;
            let mut early = Vec::new();
            self.read(TICK, |number, octets, _| {
                early.push((number, octets.to_vec()));
                Ok(())
            })?;
            self.early.append(&mut early);
            if self.opened > before {
                last_opened = Instant::now();
            } else if last_opened.elapsed() > PATIENCE {
                return Err(format!("only {} of {wanted} clients opened", self.opened).into());
            }
        }
        Ok(first)
    }

    fn connect(&mut self, role: Role, door: Door) -> Result<(), Box<dyn Error>> {
        let number = self.clients.len();
        let mut socket = Socket::connect(self.addr, number as u64, &self.epoll)?;
        let mut opening = Opening {
            until: String::new(),
            later: self.dialect.opening(role).into_iter(),
            received: Vec::new(),
        };
        if let Some((request, until)) = door.opening(&self.address, number) {
            until.clone_into(&mut opening.until);
            socket.send(request.as_bytes(), &self.epoll)?;
        }
        self.clients.push(Client { socket, door, opening: Some(Box::new(opening)) });
        if self.clients[number].opening.as_ref().is_some_and(|opening| opening.until.is_empty()) {
            self.say_next(number)?;
        }
        Ok(())
    }

    /// Says the next thing of the opening, or ends it.
    fn say_next(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let client = &mut self.clients[number];
        let Some(opening) = &mut client.opening else { return Ok(()) };
        let Some(step) = opening.later.next() else {
            client.opening = None;
            self.opened += 1;
            return Ok(());
        };
        opening.until = client.door.escaped(step.until);
        if step.say.is_empty() {
            return Ok(());
        }
        let (octets, way) = client.door.sending(&self.address, number, &step.say);
        match way {
            Way::Connection => client.socket.send(&octets, &self.epoll)?,
            Way::Request => request(&mut self.requests, self.addr, &octets)?,
        }
        Ok(())
    }

    /// Sends octets as a client, whose door is TCP.
    ///
    /// # Errors
    ///
    /// When its connection does not take them.
    pub(super) fn send(&mut self, number: usize, octets: &[u8]) -> Result<(), Box<dyn Error>> {
        Ok(self.clients[number].socket.send(octets, &self.epoll)?)
    }

    /// Waits for input; calls `on_input` with the number of each client that is open and gets some. It may
    /// answer by what it appends.
    ///
    /// # Errors
    ///
    /// When a connection ends, or `on_input` fails.
    pub(super) fn poll(
        &mut self,
        timeout: Duration,
        mut on_input: impl FnMut(usize, &[u8], &mut Vec<u8>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let mut answer = Vec::new();
        for (number, octets) in std::mem::take(&mut self.early) {
            on_input(number, &octets, &mut answer)?;
            self.clients[number].socket.send(&answer, &self.epoll)?;
            answer.clear();
        }
        self.read(timeout, on_input)
    }

    fn read(
        &mut self,
        timeout: Duration,
        mut on_input: impl FnMut(usize, &[u8], &mut Vec<u8>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::take(&mut self.events);
        let mut answer = Vec::new();
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            let socket = &mut self.clients[number].socket;
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                socket.flush(&self.epoll)?;
            }
            let Some(read) = socket.read(&mut self.buffer)? else { continue };
            if read == 0 {
                return Err("the server ended a connection".into());
            }
            if self.clients[number].opening.is_some() {
                self.take_opening(number, read)?;
                continue;
            }
            on_input(number, &self.buffer[..read], &mut answer)?;
            let Client { socket, door, .. } = &mut self.clients[number];
            if door.has_ended(&self.buffer[..read])
                && let Some((request, _)) = door.opening(&self.address, number)
            {
                answer.extend_from_slice(request.as_bytes());
            }
            if !answer.is_empty() {
                socket.send(&answer, &self.epoll)?;
                answer.clear();
            }
        }
        self.events = events;
        Ok(())
    }

    fn take_opening(&mut self, number: usize, read: usize) -> Result<(), Box<dyn Error>> {
        let Some(opening) = &mut self.clients[number].opening else { return Ok(()) };
        opening.received.extend_from_slice(&self.buffer[..read]);
        if let Some(at) = memchr::memmem::find(&opening.received, b"ERROR\n") {
            return Err(String::from_utf8_lossy(&opening.received[at..]).into_owned().into());
        }
        let until = opening.until.as_bytes();
        if let Some(at) = memchr::memmem::find(&opening.received, until) {
            opening.received.drain(..at + until.len());
            if opening.later.as_slice().is_empty() && !opening.received.is_empty() {
                self.early.push((number, std::mem::take(&mut opening.received)));
            }
            self.say_next(number)?;
        }
        Ok(())
    }
}

/// Sends a request, and waits for its answer, which has no body.
fn request(
    connection: &mut Option<TcpStream>,
    addr: SocketAddr,
    octets: &[u8],
) -> Result<(), Box<dyn Error>> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(TcpStream::connect(addr)?),
    };
    stream.write_all(octets)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while memchr::memmem::find(&answer, b"\r\n\r\n").is_none() {
        match stream.read(&mut buffer)? {
            0 => return Err("the server ended a connection".into()),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 204") {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&answer).into_owned().into())
}
