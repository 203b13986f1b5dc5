use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Octets of the head of a CONNECT.
const HEAD_OCTETS_MAX: usize = 8 * 1024;

/// An HTTP proxy inside this process that counts what passes through it, to one server and no other.
pub(super) struct Relay {
    pub(super) addr: SocketAddr,
    counts: Arc<Counts>,
    serving: AbortHandle,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

/// Octets on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Octets {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Relay {
    /// Relays to `authority`, a host and a port.
    pub(super) async fn start(authority: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let counting = Arc::clone(&counts);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (authority, counts) = (authority.clone(), Arc::clone(&counting));
                // A connection that breaks is told of by whoever uses it.
                tokio::spawn(async move { drop(relay(stream, &authority, &counts).await) });
            }
        });
        Ok(Self { addr, counts, serving: serving.abort_handle() })
    }

    pub(super) fn octets(&self) -> Octets {
        let Counts { sent, received } = &*self.counts;
        Octets { sent: sent.load(Ordering::Relaxed), received: received.load(Ordering::Relaxed) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn relay(mut client: TcpStream, authority: &str, counts: &Counts) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_OCTETS_MAX {
        head.push(client.read_u8().await?);
    }
    if !head.starts_with(format!("CONNECT {authority} ").as_bytes()) {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    }
    let Ok(server) = TcpStream::connect(authority).await else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let sending = count_and_copy(from_client, to_server, &counts.sent);
    let receiving = count_and_copy(from_server, to_client, &counts.received);
    tokio::try_join!(sending, receiving).map(drop)
}

async fn count_and_copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

impl std::ops::Sub for Octets {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { sent: self.sent - earlier.sent, received: self.received - earlier.received }
    }
}
