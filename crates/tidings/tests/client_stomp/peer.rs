//! A server of STOMP over TCP that does what a test says, frame by frame.

use std::net::SocketAddr;

use tidings::App;
use tidings::client::Backoff;
use tidings::client::stomp::{StompClient, StompClientBuilder, SubscribeRequest, Subscription};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

use super::support::{PATIENCE, Raw, Running, serve};

pub struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn url(&self) -> String {
        format!("stomp://{}", self.listener.local_addr().unwrap())
    }

    /// The next connection, whose CONNECT is still to come.
    pub async fn accept(&self) -> Connection {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (stream, _) = accepted.expect("nobody connects").unwrap();
        Connection(Raw::new(stream))
    }

    /// The next connection, with a session of this version.
    pub async fn session(&self, version: &str) -> Connection {
        let mut connection = self.accept().await;
        connection.frame("CONNECT").await;
        connection.write(&format!("CONNECTED\nversion:{version}\nserver:script/1\n\n\0\n")).await;
        connection
    }

    /// A client, and the connection that it has.
    pub async fn connect(&self, builder: StompClientBuilder) -> (StompClient, Connection) {
        let url = self.url();
        let (client, connection) = tokio::join!(builder.connect(&url), self.session("1.2"));
        (client.unwrap(), connection)
    }

    /// A client that has lost its connection, and knows it.
    pub async fn connect_and_lose(&self, builder: StompClientBuilder) -> StompClient {
        let (builder, mut told) = telling(builder);
        let (client, connection) = self.connect(builder).await;
        connection.hang_up().await;
        until_lost(&mut told).await;
        client
    }
}

pub struct Connection(Raw);

impl Connection {
    pub async fn write(&mut self, octets: &str) {
        self.0.write(octets).await;
    }

    /// The next frame, which has to be of this command.
    pub async fn frame(&mut self, command: &str) -> Frame {
        let text = self.0.read_until("\0").await;
        let frame = Frame(text.trim_start_matches('\n').to_owned());
        assert_eq!(frame.0.lines().next(), Some(command), "{frame:?}");
        frame
    }

    /// The next frame, which has to be of this command, and its receipt.
    pub async fn confirm(&mut self, command: &str) -> Frame {
        let frame = self.frame(command).await;
        self.receipt(&frame).await;
        frame
    }

    /// The receipt that a frame asks for.
    pub async fn receipt(&mut self, frame: &Frame) {
        let receipt = frame.header("receipt").expect("it asks for a receipt");
        self.write(&format!("RECEIPT\nreceipt-id:{receipt}\n\n\0")).await;
    }

    /// A subscription that a client makes by this connection, and its SUBSCRIBE.
    pub async fn subscription(
        &mut self,
        request: SubscribeRequest<String>,
    ) -> (Subscription<String>, Frame) {
        let (subscription, subscribe) =
            tokio::join!(request.into_future(), self.confirm("SUBSCRIBE"));
        (subscription.unwrap(), subscribe)
    }

    /// A MESSAGE for the subscription of a SUBSCRIBE.
    pub async fn message(&mut self, subscribe: &Frame, id: &str, body: &str) {
        self.write(&subscribe.message(id, body)).await;
    }

    /// Everything that is not read yet, up to the end of the stream.
    pub async fn rest(&mut self) -> String {
        self.0.read_to_end().await
    }

    /// Reads up to this text.
    pub async fn until(&mut self, text: &str) -> String {
        self.0.read_until(text).await
    }

    /// Ends the connection as a server does that goes away.
    pub async fn hang_up(mut self) {
        let _ = self.0.stream.shutdown().await;
    }
}

#[derive(Debug)]
pub struct Frame(pub String);

impl Frame {
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\n\n").next().unwrap();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// A MESSAGE for the subscription that this SUBSCRIBE makes.
    pub fn message(&self, id: &str, body: &str) -> String {
        let (subscription, destination) =
            (self.header("id").unwrap(), self.header("destination").unwrap());
        let head = format!("subscription:{subscription}\ndestination:{destination}");
        format!("MESSAGE\n{head}\nmessage-id:{id}\nack:{id}\n\n{body}\0")
    }

    pub fn body(&self) -> &str {
        self.0.split_once("\n\n").unwrap().1.trim_end_matches('\0')
    }
}

/// Our own server, with STOMP at `/stomp` and over TCP.
pub async fn server() -> Running {
    serve(App::builder().stomp("/stomp").build().unwrap()).await
}

pub fn tcp_url(addr: SocketAddr) -> String {
    format!("stomp://{addr}")
}

/// Connects again, and does not wait for that.
pub fn at_once() -> StompClientBuilder {
    let initial = std::time::Duration::ZERO;
    StompClient::builder().reconnect(Some(Backoff { initial, ..Backoff::default() }))
}

/// Does not connect again.
pub fn once() -> StompClientBuilder {
    StompClient::builder().reconnect(None)
}

/// What comes of a future that does not hang.
pub async fn within<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future.into_future()).await.expect("it hangs")
}

/// What comes of a future that waits until its time is over. Time goes by as soon as nothing else happens.
pub async fn in_its_time<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
    tokio::time::pause();
    let done = tokio::time::timeout(HOUR, future.into_future()).await;
    tokio::time::resume();
    done.unwrap_or_else(|_| panic!("{what} is waited for without end"))
}

/// With what tells how the connection changes.
pub fn telling(builder: StompClientBuilder) -> (StompClientBuilder, UnboundedReceiver<String>) {
    let (changes, told) = tokio::sync::mpsc::unbounded_channel();
    let builder = builder.on_change(move |change| {
        let _ = changes.send(format!("{change:?}"));
    });
    (builder, told)
}

/// Waits until the client knows that its connection has ended.
pub async fn until_lost(told: &mut UnboundedReceiver<String>) {
    while !within(told.recv()).await.unwrap().starts_with("Lost") {}
}
