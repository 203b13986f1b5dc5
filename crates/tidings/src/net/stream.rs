use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::Outbox;

/// Octets that one read may take. The buffer belongs to the thread, not to the connection.
const READ_OCTETS_MAX: usize = 128 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The reading side of a connection, with the writing side too where its outbox cannot write by
/// itself.
pub(crate) struct Stream {
    /// Octets that came together with the upgrade request.
    early: Bytes,
    io: Io,
}

enum Io {
    Tcp(OwnedReadHalf),
    Other(Pin<Box<dyn ReadWrite>>),
    Gone,
}

trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

impl Stream {
    /// Takes over a plain TCP socket. `early` are octets already read from it.
    pub(crate) fn tcp(stream: TcpStream, early: Bytes, octets_max: usize) -> (Self, Arc<Outbox>) {
        let (reader, writer) = stream.into_split();
        let outbox = Outbox::for_socket(writer, octets_max);
        (Self { early, io: Io::Tcp(reader) }, outbox)
    }

    /// Takes over any other stream.
    pub(crate) fn other(
        io: impl AsyncRead + AsyncWrite + Send + 'static,
        early: Bytes,
        octets_max: usize,
    ) -> (Self, Arc<Outbox>) {
        let outbox = Outbox::for_driver(octets_max);
        (Self { early, io: Io::Other(Box::pin(io)) }, outbox)
    }

    /// Reads once, and lends what came to `take`. Returns how many octets that were; 0 is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut [u8]),
    ) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let mut early = Vec::from(std::mem::take(&mut self.early));
            take(&mut early);
            return Poll::Ready(Ok(early.len()));
        }
        // Taken out of its place, so that nothing `take` calls can meet it borrowed.
        let mut buffer = READ_BUFFER.take();
        if buffer.is_empty() {
            buffer = vec![0; READ_OCTETS_MAX];
        }
        let polled = self.poll_read_into(cx, &mut buffer);
        if let Poll::Ready(Ok(len)) = polled {
            take(&mut buffer[..len]);
        }
        READ_BUFFER.replace(buffer);
        polled
    }

    fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        match &mut self.io {
            Io::Tcp(reader) => ready!(Pin::new(reader).poll_read(cx, &mut buffer))?,
            Io::Other(io) => ready!(io.as_mut().poll_read(cx, &mut buffer))?,
            Io::Gone => {}
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Lets the outbox write what it could not write by itself. `Ready` once all is written.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        match &mut self.io {
            Io::Other(io) => {
                let writer: Pin<&mut (dyn AsyncWrite + Send)> = io.as_mut();
                outbox.poll_drive(cx, Some(writer))
            }
            Io::Tcp(_) | Io::Gone => outbox.poll_drive(cx, None),
        }
    }

    /// Writes everything now, without waiting for the end of the turn. `Ready` once it is done.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        outbox.flush();
        self.poll_drive(cx, outbox)
    }

    /// Tells the peer that no more octets follow.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        outbox.release();
        match &mut self.io {
            Io::Other(io) => io.as_mut().poll_shutdown(cx).map(drop),
            Io::Tcp(_) | Io::Gone => Poll::Ready(()),
        }
    }

    /// Closes the stream at once.
    pub(crate) fn abandon(&mut self, outbox: &Outbox) {
        outbox.release();
        self.io = Io::Gone;
    }
}
