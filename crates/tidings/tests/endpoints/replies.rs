//! What methods return: replies, and errors.

use bytes::Bytes;
use tidings::endpoint::{
    BoxError, Broadcast, Close, CloseCode, Endpoint, EndpointError, Flow, FromMessage, IntoMessage,
    IntoReply, Json, Message, PayloadKind, SendError, Session, Several,
};
use tidings::{App, client_endpoint, server_endpoint};

use super::lifecycle::expect_pong;
use super::support::serve;
use super::ways::{Scene, Teller, in_every_way};

/// Tells everything that fails, and keeps the session open.
pub fn tell_error(teller: &Teller, error: &EndpointError) -> Flow {
    let kind = match error {
        EndpointError::Decode { .. } => "decode",
        EndpointError::Encode(_) => "encode",
        EndpointError::Handler(_) => "handler",
        EndpointError::Send(SendError::Closed(_)) => "closed",
        _ => "other",
    };
    teller.tell(format!("{kind}: {error}"));
    Flow::Continue
}

/// Answers each message with what a function returns.
struct Returns<R>(Teller, fn() -> R);

#[server_endpoint("/")]
impl<R: IntoReply + 'static> Returns<R> {
    #[on_message]
    fn said(&mut self, _: String) -> R {
        (self.1)()
    }

    #[on_error]
    fn failed(&mut self, error: EndpointError) -> Flow {
        tell_error(&self.0, &error)
    }
}

/// The same for clients.
struct ReturnsOfClient<R>(Teller, fn() -> R);

#[client_endpoint]
impl<R: IntoReply + 'static> ReturnsOfClient<R> {
    #[on_message]
    fn said(&mut self, _: String) -> R {
        (self.1)()
    }

    #[on_error]
    fn failed(&mut self, error: EndpointError) -> Flow {
        tell_error(&self.0, &error)
    }
}

/// The same, programmatic.
struct PlainReturns<R>(Teller, fn() -> R);

impl<R: IntoReply + Send + 'static> Endpoint for PlainReturns<R> {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let reply = self.1;
        let added =
            session.add_message_handler(move |_: Session, _: String| async move { reply() });
        added.map(drop).map_err(|error| EndpointError::Handler(error.into()))
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        tell_error(&self.0, &error)
    }
}

/// Plays a scenario with endpoints that answer each message with what `reply` returns.
async fn returning<R: IntoReply + Send + 'static>(reply: fn() -> R, scenario: impl AsyncFn(Scene)) {
    in_every_way(
        move |teller| Returns(teller, reply),
        move |teller| ReturnsOfClient(teller, reply),
        move |teller| PlainReturns(teller, reply),
        scenario,
    )
    .await;
}

async fn check_reply<R: IntoReply + Send + 'static>(
    reply: fn() -> R,
    expected: impl Into<Message>,
) {
    let expected = expected.into();
    returning(reply, async |mut scene| {
        scene.peer.send("what?").await;
        assert_eq!(scene.peer.message().await, expected, "{:?}", scene.way);
    })
    .await;
}

#[tokio::test]
async fn text_octets_numbers_truth_values_and_characters_are_sent_back() {
    check_reply(|| "borrowed", "borrowed").await;
    check_reply(|| "owned".to_owned(), "owned").await;
    check_reply(|| Bytes::from_static(&[0, 255]), vec![0, 255]).await;
    check_reply(|| vec![1_u8, 2], vec![1, 2]).await;
    check_reply(|| Message::from("message"), "message").await;
    check_reply(|| true, "true").await;
    check_reply(|| '€', "€").await;
    check_reply(|| i8::MIN, "-128").await;
    check_reply(|| i16::MIN, "-32768").await;
    check_reply(|| i32::MIN, "-2147483648").await;
    check_reply(|| i64::MIN, "-9223372036854775808").await;
    check_reply(|| u128::MAX, "340282366920938463463374607431768211455").await;
    check_reply(|| 0.5_f32, "0.5").await;
    check_reply(|| -1.25_f64, "-1.25").await;
}

/// A type with a binary form of its own.
pub struct Pair(pub u8, pub u8);

impl IntoMessage for Pair {
    fn into_message(self) -> Result<Message, BoxError> {
        Ok(vec![self.0, self.1].into())
    }
}

impl FromMessage for Pair {
    const KIND: PayloadKind = PayloadKind::Binary;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        match message.as_octets() {
            [first, second] => Ok(Self(*first, *second)),
            _ => Err(EndpointError::Decode {
                expected: "pair",
                message: Box::new(message),
                source: "not two octets".into(),
            }),
        }
    }
}

