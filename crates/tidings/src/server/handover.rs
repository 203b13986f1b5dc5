//! Responses that go on without hyper: whoever answers a request may take its connection over, before or after
//! the head of the response is written, and gives it back at the end.

use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, Request, Version};
use httpdate::HttpDate;
use tokio::net::TcpStream;

/// Where a chunked response of HTTP/1.1 asks for its connection, as an extension of the request. Each
/// connection has one.
#[derive(Clone, Default)]
pub(crate) struct Handover(Arc<Mutex<Option<Box<dyn Successor>>>>);

/// Whoever writes the rest of a response.
pub(crate) trait Successor: Send {
    /// Goes on with the response, after what was written of it. The socket comes back when the response has
    /// ended, unless it was lost.
    fn take_over(self: Box<Self>, socket: Socket) -> Served;

    /// The connection was lost before it could be taken over.
    fn give_up(self: Box<Self>);
}

/// The rest of a response being written.
pub(crate) type Served = Pin<Box<dyn Future<Output = Option<Socket>> + Send>>;

/// The head of a response with a chunked body, for whoever writes it without hyper. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ResponseHead(Bytes);

impl ResponseHead {
    /// Whether a response with these fields is chunked, and says nothing itself that the head adds.
    pub(crate) fn suits(fields: &HeaderMap) -> bool {
        [CONTENT_LENGTH, TRANSFER_ENCODING, DATE].iter().all(|field| !fields.contains_key(field))
    }

    /// The head of a response of HTTP/1.1: RFC 9112, sections 4 and 7.1.
    pub(crate) fn chunked(parts: &Parts) -> Self {
        let mut octets = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
        for (name, value) in &parts.headers {
            octets.extend_from_slice(name.as_str().as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"transfer-encoding: chunked\r\ndate: ");
        Self(octets.into())
    }

    /// Appends it, as of now.
    pub(crate) fn write(&self, batch: &mut Vec<u8>) {
        batch.extend_from_slice(&self.0);
        let _ = write!(batch, "{}\r\n\r\n", HttpDate::from(SystemTime::now()));
    }
}

/// What a plain HTTP connection is made of.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    /// What was read of the next request already.
    pub(crate) early: Bytes,
}

/// A stream that may be nothing but a socket.
pub(crate) trait MaybeSocket: Sized {
    /// Whether it is one.
    const IS_SOCKET: bool;

    fn into_socket(self) -> Option<TcpStream>;

    fn from_socket(socket: TcpStream) -> Option<Self>;
}

impl MaybeSocket for TcpStream {
    const IS_SOCKET: bool = true;

    fn into_socket(self) -> Option<TcpStream> {
        Some(self)
    }

    fn from_socket(socket: TcpStream) -> Option<Self> {
        Some(socket)
    }
}

/// Declares streams that nobody but hyper writes to.
macro_rules! no_socket {
    ($stream:ty) => {
        impl MaybeSocket for $stream {
            const IS_SOCKET: bool = false;

            fn into_socket(self) -> Option<TcpStream> {
                None
            }

            fn from_socket(_: TcpStream) -> Option<Self> {
                None
            }
        }
    };
}

#[cfg(unix)]
no_socket!(tokio::net::UnixStream);
#[cfg(feature = "tls")]
no_socket!(tokio_rustls::server::TlsStream<TcpStream>);
no_socket!(tokio::io::DuplexStream);

impl Handover {
    /// Whether a response to `request` may have its connection, if that is chunked: it goes on after it.
    pub(super) fn suits<B>(request: &Request<B>) -> bool {
        let mut wishes = request.headers().get_all(CONNECTION).iter();
        request.version() == Version::HTTP_11
            && wishes.all(|wish| wish.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
    }

    /// Asks for the connection as soon as all that was written is on its way.
    pub(crate) fn ask(&self, successor: Box<dyn Successor>) {
        *self.lock() = Some(successor);
    }

    /// Leaves the connection to hyper. Whether that was in time.
    pub(crate) fn withdraw(&self) -> bool {
        self.lock().take().is_some()
    }

    /// Whoever has asked last.
    pub(super) fn take(&self) -> Option<Box<dyn Successor>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Successor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}
