//! Ten thousand connections: opened, idle, broadcast to, and dropped all at once.
//!
//! The server is this process; the clients are a child of it, this same program again, so that each
//! side has its own open files.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::System;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidings::endpoint::{CloseReason, Session};
use tidings::server::Server;
use tidings::{App, server_endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CROWD: usize = 10_000;

/// Open files that either process needs besides its connections.
const OTHER_FILES: usize = 200;

/// How long the crowd may take for anything. This only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Octets of the heap that an idle session may take.
const IDLE_SESSION_OCTETS_MAX: usize = 6 * 1024;

/// Octets of the heap that may be left of a session that is gone, until the wheel that watches over
/// idle sessions comes by its place.
const GONE_SESSION_OCTETS_MAX: usize = 512;

/// Octets that belong to no session and stay once they were needed: buffers, tables, the driver.
const SHARED_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// The variable that makes this program the clients, and says where the server is.
const SERVER_ADDR: &str = "TIDINGS_CROWD_SERVER";

const HANDSHAKE: &str = "GET /square HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const NEWS: &str = "hear, hear";

/// Who is in the square.
#[derive(Default)]
struct Square {
    open: AtomicUsize,
    changed: Notify,
    /// Somebody through whom all the others are reached.
    anyone: Mutex<Option<Session>>,
}

impl Square {
    async fn wait_for(&self, count: usize) {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if self.open.load(Ordering::SeqCst) == count {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        let open = self.open.load(Ordering::SeqCst);
        waited.unwrap_or_else(|_| panic!("{open} sessions are open, not {count}"));
    }
}

struct Passer(Arc<Square>);

#[server_endpoint("/square")]
impl Passer {
    #[on_open]
    fn came(&self, session: &Session) {
        *self.0.anyone.lock().unwrap() = Some(session.clone());
        self.0.open.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }

    #[on_close]
    fn left(&self, _: &CloseReason) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

#[test]
fn a_crowd_comes_hears_the_news_and_leaves_nothing() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(SERVER_ADDR) {
        Ok(addr) => runtime.block_on(be_the_crowd(addr.parse().unwrap())),
        Err(_) => runtime.block_on(be_the_server()),
    }
}

async fn be_the_server() {
    let square = Arc::<Square>::default();
    let passers = Arc::clone(&square);
    let app = App::builder().endpoint(move || Passer(Arc::clone(&passers))).build().unwrap();
    let server = Server::new(app).listen("127.0.0.1:0").await.unwrap();
    let addr = server.http_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));

    let before = live_octets();
    let files_before = open_files();
    let mut crowd = Crowd::start(addr);
    let size = crowd.size;
    crowd.await_line("all are there");
    square.wait_for(size).await;
    let idle = live_octets().saturating_sub(before);
    println!("{size} idle sessions take {} octets each", idle / size);
    assert!(idle <= size * IDLE_SESSION_OCTETS_MAX + SHARED_OCTETS_MAX, "{idle} octets");

    let anyone = square.anyone.lock().unwrap().clone().unwrap();
    assert_eq!(anyone.peers().len(), size);
    assert_eq!(anyone.peers().broadcast(NEWS), size);
    crowd.await_line("all have heard");

    crowd.leave_at_once();
    square.wait_for(0).await;
    assert!(anyone.peers().is_empty() && !anyone.is_open());
    *square.anyone.lock().unwrap() = None;
    drop(anyone);
    let returned = async {
        // The last of what a session owns goes when its task ends, after `on_close`.
        while open_files() > files_before || live_octets() > most_left(before, size) {
            tokio::task::yield_now().await;
        }
    };
    let returned = tokio::time::timeout(PATIENCE, returned).await;
    let left = live_octets().saturating_sub(before);
    println!("{left} octets are left of {size} sessions");
    assert!(returned.is_ok(), "{left} octets and {} files are left", open_files());
}

fn most_left(before: usize, size: usize) -> usize {
    before + size * GONE_SESSION_OCTETS_MAX + SHARED_OCTETS_MAX
}

fn live_octets() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The process of the clients. It ends with this.
struct Crowd {
    child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    size: usize,
}

impl Crowd {
    fn start(addr: SocketAddr) -> Self {
        let this_test = ["--exact", "a_crowd_comes_hears_the_news_and_leaves_nothing"];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(this_test)
            .arg("--nocapture")
            .env(SERVER_ADDR, addr.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, commands, lines, size: crowd_size() }
    }

    /// Waits for something that the clients say.
    fn await_line(&mut self, wanted: &str) {
        let found = self.lines.by_ref().map_while(Result::ok).any(|line| line == wanted);
        assert!(found, "the clients ended before {wanted:?}");
    }

    /// Every connection goes with its process.
    fn leave_at_once(mut self) {
        writeln!(self.commands, "leave").unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As many as the limit on open files allows, which is said loudly if it is not all of them.
fn crowd_size() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let size = CROWD.min(soft.saturating_sub(OTHER_FILES));
    if size < CROWD {
        // Not by a macro, whose output is kept back when a test passes.
        let warning = format!("WARNING: {soft} open files allow for {size} connections\n");
        std::io::stderr().write_all(warning.as_bytes()).unwrap();
    }
    assert!(size > 0, "{soft} open files are too few");
    size
}

async fn be_the_crowd(addr: SocketAddr) {
    // In waves, so that the server's queue of connections never overflows.
    const WAVE: usize = 100;
    let size = crowd_size();
    let mut streams = Vec::with_capacity(size);
    while streams.len() < size {
        let mut wave = Vec::new();
        for _ in 0..WAVE.min(size - streams.len()) {
            wave.push(TcpStream::connect(addr).await.unwrap());
        }
        for stream in &mut wave {
            stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        }
        for stream in &mut wave {
            read_head(stream).await;
        }
        streams.append(&mut wave);
    }
    println!("all are there");
    let mut expected = vec![0x81, u8::try_from(NEWS.len()).unwrap()];
    expected.extend_from_slice(NEWS.as_bytes());
    for stream in &mut streams {
        let mut frame = vec![0; expected.len()];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, expected);
    }
    println!("all have heard");
    let mut command = String::new();
    std::io::stdin().read_line(&mut command).unwrap();
    std::process::exit(0);
}

async fn read_head(stream: &mut TcpStream) {
    let mut end = [0; 4];
    while &end != b"\r\n\r\n" {
        end.rotate_left(1);
        end[3] = stream.read_u8().await.unwrap();
    }
}
