//! What cannot be undercut: the same requests, answered with the same octets by epoll in one thread. Knows no
//! JSON and no time: what comes as an array leaves as one.

use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use crate::frame::ACCEPT;
use crate::socket::Socket;

/// Octets read at a time.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Sockets looked at in one go.
const EVENTS: usize = 1024;

/// What `data` says of the listener.
const LISTENER: u64 = u64::MAX;

/// Octets of frames after which a streaming response ends: the standard's default.
const RESPONSE_LIMIT: usize = 128 * 1024;

/// The fields that answers have in common, with as many octets as ours.
const FIELDS: &str = "cache-control: no-store, no-cache, no-transform, must-revalidate, max-age=0\r\n\
    access-control-allow-origin: *\r\nvary: Origin\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n";

struct Limit {
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    sessions: HashMap<Vec<u8>, Session>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

struct Connection {
    socket: Socket,
    received: Vec<u8>,
    /// The session whose WebSocket it is.
    websocket: Option<Vec<u8>>,
}

struct Session {
    service: Service,
    receiver: Option<Receiver>,
    /// The inside of an array.
    queue: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Echo,
    Broadcast,
}

#[derive(Clone, Copy)]
struct Receiver {
    connection: usize,
    kind: Kind,
    written: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Streaming,
    Events,
    Polling,
    WebSocket,
}

/// A request, as far as it matters.
struct Request {
    service: Service,
    session: Vec<u8>,
    what: Vec<u8>,
    body: Vec<u8>,
}

pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut limit = Limit {
        epoll,
        connections: Vec::new(),
        free: Vec::new(),
        sessions: HashMap::new(),
        buffer: vec![0; BUFFER_OCTETS],
        out: Vec::new(),
    };
    limit.run(&listener)
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
                // Clients reset what they are done with.
                if self.serve(number, event.flags).is_err() {
                    self.connections[number] = None;
                    self.free.push(number);
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
        let number = self.free.pop().unwrap_or(self.connections.len());
        if number == self.connections.len() {
            self.connections.push(None);
        }
        let socket = Socket::of(stream, number as u64, &self.epoll)?;
        let connection = Connection { socket, received: Vec::new(), websocket: None };
        self.connections[number] = Some(connection);
        Ok(())
    }

    fn serve(&mut self, number: usize, flags: epoll::EventFlags) -> Result<(), Box<dyn Error>> {
        let Some(connection) = &mut self.connections[number] else { return Ok(()) };
        if flags.contains(epoll::EventFlags::OUT) {
            connection.socket.flush(&self.epoll)?;
        }
        let Some(read) = connection.socket.read(&mut self.buffer)? else { return Ok(()) };
        if read == 0 {
            return Err("ended".into());
        }
        connection.received.extend_from_slice(&self.buffer[..read]);
        if connection.websocket.is_some() {
            return self.serve_websocket(number);
        }
        while let Some(request) =
            self.connections[number].as_mut().and_then(|it| take_request(&mut it.received))
        {
            self.answer(number, request)?;
        }
        Ok(())
    }

    fn answer(&mut self, number: usize, request: Request) -> Result<(), Box<dyn Error>> {
        let Request { service, session, what, body } = request;
        let kind = match &what[..] {
            b"xhr_send" => {
                let head = format!(
                    "HTTP/1.1 204 No Content\r\ncontent-type: text/plain; charset=UTF-8\r\n{FIELDS}\r\n"
                );
                self.send(number, head.as_bytes())?;
                return self.deliver(&session, service, inside(&body));
            }
            b"xhr" => Kind::Polling,
            b"xhr_streaming" => Kind::Streaming,
            b"eventsource" => Kind::Events,
            b"websocket" => Kind::WebSocket,
            _ => return Err("no such transport".into()),
        };
        let is_new = !self.sessions.contains_key(&session);
        let receiver = Receiver { connection: number, kind, written: 0 };
        let entry = self.sessions.entry(session.clone());
        let entry = entry.or_insert(Session { service, receiver: None, queue: Vec::new() });
        entry.receiver = Some(receiver);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        match kind {
            Kind::WebSocket => {
                out.extend_from_slice(
                    format!(
                        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                         upgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n\u{81}\u{1}o"
                    )
                    .chars()
                    .map(|char| char as u8)
                    .collect::<Vec<u8>>()
                    .as_slice(),
                );
                if let Some(connection) = &mut self.connections[number] {
                    connection.websocket = Some(session.clone());
                }
            }
            Kind::Streaming => {
                out.extend_from_slice(
                    stream_head("application/javascript; charset=UTF-8").as_bytes(),
                );
                chunk(&[&[b'h'; 2048][..], b"\n"].concat(), &mut out);
            }
            Kind::Events => {
                out.extend_from_slice(stream_head("text/event-stream").as_bytes());
                chunk(b"\r\n", &mut out);
            }
            Kind::Polling => {}
        }
        if is_new && kind != Kind::WebSocket {
            frame(kind, b"o", &mut out);
            if kind == Kind::Polling {
                entry.receiver = None;
            }
        }
        if !out.is_empty() {
            self.send(number, &out)?;
        }
        self.out = out;
        self.flush(&session)
    }

