use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll;
use rustix::net::sockopt::set_socket_linger;

use crate::frame::{Compression, Replies, check_response, request};

/// Octets that the head of a server's answer may have.
const HEAD_OCTETS_MAX: usize = 4096;

/// One socket of the clients.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) index: usize,
    stream: TcpStream,
    pub(super) stage: Stage,
    /// The number of the frame that is sent next.
    pub(super) next_frame: usize,
    /// What the socket did not take, from `unsent_start` on.
    unsent: Vec<u8>,
    unsent_start: usize,
    registered: epoll::EventFlags,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The answer to the request is not here yet.
    Handshake { head: Vec<u8>, compression: Compression },
    /// Messages come and go.
    Open(Replies),
}

impl Connection {
    /// Connects, and sends the request.
    pub(super) fn new(
        index: usize,
        address: SocketAddr,
        compression: Compression,
        epoll: &OwnedFd,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Ports are for the next server, not for TIME_WAIT.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        (&stream).write_all(request(&address.to_string(), compression).as_bytes())?;
        stream.set_nonblocking(true)?;
        let registered = epoll::EventFlags::IN;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(index as u64), registered)?;
        let stage = Stage::Handshake { head: Vec::new(), compression };
        let unsent = Vec::new();
        Ok(Self { index, stream, stage, next_frame: 0, unsent, unsent_start: 0, registered })
    }

    /// Sends, or keeps what the socket does not take.
    pub(super) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.has_unsent() {
            self.unsent.extend_from_slice(octets);
            return Ok(());
        }
        let sent = self.write(octets)?;
        self.unsent.extend_from_slice(&octets[sent..]);
        Ok(())
    }

    /// Sends more of what was kept.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent[self.unsent_start..]);
        self.unsent = unsent;
        self.unsent_start += sent?;
        if self.unsent_start == self.unsent.len() {
            self.unsent.clear();
            self.unsent_start = 0;
        }
        Ok(())
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Takes in what was read; returns how many messages it completes.
    pub(super) fn take(
        &mut self,
        octets: &[u8],
        reply_len: Option<u64>,
    ) -> Result<u64, Box<dyn Error>> {
        let (head, compression) = match &mut self.stage {
            Stage::Open(replies) => return Ok(replies.take(octets, reply_len)?),
            Stage::Handshake { head, compression } => (head, *compression),
        };
        head.extend_from_slice(octets);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
            let complete = head.len() < HEAD_OCTETS_MAX;
            return if complete { Ok(0) } else { Err("the answer has no end".into()) };
        };
        check_response(&head[..end], compression)?;
        let mut replies = Replies::default();
        let messages = replies.take(&head[end + 4..], reply_len)?;
        self.stage = Stage::Open(replies);
        Ok(messages)
    }

    /// Asks to be told when the socket takes more, if there is more.
    pub(super) fn register(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        let mut wanted = epoll::EventFlags::IN;
        wanted.set(epoll::EventFlags::OUT, self.has_unsent());
        if wanted != self.registered {
            let data = epoll::EventData::new_u64(self.index as u64);
            epoll::modify(epoll, &self.stream, data, wanted)?;
            self.registered = wanted;
        }
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.stream.write(octets) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }
}
