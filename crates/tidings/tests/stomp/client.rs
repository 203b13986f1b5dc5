//! A STOMP client that sees every octet, over TCP and over WebSocket.

use std::future::Future;

use tidings::App;
use tidings::endpoint::Message;

use crate::support::{Raw, Running, WebSocket, serve};

pub const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];

/// The way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Tcp,
    WebSocket,
}

pub const DOORS: [Door; 2] = [Door::Tcp, Door::WebSocket];

pub struct Client {
    connection: Connection,
}

enum Connection {
    Tcp(Raw),
    WebSocket(Box<WebSocket>),
}

impl Client {
    /// A client that has not said anything yet.
    pub async fn open(server: &Running, door: Door) -> Self {
        let connection = match door {
            Door::Tcp => Connection::Tcp(Raw::connect(server.stomp).await),
            Door::WebSocket => {
                let offer = "Sec-WebSocket-Protocol: v12.stomp, v11.stomp\r\n";
                let socket = WebSocket::connect(server.http, "/stomp", offer).await.unwrap();
                assert!(
                    socket.head.to_lowercase().contains("sec-websocket-protocol: v12.stomp\r\n")
                );
                Connection::WebSocket(Box::new(socket))
            }
        };
        Self { connection }
    }

    /// A client whose session is open.
    pub async fn connect(server: &Running, door: Door, version: &str) -> Self {
        let mut client = Self::open(server, door).await;
        client.send(format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0")).await;
        let connected = client.frame().await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected:?}");
        assert!(connected.contains(&format!("version:{version}\n")), "{connected:?}");
        client
    }

    /// Sends octets: over WebSocket as one message, of text if they are.
    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        match &mut self.connection {
            Connection::Tcp(raw) => raw.write(octets).await,
            Connection::WebSocket(socket) => match str::from_utf8(octets.as_ref()) {
                Ok(text) => socket.send(text).await,
                Err(_) => socket.send(octets.as_ref().to_vec()).await,
            },
        }
    }

    /// The next frame, without the line ends before it.
    pub async fn frame(&mut self) -> String {
        loop {
            let frame = match &mut self.connection {
                Connection::Tcp(raw) => raw.read_until("\0").await,
                Connection::WebSocket(socket) => match socket.message().await {
                    Message::Text(text) => text,
                    Message::Binary(octets) => String::from_utf8(octets.into()).unwrap(),
                },
            };
            let frame = frame.trim_start_matches('\n');
            if !frame.is_empty() {
                return frame.to_owned();
            }
        }
    }

    /// Sends, and gives the next frame.
    pub async fn ask(&mut self, octets: impl AsRef<[u8]>) -> String {
        self.send(octets).await;
        self.frame().await
    }

    /// Goes away without a word, and reads nothing any more.
    pub fn vanish(self) {
        let stream = match self.connection {
            Connection::Tcp(raw) => raw.stream,
            Connection::WebSocket(socket) => socket.stream,
        };
        stream.set_zero_linger().unwrap();
    }

    /// That the server closes without another frame.
    pub async fn ends(mut self) {
        match &mut self.connection {
            Connection::Tcp(raw) => assert_eq!(raw.read_to_end().await, ""),
            Connection::WebSocket(socket) => match socket.event().await {
                tidings_websocket::Event::Closed(_) => {}
                other => panic!("expected the end: {other:?}"),
            },
        }
    }

    /// That the session still does what it is asked to.
    pub async fn goes_on(&mut self) {
        let receipt = self.ask("SEND\ndestination:/topic/nobody\nreceipt:on\n\n\0").await;
        assert!(receipt.contains("receipt-id:on\n"), "{receipt:?}");
    }

    /// Subscribes, and waits for it.
    pub async fn subscribe(&mut self, headers: &str) {
        let receipt = self.ask(format!("SUBSCRIBE\nreceipt:subscribed\n{headers}\n\0")).await;
        assert!(receipt.contains("receipt-id:subscribed\n"), "{receipt:?}");
    }
}

/// The value of a header.
pub fn header<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = frame.split_once("\n\n")?;
    head.lines().find_map(|line| line.split_once(':').filter(|(it, _)| *it == name)).map(|it| it.1)
}

/// Tries something with a connected client of each version, through each door, on a server of its own.
pub async fn in_every_version<F>(
    app: impl Fn() -> App,
    attempt: impl Fn(Running, Client, &'static str) -> F,
) where
    F: Future<Output = ()>,
{
    for door in DOORS {
        for version in VERSIONS {
            let server = serve(app()).await;
            let client = Client::connect(&server, door, version).await;
            attempt(server, client, version).await;
        }
    }
}
