//! As what whole messages are received: text, octets, values.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use bytes::Bytes;
use tidings::endpoint::{
    BoxError, CloseCode, Either, Endpoint, EndpointError, Flow, FromMessage, IntoMessage, Json,
    Message, PayloadKind, Session,
};
use tidings::server_endpoint;

use super::ways::{Teller, annotated, annotated_only, in_every_way};

const PONG: u8 = 0x8a;

annotated!(TextOfServer, TextOfClient, Teller, [];
    #[on_message]
    fn text(&self, text: String, session: &Session) -> String {
        format!("{text}, open: {}", session.is_open())
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.tell(error);
    }
);

struct Text(Teller);

impl Endpoint for Text {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let added = session.add_message_handler(async |session: Session, text: String| {
            format!("{text}, open: {}", session.is_open())
        });
        added.map(drop).map_err(|error| EndpointError::Handler(error.into()))
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        Flow::Continue
    }
}

#[tokio::test]
async fn text_comes_as_a_string_with_the_session_beside_it() {
    in_every_way(TextOfServer, TextOfClient, Text, async |mut scene| {
        scene.peer.send("zwölf €").await;
        scene.expect_text("zwölf €, open: true").await;
        scene.peer.send("").await;
        scene.expect_text(", open: true").await;
    })
    .await;
}

#[tokio::test]
async fn a_message_or_pong_that_no_method_takes_is_ignored() {
    in_every_way(TextOfServer, TextOfClient, Text, async |mut scene| {
        scene.peer.send(vec![1]).await;
        scene.write_frame(PONG, b"pong").await;
        scene.peer.send("still here").await;
        scene.expect_text("still here, open: true").await;
        assert!(scene.told_to_the_end().await.is_empty());
    })
    .await;
}

annotated!(StrictOfServer, StrictOfClient, Teller, [strict];
    #[on_message]
    fn text(&self, text: String) -> String {
        text
    }

    #[on_close]
    fn closed(&self) {
        self.0.tell("closed");
    }
);

#[tokio::test]
async fn an_endpoint_that_is_strict_refuses_messages_that_no_method_takes() {
    annotated_only(StrictOfServer, StrictOfClient, async |mut scene| {
        scene.write_frame(PONG, b"pong").await;
        scene.peer.send("still here").await;
        scene.expect_text("still here").await;
        scene.peer.send(vec![1]).await;
        assert_eq!(scene.peer.closed().await.code(), CloseCode::UNSUPPORTED_DATA);
    })
    .await;
}

/// Sends a value of any type back.
struct EchoOf<T>(Teller, PhantomData<fn() -> T>);

#[server_endpoint("/")]
impl<T> EchoOf<T>
where
    T: FromMessage + IntoMessage + Send + 'static,
{
    #[on_message]
    fn echo(&mut self, value: T) -> T {
        value
    }

    #[on_error]
    fn failed(&mut self, error: EndpointError) {
        self.0.tell(describe(&error));
    }
}

/// What could not be decoded as what.
fn describe(error: &EndpointError) -> String {
    let EndpointError::Decode { message, .. } = error else { return format!("{error:?}") };
    format!("{error}: {message:?}")
}

/// The same, programmatic.
struct PlainEchoOf<T>(EchoOf<T>);

impl<T> Endpoint for PlainEchoOf<T>
where
    T: FromMessage + IntoMessage + Send + 'static,
{
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let value = T::from_message(message)?;
        session.send(value.into_message().map_err(EndpointError::Encode)?).await?;
        Ok(())
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.0.tell(describe(&error));
        Flow::Continue
    }
}

async fn check_echo<T>(sent: impl Into<Message>, expected: impl Into<Message>)
where
    T: FromMessage + IntoMessage + Send + 'static,
{
    let (sent, expected) = (sent.into(), expected.into());
    let annotated = |teller| EchoOf::<T>(teller, PhantomData);
    let programmatic = |teller| PlainEchoOf(EchoOf::<T>(teller, PhantomData));
    in_every_way(annotated, annotated, programmatic, async |mut scene| {
        scene.peer.send(sent.clone()).await;
        assert_eq!(scene.peer.message().await, expected, "{:?}", scene.way);
    })
    .await;
}

async fn check_value<T>(text: &str)
where
    T: FromMessage + IntoMessage + FromStr + Display + Send + 'static,
{
    check_echo::<T>(text, text).await;
}

#[tokio::test]
async fn text_comes_as_a_number_a_truth_value_or_a_character() {
    check_value::<bool>("true").await;
    check_value::<i8>("-128").await;
    check_value::<i16>("-32768").await;
    check_value::<i32>("-2147483648").await;
    check_value::<i64>("-9223372036854775808").await;
    check_value::<f32>("0.5").await;
    check_value::<f64>("-1.25").await;
    check_value::<char>("€").await;
}

#[tokio::test]
async fn text_that_is_no_number_is_an_error_with_that_text_and_the_session_goes_on() {
    let annotated = |teller| EchoOf::<i32>(teller, PhantomData);
    let programmatic = |teller| PlainEchoOf(EchoOf::<i32>(teller, PhantomData));
    in_every_way(annotated, annotated, programmatic, async |mut scene| {
        scene.peer.send("abc").await;
        let digit = "invalid digit found in string";
        let told = format!("message is not a valid i32: {digit}: Text(\"abc\")");
        scene.expect_told(&told).await;
        scene.peer.send("7").await;
        scene.expect_text("7").await;
    })
    .await;
}

/// A value with a binary form of its own.
#[derive(Debug, PartialEq)]
struct Colour([u8; 3]);

impl FromMessage for Colour {
    const KIND: PayloadKind = PayloadKind::Binary;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        let octets = message.as_octets().try_into();
        octets.map(Self).map_err(|error: std::array::TryFromSliceError| EndpointError::Decode {
            expected: "colour",
            message: Box::new(message),
            source: error.into(),
        })
    }
}

impl IntoMessage for Colour {
    fn into_message(self) -> Result<Message, BoxError> {
        Ok(self.0.to_vec().into())
    }
}

#[tokio::test]
async fn text_comes_as_a_value_of_a_type_that_is_read_from_json() {
    check_echo::<Json<Vec<(u8, String)>>>(r#"[ [1, "a"] ]"#, r#"[[1,"a"]]"#).await;
}

#[tokio::test]
async fn a_binary_message_comes_as_octets_or_as_a_value_made_of_them() {
    check_echo::<Bytes>(vec![0, 255], vec![0, 255]).await;
    check_echo::<Vec<u8>>(vec![], vec![]).await;
    check_echo::<Colour>(vec![1, 2, 3], vec![1, 2, 3]).await;
}

#[tokio::test]
async fn the_second_decoder_is_used_when_the_first_refuses() {
    /// A number, or a list of which the sum counts.
    struct Sum(Either<i64, Json<Vec<i64>>>);
    impl FromMessage for Sum {
        const KIND: PayloadKind = PayloadKind::Text;
        fn from_message(message: Message) -> Result<Self, EndpointError> {
            FromMessage::from_message(message).map(Self)
        }
    }
    impl IntoMessage for Sum {
        fn into_message(self) -> Result<Message, BoxError> {
            match self.0 {
                Either::First(number) => number.into_message(),
                Either::Second(Json(list)) => list.iter().sum::<i64>().into_message(),
            }
        }
    }
    check_echo::<Sum>("7", "7").await;
    check_echo::<Sum>("[1, 2, 3]", "6").await;
}
