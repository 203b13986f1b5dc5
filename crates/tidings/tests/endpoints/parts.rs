//! Messages while they arrive, in parts and as streams; and pongs.

use bytes::Bytes;
use tidings::endpoint::{
    BinaryStream, Delivery, Endpoint, EndpointError, Message, MessagePart, MessageStream, Part,
    Pong, Receptions, Session, TextStream,
};
use tidings::{App, server_endpoint};
use tidings_websocket::Event;
use tokio::io::AsyncWriteExt;

use super::support::{frame, serve};
use super::ways::{Teller, annotated, in_every_way};

const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;
const PONG: u8 = 0x8a;

/// Joins the parts of messages.
#[derive(Default)]
struct Joined {
    text: String,
    octets: Vec<u8>,
}

impl Joined {
    fn text(&mut self, part: &Part<String>) -> Option<String> {
        self.text.push_str(&part.data);
        part.last.then(|| std::mem::take(&mut self.text))
    }

    fn octets(&mut self, part: &Part<Bytes>) -> Option<Vec<u8>> {
        self.octets.extend_from_slice(&part.data);
        part.last.then(|| std::mem::take(&mut self.octets))
    }
}

annotated!(PartsOfServer, PartsOfClient, Joined, [];
    #[on_message]
    fn text(&mut self, part: Part<String>) -> Option<String> {
        self.0.text(&part)
    }

    #[on_message]
    fn binary(&mut self, part: Part<Bytes>, session: &Session) -> Option<Vec<u8>> {
        assert!(session.is_open());
        self.0.octets(&part)
    }
);

struct Parts(Joined);

impl Endpoint for Parts {
    fn receptions(&self) -> Receptions {
        let parts = Delivery::Parts;
        Receptions { text: parts, binary: parts }
    }

