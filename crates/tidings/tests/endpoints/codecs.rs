//! Codecs of the application's own: how long they live, and what goes through them.

use std::sync::{Mutex, PoisonError};

use tidings::endpoint::{
    BoxError, CloseCode, Decoder, Encoder, EndpointError, Message, PayloadKind, SendObjectError,
    Session,
};

use super::ways::{Teller, annotated, annotated_only};

/// Numbers in hexadecimal, in place of the usual form.
#[derive(Default)]
struct Hexadecimal;

impl Decoder<i32> for Hexadecimal {
    const KIND: PayloadKind = PayloadKind::Text;

    fn decode(&mut self, message: Message) -> Result<i32, BoxError> {
        Ok(i32::from_str_radix(std::str::from_utf8(message.as_octets())?, 16)?)
    }
}

impl Encoder<i32> for Hexadecimal {
    fn encode(&mut self, value: i32) -> Result<Message, BoxError> {
        if value < 0 {
            return Err("below zero".into());
        }
        Ok(format!("{value:x}").into())
    }
}

annotated!(NumbersOfServer, NumbersOfClient, Teller, [codec = Hexadecimal];
    #[on_message]
    fn number(&self, number: i32) -> i32 {
        number + 1
    }

    #[on_message]
    async fn sends(&self, octets: Vec<u8>, session: &Session) -> String {
        let number = i32::try_from(octets.len()).unwrap() - 1;
        match session.send_encoded::<Hexadecimal, i32>(number).await {
            Ok(()) => "sent".to_owned(),
            Err(SendObjectError::Encode(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.tell(error);
    }
);

#[tokio::test]
async fn a_codec_takes_the_place_of_the_usual_form_of_a_number() {
    annotated_only(NumbersOfServer, NumbersOfClient, async |mut scene| {
        scene.peer.send("ff").await;
        scene.expect_text("100").await;
    })
    .await;
}

#[tokio::test]
async fn what_a_codec_cannot_decode_or_encode_is_an_error() {
    annotated_only(NumbersOfServer, NumbersOfClient, async |mut scene| {
        scene.peer.send("not hexadecimal").await;
        scene.expect_told("message is not a valid i32: invalid digit found in string").await;
        scene.peer.send("-2").await;
        scene.expect_told("reply could not be encoded: below zero").await;
        scene.peer.send("a").await;
        scene.expect_text("b").await;
    })
    .await;
}

#[tokio::test]
async fn a_value_can_be_sent_through_the_codec_of_the_session() {
    annotated_only(NumbersOfServer, NumbersOfClient, async |mut scene| {
        scene.peer.send(vec![0; 12]).await;
        scene.expect_text("b").await;
        scene.expect_text("sent").await;
        scene.peer.send(vec![]).await;
        scene.expect_text("below zero").await;
    })
    .await;
}

/// What happened to codecs and endpoints, in order. Only one test looks at it.
static EVENTS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn note(event: &'static str) {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(event);
}

/// Notes when it is made and dropped.
struct Noted;

impl Default for Noted {
    fn default() -> Self {
        note("made");
        Self
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        note("dropped");
    }
}

impl Encoder<i32> for Noted {
    fn encode(&mut self, value: i32) -> Result<Message, BoxError> {
        note("used");
        Ok(value.to_string().into())
    }
}

annotated!(NotedOfServer, NotedOfClient, Teller, [codec = Noted];
    #[on_open]
    fn opened(&self) -> i32 {
        note("open");
        7
    }

    #[on_close]
    fn closed(&self) {
        note("closed");
        self.0.tell("closed");
    }
);

#[tokio::test]
async fn a_codec_is_made_before_on_open_for_each_session_and_dropped_after_on_close() {
    annotated_only(NotedOfServer, NotedOfClient, async |mut scene| {
        scene.expect_text("7").await;
        scene.peer.close(CloseCode::NORMAL_CLOSURE.into()).await;
        let way = scene.way;
        assert_eq!(scene.told_to_the_end().await, ["closed"], "{way:?}");
        let events = std::mem::take(&mut *EVENTS.lock().unwrap());
        assert_eq!(events, ["made", "open", "used", "closed", "dropped"], "{way:?}");
    })
    .await;
}
