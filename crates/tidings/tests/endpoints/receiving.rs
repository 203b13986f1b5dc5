//! How an annotated endpoint receives messages, and what its methods may return.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tidings::client::Client;
use tidings::endpoint::{
    BinaryStream, Broadcast, Close, CloseCode, CloseInfo, CloseInitiator, Either, EndpointError,
    Json, Message, Part, Pong, Session, Several, TextStream,
};
use tidings::{App, client_endpoint, server_endpoint};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::support::{connect, frame, serve};

#[derive(Default)]
struct Parts {
    text: String,
    octets: Vec<u8>,
}

#[server_endpoint("/")]
impl Parts {
    #[on_message]
    fn text(&mut self, part: Part<String>) -> Option<String> {
        self.text.push_str(&part.data);
        part.last.then(|| std::mem::take(&mut self.text))
    }

    #[on_message]
    fn binary(&mut self, part: Part<Bytes>, session: &Session) -> Option<Vec<u8>> {
        assert!(session.is_open());
        self.octets.extend_from_slice(&part.data);
        part.last.then(|| std::mem::take(&mut self.octets))
    }
}

/// 75, 76, 77
#[tokio::test]
async fn parts_joined_are_the_message_and_the_last_says_so() {
    let (_server, mut client) = connect(Parts::default).await;
    let text = "zwölf €";
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        client.stream.write_all(&frame(0x01, first)).await.unwrap();
        client.stream.write_all(&frame(0x80, second)).await.unwrap();
        assert_eq!(client.text().await, text, "cut at {cut}");
    }
    client.stream.write_all(&frame(0x02, &[1, 2])).await.unwrap();
    client.stream.write_all(&frame(0x80, &[3])).await.unwrap();
    assert_eq!(client.message().await, Message::from(vec![1, 2, 3]));
}

struct Streams;

#[server_endpoint("/")]
impl Streams {
    #[on_message]
    async fn text(&self, text: TextStream) -> Result<String, EndpointError> {
        text.read_to_string().await.map_err(|error| EndpointError::Handler(error.into()))
    }

    /// Reads the first part only.
    #[on_message]
    async fn binary(&self, mut octets: BinaryStream) -> Option<Vec<u8>> {
        Some(octets.next().await?.ok()?.into())
    }
}

/// 72
#[tokio::test]
async fn a_stream_reads_the_whole_message_while_it_arrives() {
    let (_server, mut client) = connect(|| Streams).await;
    for _ in 0..2 {
        for (first, part) in [(0x01, "one "), (0x00, "two "), (0x80, "three")] {
            client.stream.write_all(&frame(first, part.as_bytes())).await.unwrap();
        }
        assert_eq!(client.text().await, "one two three");
    }
}

#[tokio::test]
async fn what_a_handler_leaves_of_a_stream_is_skipped() {
    let (_server, mut client) = connect(|| Streams).await;
    client.stream.write_all(&frame(0x02, b"first")).await.unwrap();
    assert_eq!(client.message().await, Message::from(b"first".to_vec()));
    client.stream.write_all(&frame(0x00, b"skipped")).await.unwrap();
    client.stream.write_all(&frame(0x80, b"skipped too")).await.unwrap();
    client.stream.write_all(&frame(0x82, b"second")).await.unwrap();
    assert_eq!(client.message().await, Message::from(b"second".to_vec()));
}

struct Pongs;

#[server_endpoint("/")]
impl Pongs {
    #[on_open]
    fn opened(&self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.ping(())?)
    }

    #[on_message]
    fn pong(&self, pong: Pong) -> Bytes {
        pong.0
    }
}

/// 78
#[tokio::test]
async fn pongs_are_delivered_asked_for_or_not() {
    let (_server, mut client) = connect(|| Pongs).await;
    assert!(matches!(client.event().await, tidings_websocket::Event::Ping(_)));
    assert_eq!(client.message().await, Message::from(Vec::new()), "the answer to the ping");
    client.stream.write_all(&frame(0x8a, b"unasked")).await.unwrap();
    assert_eq!(client.message().await, Message::from(b"unasked".to_vec()));
}

struct Limited(mpsc::UnboundedSender<String>);

#[server_endpoint("/")]
impl Limited {
    #[on_message(max_size = 5)]
    fn text(&self, text: String) -> String {
        text
    }

    #[on_message(max_size = "1KiB")]
    fn binary(&self, octets: Bytes) -> Bytes {
        octets
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.send(error.to_string()).unwrap();
    }

    #[on_close]
    fn closed(&self, info: &CloseInfo) {
        assert_eq!((info.initiator, info.clean), (CloseInitiator::Local, false));
        self.0.send(info.reason.code().to_string()).unwrap();
    }
}

