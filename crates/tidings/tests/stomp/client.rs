//! A STOMP client that sees every octet, over TCP and over WebSocket.

use std::future::Future;

use tidings::App;
use tidings::endpoint::{CloseCode, Message};
use tidings_websocket::Event;

use crate::support::{Raw, Running, WebSocket, serve};

/// The way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    Tcp,
    WebSocket,
}

pub const DOORS: [Door; 2] = [Door::Tcp, Door::WebSocket];

/// In which versions, and through which doors, something holds.
#[derive(Clone, Copy, Debug)]
pub struct Where {
    versions: &'static [&'static str],
    doors: &'static [Door],
}

pub const EVERYWHERE: Where = Where { versions: &["1.0", "1.1", "1.2"], doors: &DOORS };
pub const IN_1_0: Where = Where { versions: &["1.0"], ..EVERYWHERE };
pub const IN_1_1: Where = Where { versions: &["1.1"], ..EVERYWHERE };
pub const IN_1_2: Where = Where { versions: &["1.2"], ..EVERYWHERE };
pub const BEFORE_1_2: Where = Where { versions: &["1.0", "1.1"], ..EVERYWHERE };
pub const FROM_1_1: Where = Where { versions: &["1.1", "1.2"], ..EVERYWHERE };
pub const OVER_TCP: Where = Where { doors: &[Door::Tcp], ..EVERYWHERE };
pub const OVER_WEBSOCKET: Where = Where { doors: &[Door::WebSocket], ..EVERYWHERE };

impl Where {
    pub fn each(self) -> impl Iterator<Item = (Door, &'static str)> {
        let versions = |door: Door| self.versions.iter().map(move |version| (door, *version));
        self.doors.iter().flat_map(move |door| versions(*door))
    }

    /// Tries something with a connected client of each version, through each door, on a server of its own.
    pub async fn attempt<F>(
        self,
        app: impl Fn() -> App,
        attempt: impl Fn(Running, Client, &'static str) -> F,
    ) where
        F: Future<Output = ()>,
    {
        for (door, version) in self.each() {
            let server = serve(app()).await;
            let client = Client::connect(&server, door, version).await;
            attempt(server, client, version).await;
        }
    }
}

pub struct Client {
    pub door: Door,
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
        Self { door, connection }
    }

    /// A client whose session is open.
    pub async fn connect(server: &Running, door: Door, version: &str) -> Self {
        Self::connect_with(server, door, version, "").await
    }