#[tokio::test]
async fn a_value_is_sent_in_the_form_of_its_type() {
    check_reply(|| Json(vec![("a", 1)]), r#"[["a",1]]"#).await;
    check_reply(|| Pair(1, 2), vec![1, 2]).await;
    check_reply(|| Some(Ok::<_, BoxError>("within")), "within").await;
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let check = async |mut scene: Scene| {
        scene.peer.send("what?").await;
        scene.write_frame(0x89, b"done").await;
        expect_pong(&mut scene.peer, b"done").await;
        assert!(scene.told_to_the_end().await.is_empty());
    };
    returning(|| (), check).await;
    returning(|| None::<String>, check).await;
    returning(|| Ok::<Option<u8>, BoxError>(None), check).await;
}

#[tokio::test]
async fn an_error_that_is_returned_goes_to_on_error_and_the_session_stays_open() {
    returning(
        || Err::<String, BoxError>("no reply".into()),
        async |mut scene| {
            for _ in 0..2 {
                scene.peer.send("what?").await;
                scene.expect_told("handler: no reply").await;
            }
        },
    )
    .await;
}

/// A value that nobody can be sent.
pub struct Secret;

impl IntoMessage for Secret {
    fn into_message(self) -> Result<Message, BoxError> {
        Err("it is secret".into())
    }
}

#[tokio::test]
async fn a_returned_value_that_cannot_be_encoded_is_an_error_and_is_not_sent() {
    returning(
        || Secret,
        async |mut scene| {
            scene.peer.send("what?").await;
            scene.expect_told("encode: reply could not be encoded: it is secret").await;
            scene.write_frame(0x89, b"done").await;
            expect_pong(&mut scene.peer, b"done").await;
        },
    )
    .await;
}

#[tokio::test]
async fn several_replies_go_out_in_order_and_a_close_after_its_reply() {
    returning(
        || Several(vec!["a", "b", "c"]),
        async |mut scene| {
            scene.peer.send("what?").await;
            for expected in ["a", "b", "c"] {
                scene.expect_text(expected).await;
            }
        },
    )
    .await;
    returning(
        || Close { reply: "bye", reason: CloseCode::GOING_AWAY.into() },
        async |mut scene| {
            scene.peer.send("what?").await;
            scene.expect_text("bye").await;
            assert_eq!(scene.peer.closed().await.code(), CloseCode::GOING_AWAY);
        },
    )
    .await;
}

struct ToAll;

#[server_endpoint("/")]
impl ToAll {
    #[on_open]
    fn opened(&self) -> &'static str {
        "welcome"
    }

    #[on_message]
    fn said(&self, octets: Vec<u8>) -> Close<Broadcast<Vec<u8>>> {
        Close { reply: Broadcast(octets), reason: CloseCode::GOING_AWAY.into() }
    }
}

#[tokio::test]
async fn a_broadcast_reply_goes_to_all_sessions_of_the_endpoint() {
    let server = serve(App::builder().endpoint(|| ToAll).build().unwrap()).await;
    let (mut client, mut other) = (server.websocket("/").await, server.websocket("/").await);
    for client in [&mut client, &mut other] {
        assert_eq!(client.text().await, "welcome");
    }
    client.send(vec![9]).await;
    assert_eq!(client.message().await, Message::from(vec![9]));
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
    assert_eq!(other.message().await, Message::from(vec![9]));
}

/// Has everybody else in the room hear what is said, as JSON.
struct Rooms;

#[server_endpoint("/rooms/{room}")]
impl Rooms {
    #[on_message]
    fn said(&self, session: &Session, text: String) -> Result<(), BoxError> {
        let room = session.path_param("room");
        let peers = session.peers().others().filter(|peer| peer.path_param("room") == room);
        let heard = peers.broadcast_object(Json(text))?;
        session.try_send(format!("heard by {heard} of {}", peers.len()))?;
        Ok(())
    }
}

#[tokio::test]
async fn a_broadcast_may_go_to_some_sessions_only() {
    let server = serve(App::builder().endpoint(|| Rooms).build().unwrap()).await;
    let mut ann = server.websocket("/rooms/a").await;
    let mut bob = server.websocket("/rooms/a").await;
    let mut eve = server.websocket("/rooms/e").await;
    eve.send("alone").await;
    assert_eq!(eve.text().await, "heard by 0 of 0");
    // Bob is there once he is answered.
    bob.send("first").await;
    assert!(bob.text().await.starts_with("heard by "));
    ann.send("second").await;
    let (heard, told) = (ann.text().await, bob.text().await);
    let heard = if heard == "\"first\"" { ann.text().await } else { heard };
    assert_eq!((heard.as_str(), told.as_str()), ("heard by 1 of 1", "\"second\""));
    eve.send("still alone").await;
    assert_eq!(eve.text().await, "heard by 0 of 0");
}
