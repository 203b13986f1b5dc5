//! Accepting connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::http::Caller;
use super::options::ServerOptions;
use super::per_addr::{ConnectionsPerAddr, Counted};
use super::{LocalAddr, RemoteAddr};

/// How long a connection is silent before TCP asks whether its peer is still there: 60 s.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);

/// How long accepting rests after the process ran out of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the server stops, and serves each in a task of its own.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) options: Arc<ServerOptions>,
    pub(super) per_addr: Arc<ConnectionsPerAddr>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Acceptor {
    pub(super) async fn accept_tcp<Served>(
        self,
        listener: TcpListener,
        serve: impl Fn(TcpStream, Caller) -> Served,
    ) where
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut local_addrs = LocalAddrs::of(&listener);
        while let Some((stream, addr)) = self.next(|| listener.accept()).await {
            let Ok(counted) = self.count(addr) else { continue };
            // Neither failure is worth a connection.
            let _ = stream.set_nodelay(true);
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
            let (remote_addr, local_addr) =
                (Some(RemoteAddr(addr)), local_addrs.of_stream(&stream));
            let caller = Caller { remote_addr, local_addr, counted, ..Caller::default() };
            self.tasks.spawn(serve(stream, caller));
        }
    }

    #[cfg(unix)]
    pub(super) async fn accept_unix<Served>(
        self,
        listener: tokio::net::UnixListener,
        serve: impl Fn(tokio::net::UnixStream) -> Served,
    ) where
        Served: Future<Output = ()> + Send + 'static,
    {
        while let Some((stream, _)) = self.next(|| listener.accept()).await {
            self.tasks.spawn(serve(stream));
        }
    }

    /// The next connection, or `None` once the server stops.
    async fn next<T, Accepted>(&self, accept: impl Fn() -> Accepted) -> Option<T>
    where
        Accepted: Future<Output = io::Result<T>>,
    {
        loop {
            let accepted = tokio::select! {
                accepted = accept() => accepted,
                () = self.stop.cancelled() => return None,
            };
            match accepted {
                Ok(connection) => return Some(connection),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections now");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Counts the connection of an address, or refuses it.
    fn count(&self, addr: SocketAddr) -> Result<Option<Arc<Counted>>, TooManyConnections> {
        let Some(max) = self.options.connections_per_addr_max else { return Ok(None) };
        let counted = self.per_addr.enter(addr.ip(), max);
        if counted.is_none() {
            tracing::debug!(%addr, "too many connections from this address");
        }
        counted.map(|counted| Some(Arc::new(counted))).ok_or(TooManyConnections)
    }
}

struct TooManyConnections;

/// The addresses that connections of one listener come to, shared by those for which it is the same.
enum LocalAddrs {
    /// The listener's.
    One(LocalAddr),
    /// It listens at all addresses of the machine; this is the one that was connected to last.
    Any(Option<LocalAddr>),
}

impl LocalAddrs {
    fn of(listener: &TcpListener) -> Self {
        match listener.local_addr() {
            Ok(addr) if !addr.ip().is_unspecified() => Self::One(LocalAddr::new(addr)),
            _ => Self::Any(None),
        }
    }

    fn of_stream(&mut self, stream: &TcpStream) -> Option<LocalAddr> {
        let last = match self {
            Self::One(addr) => return Some(addr.clone()),
            Self::Any(last) => last,
        };
        let addr = stream.local_addr().ok()?;
        if last.as_ref().is_none_or(|last| last.addr() != addr) {
            *last = Some(LocalAddr::new(addr));
        }
        last.clone()
    }
}

/// Whether the error concerns a connection that was lost before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
