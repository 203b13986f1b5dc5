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

use super::options::ServerOptions;
use super::per_addr::{ConnectionsPerAddr, Counted};

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
        serve: impl Fn(TcpStream, SocketAddr, Option<Arc<Counted>>) -> Served,
    ) where
        Served: Future<Output = ()> + Send + 'static,
    {
        while let Some((stream, addr)) = self.next(|| listener.accept()).await {
            let Ok(counted) = self.count(addr) else { continue };
            // Neither failure is worth a connection.
            let _ = stream.set_nodelay(true);
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
            self.tasks.spawn(serve(stream, addr, counted));
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

/// Whether the error concerns a connection that was lost before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
