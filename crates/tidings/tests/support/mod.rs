//! A running server, and clients that speak to it over real sockets.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

#[cfg(feature = "tls")]
pub mod certificate;
pub mod named_tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http::{Method, Version};
use tidings::App;
use tidings::endpoint::{Endpoint, ServerEndpoint};
use tidings::server::{Server, ServerOptions};
use tidings_websocket::handshake::server;
use tidings_websocket::{CloseReason, Connection, Encoder, Event, Limits, MaskingKey, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::fmt::format::FmtSpan;

/// Nothing in these tests takes long; this only ends a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An application served on free ports.
pub struct Running {
    pub http: SocketAddr,
    pub stomp: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

pub async fn serve(app: App) -> Running {
    // What tests write into `Host`.
    let hosts = ["here", "x"].map(str::to_owned).into();
    let server = Server::new(app).options(ServerOptions { hosts, ..ServerOptions::default() });
    let server = server.listen("127.0.0.1:0").await.unwrap();
    let server = server.stomp_listen("127.0.0.1:0").await.unwrap();
    let (http, stomp) = (server.http_addrs()[0], server.stomp_addrs()[0]);
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    Running { http, stomp, stop: Some(stop), served }
}

impl Running {
    /// Begins the shutdown, and returns what completes with it.
    pub fn stop(mut self) -> JoinHandle<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.served
    }

    pub async fn websocket(&self, path: &str) -> WebSocket {
        WebSocket::connect(self.http, path, "").await.unwrap()
    }
}

/// The client's end of a WebSocket.
pub struct WebSocket {
    pub stream: TcpStream,
    connection: Connection,
    encoder: Encoder,
    /// Octets read and not yet taken.
    input: Vec<u8>,
    /// The head of the answer to the opening handshake.
    pub head: String,
}

impl WebSocket {
    /// Connects; `headers` are more lines of the request, each with its line end. The error is the
    /// whole answer, if it is not a 101.
    pub async fn connect(addr: SocketAddr, path: &str, headers: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(head);
        }
        let key = || MaskingKey([1, 2, 3, 4]);
        let connection = Connection::new_client(Limits::default(), key);
        Ok(Self { stream, connection, encoder: Encoder::new_client(key), input: Vec::new(), head })
    }

    /// Accepts the next client, whatever it asks for: the server's end of a WebSocket.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let headers = lines.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let accepted = server::accept(&Method::GET, Version::HTTP_11, &headers.collect()).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            accepted.accept_key().unwrap()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let connection = Connection::new_server(Limits::default());
        Self { stream, connection, encoder: Encoder::new_server(), input: Vec::new(), head }
    }

    pub async fn send(&mut self, message: impl Into<Message>) {
        let mut octets = Vec::new();
        self.encoder.encode(&message.into(), &mut octets);
        self.stream.write_all(&octets).await.unwrap();
    }

    /// The next event; its end is an event too.
    pub async fn event(&mut self) -> Event {
        let next = async {
            loop {
                let mut input = &mut self.input[..];
                let event = self.connection.poll_event(&mut input);
                self.input = input.to_vec();
                while let Some(octets) = self.connection.poll_transmit() {
                    let _ = self.stream.write_all(&octets).await;
                }
                if let Some(event) = event {
                    return event;
                }
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => self.connection.handle_end_of_stream(),
                    Ok(len) => self.input.extend_from_slice(&buffer[..len]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("nothing came")
    }

    pub async fn message(&mut self) -> Message {
        match self.event().await {
            Event::Message(message) => message,
            other => panic!("expected a message: {other:?}"),
        }
    }

    pub async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text,
            other => panic!("expected text: {other:?}"),
        }
    }

    /// Waits for the end, whatever comes before it.
    pub async fn closed(&mut self) -> CloseReason {
        loop {
            if let Event::Closed(closed) = self.event().await {
                return closed.reason;
            }
        }
    }

    pub async fn close(&mut self, reason: CloseReason) {
        self.connection.close(&reason);
        self.closed().await;
    }
}

/// An annotated endpoint in service at its path, which is `/`, and a client of it.
pub async fn connect<E: ServerEndpoint + Endpoint>(
    endpoint: impl Fn() -> E + Send + Sync + 'static,
) -> (Running, WebSocket) {
    let server = serve(App::builder().endpoint(endpoint).build().unwrap()).await;
    let client = server.websocket("/").await;
    (server, client)
}

/// A frame as a client sends it, masked with zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

/// A client that sends octets and reads text.
pub struct Raw {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    pub async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    pub async fn write(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
    }

    /// Everything up to and including `end`, which has to come.
    pub async fn read_until(&mut self, end: &str) -> String {
        String::from_utf8(self.read_octets_until(end.as_bytes()).await).unwrap()
    }

    /// The same, of what may be no text.
    pub async fn read_octets_until(&mut self, end: &[u8]) -> Vec<u8> {
        let read = async {
            loop {
                let found = self.received.windows(end.len()).position(|octets| octets == end);
                if let Some(at) = found {
                    let rest = self.received.split_off(at + end.len());
                    return std::mem::replace(&mut self.received, rest);
                }
                let read = self.stream.read_buf(&mut self.received).await.unwrap();
                let (end, so_far) =
                    (String::from_utf8_lossy(end), String::from_utf8_lossy(&self.received));
                assert_ne!(read, 0, "the stream ended before {end:?}: {so_far:?}");
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("nothing came")
    }

    /// Everything up to the end of the stream.
    pub async fn read_to_end(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.received);
        let read = self.stream.read_to_end(&mut rest);
        // A reset ends a stream too.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the stream does not end");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// One HTTP request on a connection of its own; the whole answer.
pub async fn http(addr: SocketAddr, request: &str) -> String {
    let mut raw = Raw::connect(addr).await;
    raw.write(request).await;
    raw.read_to_end().await
}

/// While there is one subscriber alone, `tracing` asks the subscriber of whichever thread comes first to an event
/// whether anybody wants it, which in a thread that captures nothing is nobody, for all threads.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// What this thread logs, at every level, until it is dropped.
pub struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _capturing: DefaultGuard,
}

impl Log {
    pub fn capture() -> Self {
        Self::with(FmtSpan::NONE)
    }

    /// Also tells of each span that begins, in a line that ends with `new`.
    pub fn capture_with_spans() -> Self {
        Self::with(FmtSpan::NEW)
    }

    fn with(spans: FmtSpan) -> Self {
        LazyLock::force(&NOBODY);
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter(Arc::clone(&written));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_span_events(spans)
            .with_writer(move || writer.clone())
            .finish();
        Self { written, _capturing: tracing::subscriber::set_default(subscriber) }
    }

    /// What has been logged since this was last asked.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.written.lock().unwrap())).unwrap()
    }
}

#[derive(Clone)]
struct LogWriter(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogWriter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
