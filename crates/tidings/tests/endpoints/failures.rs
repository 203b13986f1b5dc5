//! What fails in a method, or because of it.

use std::future::Future;
use std::time::Duration;

use tidings::App;
use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, FromMessage,
    Message, SendObjectError, Session,
};

use super::replies::{Pair, Secret, tell_error};
use super::support::{Log, serve};
use super::ways::{Teller, annotated, in_every_way};

/// What endpoints do that send by themselves.
async fn act(session: &Session, text: &str) -> Result<String, EndpointError> {
    match text {
        "secret" => match session.send_object(Secret).await {
            Err(SendObjectError::Encode(error)) => Ok(format!("not encoded: {error}")),
            other => Ok(format!("{other:?}")),
        },
        "pair" => match session.send_object(Pair(3, 4)).await {
            Ok(()) => Ok("sent".to_owned()),
            Err(error) => Ok(error.to_string()),
        },
        _ => {
            session.close(CloseReason::truncated(CloseCode::GOING_AWAY, "told to"));
            Ok("too late".to_owned())
        }
    }
}

annotated!(ActsOfServer, ActsOfClient, Teller, [];
    #[on_message]
    async fn said(&self, text: &str, session: &Session) -> Result<String, EndpointError> {
        act(session, text).await
    }

    #[on_message]
    fn pair(&self, Pair(first, second): Pair) -> Pair {
        Pair(second, first)
    }

    #[on_error]
    fn failed(&self, error: EndpointError) -> Flow {
        tell_error(&self.0, &error)
    }

    #[on_close]
    fn closed(&self, reason: &CloseReason) {
        self.0.tell(reason);
    }
);

struct Acts(Teller);

impl Endpoint for Acts {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let reply: Message = match message {
            Message::Text(text) => act(session, &text).await?.into(),
            binary => {
                let Pair(first, second) = Pair::from_message(binary)?;
                vec![second, first].into()
            }
        };
        Ok(session.send(reply).await?)
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        tell_error(&self.0, &error)
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        self.0.tell(&info.reason);
    }
}

#[tokio::test]
async fn sending_what_cannot_be_encoded_fails_at_the_call_and_sends_nothing() {
    in_every_way(ActsOfServer, ActsOfClient, Acts, async |mut scene| {
        scene.peer.send("secret").await;
        scene.expect_text("not encoded: it is secret").await;
        scene.peer.send("pair").await;
        assert_eq!(scene.peer.message().await, Message::from(vec![3, 4]));
        scene.expect_text("sent").await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_is_an_error_and_the_method_is_not_called() {
    in_every_way(ActsOfServer, ActsOfClient, Acts, async |mut scene| {
        scene.peer.send(vec![1, 2, 3]).await;
        scene.expect_told("decode: message is not a valid pair: not two octets").await;
        scene.peer.send(vec![1, 2]).await;
        assert_eq!(scene.peer.message().await, Message::from(vec![2, 1]));
    })
    .await;
}

#[tokio::test]
async fn what_is_returned_after_the_session_was_closed_is_an_error_and_is_not_sent() {
    in_every_way(ActsOfServer, ActsOfClient, Acts, async |mut scene| {
        scene.peer.send("close").await;
        assert_eq!(scene.peer.closed().await.code(), CloseCode::GOING_AWAY);
        scene.expect_told("closed: message could not be sent").await;
        scene.expect_told("1001 (told to)").await;
    })
    .await;
}

annotated!(FailsOfServer, FailsOfClient, Teller, [];
    #[on_message]
    fn said(&self, _: &str) -> Result<(), BoxError> {
        Err("first".into())
    }

    #[on_message]
    fn panics(&self, _: Vec<u8>) {
        panic!("first");
    }

    #[on_error]
    fn failed(&self, error: EndpointError) -> Result<(), BoxError> {
        self.0.tell(&error);
        match error {
            EndpointError::Panic(_) => panic!("second"),
            _ => Err("second".into()),
        }
    }

    #[on_close]
    fn closed(&self, reason: &CloseReason) {
        self.0.tell(reason.code());
    }
);

/// The same, programmatic: there, on_error cannot fail but by a panic.
struct Fails(Teller);

impl Endpoint for Fails {
    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        match message {
            Message::Text(_) => Err(EndpointError::Handler("first".into())),
            Message::Binary(_) => panic!("first"),
        }
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        panic!("second");
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        self.0.tell(info.reason.code());
    }
}

#[tokio::test]
async fn an_on_error_that_fails_is_logged_once_and_closes_with_1011() {
    let log = Log::capture();
    for (message, error) in
        [(Message::from("text"), "first"), (Message::from(vec![1]), "handler panicked: first")]
    {
        in_every_way(FailsOfServer, FailsOfClient, Fails, async |mut scene| {
            log.take();
            scene.peer.send(message.clone()).await;
            assert_eq!(scene.peer.closed().await.code(), CloseCode::INTERNAL_ERROR);
            let way = scene.way;
            assert_eq!(scene.told_to_the_end().await, [error, "1011"], "{way:?}");
            let log = log.take();
            assert_eq!(log.matches("on_error failed").count(), 1, "{way:?}: {log}");
        })
        .await;
    }
}

/// Panics before there is a future.
struct Hasty(Teller);

impl Endpoint for Hasty {
    fn on_open(
        &mut self,
        session: &Session,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        self.0.hand_over(session);
        assert!(!session.is_open(), "hasty open");
        async { Ok(()) }
    }

    fn on_error(&mut self, _: &Session, error: EndpointError) -> impl Future<Output = Flow> + Send {
        self.0.tell(&error);
        assert!(!matches!(error, EndpointError::Panic(_)), "hasty error");
        async { Flow::Continue }
    }

    fn on_close(&mut self, _: &Session, info: &CloseInfo) -> impl Future<Output = ()> + Send {
        self.0.tell(info.reason.code());
        assert!(info.reason.code() == CloseCode::NORMAL_CLOSURE, "hasty close");
        async {}
    }
}

#[tokio::test]
async fn a_method_that_panics_before_its_future_is_caught_too() {
    let (teller, mut ears) = Teller::new();
    let app = App::builder().endpoint_at("/", move || Hasty(teller.clone())).build().unwrap();
    let server = serve(app).await;
    let mut client = server.websocket("/").await;
    assert_eq!(client.closed().await.code(), CloseCode::INTERNAL_ERROR);
    for told in ["handler panicked: hasty open", "1011", "handler panicked: hasty close"] {
        assert_eq!(ears.told().await, told);
    }
    let session = ears.session().await;
    assert!(!session.is_open());
}

annotated!(LostOfServer, LostOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.tell(error);
    }

    #[on_close]
    fn closed(&self, info: &CloseInfo) {
        self.0.tell(info.reason.code());
    }
);

struct Lost(Teller);

impl Endpoint for Lost {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
        Ok(())
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        Flow::Continue
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        self.0.tell(info.reason.code());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_and_one_that_just_ends_is_none() {
    in_every_way(LostOfServer, LostOfClient, Lost, async |mut scene| {
        scene.session().await;
        // Without lingering, closing resets.
        socket2::SockRef::from(&scene.peer.stream).set_linger(Some(Duration::ZERO)).unwrap();
        scene.lose_peer(&["connection broke: connection reset", "1006"]).await;
    })
    .await;
    in_every_way(LostOfServer, LostOfClient, Lost, async |mut scene| {
        scene.session().await;
        scene.lose_peer(&["1006"]).await;
    })
    .await;
}
