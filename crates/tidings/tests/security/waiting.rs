//! Peers that do not answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tidings::App;
use tidings::endpoint::ConnectionOptions;
use tidings_websocket::{Event, Opcode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::support::{PATIENCE, Raw};
use crate::{Target, UPGRADE, handshake, impatient, masked, served};

#[tokio::test]
async fn row_15_a_peer_that_never_answers_a_close_frame_is_let_go() {
    let mut server = served(impatient()).await;
    let mut mute = server.open().await;
    mute.send("close").await;
    assert_eq!(server.told().await, "closed 1000");
    // The stream ends, although the peer has not closed it.
    let end = async { while mute.stream.read(&mut [0; 1024]).await.is_ok_and(|len| len > 0) {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the stream stays open");
    server.is_well().await;
}

#[tokio::test]
async fn row_15_a_peer_that_stops_reading_is_let_go() {
    let mut server = served(impatient()).await;
    let mut deaf = server.open().await;
    deaf.send("flood").await;
    assert!(server.told().await.starts_with("closed "));
    server.is_well().await;
    drop(deaf);
}

#[tokio::test]
async fn row_15_a_peer_that_stops_reading_and_is_closed_is_let_go() {
    let mut server = served(impatient()).await;
    let mut deaf = server.open().await;
    // Fills the buffers in both directions, with the close frame behind.
    let mut octets = Vec::new();
    for _ in 0..64 {
        masked(Opcode::Binary, &[0; 64 * 1024], &mut octets);
    }
    masked(Opcode::Text, b"close", &mut octets);
    let _ = tokio::time::timeout(PATIENCE, deaf.stream.write_all(&octets)).await.unwrap();
    assert!(server.told().await.starts_with("closed "));
    server.is_well().await;
    drop(deaf);
}

#[tokio::test]
async fn row_15_a_peer_that_half_closes_is_let_go_in_every_state() {
    let mut server = served(impatient()).await;
    let states: [&[u8]; 5] = [
        b"",
        &[0x82],
        &[0x82, 0xff, 0, 0],
        &[0x82, 0x85, 0, 0, 0, 0, 1, 2],
        &[0x02, 0x81, 0, 0, 0, 0, 1],
    ];
    for state in states {
        let mut client = server.open().await;
        client.stream.write_all(state).await.unwrap();
        client.stream.shutdown().await.unwrap();
        assert_eq!(server.told().await, "closed 1006", "{state:x?}");
        assert!(matches!(client.event().await, Event::Closed(_)));
    }
    for head in [&b""[..], b"GET /tar", b"GET /target HTTP/1.1\r\nHost: x\r\n"] {
        let mut raw = Raw::connect(server.running.http).await;
        raw.write(head).await;
        raw.stream.shutdown().await.unwrap();
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    server.is_well().await;
}

/// A stream that counts how often it is asked for anything.
struct Counting {
    stream: DuplexStream,
    polls: Arc<AtomicUsize>,
    _held: oneshot::Sender<()>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves an application over a stream; the other end of it, and how often it was asked for anything.
///
/// The receiver is closed once the server has let go of the stream.
async fn counted(app: App) -> (DuplexStream, Arc<AtomicUsize>, oneshot::Receiver<()>) {
    let (mut peer, stream) = tokio::io::duplex(16 * 1024);
    let polls = Arc::<AtomicUsize>::default();
    let (held, let_go) = oneshot::channel();
    let stream = Counting { stream, polls: Arc::clone(&polls), _held: held };
    let service = TowerToHyperService::new(app);
    let http = hyper::server::conn::http1::Builder::new();
    tokio::spawn(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    peer.write_all(&handshake(UPGRADE.as_bytes())).await.unwrap();
    (peer, polls, let_go)
}

/// How often the server asks the stream of a peer that sends `octets` and nothing more, until it
/// lets go of it.
async fn polls_until_given_up(octets: &[u8]) -> usize {
    let soon = Duration::from_millis(300);
    let options = ConnectionOptions { idle_timeout: Some(soon), ..impatient() };
    let (sender, mut told) = mpsc::unbounded_channel();
    let app = App::builder().connection_options(options);
    let app = app.endpoint(move || Target(sender.clone())).build().unwrap();
    let (mut peer, polls, let_go) = counted(app).await;
    peer.write_all(octets).await.unwrap();
    while !told.recv().await.unwrap().starts_with("closed ") {}
    let_go.await.unwrap_err();
    polls.load(Ordering::Relaxed)
}

#[tokio::test]
async fn row_15_waiting_for_a_peer_takes_no_cpu() {
    let mut close = Vec::new();
    masked(Opcode::Text, b"close", &mut close);
    let mut flood = Vec::new();
    masked(Opcode::Text, b"flood", &mut flood);
    let mut leave = Vec::new();
    masked(Opcode::Text, b"leave", &mut leave);
    let half_a_header = vec![0x82, 0xff, 0];
    let half_a_frame = vec![0x82, 0x85, 0, 0, 0, 0, 1];
    let half_a_message = vec![0x02, 0x81, 0, 0, 0, 0, 1];
    for octets in [vec![], close, flood, leave, half_a_header, half_a_frame, half_a_message] {
        let polls = tokio::time::timeout(PATIENCE, polls_until_given_up(&octets)).await;
        let polls = polls.expect("the peer is never given up");
        assert!(polls < 50, "{polls} polls for a peer that sent {octets:x?}");
    }
}

/// Does not come to an end before it may.
struct Lingers(mpsc::UnboundedSender<()>, Arc<Semaphore>);

#[tidings::server_endpoint("/target")]
impl Lingers {
    #[on_close]
    async fn closed(&self) {
        self.0.send(()).unwrap();
        self.1.acquire().await.unwrap().forget();
        self.0.send(()).unwrap();
    }
}

#[tokio::test]
async fn row_15_an_on_close_that_waits_takes_no_cpu_although_the_peer_is_gone() {
    let mut close = Vec::new();
    masked(Opcode::Close, &1000_u16.to_be_bytes(), &mut close);
    for goodbye in [vec![], close] {
        let (sender, mut told) = mpsc::unbounded_channel();
        let may_go = Arc::new(Semaphore::new(0));
        let permits = Arc::clone(&may_go);
        let app = App::builder().endpoint(move || Lingers(sender.clone(), Arc::clone(&permits)));
        let (mut peer, polls, _) = counted(app.build().unwrap()).await;
        let switched = peer.read(&mut [0; 1024]).await.unwrap();
        assert!(switched > 0);
        peer.write_all(&goodbye).await.unwrap();
        drop(peer);
        told.recv().await.unwrap();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        may_go.add_permits(1);
        told.recv().await.unwrap();
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls < 50, "{polls} polls for a peer that is gone, after {goodbye:x?}");
    }
}
