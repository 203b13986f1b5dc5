//! Topics that keep messages, for clients of every door that come back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::SocketAddr;

use support::{Raw, Running, WebSocket, http, serve};
use tidings::App;
use tidings::broker::{DestinationPolicy, HistoryPolicy, Retention};

fn app() -> App {
    let history = HistoryPolicy { messages_max: 5, ..HistoryPolicy::default() };
    let kept = DestinationPolicy { history: Some(history), ..DestinationPolicy::default() };
    let last = DestinationPolicy { retention: Retention::Last, ..DestinationPolicy::default() };
    App::builder()
        .stomp("/stomp")
        .destination_policy("/topic/kept.**", kept)
        .destination_policy("/topic/last.**", last)
        .build()
        .unwrap()
}

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

/// A STOMP client by one of the doors.
enum Client {
    Tcp(Raw),
    WebSocket(Box<WebSocket>),
    SockJsWebSocket(Box<WebSocket>),
    SockJsPolling { server: SocketAddr, session: String },
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Tcp,
    WebSocket,
    SockJsWebSocket,
    SockJsPolling,
}

const DOORS: [Door; 4] = [Door::Tcp, Door::WebSocket, Door::SockJsWebSocket, Door::SockJsPolling];

impl Client {
    async fn connect(server: &Running, door: Door, name: &str) -> Self {
        let mut client = match door {
            Door::Tcp => Self::Tcp(Raw::connect(server.stomp).await),
            Door::WebSocket => Self::WebSocket(Box::new(server.websocket("/stomp").await)),
            Door::SockJsWebSocket => {
                let path = format!("/stomp/0/{name}/websocket");
                let mut client = server.websocket(&path).await;
                assert_eq!(client.text().await, "o");
                Self::SockJsWebSocket(Box::new(client))
            }
            Door::SockJsPolling => {
                let session = format!("/stomp/0/{name}");
                let opened = post(server.http, &format!("{session}/xhr"), "").await;
                assert_eq!(opened, "o\n");
                Self::SockJsPolling { server: server.http, session }
            }
        };
        client.send(CONNECT).await;
        assert!(client.frame().await.trim_start().starts_with("CONNECTED\n"));
        client
    }

    async fn send(&mut self, frame: &str) {
        match self {
            Self::Tcp(raw) => raw.write(frame).await,
            Self::WebSocket(client) => client.send(frame).await,
            Self::SockJsWebSocket(client) => {
                client.send(serde_json::to_string(&[frame]).unwrap()).await;
            }
            Self::SockJsPolling { server, session } => {
                let body = serde_json::to_string(&[frame]).unwrap();
                post(*server, &format!("{session}/xhr_send"), &body).await;
            }
        }
    }

    /// The next frames, as far as they come together; one at least.
    async fn frame(&mut self) -> String {
        match self {
            Self::Tcp(raw) => raw.read_until("\0").await,
            Self::WebSocket(client) => client.text().await,
            Self::SockJsWebSocket(client) => unframe(&client.text().await),
            Self::SockJsPolling { server, session } => {
                unframe(post(*server, &format!("{session}/xhr"), "").await.trim_end())
            }
        }
    }

    /// Everything up to a frame with this body.
    async fn until_body(&mut self, body: &str) -> String {
        let mut frames = String::new();
        while !frames.contains(&format!("\n\n{body}\0")) {
            frames += &self.frame().await;
        }
        frames
    }

    /// Subscribes, and returns the receipt and what came with it.
    async fn subscribe(&mut self, destination: &str, headers: &str) -> String {
        let headers = format!("id:0\ndestination:{destination}\nreceipt:r\n{headers}");
        self.send(&format!("SUBSCRIBE\n{headers}\n\0")).await;
        self.frame().await
    }

    async fn publish(&mut self, destination: &str, bodies: &[&str]) {
        for body in bodies {
            self.send(&format!("SEND\ndestination:{destination}\nreceipt:s\n\n{body}\0")).await;
            assert!(self.frame().await.contains("receipt-id:s"));
        }
    }
}

fn unframe(frame: &str) -> String {
    let array = frame.strip_prefix('a').unwrap_or_else(|| panic!("no messages: {frame}"));
    serde_json::from_str::<Vec<String>>(array).unwrap().concat()
}

async fn post(server: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = http(server, &request).await;
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The value of a header of the last frame that has it.
fn header<'f>(frames: &'f str, name: &str) -> &'f str {
    let start = format!("\n{name}:");
    let (_, rest) = frames.rsplit_once(&start).unwrap_or_else(|| panic!("no {name}: {frames}"));
    rest.lines().next().unwrap()
}

fn bodies(frames: &str) -> Vec<&str> {
    let messages = frames.split('\0').filter(|frame| frame.trim_start().starts_with("MESSAGE\n"));
    messages.map(|message| message.split_once("\n\n").unwrap().1).collect()
}

fn position(frames: &str) -> String {
    let (epoch, offset) = (header(frames, "history-epoch"), header(frames, "history-offset"));
    format!("history-epoch:{epoch}\nhistory-offset:{offset}\n")
}

