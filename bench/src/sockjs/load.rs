//! The clients of SockJS: one thread, raw sockets.

use std::error::Error;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::Transport;
use super::session::{Received, Session};
use crate::load::Delivery;
use crate::socket::Socket;

/// Octets read at a time.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Sockets looked at in one go.
const EVENTS: usize = 1024;

/// How long to wait for input before looking at the clock again.
const TICK: Duration = Duration::from_millis(50);

/// Sessions being opened at a time.
const UNDER_WAY: usize = 64;

/// How long nothing may come of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sessions with one service.
pub(crate) struct Load {
    address: String,
    addr: SocketAddr,
    service: &'static str,
    transport: Transport,
    octets: usize,
    epoll: OwnedFd,
    clients: Vec<Client>,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    out: Vec<u8>,
    pattern: Pattern,
    opened: usize,
    delivered: u64,
    /// Octets that came in.
    received: u64,
}

/// Who sends when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// Nobody.
    Silence,
    /// Everybody, as soon as something has come.
    Echo,
    /// The first, as soon as all have got what it sent; so many are missing.
    FanOut { missing: u64 },
}

/// Which of a client's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Receiver,
    Sender,
}

struct Client {
    session: Session,
    receiver: Socket,
    /// Connected when there is something to send.
    sender: Option<Socket>,
    /// Messages that wait for the answer to the last request.
    waiting: u64,
    is_sending: bool,
}

impl Load {
    /// Opens so many sessions.
    ///
    /// # Errors
    ///
    /// When one does not open.
    pub(crate) fn open(
        address: &str,
        service: &'static str,
        transport: Transport,
        sessions: usize,
        octets: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut load = Self {
            address: address.to_owned(),
            addr: address.parse()?,
            service,
            transport,
            octets,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; BUFFER_OCTETS],
            out: Vec::new(),
            pattern: Pattern::Silence,
            opened: 0,
            delivered: 0,
            received: 0,
        };
        load.open_more(sessions)?;
        Ok(load)
    }

    /// Opens more sessions.
    ///
    /// # Errors
    ///
    /// When one does not open.
    pub(crate) fn open_more(&mut self, sessions: usize) -> Result<(), Box<dyn Error>> {
        let wanted = self.opened + sessions;
        let mut last_opened = Instant::now();
        while self.opened < wanted {
            while self.clients.len() < wanted && self.clients.len() - self.opened < UNDER_WAY {
                self.connect()?;
            }
            let before = self.opened;
            self.poll(TICK)?;
            if self.opened > before {
                last_opened = Instant::now();
            } else if last_opened.elapsed() > PATIENCE {
                return Err(format!("only {} of {wanted} sessions opened", self.opened).into());
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Box<dyn Error>> {
        let number = self.clients.len();
        let id = format!("bench{number}");
        let session = Session::new(&self.address, self.service, self.transport, &id, self.octets);
        let mut receiver = Socket::connect(self.addr, number as u64 * 2, &self.epoll)?;
        receiver.send(&session.receive, &self.epoll)?;
        let client = Client { session, receiver, sender: None, waiting: 0, is_sending: false };
        self.clients.push(client);
        Ok(())
    }

    /// Has each session keep so many messages in flight.
    ///
    /// # Errors
    ///
    /// When a connection does not take them.
    pub(crate) fn echo(&mut self, depth: usize) -> Result<(), Box<dyn Error>> {
        self.pattern = Pattern::Echo;
        for number in 0..self.clients.len() {
            self.clients[number].waiting = u64::try_from(depth)?;
            self.send(number)?;
        }
        Ok(())
    }

    /// Has the first session send a message whenever all have got the last one.
    ///
    /// # Errors
    ///
    /// When a connection does not take it.
    pub(crate) fn publish(&mut self) -> Result<(), Box<dyn Error>> {
        self.pattern = Pattern::FanOut { missing: u64::try_from(self.clients.len())? };
        let publisher = self.clients.first_mut().ok_or("nobody is there to publish")?;
        publisher.waiting += 1;
        self.send(0)
    }

    /// Goes on for so long.
    ///
    /// # Errors
    ///
    /// When the server does anything but its work.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Delivery, Box<dyn Error>> {
        let (start, messages, octets) = (Instant::now(), self.delivered, self.received);
        while start.elapsed() < window {
            self.poll(TICK)?;
        }
        match self.delivered - messages {
            0 => Err("the server delivered nothing".into()),
            messages => {
                let octets = self.received - octets;
                Ok(Delivery { messages, octets, took: start.elapsed() })
            }
        }
    }

    fn poll(&mut self, timeout: Duration) -> Result<(), Box<dyn Error>> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            let side = if number % 2 == 0 { Side::Receiver } else { Side::Sender };
            self.serve(number / 2, side, event.flags)?;
        }
        self.events = events;
        Ok(())
    }

    fn serve(
        &mut self,
        number: usize,
        side: Side,
        flags: epoll::EventFlags,
    ) -> Result<(), Box<dyn Error>> {
        let client = &mut self.clients[number];
        let socket = match (&mut client.sender, side) {
            (Some(sender), Side::Sender) => sender,
            _ => &mut client.receiver,
        };
        if flags.contains(epoll::EventFlags::OUT) {
            socket.flush(&self.epoll)?;
        }
        let Some(read) = socket.read(&mut self.buffer)? else { return Ok(()) };
        if read == 0 {
            return Err("the server ended a connection".into());
        }
        self.received += u64::try_from(read)?;
        let octets = &self.buffer[..read];
        if side == Side::Sender {
            if client.session.take_sent(octets)? {
                client.is_sending = false;
                self.send(number)?;
            }
            return Ok(());
        }
        let received = client.session.take(octets)?;
        self.take(number, received)
    }

    fn take(&mut self, number: usize, received: Received) -> Result<(), Box<dyn Error>> {
        let Received { opened, messages, ended } = received;
        let client = &mut self.clients[number];
        self.opened += usize::from(opened);
        self.delivered += messages;
        if ended {
            client.receiver.send(&client.session.receive, &self.epoll)?;
        }
        match &mut self.pattern {
            Pattern::Silence if messages > 0 => Err("a message that nobody sent".into()),
            Pattern::Echo if messages > 0 => {
                client.waiting += messages;
                self.send(number)
            }
            Pattern::FanOut { missing } if messages > 0 => {
                let left = missing.checked_sub(messages);
                *missing = left.ok_or("more deliveries than receivers")?;
                if *missing == 0 { self.publish() } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Sends what waits, unless the last request is under way.
    fn send(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let client = &mut self.clients[number];
        if client.is_sending || client.waiting == 0 {
            return Ok(());
        }
        client.session.send(std::mem::take(&mut client.waiting), &mut self.out);
        if self.transport == Transport::WebSocket {
            return Ok(client.receiver.send(&self.out, &self.epoll)?);
        }
        client.is_sending = true;
        let sender = match &mut client.sender {
            Some(sender) => sender,
            none => {
                let socket = Socket::connect(self.addr, number as u64 * 2 + 1, &self.epoll)?;
                none.insert(socket)
            }
        };
        Ok(sender.send(&self.out, &self.epoll)?)
    }
}
