use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidings::client::Client;
use tidings::endpoint::{
    CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Message, SendError, Session,
    UserProperties,
};
use tidings::{App, client_endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::peer::{Peer, accept, accept_with};
use super::support::serve;

/// What happened to an endpoint.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Open,
    Message(Message),
    Error(String),
    Close(CloseReason),
}

/// Tells what happens to it, and fails at the message `fail`.
struct Told(mpsc::UnboundedSender<Call>);

impl Told {
    fn new() -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    fn tell(&self, call: Call) {
        let _ = self.0.send(call);
    }
}

impl Endpoint for Told {
    async fn on_open(&mut self, _: &Session) -> Result<(), EndpointError> {
        self.tell(Call::Open);
        Ok(())
    }

    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        if message == Message::from("fail") {
            return Err(EndpointError::Handler("asked to".into()));
        }
        self.tell(Call::Message(message));
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let reason = &info.reason;
        self.tell(Call::Close(reason.clone()));
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.tell(Call::Error(error.to_string()));
        Flow::Continue
    }
}

/// Echoes, and closes as it is told to.
struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        match &message {
            Message::Text(text) if text == "close" => {
                session.close(CloseReason::truncated(CloseCode::MESSAGE_TOO_BIG, "now"));
            }
            _ => session.send(message).await?,
        }
        Ok(())
    }
}

fn app() -> App {
    App::builder().endpoint_at("/echo", || Echo).build().unwrap()
}

fn reason(code: CloseCode) -> CloseReason {
    CloseReason::from_code(code)
}

#[tokio::test]
async fn an_endpoint_is_opened_gets_messages_and_is_closed_once() {
    let server = serve(app()).await;
    let (endpoint, mut calls) = Told::new();
    let url = format!("ws://{}/echo", server.http);
    let session = Client::default().connect(&url, endpoint).await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Open));
    session.send("text").await.unwrap();
    session.send(vec![1, 2, 3]).await.unwrap();
    session.send("").await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Message("text".into())));
    assert_eq!(calls.recv().await, Some(Call::Message(vec![1, 2, 3].into())));
    assert_eq!(calls.recv().await, Some(Call::Message("".into())));
    session.close(reason(CloseCode::NORMAL_CLOSURE));
    assert!(!session.is_open());
    assert_eq!(calls.recv().await, Some(Call::Close(reason(CloseCode::NORMAL_CLOSURE))));
    assert_eq!(calls.recv().await, None);
    let refused = session.send("late").await;
    assert_eq!(refused, Err(SendError::Closed(reason(CloseCode::NORMAL_CLOSURE))));
}

#[tokio::test]
async fn an_error_of_a_handler_goes_to_on_error_and_the_session_stays_open() {
    let server = serve(app()).await;
    let (endpoint, mut calls) = Told::new();
    let url = format!("ws://{}/echo", server.http);
    let session = Client::default().connect(&url, endpoint).await.unwrap();
    session.send("fail").await.unwrap();
    session.send("again").await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Open));
    assert_eq!(calls.recv().await, Some(Call::Error("asked to".into())));
    assert_eq!(calls.recv().await, Some(Call::Message("again".into())));
}

#[tokio::test]
async fn the_code_and_reason_of_the_server_reach_on_close() {
    let server = serve(app()).await;
    let (endpoint, mut calls) = Told::new();
    let url = format!("ws://{}/echo", server.http);
    let session = Client::default().connect(&url, endpoint).await.unwrap();
    session.send("close").await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Open));
    let now = CloseReason::truncated(CloseCode::MESSAGE_TOO_BIG, "now");
    assert_eq!(calls.recv().await, Some(Call::Close(now)));
}

#[tokio::test]
async fn a_lost_connection_is_closed_abnormally() {
    let peer = Peer::start([accept()]).await;
    let (endpoint, mut calls) = Told::new();
    let _session = Client::default().connect(&peer.url("/"), endpoint).await.unwrap();
    drop(peer.stream().await);
    assert_eq!(calls.recv().await, Some(Call::Open));
    assert_eq!(calls.recv().await, Some(Call::Close(reason(CloseCode::ABNORMAL_CLOSURE))));
}

#[tokio::test]
async fn a_masked_frame_of_a_server_is_a_protocol_error() {
    let peer = Peer::start([accept_with("", b"\x81\x81\0\0\0\0x")]).await;
    let (endpoint, mut calls) = Told::new();
    let _session = Client::default().connect(&peer.url("/"), endpoint).await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Open));
    let error = "frame from a server is masked".to_owned();
    assert_eq!(calls.recv().await, Some(Call::Error(error)));
    let Some(Call::Close(reason)) = calls.recv().await else { panic!("not closed") };
    assert_eq!(reason.code(), CloseCode::PROTOCOL_ERROR);
    let mut stream = peer.stream().await;
    let mut header = [0; 2];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[0], 0x88, "a close frame");
    assert_ne!(header[1] & 0x80, 0, "it is masked");
}