    /// The same, with more headers of CONNECT.
    pub async fn connect_with(server: &Running, door: Door, version: &str, headers: &str) -> Self {
        let mut client = Self::open(server, door).await;
        let connect = format!("CONNECT\naccept-version:{version}\nhost:x\n{headers}\n\0");
        let connected = client.ask(connect).await;
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

    /// The next frame as it came, without the line ends before it.
    pub async fn octets(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        loop {
            match &mut self.connection {
                Connection::Tcp(raw) => frame.extend(raw.read_octets_until(b"\0").await),
                Connection::WebSocket(socket) => match socket.message().await {
                    Message::Text(text) => frame.extend(text.into_bytes()),
                    Message::Binary(octets) => frame.extend(octets),
                },
            }
            let blank = frame.iter().take_while(|octet| **octet == b'\n').count();
            frame.drain(..blank);
            if is_whole(&frame) {
                return frame;
            }
        }
    }

    /// The next frame, without the line ends before it.
    pub async fn frame(&mut self) -> String {
        String::from_utf8(self.octets().await).unwrap()
    }

    /// Sends, and gives the next frame.
    pub async fn ask(&mut self, octets: impl AsRef<[u8]>) -> String {
        self.send(octets).await;
        self.frame().await
    }

    /// The next frame, which is a MESSAGE with this body.
    pub async fn message(&mut self, body: &str) -> String {
        let message = self.frame().await;
        let is_it = message.starts_with("MESSAGE\n") && message.ends_with(&format!("\n\n{body}\0"));
        assert!(is_it, "expected a message {body:?}: {message:?}");
        message
    }

    /// Sends a frame, which is given without its NUL, and waits for its receipt.
    pub async fn done(&mut self, frame: &str) {
        let receipt = self.ask(with_receipt(frame)).await;
        let is_it = receipt.starts_with("RECEIPT\n");
        assert!(is_it && header(&receipt, "receipt-id") == Some("done"), "{frame:?}: {receipt:?}");
    }

    /// Sends a frame, which is given without its NUL, and is answered with ERROR.
    pub async fn refused(&mut self, frame: &str, message: &str) -> String {
        let error = self.ask(with_receipt(frame)).await;
        assert!(error.starts_with("ERROR\n"), "{frame:?}: {error:?}");
        assert_eq!(header(&error, "message"), Some(message), "{frame:?}: {error:?}");
        assert_eq!(header(&error, "receipt-id"), Some("done"), "{frame:?}: {error:?}");
        error
    }

    /// Ends the session as STOMP has it.
    pub async fn leave(mut self) {
        self.done("DISCONNECT\n\n").await;
        self.ends().await;
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
                Event::Closed(_) => {}
                other => panic!("expected the end: {other:?}"),
            },
        }
    }

    /// That the server ends the session for this reason: over WebSocket its Close has it.
    pub async fn ends_for(mut self, reason: &str) {
        match &mut self.connection {
            Connection::Tcp(_) => {
                let error = self.frame().await;
                assert_eq!(header(&error, "message"), Some(reason), "{error:?}");
                self.ends().await;
            }
            Connection::WebSocket(socket) => match socket.event().await {
                Event::Closed(closed) => assert_eq!(closed.reason.reason(), reason),
                other => panic!("expected the end: {other:?}"),
            },
        }
    }

    /// That the server closes after the ERROR that says why: over WebSocket its Close says it too.
    pub async fn ends_after_error(mut self, code: CloseCode, reason: &str) {
        match &mut self.connection {
            Connection::Tcp(raw) => assert_eq!(raw.read_to_end().await, ""),
            Connection::WebSocket(socket) => match socket.event().await {
                Event::Closed(closed) => {
                    assert_eq!((closed.reason.code(), closed.reason.reason()), (code, reason));
                }
                other => panic!("expected the end: {other:?}"),
            },
        }
    }

    /// That the session still does what it is asked to, and nothing came before.
    pub async fn goes_on(&mut self) {
        self.done("SEND\ndestination:/topic/nobody\n\n").await;
    }

    /// Subscribes, and waits for it.
    pub async fn subscribe(&mut self, headers: &str) {
        self.done(&format!("SUBSCRIBE\n{headers}\n")).await;
    }
}

/// Whether it has come up to its NUL, of which there may be more in a body that is counted.
fn is_whole(frame: &[u8]) -> bool {
    let Some(head) = frame.windows(2).position(|pair| pair == b"\n\n") else { return false };
    let body = head + 2;
    let counted = header(&String::from_utf8_lossy(&frame[..body]), "content-length")
        .map(|length| length.parse::<usize>().unwrap());
    match counted {
        Some(length) => frame.len() > body + length,
        None => frame.ends_with(b"\0"),
    }
}

fn with_receipt(frame: &str) -> String {
    let (command, rest) = frame.split_once('\n').unwrap();
    format!("{command}\nreceipt:done\n{rest}\0")
}

/// The value of a header.
pub fn header<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = frame.split_once("\n\n")?;
    head.lines().find_map(|line| line.split_once(':').filter(|(it, _)| *it == name)).map(|it| it.1)
}

/// The headers by which an ACK or NACK names a message, as the version has it.
pub fn naming(version: &str, message: &str) -> String {
    let named = |name| header(message, name).unwrap_or_else(|| panic!("no {name}: {message:?}"));
    match version {
        "1.0" => format!("message-id:{}\n", named("message-id")),
        "1.1" => {
            format!("message-id:{}\nsubscription:{}\n", named("message-id"), named("subscription"))
        }
        _ => format!("id:{}\n", named("ack")),
    }
}
