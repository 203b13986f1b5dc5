//! What broke other servers of WebSockets: one test for each kind of vulnerability, numbered as in
//! SECURITY.md.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;

use support::{PATIENCE, Raw, Running, WebSocket, http, serve};
use tidings::endpoint::{
    BoxError, CloseCode, CloseReason, ConnectionOptions, EndpointError, Message, Session,
};
use tidings::{App, server_endpoint};
use tidings_websocket::{Event, FrameStart, MaskingKey, Opcode, encode_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// Echoes, does what it is told, and tells what happens to it.
struct Target(mpsc::UnboundedSender<String>);

#[server_endpoint("/target")]
impl Target {
    #[on_open]
    fn opened(&self, session: &Session) {
        let _ = self.0.send(format!("open {}", session.id()));
    }

    #[on_message]
    async fn said(&self, session: &Session, message: Message) -> Result<(), EndpointError> {
        match message.as_octets() {
            b"close" => session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)),
            b"flood" => loop {
                session.send(vec![0; 64 * 1024]).await?;
            },
            _ => session.send(message).await?,
        }
        Ok(())
    }

    #[on_error]
    fn failed(&self, _: EndpointError) {}

    #[on_close]
    fn closed(&self, reason: &CloseReason) {
        let _ = self.0.send(format!("closed {}", reason.code()));
    }
}

/// Patience for tests that wait for its end.
fn impatient() -> ConnectionOptions {
    let soon = Duration::from_millis(100);
    ConnectionOptions { send_timeout: soon, close_timeout: soon, ..ConnectionOptions::default() }
}

struct Served {
    running: Running,
    told: mpsc::UnboundedReceiver<String>,
}

async fn served(options: ConnectionOptions) -> Served {
    let (sender, told) = mpsc::unbounded_channel();
    let app = App::builder()
        .connection_options(options)
        .endpoint(move || Target(sender.clone()))
        .build()
        .unwrap();
    Served { running: serve(app).await, told }
}

impl Served {
    async fn open(&mut self) -> WebSocket {
        let client = self.running.websocket("/target").await;
        assert!(self.told().await.starts_with("open "));
        client
    }

    async fn told(&mut self) -> String {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("nothing is told").unwrap()
    }

    /// Sends octets on a connection of their own. The code that the server closes with.
    async fn close_code(&mut self, octets: &[u8]) -> u16 {
        let mut client = self.open().await;
        client.stream.write_all(octets).await.unwrap();
        let code = client.closed().await.code().as_u16();
        self.told().await;
        code
    }

    /// Whoever else is here notices nothing.
    async fn is_well(&mut self) {
        let mut bystander = self.open().await;
        bystander.send("well?").await;
        assert_eq!(bystander.text().await, "well?");
        bystander.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)).await;
        self.told().await;
    }
}

/// The header of a masked binary frame with a length of eight octets.
fn long_header(len: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat()
}

fn masked(start: impl Into<FrameStart>, payload: &[u8], out: &mut Vec<u8>) {
    encode_frame(start, payload, Some(MaskingKey([1, 2, 3, 4])), out);
}

/// `len` frames of one message, each with the payload, of which the last is not final.
fn fragments(frames: usize, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    masked(FrameStart::unfinished(Opcode::Binary), payload, &mut out);
    for _ in 1..frames {
        masked(FrameStart::unfinished(Opcode::Continuation), payload, &mut out);
    }
    out
}

