use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll;
use rustix::net::sockopt::set_socket_linger;

/// A socket that never blocks, and what it has not taken yet.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    number: u64,
    unsent: Vec<u8>,
    registered: epoll::EventFlags,
}

impl Socket {
    /// Connects; epoll tells of it by `number`.
    pub(crate) fn connect(addr: SocketAddr, number: u64, epoll: &OwnedFd) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        // Ports are for the next server, not for TIME_WAIT.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        Self::of(stream, number, epoll)
    }

    pub(crate) fn of(stream: TcpStream, number: u64, epoll: &OwnedFd) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let registered = epoll::EventFlags::IN;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(number), registered)?;
        Ok(Self { stream, number, unsent: Vec::new(), registered })
    }

    /// Sends, or keeps what is not taken.
    pub(crate) fn send(&mut self, octets: &[u8], epoll: &OwnedFd) -> io::Result<()> {
        if self.unsent.is_empty() {
            let sent = self.write(octets)?;
            if sent == octets.len() {
                return Ok(());
            }
            self.unsent.extend_from_slice(&octets[sent..]);
        } else {
            self.unsent.extend_from_slice(octets);
        }
        self.register(epoll)
    }

    /// Sends more of what was kept.
    pub(crate) fn flush(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        self.unsent = unsent;
        self.unsent.drain(..sent);
        self.register(epoll)
    }

    /// What is there; `None` if nothing is.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            read => read.map(Some),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.stream.write(octets) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    fn register(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        let mut wanted = epoll::EventFlags::IN;
        wanted.set(epoll::EventFlags::OUT, !self.unsent.is_empty());
        if wanted != self.registered {
            let data = epoll::EventData::new_u64(self.number);
            epoll::modify(epoll, &self.stream, data, wanted)?;
            self.registered = wanted;
        }
        Ok(())
    }
}