#[tokio::test]
async fn a_client_of_any_door_that_comes_back_gets_what_it_missed_once() {
    for door in DOORS {
        let server = serve(app()).await;
        let mut publisher = Client::connect(&server, Door::Tcp, "p").await;
        let mut client = Client::connect(&server, door, "a").await;
        let receipt = client.subscribe("/topic/kept.a", "").await;
        assert!(!receipt.contains("recovered"), "{door:?}: it asked for nothing: {receipt}");
        publisher.publish("/topic/kept.a", &["1", "2"]).await;
        let seen = position(&client.until_body("2").await);
        drop(client);
        publisher.publish("/topic/kept.a", &["3", "4"]).await;

        let mut back = Client::connect(&server, door, "b").await;
        let mut frames = back.subscribe("/topic/kept.a", &seen).await;
        publisher.publish("/topic/kept.a", &["5"]).await;
        frames += &back.until_body("5").await;
        assert_eq!(header(&frames, "recovered"), "true", "{door:?}");
        assert_eq!(bodies(&frames), ["3", "4", "5"], "{door:?}");
        assert_eq!(header(&frames, "history-offset"), "5", "{door:?}");
        drop(back);

        publisher.publish("/topic/kept.a", &["6", "7", "8", "9"]).await;
        let mut late = Client::connect(&server, door, "c").await;
        let mut frames = late.subscribe("/topic/kept.a", &seen).await;
        publisher.publish("/topic/kept.a", &["10"]).await;
        frames += &late.until_body("10").await;
        assert_eq!(header(&frames, "recovered"), "false", "{door:?}");
        assert_eq!(bodies(&frames), ["5", "6", "7", "8", "9", "10"], "{door:?}");
    }
}

#[tokio::test]
async fn a_restart_is_told() {
    let server = serve(app()).await;
    let mut client = Client::connect(&server, Door::Tcp, "").await;
    client.subscribe("/topic/kept.a", "").await;
    client.send("SEND\ndestination:/topic/kept.a\n\n1\0").await;
    let seen = position(&client.until_body("1").await);
    server.stop().await.unwrap();

    let server = serve(app()).await;
    let mut client = Client::connect(&server, Door::Tcp, "").await;
    client.publish("/topic/kept.a", &["2"]).await;
    let mut frames = client.subscribe("/topic/kept.a", &seen).await;
    frames += &client.until_body("2").await;
    assert_eq!(header(&frames, "recovered"), "false");
    assert!(!seen.contains(header(&frames, "history-epoch")), "another epoch");
    for past in ["history:since=1000\n", "history:last=2\n"] {
        let mut client = Client::connect(&server, Door::Tcp, "").await;
        let receipt = client.subscribe("/topic/kept.a", past).await;
        assert_eq!(header(&receipt, "recovered"), "false", "{past}");
    }
}

#[tokio::test]
async fn a_history_that_fills_the_outbox_is_given_as_it_is_read() {
    let history = HistoryPolicy {
        messages_max: 40,
        octets_max: 64 * 1024 * 1024,
        ..HistoryPolicy::default()
    };
    let kept = DestinationPolicy { history: Some(history), ..DestinationPolicy::default() };
    let app = App::builder().stomp("/stomp").destination_policy("/topic/kept", kept);
    let server = serve(app.build().unwrap()).await;
    let mut client = Client::connect(&server, Door::Tcp, "").await;
    let body = "x".repeat(300_000);
    for number in 0..40 {
        let frame = format!("SEND\ndestination:/topic/kept\nreceipt:s\n\n{number} {body}\0");
        client.send(&frame).await;
        client.frame().await;
    }
    let mut slow = Client::connect(&server, Door::Tcp, "").await;
    let receipt = slow.subscribe("/topic/kept", "history:all\n").await;
    assert_eq!(header(&receipt, "recovered"), "true");
    // Nothing of it is read until this is sent: 12 MB are more than sockets hold.
    client.send("SEND\ndestination:/topic/kept\nreceipt:s\n\nlive\0").await;
    client.frame().await;
    let frames = slow.until_body("live").await;
    let numbers: Vec<_> =
        bodies(&frames).into_iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
    let expected: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!((&numbers[..40], numbers[40].as_str()), (&expected[..], "live"));
}

#[tokio::test]
async fn retained_messages_come_first_and_are_marked() {
    let server = serve(app()).await;
    let mut publisher = Client::connect(&server, Door::Tcp, "").await;
    publisher.publish("/topic/last.a", &["old", "a"]).await;
    publisher.send("SEND\ndestination:/topic/last.b\nretain:set\nreceipt:s\n\nb\0").await;
    publisher.frame().await;
    for door in DOORS {
        let mut client = Client::connect(&server, door, "r").await;
        let mut frames = client.subscribe("/topic/last.*", "").await;
        while bodies(&frames).len() < 2 {
            frames += &client.frame().await;
        }
        assert_eq!(bodies(&frames), ["a", "b"], "{door:?}");
        assert_eq!(frames.matches("retained:true\n").count(), 2, "{door:?}");
    }
}