    async fn on_part(&mut self, session: &Session, part: MessagePart) -> Result<(), EndpointError> {
        let message: Option<Message> = match part {
            MessagePart::Text { data, last } => self.0.text(&Part { data, last }).map(Into::into),
            MessagePart::Binary { data, last } => {
                self.0.octets(&Part { data, last }).map(Into::into)
            }
        };
        if let Some(message) = message {
            session.send(message).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn parts_joined_are_the_message_and_the_last_says_so() {
    let of_server = |_| PartsOfServer(Joined::default());
    let of_client = |_| PartsOfClient(Joined::default());
    in_every_way(
        of_server,
        of_client,
        |_| Parts(Joined::default()),
        async |mut scene| {
            let text = "zwölf €";
            for cut in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                scene.write_frame(TEXT_BEGINS, first).await;
                scene.write_frame(ENDS, second).await;
                scene.expect_text(text).await;
            }
            scene.write_frame(BINARY_BEGINS, &[1, 2]).await;
            scene.write_frame(ENDS, &[3]).await;
            assert_eq!(scene.peer.message().await, Message::from(vec![1, 2, 3]));
        },
    )
    .await;
}

struct PartsIn;

#[server_endpoint("/{room}")]
impl PartsIn {
    #[on_message]
    fn binary(&self, part: Part<Bytes>, #[path_param] room: u8, session: &Session) -> String {
        format!("{:?} {} in {room} {}", &part.data[..], part.last, session.is_open())
    }
}

#[tokio::test]
async fn parts_come_with_path_parameters_and_the_session() {
    let server = serve(App::builder().endpoint(|| PartsIn).build().unwrap()).await;
    let mut client = server.websocket("/7").await;
    for (first, expected) in [(BINARY_BEGINS, "[9] false"), (ENDS, "[9] true")] {
        client.stream.write_all(&frame(first, &[9])).await.unwrap();
        assert_eq!(client.text().await, format!("{expected} in 7 true"));
    }
}

annotated!(StreamsOfServer, StreamsOfClient, (), [];
    #[on_message]
    async fn text(&self, text: TextStream) -> Result<String, EndpointError> {
        text.read_to_string().await.map_err(|error| EndpointError::Handler(error.into()))
    }

    /// Reads the first part only.
    #[on_message]
    async fn binary(&self, mut octets: BinaryStream) -> Option<Vec<u8>> {
        Some(octets.next().await?.ok()?.into())
    }
);

struct Streams;

impl Endpoint for Streams {
    fn receptions(&self) -> Receptions {
        let stream = Delivery::Stream;
        Receptions { text: stream, binary: stream }
    }

    async fn on_stream(
        &mut self,
        session: &Session,
        message: MessageStream,
    ) -> Result<(), EndpointError> {
        let message: Message = match message {
            MessageStream::Text(text) => match text.read_to_string().await {
                Ok(text) => text.into(),
                Err(error) => return Err(EndpointError::Handler(error.into())),
            },
            MessageStream::Binary(mut octets) => match octets.next().await {
                Some(Ok(octets)) => octets.into(),
                _ => return Ok(()),
            },
        };
        Ok(session.send(message).await?)
    }
}

#[tokio::test]
async fn a_stream_reads_the_whole_message_while_it_arrives() {
    in_every_way(
        |_| StreamsOfServer(()),
        |_| StreamsOfClient(()),
        |_| Streams,
        async |mut scene| {
            for _ in 0..2 {
                let parts = [(TEXT_BEGINS, "one "), (GOES_ON, "two "), (ENDS, "three")];
                for (first, part) in parts {
                    scene.write_frame(first, part.as_bytes()).await;
                }
                scene.expect_text("one two three").await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn what_a_handler_leaves_of_a_stream_is_skipped() {
    in_every_way(
        |_| StreamsOfServer(()),
        |_| StreamsOfClient(()),
        |_| Streams,
        async |mut scene| {
            scene.write_frame(BINARY_BEGINS, b"first").await;
            assert_eq!(scene.peer.message().await, Message::from(b"first".to_vec()));
            scene.write_frame(GOES_ON, b"skipped").await;
            scene.write_frame(ENDS, b"skipped too").await;
            scene.write_frame(0x82, b"second").await;
            assert_eq!(scene.peer.message().await, Message::from(b"second".to_vec()));
        },
    )
    .await;
}

annotated!(PongsOfServer, PongsOfClient, (), [];
    #[on_open]
    fn opened(&self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.ping(())?)
    }

    #[on_message]
    fn pong(&self, pong: Pong) -> Bytes {
        pong.0
    }
);

struct Pongs;

impl Endpoint for Pongs {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.ping(())?)
    }

    async fn on_pong(&mut self, session: &Session, pong: Pong) -> Result<(), EndpointError> {
        Ok(session.send(pong.0).await?)
    }
}

#[tokio::test]
async fn pongs_are_delivered_asked_for_or_not() {
    in_every_way(
        |_| PongsOfServer(()),
        |_| PongsOfClient(()),
        |_| Pongs,
        async |mut scene| {
            assert!(matches!(scene.peer.event().await, Event::Ping(_)));
            assert_eq!(scene.peer.message().await, Message::from(Vec::new()), "the answer");
            scene.write_frame(PONG, b"unasked").await;
            assert_eq!(scene.peer.message().await, Message::from(b"unasked".to_vec()));
        },
    )
    .await;
}

/// Reads binary messages while they arrive, and tells of pongs.
struct Uploads(Teller);

#[server_endpoint("/")]
impl Uploads {
    #[on_message]
    async fn upload(&self, octets: BinaryStream) {
        let octets = octets.read_to_end().await.unwrap();
        self.0.tell(format!("{octets:?}"));
    }

    #[on_message]
    fn pong(&self, pong: Pong) {
        self.0.tell(String::from_utf8_lossy(&pong.0));
    }
}

#[tokio::test]
async fn pongs_between_the_parts_of_a_stream_come_after_it() {
    let (teller, mut ears) = Teller::new();
    let app = App::builder().endpoint(move || Uploads(teller.clone())).build().unwrap();
    let server = serve(app).await;
    let mut client = server.websocket("/").await;
    let frames = [
        frame(BINARY_BEGINS, &[1]),
        frame(PONG, b"a"),
        frame(GOES_ON, &[2]),
        frame(PONG, b"b"),
        frame(ENDS, &[3]),
        frame(PONG, b"c"),
    ];
    client.stream.write_all(&frames.concat()).await.unwrap();
    for told in ["[1, 2, 3]", "a", "b", "c"] {
        assert_eq!(ears.told().await, told);
    }
}