fn handshake(headers: &[u8]) -> Vec<u8> {
    let start = b"GET /target HTTP/1.1\r\nHost: localhost\r\n";
    [&start[..], headers, b"\r\n"].concat()
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn row_02_a_length_that_is_malformed_is_1002_at_once() {
    let mut server = served(ConnectionOptions::default()).await;
    for len in [1 << 63, u64::MAX, (1 << 63) | 5] {
        assert_eq!(server.close_code(&long_header(len)).await, 1002, "highest bit: {len:#x}");
    }
    for len in [0, 5, 125, 126, 65_535] {
        assert_eq!(server.close_code(&long_header(len)).await, 1002, "not minimal: {len}");
    }
    for len in [0_u8, 5, 125] {
        let octets = [0x82, 0xfe, 0, len, 0, 0, 0, 0];
        assert_eq!(server.close_code(&octets).await, 1002, "not minimal: {len}");
    }
    server.is_well().await;
}

#[tokio::test]
async fn row_03_a_length_of_any_size_costs_its_own_connection_only() {
    let mut server = served(ConnectionOptions::default()).await;
    for len in [1 << 21, 1 << 31, 1 << 32, 1 << 40, (1 << 62) + 1, (1 << 63) - 1] {
        assert_eq!(server.close_code(&long_header(len)).await, 1009, "{len:#x}");
    }
    // The sum of a message's fragments must not wrap around either.
    let mut octets = fragments(1, b"12345");
    octets.extend_from_slice(&[0x80, 0xff]);
    octets.extend_from_slice(&((1_u64 << 63) - 1).to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    assert_eq!(server.close_code(&octets).await, 1009);
    server.is_well().await;
}

#[tokio::test]
async fn row_04_octets_may_drip() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut raw = Raw::connect(server.running.http).await;
    raw.stream.set_nodelay(true).unwrap();
    let padding = format!("X-Padding: {}\r\n{UPGRADE}", "x".repeat(2_000));
    for octet in handshake(padding.as_bytes()) {
        raw.write([octet]).await;
    }
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    let mut frame = Vec::new();
    masked(Opcode::Text, "drip ".repeat(100).as_bytes(), &mut frame);
    for octet in frame {
        raw.write([octet]).await;
    }
    let mut echo = [0; 504];
    let read = tokio::time::timeout(PATIENCE, raw.stream.read_exact(&mut echo)).await;
    read.expect("nothing came").unwrap();
    assert!(echo.ends_with(b"drip drip "));
    server.is_well().await;
}

#[tokio::test]
async fn row_04_a_head_has_limits() {
    let mut server = served(ConnectionOptions::default()).await;
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let long_value = format!("X: {}\r\n", "x".repeat(1024 * 1024));
    let long_name = format!("{}: x\r\n", "x".repeat(1024 * 1024));
    for headers in [many, long_value, long_name] {
        let mut raw = Raw::connect(server.running.http).await;
        // The answer may come, and the connection end, before all is written.
        let _ = raw.stream.write_all(&handshake(format!("{headers}{UPGRADE}").as_bytes())).await;
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    // A head that never ends: the server does not wait for it.
    let mut raw = Raw::connect(server.running.http).await;
    let line = format!("X: {}\r\n", "x".repeat(1000));
    raw.write("GET /target HTTP/1.1\r\n").await;
    let endless = async { while raw.stream.write_all(line.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, endless).await.expect("it takes headers for ever");
    server.is_well().await;
}

#[tokio::test]
async fn row_05_any_octet_in_any_header_is_answered() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut bystander = server.open().await;
    let names = [
        "Connection",
        "Upgrade",
        "Host",
        "Origin",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
    ];
    for name in names {
        for octet in 0..=u8::MAX {
            let lines = [name.as_bytes(), b": ", &[octet], b"\r\nConnection: close\r\n"].concat();
            let head = handshake(&[UPGRADE.as_bytes(), &lines].concat());
            let mut raw = Raw::connect(server.running.http).await;
            raw.write(head).await;
            let answer = raw.read_until(" ").await + &raw.read_until(" ").await;
            let status: u16 = answer.trim_start_matches("HTTP/1.1 ").trim().parse().unwrap();
            assert!(status == 101 || (400..500).contains(&status), "{name} {octet:#x}: {answer}");
        }
    }
    bystander.send("well?").await;
    assert_eq!(bystander.text().await, "well?");
}

#[tokio::test]
async fn row_07_fragments_are_counted_in_frames_and_in_octets() {
    let mut server = served(ConnectionOptions::default()).await;
    for payload in [&b""[..], b"x"] {
        assert_eq!(server.close_code(&fragments(131_073, payload)).await, 1008);
    }
    let mut one_more = fragments(1024, &[0; 1024]);
    masked(FrameStart::last(Opcode::Continuation), b"x", &mut one_more);
    assert_eq!(server.close_code(&one_more).await, 1009);
    server.is_well().await;
}

#[tokio::test]
async fn row_07_pings_are_counted() {
    let options =
        ConnectionOptions { control_frames_per_second_max: 10, ..ConnectionOptions::default() };
    let mut server = served(options).await;
    let mut client = server.open().await;
    let mut flood = Vec::new();
    for _ in 0..10_000 {
        masked(Opcode::Ping, b"x", &mut flood);
    }
    // The server may hang up before it has read them all.
    let _ = client.stream.write_all(&flood).await;
    assert_eq!(server.told().await, "closed 1008");
    server.is_well().await;
}

#[tokio::test]
async fn row_08_nothing_is_compressed_unless_the_server_asks_for_it() {
    let mut server = served(ConnectionOptions::default()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut client = WebSocket::connect(server.running.http, "/target", offer).await.unwrap();
    assert!(!client.head.to_lowercase().contains("sec-websocket-extensions"), "{}", client.head);
    server.told().await;
    client.stream.write_all(&[0xc2, 0x82, 0, 0, 0, 0, 3, 0]).await.unwrap();
    assert_eq!(client.closed().await.code(), CloseCode::PROTOCOL_ERROR);
}

#[tokio::test]
async fn row_09_a_page_of_another_origin_may_not_connect() {
    let server = served(ConnectionOptions::default()).await;
    let addr = server.running.http;
    let port = addr.port();
    let other_port = port ^ 1;
    let foreign = [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("http://evil{addr}"),
        format!("http://{addr}.evil.example"),
        format!("http://{addr}@evil.example"),
        format!("http://user@{addr}"),
        format!("http://evil.example:{port}"),
        format!("http://127.0.0.1:{other_port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1.:{port}"),
        format!("ftp://{addr}"),
        format!("http://{addr}/path"),
        format!("http://{addr}\r\nOrigin: http://evil.example"),
        format!("http://xn--127-0-0-1-evil:{port}"),
        String::new(),
    ];
    for origin in foreign {
        let header = format!("Origin: {origin}\r\n");
        let refused = WebSocket::connect(addr, "/target", &header).await.map(|it| it.head);
        assert!(refused.is_err_and(|head| head.starts_with("HTTP/1.1 403 ")), "{origin}");
    }
    for header in [String::new(), format!("Origin: http://{addr}\r\n")] {
        assert!(WebSocket::connect(addr, "/target", &header).await.is_ok(), "{header}");
    }
}

#[tokio::test]
async fn row_14_session_ids_have_128_bits_that_nobody_can_predict() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut ids = HashSet::new();
    let (mut ones, mut zeros) = (0_u128, 0_u128);
    for _ in 0..200 {
        let mut client = server.running.websocket("/target").await;
        let told = server.told().await;
        let id = u128::from_str_radix(told.strip_prefix("open ").unwrap(), 16).unwrap();
        ones |= id;
        zeros |= !id;
        assert!(ids.insert(id), "an id came twice");
        client.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)).await;
        server.told().await;
    }
    assert_eq!((ones, zeros), (u128::MAX, u128::MAX), "every bit varies");
}

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

