//! Outgoing connections: TCP, Unix sockets, and TLS over either.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Empty;
use hyper::client::conn::http2::SendRequest;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tidings_websocket::Encoder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use super::keeper::Terms;
use super::{Outbox, Stream};

/// How long an address may keep the next one waiting: RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What a client is connected by.
pub(crate) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::client::TlsStream<Wire>>),
    /// A stream of an HTTP/2 connection.
    Tunnel(Box<TunnelStream>),
    /// Memory that an application of this process has the other end of.
    InProcess(DuplexStream),
}

/// A stream inside an HTTP/2 connection: RFC 8441, section 4.
pub(crate) struct TunnelStream {
    pub(crate) stream: TokioIo<Upgraded>,
    pub(crate) remote_addr: Option<SocketAddr>,
    /// Without it, the connection would end.
    pub(crate) _connection: SendRequest<Empty<Bytes>>,
}

impl Wire {
    /// Connects to the first of the addresses that answers. `local` is what this end binds to.
    ///
    /// An address that is slow to answer does not hold up the next ones for long.
    pub(crate) async fn tcp(addrs: &[SocketAddr], local: Option<SocketAddr>) -> io::Result<Self> {
        let mut addrs = alternate_families(addrs).into_iter();
        let mut attempts = FuturesUnordered::new();
        let mut failure = io::ErrorKind::AddrNotAvailable.into();
        loop {
            let next_addr = addrs.next();
            let more = next_addr.is_some();
            attempts.extend(next_addr.map(|addr| connect(addr, local)));
            let finished = if more {
                timeout(ATTEMPT_DELAY, attempts.next()).await.unwrap_or_default()
            } else {
                attempts.next().await
            };
            match finished {
                Some(Ok(stream)) => return Ok(Self::Tcp(stream)),
                Some(Err(error)) => failure = error,
                None if attempts.is_empty() && !more => return Err(failure),
                None => {}
            }
        }
    }

    pub(crate) async fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    /// The address of the peer, where it has one.
    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) | Self::InProcess(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0.remote_addr(),
            Self::Tunnel(tunnel) => tunnel.remote_addr,
        }
    }

    /// Whether TLS has agreed on HTTP/2.
    pub(crate) fn is_http_2(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                stream.get_ref().1.alpn_protocol() == Some(super::tls::ALPN_HTTP_2)
            }
            _ => false,
        }
    }

    /// Hands the connection over to a session.
    pub(crate) fn into_stream(
        self,
        terms: Arc<Terms>,
        encoder: Option<Encoder>,
    ) -> (Stream, Arc<Outbox>) {
        match self {
            Self::Tcp(stream) => Stream::tcp(stream, terms, encoder),
            other => Stream::other(other, terms, encoder),
        }
    }
}

async fn connect(addr: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    if let Some(local) = local {
        socket.bind(local)?;
    }
    let stream = socket.connect(addr).await?;
    // Not worth a connection.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// IPv6 and IPv4 by turns, beginning with the family of the first: RFC 8305, section 4.
fn alternate_families(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let preferred = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.iter().copied().partition(|addr| addr.is_ipv6() == preferred);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(addrs.len());
    while ordered.len() < addrs.len() {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

macro_rules! on_stream {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Tcp($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Wire::Unix($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(feature = "tls")]
            Wire::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            Wire::Tunnel(tunnel) => {
                let $stream = Pin::new(&mut tunnel.stream);
                $call
            }
            Wire::InProcess($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self.get_mut(), stream => stream.poll_write(cx, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self.get_mut(), stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Tunnel(tunnel) => tunnel.stream.is_write_vectored(),
            Self::InProcess(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns_and_the_first_keeps_its_place() {
        let [a, b, c] = ["[::1]:1", "[::2]:1", "[::3]:1"].map(addr);
        let d = addr("127.0.0.1:1");
        assert_eq!(alternate_families(&[a, b, c, d]), [a, d, b, c]);
        assert_eq!(alternate_families(&[d, a, b]), [d, a, b]);
        assert_eq!(alternate_families(&[]), []);
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_keep_from_the_next() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let wire = Wire::tcp(&[closed, open], None).await.unwrap();
        assert_eq!(wire.remote_addr(), Some(open));
    }

    #[tokio::test]
    async fn the_last_failure_is_told_and_no_address_is_one_too() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let kind = |wire: io::Result<Wire>| wire.map(drop).unwrap_err().kind();
        assert_eq!(kind(Wire::tcp(&[closed], None).await), io::ErrorKind::ConnectionRefused);
        assert_eq!(kind(Wire::tcp(&[], None).await), io::ErrorKind::AddrNotAvailable);
    }
}