    fn serve_websocket(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let Some(connection) = &mut self.connections[number] else { return Ok(()) };
        let Some(session) = connection.websocket.clone() else { return Ok(()) };
        let mut received = std::mem::take(&mut connection.received);
        let (mut start, mut replies) = (0, Vec::new());
        while let Some((payload, len)) = unmask(&mut received[start..]) {
            let service = self.sessions.get(&session).map(|session| session.service);
            if service == Some(Service::Broadcast) {
                let elements = inside(payload).to_vec();
                self.deliver(&session, Service::Broadcast, &elements)?;
            } else {
                websocket_frame(inside(payload), &mut replies);
            }
            start += len;
        }
        received.drain(..start);
        if let Some(connection) = &mut self.connections[number] {
            connection.received = received;
        }
        self.send(number, &replies)
    }

    /// Queues elements for the session, or for all, and sends what there is.
    fn deliver(
        &mut self,
        session: &[u8],
        service: Service,
        elements: &[u8],
    ) -> Result<(), Box<dyn Error>> {
        let receivers: Vec<Vec<u8>> = match service {
            Service::Echo => vec![session.to_vec()],
            Service::Broadcast => self.sessions.keys().cloned().collect(),
        };
        for receiver in receivers {
            if let Some(session) = self.sessions.get_mut(&receiver) {
                if !session.queue.is_empty() {
                    session.queue.push(b',');
                }
                session.queue.extend_from_slice(elements);
            }
            self.flush(&receiver)?;
        }
        Ok(())
    }

    /// Writes what waits for a session, if somebody reads.
    fn flush(&mut self, session: &[u8]) -> Result<(), Box<dyn Error>> {
        let Some(session) = self.sessions.get_mut(session) else { return Ok(()) };
        let Some(receiver) = &mut session.receiver else { return Ok(()) };
        if session.queue.is_empty() {
            return Ok(());
        }
        let (number, kind) = (receiver.connection, receiver.kind);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if kind == Kind::WebSocket {
            websocket_frame(&session.queue, &mut out);
        } else {
            let array = [b"a[", &session.queue[..], b"]"].concat();
            receiver.written += frame(kind, &array, &mut out);
        }
        session.queue.clear();
        let ends = kind == Kind::Polling || receiver.written >= RESPONSE_LIMIT;
        if ends && kind != Kind::WebSocket {
            if kind != Kind::Polling {
                out.extend_from_slice(b"0\r\n\r\n");
            }
            session.receiver = None;
        }
        self.send(number, &out)?;
        self.out = out;
        Ok(())
    }

    fn send(&mut self, number: usize, octets: &[u8]) -> Result<(), Box<dyn Error>> {
        match &mut self.connections[number] {
            Some(connection) if !octets.is_empty() => {
                Ok(connection.socket.send(octets, &self.epoll)?)
            }
            _ => Ok(()),
        }
    }
}

fn stream_head(content_type: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{FIELDS}transfer-encoding: chunked\r\n\r\n"
    )
}

fn chunk(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// A frame as its transport has it; returns its octets.
fn frame(kind: Kind, frame: &[u8], out: &mut Vec<u8>) -> usize {
    match kind {
        Kind::Polling => {
            let length = frame.len() + 1;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/javascript; charset=UTF-8\r\n{FIELDS}\
                 content-length: {length}\r\n\r\n"
            );
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(frame);
            out.push(b'\n');
            length
        }
        Kind::Events => {
            let event = [b"data: ", frame, b"\r\n\r\n"].concat();
            chunk(&event, out);
            event.len()
        }
        Kind::Streaming | Kind::WebSocket => {
            chunk(&[frame, b"\n"].concat(), out);
            frame.len() + 1
        }
    }
}

fn websocket_frame(elements: &[u8], out: &mut Vec<u8>) {
    let len = elements.len() + 3;
    out.push(0x81);
    match u8::try_from(len) {
        Ok(len @ ..126) => out.push(len),
        _ => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(b"a[");
    out.extend_from_slice(elements);
    out.push(b']');
}

/// The payload of the next frame of a client, and the octets of the frame.
fn unmask(octets: &mut [u8]) -> Option<(&[u8], usize)> {
    let (start, len) = match octets {
        [_, 254, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        [_, len, ..] if *len & 0x7f < 126 => (2, usize::from(*len & 0x7f)),
        _ => return None,
    };
    let (key, rest) = octets.get_mut(start..)?.split_first_chunk_mut::<4>()?;
    let payload = rest.get_mut(..len)?;
    for (octet, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *octet ^= key;
    }
    Some((payload, start + 4 + len))
}

/// What is between the brackets.
fn inside(array: &[u8]) -> &[u8] {
    array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or_default()
}

/// Takes the next request, if all of it is here.
fn take_request(received: &mut Vec<u8>) -> Option<Request> {
    let head_len = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = &received[..head_len];
    let length = find(head, b"Content-Length: ").map_or(0, |at| {
        let digits = head[at..].iter().take_while(|octet| octet.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
    });
    let body = received.get(head_len..head_len + length)?.to_vec();
    let mut segments = head.split(|octet| *octet == b' ').nth(1)?.split(|octet| *octet == b'/');
    let service = match segments.nth(1)? {
        b"broadcast" => Service::Broadcast,
        _ => Service::Echo,
    };
    let session = segments.nth(1)?.to_vec();
    let what = segments.next()?.to_vec();
    received.drain(..head_len + length);
    Some(Request { service, session, what, body })
}

/// Where the octets behind `name` begin.
fn find(head: &[u8], name: &[u8]) -> Option<usize> {
    head.windows(name.len()).position(|window| window == name).map(|at| at + name.len())
}
