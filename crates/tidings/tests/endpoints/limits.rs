//! What a message may be: how long, and of what octets.

use bytes::Bytes;
use tidings::App;
use tidings::client::Client;
use tidings::endpoint::{
    CloseCode, CloseInfo, CloseInitiator, ConnectionOptions, DeflateOptions, Delivery, Endpoint,
    EndpointError, Flow, Limits, Message, Receptions, Session,
};
use tokio::io::AsyncWriteExt;

use super::support::serve;
use super::ways::{Scene, Teller, annotated, in_every_way};

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const TEXT_ENDS: u8 = 0x80;

annotated!(LimitedOfServer, LimitedOfClient, Teller, [];
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
        self.0.tell(error);
    }

    #[on_close]
    fn closed(&self, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
);

fn tell_end(teller: &Teller, info: &CloseInfo) {
    assert_eq!((info.initiator, info.clean), (CloseInitiator::Local, false));
    teller.tell(info.reason.code());
}

struct Limited(Teller);

impl Endpoint for Limited {
    fn receptions(&self) -> Receptions {
        Receptions {
            text: Delivery::Whole { octets_max: Some(5) },
            binary: Delivery::Whole { octets_max: Some(1024) },
        }
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        Flow::Continue
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
}

/// The session ends because the message was too long, and the endpoint is told why.
async fn expect_too_long(scene: &mut Scene) {
    let way = scene.way;
    assert_eq!(scene.peer.closed().await.code(), CloseCode::MESSAGE_TOO_BIG, "{way:?}");
    scene.expect_told("message of at least 6 octets is longer than 5").await;
    scene.expect_told("1009").await;
}

#[tokio::test]
async fn a_message_over_the_limit_of_its_method_closes_with_1009_and_is_an_error() {
    in_every_way(LimitedOfServer, LimitedOfClient, Limited, async |mut scene| {
        scene.peer.send("12345").await;
        scene.expect_text("12345").await;
        scene.peer.send(vec![7; 1024]).await;
        assert_eq!(scene.peer.message().await.len(), 1024);
        scene.peer.send("123456").await;
        expect_too_long(&mut scene).await;
    })
    .await;
}

#[tokio::test]
async fn the_limit_is_for_all_fragments_together_and_counts_octets() {
    in_every_way(LimitedOfServer, LimitedOfClient, Limited, async |mut scene| {
        scene.write_frame(TEXT_BEGINS, b"123").await;
        scene.write_frame(TEXT_ENDS, b"45").await;
        scene.expect_text("12345").await;
        scene.write_frame(TEXT_BEGINS, b"123").await;
        scene.write_frame(TEXT_ENDS, "€".as_bytes()).await;
        expect_too_long(&mut scene).await;
    })
    .await;
}

annotated!(PlainOfServer, PlainOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_message]
    fn text(&self, text: String) -> String {
        text
    }

    #[on_message]
    fn binary(&self, octets: Bytes) -> Bytes {
        octets
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.tell(error);
    }
);

struct Plain(Teller);

impl Endpoint for Plain {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        Flow::Continue
    }
}

/// The header of a frame of so many octets, which does not say more than that.
fn header(scene: &Scene, first: u8, len: u64) -> Vec<u8> {
    let [_, bare_or_masked, ..] = scene.frame(first, &[])[..] else { panic!("no frame") };
    let key: &[u8] = if bare_or_masked & 0x80 == 0 { &[] } else { &[0; 4] };
    [&[first, bare_or_masked | 0x7f], &len.to_be_bytes()[..], key].concat()
}

#[tokio::test]
async fn the_default_limit_is_that_of_the_connection_options() {
    let default = Limits::default().message_octets_max;
    in_every_way(PlainOfServer, PlainOfClient, Plain, async |mut scene| {
        let session = scene.session().await;
        assert_eq!((session.text_octets_max(), session.binary_octets_max()), (default, default));
        scene.peer.send(vec![7; default]).await;
        assert_eq!(scene.peer.message().await.len(), default);
        let too_long = header(&scene, TEXT, u64::try_from(default).unwrap() + 1);
        scene.peer.stream.write_all(&too_long).await.unwrap();
        assert_eq!(scene.peer.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
    })
    .await;
}

#[tokio::test]
async fn a_session_may_change_its_limits_from_the_next_message_on() {
    in_every_way(PlainOfServer, PlainOfClient, Plain, async |mut scene| {
        let session = scene.session().await;
        session.set_text_octets_max(64);
        session.set_binary_octets_max(65);
        assert_eq!((session.text_octets_max(), session.binary_octets_max()), (64, 65));
        scene.write_frame(TEXT, &[b'x'; 64]).await;
        scene.expect_text(&"x".repeat(64)).await;
        scene.write_frame(0x82, &[0; 65]).await;
        assert_eq!(scene.peer.message().await.len(), 65);
        scene.write_frame(TEXT, &[b'x'; 65]).await;
        assert_eq!(scene.peer.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
        scene.expect_told("message of at least 65 octets is longer than 64").await;
    })
    .await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007_as_soon_as_it_is_not() {
    in_every_way(PlainOfServer, PlainOfClient, Plain, async |mut scene| {
        let mut begun = header(&scene, TEXT_BEGINS, 100_000);
        begun.extend_from_slice(b"begun, \xff");
        scene.peer.stream.write_all(&begun).await.unwrap();
        assert_eq!(scene.peer.closed().await.code(), CloseCode::INVALID_PAYLOAD);
    })
    .await;
}

/// As servers and clients that compress.
fn compressing() -> ConnectionOptions {
    ConnectionOptions { deflate: Some(DeflateOptions::default()), ..ConnectionOptions::default() }
}

struct Sends(&'static str);

impl Endpoint for Sends {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.send(self.0.repeat(1000)).await?)
    }
}

#[tokio::test]
async fn the_limit_is_for_what_a_compressed_message_inflates_to() {
    let limits = Limits { message_octets_max: 999, ..Limits::default() };
    let app = App::builder()
        .connection_options(ConnectionOptions { limits, ..compressing() })
        .endpoint_at("/takes", || Plain(Teller::new().0))
        .build()
        .unwrap();
    let server = serve(app).await;
    let client = Client::builder().connection_options(compressing()).build();
    let mut socket = client.open(&format!("ws://{}/takes", server.http)).await.unwrap();
    socket.send("a".repeat(999)).await.unwrap();
    assert_eq!(socket.next().await.unwrap().len(), 999);
    socket.send("a".repeat(1000)).await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);

    let app = App::builder()
        .connection_options(compressing())
        .endpoint_at("/sends", || Sends("a"))
        .build()
        .unwrap();
    let server = serve(app).await;
    let client =
        Client::builder().connection_options(ConnectionOptions { limits, ..compressing() }).build();
    let mut socket = client.open(&format!("ws://{}/sends", server.http)).await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
}