#[tokio::test]
async fn every_frame_of_a_client_is_masked_with_a_key_of_its_own() {
    let peer = Peer::start([accept_with("", b"\x89\x02hi")]).await;
    let socket = Client::default().open(&peer.url("/")).await.unwrap();
    let mut stream = peer.stream().await;
    let mut keys = Vec::new();
    let mut next = async || {
        let mut frame = [0; 8];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[1], 0x82, "masked, two octets of payload");
        let [first, _, k0, k1, k2, k3, a, b] = frame;
        keys.push([k0, k1, k2, k3]);
        (first, [a ^ k0, b ^ k1])
    };
    assert_eq!(next().await, (0x8a, *b"hi"), "the pong");
    for _ in 0..8 {
        socket.send("hi").await.unwrap();
        assert_eq!(next().await, (0x81, *b"hi"));
    }
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 7, "{keys:?}");
}

#[tokio::test]
async fn many_tasks_send_at_once_and_each_keeps_its_order() {
    let server = serve(app()).await;
    let url = format!("ws://{}/echo", server.http);
    let mut socket = Client::default().open(&url).await.unwrap();
    for task in 0..20 {
        let session = socket.session().clone();
        tokio::spawn(async move {
            for i in 0..100 {
                session.send(format!("{task} {i}")).await.unwrap();
            }
        });
    }
    let mut next = [0; 20];
    for _ in 0..2_000 {
        let Some(Message::Text(text)) = socket.next().await else { panic!("no text") };
        let (task, i) = text.split_once(' ').unwrap();
        let next = &mut next[task.parse::<usize>().unwrap()];
        assert_eq!(*next, i.parse::<u32>().unwrap());
        *next += 1;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let peer = Peer::start([accept_with("", b"\x81\x06123456")]).await;
    let limits = tidings::endpoint::Limits { message_octets_max: 5, ..Default::default() };
    let client = Client::builder().limits(limits).build();
    let mut socket = client.open(&peer.url("/")).await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
}

#[tokio::test]
async fn the_client_counts_its_open_sessions_as_peers() {
    let server = serve(app()).await;
    let url = format!("ws://{}/echo", server.http);
    let client = Client::default();
    let opened = Arc::new(AtomicU32::new(0));
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = client.open(&url).await.unwrap();
        socket.send("hi").await.unwrap();
        socket.next().await.unwrap();
        opened.fetch_add(1, Ordering::Relaxed);
        sockets.push(socket);
    }
    assert_eq!(sockets[0].session().peers().iter().count(), 3);
}

/// Says how often it was here.
struct Visits;

#[client_endpoint]
impl Visits {
    #[on_open]
    fn opened(&self, properties: UserProperties) -> u32 {
        visits(&properties)
    }
}

/// The same, programmatic.
struct PlainVisits;

impl Endpoint for PlainVisits {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.send(visits(session.user_properties()).to_string()).await?)
    }
}

fn visits(properties: &UserProperties) -> u32 {
    let before = properties.get::<u32>().unwrap_or_default();
    properties.insert(before + 1);
    before
}

#[tokio::test]
async fn each_session_has_a_copy_of_the_clients_user_properties() {
    let (heard, mut messages) = mpsc::unbounded_channel();
    let app = App::builder().endpoint_at("/", move || Told(heard.clone())).build().unwrap();
    let server = serve(app).await;
    let url = format!("ws://{}/", server.http);
    let client = Client::builder().property(7_u32).build();
    for _ in 0..2 {
        let annotated = client.connect(&url, Visits).await.unwrap();
        assert_eq!(messages.recv().await, Some(Call::Open));
        assert_eq!(messages.recv().await, Some(Call::Message("7".into())));
        assert_eq!(annotated.user_properties().get::<u32>(), Some(8));
        let programmatic = client.connect(&url, PlainVisits).await.unwrap();
        assert_eq!(messages.recv().await, Some(Call::Open));
        assert_eq!(messages.recv().await, Some(Call::Message("7".into())));
        assert_eq!(programmatic.user_properties().get::<u32>(), Some(8));
    }
}

#[tokio::test]
async fn pings_are_answered_while_nobody_takes_messages() {
    let peer = Peer::start([accept()]).await;
    let _socket = Client::default().open(&peer.url("/")).await.unwrap();
    let mut stream = peer.stream().await;
    let large = [&[0x82, 126, 0xff, 0xff][..], &[0; 0xffff]].concat();
    // The first fills what waits for the socket, the second waits with the endpoint.
    stream.write_all(&large).await.unwrap();
    stream.write_all(&large).await.unwrap();
    stream.write_all(b"\x89\x00").await.unwrap();
    let mut pong = [0; 6];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong[..2], [0x8a, 0x80]);
}