/// How often the server asks the stream of a peer that sends `octets` and nothing more, until it
/// gives that peer up.
async fn polls_until_given_up(octets: &[u8]) -> usize {
    let soon = Duration::from_millis(300);
    let options = ConnectionOptions { idle_timeout: Some(soon), ..impatient() };
    let (sender, mut told) = mpsc::unbounded_channel();
    let app = App::builder().connection_options(options);
    let app = app.endpoint(move || Target(sender.clone())).build().unwrap();
    let (mut peer, stream) = tokio::io::duplex(16 * 1024);
    let polls = Arc::<AtomicUsize>::default();
    let stream = Counting { stream, polls: Arc::clone(&polls) };
    let service = TowerToHyperService::new(app);
    let http = hyper::server::conn::http1::Builder::new();
    tokio::spawn(http.serve_connection(TokioIo::new(stream), service).with_upgrades());

    peer.write_all(&handshake(UPGRADE.as_bytes())).await.unwrap();
    peer.write_all(octets).await.unwrap();
    while !told.recv().await.unwrap().starts_with("closed ") {}
    polls.load(Ordering::Relaxed)
}

#[tokio::test]
async fn row_15_waiting_for_a_peer_takes_no_cpu() {
    let mut close = Vec::new();
    masked(Opcode::Text, b"close", &mut close);
    let mut flood = Vec::new();
    masked(Opcode::Text, b"flood", &mut flood);
    let half_a_header = vec![0x82, 0xff, 0];
    let half_a_frame = vec![0x82, 0x85, 0, 0, 0, 0, 1];
    let half_a_message = vec![0x02, 0x81, 0, 0, 0, 0, 1];
    for octets in [vec![], close, flood, half_a_header, half_a_frame, half_a_message] {
        let polls = tokio::time::timeout(PATIENCE, polls_until_given_up(&octets)).await;
        let polls = polls.expect("the peer is never given up");
        assert!(polls < 50, "{polls} polls for a peer that sent {octets:x?}");
    }
}

