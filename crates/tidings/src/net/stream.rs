use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tidings_websocket::Encoder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::input::Input;
use super::keeper::Terms;
use super::moment::Moment;
use super::outbox::{Driven, Outbox};
use super::socket;

/// Octets that are read of what nobody wants yet: 4 KiB.
const EARLY_OCTETS_MAX: usize = 4 * 1024;

/// The reading side of a connection, with the writing side too where its outbox cannot write by
/// itself.
pub(crate) struct Stream {
    io: Io,
}

enum Io {
    Tcp(OwnedReadHalf),
    /// Boxed twice, since most streams are plain sockets, and there are many.
    Other(Box<Pin<Box<dyn ReadWrite>>>),
    Gone,
}

trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

impl Stream {
    /// Takes over a plain TCP socket.
    pub(crate) fn tcp(
        stream: TcpStream,
        terms: Arc<Terms>,
        encoder: Option<Encoder>,
    ) -> (Self, Arc<Outbox>) {
        let (reader, writer) = stream.into_split();
        let outbox = Outbox::new(Some(writer), terms, encoder);
        (Self { io: Io::Tcp(reader) }, outbox)
    }

    /// Takes over any other stream.
    pub(crate) fn other(
        io: impl AsyncRead + AsyncWrite + Send + 'static,
        terms: Arc<Terms>,
        encoder: Option<Encoder>,
    ) -> (Self, Arc<Outbox>) {
        let outbox = Outbox::new(None, terms, encoder);
        (Self { io: Io::Other(Box::new(Box::pin(io))) }, outbox)
    }

    /// Reads once, and adds what came to `input`. Returns how many octets that were; 0 is the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut Input,
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(reader) => loop {
                ready!(socket::poll_readable(reader.as_ref(), cx))?;
                match input.fill_with(|buffer| socket::try_read(reader.as_ref(), buffer)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            },
            Io::Other(io) => poll_fill_from(io.as_mut().as_mut(), cx, input),
            Io::Gone => Poll::Ready(Ok(0)),
        }
    }

    /// Reads once. Returns what came; nothing is the end.
    pub(crate) fn poll_octets(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut input = Input::default();
        ready!(self.poll_fill(cx, &mut input))?;
        let octets = input.take_with(|rest| {
            let taken = std::mem::take(rest);
            Bytes::copy_from_slice(taken)
        });
        Poll::Ready(Ok(octets))
    }

    /// Reads once, a little, where the stream is a socket. Returns what came; nothing is the end.
    pub(crate) fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Io::Tcp(reader) = &mut self.io else { return Poll::Ready(Ok(Bytes::new())) };
        let mut octets = [0; EARLY_OCTETS_MAX];
        let mut buffer = ReadBuf::new(&mut octets);
        ready!(Pin::new(reader).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
    }

    /// The socket as a whole again, if it is one, and all was written.
    pub(crate) fn into_tcp(self, outbox: &Outbox) -> Option<TcpStream> {
        match self.io {
            Io::Tcp(reader) => reader.reunite(outbox.take_socket()?).ok(),
            Io::Other(_) | Io::Gone => None,
        }
    }

    /// Reads once, and drops what came. Returns how many octets that were; 0 is the end.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut input = Input::default();
        self.poll_fill(cx, &mut input)
    }

    /// Lets the outbox write what it could not write by itself, and says how it stands.
    pub(crate) fn drive(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox,
        read_at: Option<Moment>,
    ) -> Option<Driven> {
        match &mut self.io {
            Io::Other(io) => {
                let writer: Pin<&mut (dyn AsyncWrite + Send)> = io.as_mut().as_mut();
                outbox.drive(cx, Some(writer), read_at)
            }
            Io::Tcp(_) | Io::Gone => outbox.drive(cx, None, read_at),
        }
    }

    /// As [`drive`](Self::drive). `Ready` once all is written.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        match &mut self.io {
            Io::Other(io) => {
                let writer: Pin<&mut (dyn AsyncWrite + Send)> = io.as_mut().as_mut();
                outbox.poll_drive(cx, Some(writer))
            }
            Io::Tcp(_) | Io::Gone => outbox.poll_drive(cx, None),
        }
    }

    /// Writes everything now, without waiting for the end of the turn. `Ready` once it is done.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        // For another stream an outbox wakes its driver, which is whoever polls this.
        if let Io::Tcp(_) = self.io {
            outbox.flush();
        }
        self.poll_drive(cx, outbox)
    }

    /// Tells the peer that no more octets follow.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        outbox.release();
        match &mut self.io {
            Io::Other(io) => io.as_mut().as_mut().poll_shutdown(cx).map(drop),
            Io::Tcp(_) | Io::Gone => Poll::Ready(()),
        }
    }

    /// Closes the stream at once.
    pub(crate) fn abandon(&mut self, outbox: &Outbox) {
        outbox.release();
        self.io = Io::Gone;
    }
}

fn poll_fill_from(
    mut stream: Pin<&mut dyn ReadWrite>,
    cx: &mut Context<'_>,
    input: &mut Input,
) -> Poll<io::Result<usize>> {
    let mut pending = false;
    let read = input.fill_with(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        match stream.as_mut().poll_read(cx, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => {
                pending = true;
                Ok(0)
            }
        }
    });
    if pending { Poll::Pending } else { Poll::Ready(read) }
}
