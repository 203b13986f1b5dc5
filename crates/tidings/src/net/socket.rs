//! The system calls of a plain socket, of which a short message needs one each way.
//!
//! On Linux they do without the C library, which guards each call against the cancellation of its thread.

use std::io;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::TcpStream;

/// `Ready` if a read may give something.
pub(super) fn poll_readable(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    // This asks nobody; tokio's own way is longer.
    match socket.try_io(Interest::READABLE, || Ok(())) {
        Ok(()) => Poll::Ready(Ok(())),
        Err(_) => socket.poll_read_ready(cx),
    }
}

/// Reads once.
#[cfg(target_os = "linux")]
pub(super) fn try_read(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};

    let room = buffer.len();
    let mut last = None;
    let read = socket.try_io(Interest::READABLE, || {
        let (read, _) = recv(socket, &mut *buffer, RecvFlags::empty())?;
        if read == 0 || read == room {
            return Ok(read);
        }
        // Nothing more is there, or the next edge of epoll tells of it: tokio need not ask to know.
        last = Some(read);
        Err(io::ErrorKind::WouldBlock.into())
    });
    last.map_or(read, Ok)
}

/// Reads once.
#[cfg(not(target_os = "linux"))]
pub(super) fn try_read(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    socket.try_read(buffer)
}

/// Writes once.
#[cfg(target_os = "linux")]
pub(super) fn try_write(socket: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};

    socket.try_io(Interest::WRITABLE, || Ok(send(socket, octets, SendFlags::NOSIGNAL)?))
}

/// Writes once.
#[cfg(not(target_os = "linux"))]
pub(super) fn try_write(socket: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    socket.try_write(octets)
}