/// Fails in every way there is.
struct Careless(mpsc::UnboundedSender<String>);

#[server_endpoint("/careless")]
impl Careless {
    #[on_open]
    fn opened(&self, session: &Session) {
        let _ = self.0.send(session.id().to_string());
    }

    #[on_message]
    fn said(&self, text: &str) -> Result<(), BoxError> {
        if text == "panic" { panic!("as asked") } else { Err("as asked".into()) }
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn also_no_log_line_holds_a_session_id_a_cookie_or_a_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let (sender, mut ids) = mpsc::unbounded_channel();
    let app = App::builder().endpoint(move || Careless(sender.clone())).build().unwrap();
    let server = serve(app).await;
    let headers = "Cookie: id=secret-cookie\r\nAuthorization: Bearer secret-token\r\n";
    let mut known = vec!["secret-".to_owned()];
    let path = "/careless?token=secret-query";
    let mut client = WebSocket::connect(server.http, path, headers).await.unwrap();
    known.push(ids.recv().await.unwrap());
    client.send("fail").await;
    client.send("panic").await;
    client.closed().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("as asked"), "nothing was logged: {log}");
    for secret in known {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn also_no_other_spelling_of_a_path_reaches_its_endpoint() {
    let server = served(ConnectionOptions::default()).await;
    let spellings = [
        "//target",
        "/target/",
        "/target/.",
        "/TARGET",
        "/target;x=1",
        "/target%00",
        "/target%2f",
        "/target\\",
        "/target//",
    ];
    for path in spellings {
        let connected = WebSocket::connect(server.running.http, path, "").await;
        let head = connected.map(|it| it.head);
        assert!(head.as_ref().is_err_and(|head| head.starts_with("HTTP/1.1 4")), "{path} {head:?}");
    }
    let absolute = format!("http://{}/target?x=1", server.running.http);
    // By RFC 3986, section 6.2.2, these are the same path.
    let same = ["/%74arget", "/./target", "/x/../target", "/x/%2e%2E/target", "/../target"];
    for path in ["/target", "/target?x=/other", &absolute].into_iter().chain(same) {
        let connected = WebSocket::connect(server.running.http, path, "").await;
        assert!(connected.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn also_every_method_with_an_upgrade_is_answered() {
    let mut server = served(ConnectionOptions::default()).await;
    for method in ["POST", "PUT", "HEAD", "OPTIONS", "TRACE", "DELETE", "CONNECT", "X"] {
        for path in ["/target", "/nothing"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}Connection: close\r\n\r\n"
            );
            let answer = http(server.running.http, &request).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
        }
    }
    server.is_well().await;
}