/// 81, 83
#[tokio::test]
async fn a_message_over_the_limit_of_its_method_closes_with_1009_and_is_an_error() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let (server, mut client) = connect(move || Limited(told.clone())).await;
    client.send("12345").await;
    assert_eq!(client.text().await, "12345");
    client.send(vec![7; 1024]).await;
    assert_eq!(client.message().await.len(), 1024);
    client.send("123456").await;
    assert_eq!(client.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
    assert_eq!(heard.recv().await.unwrap(), "message of at least 6 octets is longer than 5");
    assert_eq!(heard.recv().await.unwrap(), "1009");

    let mut client = server.websocket("/").await;
    let fragments = [frame(0x01, b"123"), frame(0x80, b"456")].concat();
    client.stream.write_all(&fragments).await.unwrap();
    assert_eq!(client.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
}

struct TextOnly;

#[server_endpoint("/")]
impl TextOnly {
    #[on_message]
    fn text(&self, text: String) -> String {
        text
    }
}

struct StrictlyTextOnly;

#[server_endpoint("/", strict)]
impl StrictlyTextOnly {
    #[on_message]
    fn text(&self, text: String) -> String {
        text
    }
}

/// 79, 80
#[tokio::test]
async fn what_no_method_takes_is_ignored_or_if_strict_refused() {
    let (_server, mut client) = connect(|| TextOnly).await;
    client.send(vec![1]).await;
    client.stream.write_all(&frame(0x8a, b"pong")).await.unwrap();
    client.send("still here").await;
    assert_eq!(client.text().await, "still here");

    let (_server, mut client) = connect(|| StrictlyTextOnly).await;
    client.stream.write_all(&frame(0x8a, b"pong")).await.unwrap();
    client.send("still here").await;
    assert_eq!(client.text().await, "still here");
    client.send(vec![1]).await;
    assert_eq!(client.closed().await.code(), CloseCode::UNSUPPORTED_DATA);
}

struct Decoders;

#[server_endpoint("/")]
impl Decoders {
    #[on_message]
    fn text(&self, value: Either<i64, Json<Vec<i64>>>) -> i64 {
        match value {
            Either::First(number) => number,
            Either::Second(Json(list)) => list.iter().sum(),
        }
    }
}

/// 88
#[tokio::test]
async fn the_second_decoder_is_used_when_the_first_refuses() {
    let (_server, mut client) = connect(|| Decoders).await;
    client.send("7").await;
    assert_eq!(client.text().await, "7");
    client.send("[1, 2, 3]").await;
    assert_eq!(client.text().await, "6");
}

struct Replies;

#[server_endpoint("/")]
impl Replies {
    #[on_message]
    fn text(&self, text: String) -> Result<Several<String>, EndpointError> {
        Ok(Several(text.split(' ').map(str::to_owned).collect()))
    }

    #[on_message]
    fn binary(&self, octets: Vec<u8>) -> Close<Broadcast<Vec<u8>>> {
        Close { reply: Broadcast(octets), reason: CloseCode::GOING_AWAY.into() }
    }
}

#[tokio::test]
async fn a_method_may_return_several_replies_broadcast_and_close() {
    let (server, mut client) = connect(|| Replies).await;
    let mut other = server.websocket("/").await;
    client.send("a b c").await;
    for expected in ["a", "b", "c"] {
        assert_eq!(client.text().await, expected);
    }
    client.send(vec![9]).await;
    assert_eq!(client.message().await, Message::from(vec![9]));
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
    assert_eq!(other.message().await, Message::from(vec![9]));
}

#[derive(Default)]
struct Counter(AtomicU32);

#[server_endpoint("/", shared)]
impl Counter {
    #[on_message]
    async fn count(&self, _text: String) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    #[on_close]
    async fn closed(&self, session: &Session) {
        assert!(!session.is_open());
    }
}

/// 48
#[tokio::test]
async fn a_shared_endpoint_is_one_value_for_all_sessions() {
    let app = App::builder().shared_endpoint(Counter::default()).build().unwrap();
    let server = serve(app).await;
    let mut one = server.websocket("/").await;
    let mut other = server.websocket("/").await;
    one.send("").await;
    assert_eq!(one.text().await, "1");
    other.send("").await;
    assert_eq!(other.text().await, "2");
}

struct Visitor(mpsc::UnboundedSender<String>);

#[client_endpoint]
impl Visitor {
    #[on_open]
    fn opened(&self) -> &'static str {
        "hello"
    }

    #[on_message]
    fn answered(&self, text: String, session: &Session) {
        self.0.send(text).unwrap();
        session.close(CloseCode::NORMAL_CLOSURE.into());
    }

    #[on_close]
    fn closed(&self, info: CloseInfo) {
        self.0.send(format!("{} {:?}", info.reason.code(), info.initiator)).unwrap();
    }
}

#[tokio::test]
async fn an_annotated_client_endpoint_behaves_as_one_of_a_server() {
    let server = serve(App::builder().endpoint(|| TextOnly).build().unwrap()).await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let url = format!("ws://{}/", server.http);
    Client::default().connect(&url, Visitor(told)).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "hello");
    assert_eq!(heard.recv().await.unwrap(), "1000 Local");
}
