use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_sockjs::{
    Frame, MESSAGES_MAX, Output, Receive, ReceiverId, SessionOptions, TransportKind, XHR_STREAMING,
    decode_messages, encode_array, encode_message,
};

/// By which way a client speaks STOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoorKind {
    Tcp,
    /// `xhr_streaming`, whose responses end after a while.
    SockJs,
}

/// What the network carries.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// Part of a stream; from a client of SockJS, the body of one request.
    Octets(Bytes),
    /// The client asks for a response in which to receive.
    Receive(ReceiverId),
    /// That response ends.
    ResponseEnds,
}

/// A connection ends because of what happened at its door.
#[derive(Debug)]
pub(crate) struct Broken;

/// The server's side of a door.
#[derive(Debug)]
pub(crate) enum ServerDoor {
    Tcp(VecDeque<Packet>),
    SockJs(Box<tidings_sockjs::Session>),
}

impl ServerDoor {
    pub(crate) fn new(kind: DoorKind) -> Self {
        match kind {
            DoorKind::Tcp => Self::Tcp(VecDeque::new()),
            DoorKind::SockJs => {
                let options = SessionOptions {
                    heartbeat_delay: Duration::ZERO,
                    response_limit: 4096,
                    ..SessionOptions::default()
                };
                Self::SockJs(Box::new(tidings_sockjs::Session::new(options)))
            }
        }
    }

    /// Takes in a packet, and says what STOMP is in it.
    pub(crate) fn handle(&mut self, now: Instant, packet: Packet) -> Result<Bytes, Broken> {
        match (self, packet) {
            (Self::Tcp(_), Packet::Octets(octets)) => Ok(octets),
            (Self::SockJs(session), Packet::Receive(receiver)) => {
                session.attach(now, receiver, xhr_streaming(), "");
                Ok(Bytes::new())
            }
            (Self::SockJs(_), Packet::Octets(body)) => {
                let messages = decode_messages(&body, MESSAGES_MAX).map_err(|_| Broken)?;
                Ok(messages.concat().into())
            }
            _ => Err(Broken),
        }
    }

    pub(crate) fn send(&mut self, now: Instant, frame: Bytes) -> Result<(), Broken> {
        match self {
            Self::Tcp(packets) => packets.push_back(Packet::Octets(frame)),
            Self::SockJs(session) => {
                let text = std::str::from_utf8(&frame).map_err(|_| Broken)?;
                let mut message = Vec::new();
                encode_message(text, &mut message);
                session.send(now, message.into()).map_err(|_| Broken)?;
            }
        }
        Ok(())
    }

    /// What is to be sent to the client.
    pub(crate) fn poll(&mut self) -> Option<Packet> {
        match self {
            Self::Tcp(packets) => packets.pop_front(),
            Self::SockJs(session) => loop {
                match session.poll_output()? {
                    Output::Write { chunk, .. } => return Some(Packet::Octets(chunk)),
                    Output::End { .. } => return Some(Packet::ResponseEnds),
                    _ => {}
                }
            },
        }
    }
}

/// The client's side of a door.
#[derive(Debug)]
pub(crate) enum ClientDoor {
    Tcp,
    SockJs { line: Vec<u8>, responses: u64 },
}

impl ClientDoor {
    /// The door, and what opens it.
    pub(crate) fn new(kind: DoorKind) -> (Self, Option<Packet>) {
        match kind {
            DoorKind::Tcp => (Self::Tcp, None),
            DoorKind::SockJs => {
                let door = Self::SockJs { line: Vec::new(), responses: 1 };
                (door, Some(Packet::Receive(ReceiverId(1))))
            }
        }
    }

    pub(crate) fn send(&self, frame: Bytes) -> Packet {
        match self {
            Self::Tcp => Packet::Octets(frame),
            Self::SockJs { .. } => {
                let text = String::from_utf8_lossy(&frame);
                let mut array = Vec::new();
                encode_array([text], &mut array);
                // A request has the array without the letter that a frame begins with.
                Packet::Octets(Bytes::from(array).slice(1..))
            }
        }
    }

    /// Takes in a packet: the STOMP that is in it, and what to answer.
    pub(crate) fn handle(&mut self, packet: Packet) -> (Bytes, Option<Packet>) {
        match (self, packet) {
            (Self::Tcp, Packet::Octets(octets)) => (octets, None),
            (Self::SockJs { line, .. }, Packet::Octets(chunk)) => {
                line.extend_from_slice(&chunk);
                let mut stomp = String::new();
                while let Some(end) = line.iter().position(|octet| *octet == b'\n') {
                    let frame: Vec<u8> = line.drain(..=end).take(end).collect();
                    if let Ok(Frame::Array(messages)) =
                        Frame::decode(&String::from_utf8_lossy(&frame))
                    {
                        stomp.extend(messages);
                    }
                }
                (stomp.into(), None)
            }
            (Self::SockJs { responses, .. }, Packet::ResponseEnds) => {
                *responses += 1;
                (Bytes::new(), Some(Packet::Receive(ReceiverId(*responses))))
            }
            _ => (Bytes::new(), None),
        }
    }
}

fn xhr_streaming() -> &'static Receive {
    match &XHR_STREAMING.kind {
        TransportKind::Receive(receive) => receive,
        _ => unreachable!("streaming is a way to receive"),
    }
}
