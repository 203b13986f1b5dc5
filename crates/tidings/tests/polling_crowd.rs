//! Ten thousand SockJS sessions that poll: opened, sent to, and abandoned all at once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::System;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidings::App;
use tidings::endpoint::{CloseInfo, Endpoint, EndpointError, Message, Session};
use tidings::server::{Server, SockJsOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 10_000;

/// Connections that the polls of all sessions share, as those of a proxy.
const CONNECTIONS: usize = 50;

/// How long the crowd may take for anything. This only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Octets of the heap that a session between two polls may take.
const WAITING_SESSION_OCTETS_MAX: usize = 6 * 1024;

/// Octets of the heap that may be left of a session that is gone.
const GONE_SESSION_OCTETS_MAX: usize = 512;

/// Octets that belong to no session and stay once they were needed: buffers, tables, the driver.
const SHARED_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Who is there.
struct Square {
    open: watch::Sender<usize>,
    closed_with: Mutex<Vec<u16>>,
    anyone: Mutex<Option<Session>>,
    messages: AtomicUsize,
}

struct Passer(Arc<Square>);

impl Endpoint for Passer {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        *self.0.anyone.lock().unwrap() = Some(session.clone());
        self.0.open.send_modify(|open| *open += 1);
        Ok(())
    }

    async fn on_message(&mut self, _: &Session, _: Message) -> Result<(), EndpointError> {
        self.0.messages.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        self.0.closed_with.lock().unwrap().push(info.reason.code().as_u16());
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Square {
    async fn wait_for(&self, count: usize) {
        let mut open = self.open.subscribe();
        let reached = tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == count)).await;
        let now = *self.open.borrow();
        reached.unwrap_or_else(|_| panic!("{now} sessions are open, not {count}")).unwrap();
    }
}

/// Makes a request for each session, many at a time, and compares the bodies of the answers.
async fn ask_for_all(
    addr: SocketAddr,
    what: &'static str,
    body: &'static str,
    expected: &'static str,
) {
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                for session in (first..SESSIONS).step_by(CONNECTIONS) {
                    let length = body.len();
                    let request = format!(
                        "POST /square/000/s{session}/{what} HTTP/1.1\r\nHost: localhost\r\n\
                         Content-Length: {length}\r\n\r\n{body}"
                    );
                    stream.write_all(request.as_bytes()).await.unwrap();
                    assert_eq!(read_answer(&mut stream).await, expected, "session {session}");
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }
}

/// The body of an answer, without its chunks.
async fn read_answer(stream: &mut TcpStream) -> String {
    let head = read_to(stream, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 20"), "{head}");
    let mut body = String::new();
    while head.contains("transfer-encoding: chunked") {
        let length = read_to(stream, "\r\n").await;
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        if length == 0 {
            break;
        }
        body.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
    }
    body
}

async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(end.as_bytes()) {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets).unwrap()
}

fn live_octets() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// A service whose sessions wait so long for their next poll.
async fn serve(disconnect_delay: Duration) -> (App, SocketAddr, Arc<Square>) {
    let square = Arc::new(Square {
        open: watch::Sender::new(0),
        closed_with: Mutex::default(),
        anyone: Mutex::default(),
        messages: AtomicUsize::new(0),
    });
    let passers = Arc::clone(&square);
    let options = SockJsOptions { disconnect_delay, ..SockJsOptions::default() };
    let app = App::builder()
        .sockjs_with_options("/square", options, move || Passer(Arc::clone(&passers)))
        .build()
        .unwrap();
    let server = Server::new(app.clone()).listen("127.0.0.1:0").await.unwrap();
    let addr = server.http_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    (app, addr, square)
}

/// One test, because the memory that it counts is that of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_polls_comes_hears_the_news_and_leaves_nothing() {
    leaving_by_shutdown().await;
    leaving_without_a_word().await;
}

async fn leaving_by_shutdown() {
    // Long enough for all to be there at once.
    let (app, addr, square) = serve(PATIENCE).await;
    let before = live_octets();
    ask_for_all(addr, "xhr", "", "o\n").await;
    square.wait_for(SESSIONS).await;
    let waiting = live_octets().saturating_sub(before);
    println!("{SESSIONS} waiting sessions take {} octets each", waiting / SESSIONS);
    assert!(waiting <= SESSIONS * WAITING_SESSION_OCTETS_MAX + SHARED_OCTETS_MAX, "{waiting}");

    let anyone = square.anyone.lock().unwrap().take().unwrap();
    assert_eq!(anyone.peers().len(), SESSIONS);
    assert_eq!(anyone.peers().broadcast("hear, hear"), SESSIONS);
    ask_for_all(addr, "xhr_send", "[\"heard\"]", "").await;
    ask_for_all(addr, "xhr", "", "a[\"hear, hear\"]\n").await;
    assert_eq!(square.messages.load(Ordering::SeqCst), SESSIONS);

    // They are told, and nobody asks any more.
    tokio::time::timeout(PATIENCE, app.shut_down()).await.unwrap();
    square.wait_for(0).await;
    assert!(anyone.peers().is_empty() && !anyone.is_open());
    drop(anyone);
    let closed_with = std::mem::take(&mut *square.closed_with.lock().unwrap());
    assert_eq!(closed_with.len(), SESSIONS);
}

async fn leaving_without_a_word() {
    let (_app, addr, square) = serve(Duration::from_secs(1)).await;
    let before = live_octets();
    ask_for_all(addr, "xhr", "", "o\n").await;
    square.wait_for(0).await;
    *square.anyone.lock().unwrap() = None;
    let closed_with = std::mem::take(&mut *square.closed_with.lock().unwrap());
    assert_eq!(closed_with.len(), SESSIONS);
    assert!(closed_with.iter().all(|code| *code == 1002));
    drop(closed_with);
    let most_left = before + SESSIONS * GONE_SESSION_OCTETS_MAX + SHARED_OCTETS_MAX;
    let returned = async {
        // The last of what a session owns goes when its task ends, after `on_close`.
        while live_octets() > most_left {
            tokio::task::yield_now().await;
        }
    };
    let returned = tokio::time::timeout(PATIENCE, returned).await;
    let left = live_octets().saturating_sub(before);
    println!("{left} octets are left of {SESSIONS} sessions");
    assert!(returned.is_ok(), "{left} octets are left");
}
