//! A server whose heap is counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tidings::App;
use tidings::broker::{DestinationPolicy, HistoryPolicy};
use tidings::endpoint::ConnectionOptions;
use tidings::server::Server;
use tokio::runtime::Handle;

use crate::{ALLOCATOR, Echo, GONE_SESSION_OCTETS_MAX, HANDSHAKE, PATIENCE, PEERS};

/// A server on a thread of its own. Only one at a time: the allocator counts for all.
pub(crate) struct Counted {
    addr: SocketAddr,
    runtime: Handle,
    _alone: MutexGuard<'static, ()>,
}

impl Counted {
    pub(crate) fn serve() -> Self {
        Self::serve_with(ConnectionOptions::default())
    }

    pub(crate) fn serve_with(options: ConnectionOptions) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let history = HistoryPolicy { octets_max: usize::MAX, ..HistoryPolicy::default() };
        let policy = DestinationPolicy { history: Some(history), ..DestinationPolicy::default() };
        let app = App::builder()
            .connection_options(options)
            .endpoint(|| Echo)
            .sockjs("/sockjs", || Echo)
            .stomp("/stomp")
            .destination_policy("/topic/history", policy)
            .build()
            .unwrap();
        let server = runtime.block_on(Server::new(app).listen("127.0.0.1:0")).unwrap();
        let addr = server.http_addrs()[0];
        // The server never stops: its thread ends with the process.
        thread::spawn(move || runtime.block_on(server.run_until(std::future::pending())));
        let counted = Self { addr, runtime: handle, _alone: alone };
        // What a server owns but once, whoever connects: the buffer of its thread, tables.
        for _ in 0..3 {
            let peers: Vec<TcpStream> = (0..PEERS).map(|_| counted.open()).collect();
            counted.settle();
            drop(peers);
            counted.settle();
        }
        counted
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A peer whose session is open.
    pub(crate) fn open(&self) -> TcpStream {
        self.ask(HANDSHAKE, *b"\r\n\r\n")
    }

    /// A peer that was answered as far as `end`.
    pub(crate) fn ask(&self, request: &str, end: [u8; 4]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut last = [0; 4];
        while last != end {
            last.rotate_left(1);
            stream.read_exact(&mut last[3..]).unwrap();
        }
        stream
    }

    /// Waits until the server has read everything, and has done what follows from it.
    pub(crate) fn settle(&self) {
        let start = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            assert!(start.elapsed() < PATIENCE, "the server does not read");
            let done = self.runtime.spawn(async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            });
            while !done.is_finished() {
                thread::yield_now();
            }
            quiet = if unread_octets(self.addr.port()) == 0 { quiet + 1 } else { 0 };
        }
    }

    /// Octets that the server holds more for each peer after `approach` than before.
    pub(crate) fn octets_per_peer(&self, mut approach: impl FnMut(&Self) -> TcpStream) -> usize {
        self.settle();
        let mut peers: Vec<Option<TcpStream>> = (0..PEERS).map(|_| None).collect();
        let before = live_octets();
        for peer in &mut peers {
            *peer = Some(approach(self));
        }
        self.settle();
        let held = live_octets().saturating_sub(before);
        drop(peers);
        self.settle();
        let left = live_octets().saturating_sub(before);
        let max = PEERS * GONE_SESSION_OCTETS_MAX;
        assert!(left <= max, "{left} octets are left of {PEERS} peers that are gone");
        held.div_ceil(PEERS)
    }

    /// As above, for open sessions whose peers send `octets`.
    pub(crate) fn octets_per_session(&self, octets: &[u8]) -> usize {
        self.octets_per_peer(|server| {
            let mut peer = server.open();
            // The server may hang up on what it is sent.
            let _ = peer.write_all(octets);
            peer
        })
    }
}

pub(crate) fn live_octets() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Octets that have arrived at a local port, and that nobody has read: the queues in `/proc/net/tcp`.
/// Reading the table leaves nothing on the heap.
fn unread_octets(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let queues = table.lines().filter_map(|line| {
        let mut columns = line.split_whitespace();
        let is_ours = columns.nth(1)?.ends_with(&local);
        let (_, received) = columns.nth(2)?.split_once(':')?;
        is_ours.then(|| u64::from_str_radix(received, 16).unwrap())
    });
    queues.sum()
}
