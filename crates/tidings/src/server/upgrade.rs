//! Taking over the stream of an HTTP request once its 101 is written.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tidings_websocket::Encoder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::patient_stream::PatientStream;
use crate::net::{Outbox, Stream, Terms};

/// Waits for the upgrade, and takes over what the connection was made of, with the octets that came
/// early. `None` if it was lost.
pub(crate) async fn take_over(
    upgrade: OnUpgrade,
    terms: Arc<Terms>,
    encoder: Option<Encoder>,
) -> Option<(Stream, Arc<Outbox>, Bytes)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "connection lost before its upgrade");
            return None;
        }
    };
    Some(match Transport::beneath(upgraded) {
        Transport::Tcp(stream, early) => {
            let (stream, outbox) = Stream::tcp(stream, terms, encoder);
            (stream, outbox, early)
        }
        #[cfg(unix)]
        Transport::Unix(stream, early) => {
            let (stream, outbox) = Stream::other(stream, terms, encoder);
            (stream, outbox, early)
        }
        #[cfg(feature = "tls")]
        Transport::Tls(stream, early) => {
            let (stream, outbox) = Stream::other(stream, terms, encoder);
            (stream, outbox, early)
        }
        Transport::Opaque(upgraded) => {
            let (stream, outbox) = Stream::other(TokioIo::new(upgraded), terms, encoder);
            (stream, outbox, Bytes::new())
        }
    })
}

/// What a connection is made of, with the octets that were read from it early.
enum Transport {
    Tcp(TcpStream, Bytes),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream, Bytes),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>, Bytes),
    /// A stream within HTTP/2, or whatever somebody else's server is made of.
    Opaque(Upgraded),
}

impl Transport {
    /// The transport from under our own server, and plain TCP from under either kind of connection that
    /// hyper has (its `http1`, and hyper-util's `auto`, which wraps the stream in a type of its own).
    fn beneath(upgraded: Upgraded) -> Self {
        let upgraded = match ours::<TcpStream>(upgraded) {
            Ok((stream, early)) => return Self::Tcp(stream, early),
            Err(upgraded) => upgraded,
        };
        #[cfg(unix)]
        let upgraded = match ours(upgraded) {
            Ok((stream, early)) => return Self::Unix(stream, early),
            Err(upgraded) => upgraded,
        };
        #[cfg(feature = "tls")]
        let upgraded = match ours(upgraded) {
            Ok((stream, early)) => return Self::Tls(Box::new(stream), early),
            Err(upgraded) => upgraded,
        };
        let upgraded = match downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::Tcp(parts.io.into_inner(), own(&parts.read_buf)),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Self::Tcp(parts.io.into_inner(), own(&parts.read_buf)),
            Err(upgraded) => Self::Opaque(upgraded),
        }
    }
}

/// The stream that our own server was given.
fn ours<S>(upgraded: Upgraded) -> Result<(S, Bytes), Upgraded>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let parts = upgraded.downcast::<TokioIo<PatientStream<S>>>()?;
    let (stream, rest) = parts.io.into_inner().into_parts();
    Ok((stream, [parts.read_buf, rest].concat().into()))
}

/// A copy, so that a few early octets do not keep hyper's whole read buffer alive.
fn own(early: &Bytes) -> Bytes {
    Bytes::copy_from_slice(early)
}
