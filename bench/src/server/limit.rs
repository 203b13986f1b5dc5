//! What cannot be undercut: the octets of the work, moved by epoll with one recv and one send for each
//! batch that is read. No protocol: it goes by the number of octets alone.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use super::Kind;
use crate::frame::{ACCEPT, reply_octets};

/// Octets read at a time.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Sockets looked at in one go.
const EVENTS: usize = 1024;

/// The octets of a masking key, which only clients send.
const MASKING_KEY_OCTETS: usize = 4;

/// What `data` says of the listener.
const LISTENER: u64 = u64::MAX;

struct Limit {
    epoll: OwnedFd,
    kind: Kind,
    /// Octets that a message has on its way in, and on its way out.
    message_in: usize,
    message_out: usize,
    /// By number; `free` are those without one.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    /// As many replies as are ever written at once.
    replies: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    stage: Stage,
    /// Octets that the socket did not take.
    unsent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handshake,
    /// So many octets of an unfinished message have come.
    Open(usize),
}

/// What has become of a connection.
#[derive(PartialEq, Eq)]
enum Fate {
    Lives,
    Ended,
}

pub(super) fn serve(kind: Kind, octets: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let message_out = reply_octets(octets);
    let mut frame = vec![b'x'; message_out];
    let header = message_out - octets;
    frame[..header].copy_from_slice(&header_octets(octets)[..header]);
    let mut limit = Limit {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        kind,
        message_in: message_out + MASKING_KEY_OCTETS,
        message_out,
        connections: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; BUFFER_OCTETS],
        replies: frame.repeat(BUFFER_OCTETS / message_out + 1),
    };
    let data = epoll::EventData::new_u64(LISTENER);
    epoll::add(&limit.epoll, &listener, data, epoll::EventFlags::IN)?;
    limit.run(&listener)
}

/// The header of an unmasked text frame; as many octets of it count as there are.
fn header_octets(octets: usize) -> [u8; 10] {
    let mut header = [0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Ok(len @ ..126) = u8::try_from(octets) {
        header[1] = len;
    } else if let Ok(len) = u16::try_from(octets) {
        header[1] = 126;
        header[2..4].copy_from_slice(&len.to_be_bytes());
    } else {
        header[1] = 127;
        header[2..].copy_from_slice(&(octets as u64).to_be_bytes());
    }
    header
}

impl Limit {
    fn run(&mut self, listener: &TcpListener) -> Result<(), Box<dyn Error>> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                if event.data.u64() == LISTENER {
                    self.accept(listener)?;
                    continue;
                }
                let number = usize::try_from(event.data.u64())?;
                if self.serve(number, event.flags)? == Fate::Ended {
                    self.remove(number);
                }
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<(), Box<dyn Error>> {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let number = self.free.pop().unwrap_or(self.connections.len());
        if number == self.connections.len() {
            self.connections.push(None);
        }
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        let connection = Connection { stream, stage: Stage::Handshake, unsent: 0 };
        self.connections[number] = Some(connection);
        Ok(())
    }

    fn remove(&mut self, number: usize) {
        if self.connections[number].take().is_some() {
            self.free.push(number);
        }
    }

    fn serve(&mut self, number: usize, flags: epoll::EventFlags) -> Result<Fate, Box<dyn Error>> {
        let Some(connection) = self.connections.get_mut(number).and_then(Option::as_mut) else {
            return Ok(Fate::Ended);
        };
        if flags.contains(epoll::EventFlags::OUT) {
            return self.send(number, 0);
        }
        let read = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return Ok(Fate::Ended),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fate::Lives),
            // Clients reset what they are done with.
            Err(_) => return Ok(Fate::Ended),
        };
        let partial = match connection.stage {
            Stage::Open(partial) => partial + read,
            Stage::Handshake => return connection.answer(&self.buffer[..read]),
        };
        connection.stage = Stage::Open(partial % self.message_in);
        let octets = partial / self.message_in * self.message_out;
        match self.kind {
            Kind::Echo if octets > 0 => self.send(number, octets),
            Kind::Broadcast if octets > 0 => self.broadcast(octets),
            Kind::Echo | Kind::Broadcast => Ok(Fate::Lives),
        }
    }

    fn broadcast(&mut self, octets: usize) -> Result<Fate, Box<dyn Error>> {
        for number in 0..self.connections.len() {
            if self.send(number, octets)? == Fate::Ended {
                self.remove(number);
            }
        }
        Ok(Fate::Lives)
    }

    /// Sends what is unsent, and so many octets more. Reads no more of a peer that does not take them.
    fn send(&mut self, number: usize, octets: usize) -> Result<Fate, Box<dyn Error>> {
        let Some(connection) = self.connections.get_mut(number).and_then(Option::as_mut) else {
            return Ok(Fate::Ended);
        };
        let was_blocked = connection.unsent > 0;
        connection.unsent += octets;
        while connection.unsent > 0 {
            // The replies are alike, so it is enough to go on within one where the last write ended.
            let start =
                (self.message_out - connection.unsent % self.message_out) % self.message_out;
            let len = connection.unsent.min(self.replies.len() - start);
            match connection.stream.write(&self.replies[start..start + len]) {
                Ok(sent) => connection.unsent -= sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(Fate::Ended),
            }
        }
        let is_blocked = connection.unsent > 0;
        if is_blocked != was_blocked {
            let interest = if is_blocked { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let data = epoll::EventData::new_u64(number as u64);
            epoll::modify(&self.epoll, &connection.stream, data, interest)?;
        }
        Ok(Fate::Lives)
    }
}

impl Connection {
    /// Upgrades, whatever is asked for.
    fn answer(&mut self, octets: &[u8]) -> Result<Fate, Box<dyn Error>> {
        if octets.ends_with(b"\r\n\r\n") {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
            );
            self.stream.write_all(answer.as_bytes())?;
            self.stage = Stage::Open(0);
        }
        Ok(Fate::Lives)
    }
}
