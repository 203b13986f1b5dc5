//! What a method of an annotated endpoint may ask for.

use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tidings_websocket::{CloseReason, Message, MessagePart};

use super::json::JsonError;
use super::{
    AppState, BinaryStream, Caller, CloseInfo, Delivery, EndpointError, Handshake, Json,
    MessageStream, MissingState, Pong, Receptions, Session, TextStream,
};

/// An argument of an annotated method, of an endpoint or of a controller. `P` is the call that the method is
/// for: [`OnHandshake`](super::OnHandshake), [`OnOpen`], [`OnMessage`], [`OnClose`], [`OnError`];
/// [`OnMapping`](crate::messaging::OnMapping) or [`OnException`](crate::messaging::OnException).
///
/// Implement it for a type of your own to make that type an argument: of one kind of method, or by the traits
/// that calls implement, of many.
///
/// ```
/// use tidings::endpoint::{Caller, Extract};
///
/// /// What the client says it is.
/// struct UserAgent(String);
///
/// impl<P: Caller> Extract<P> for UserAgent {
///     fn extract(call: &mut P) -> Result<Self, P::Error> {
///         let agent = call.handshake().header("user-agent");
///         let agent = agent.ok_or_else(|| P::argument_error("no `user-agent`"))?;
///         Ok(Self(agent.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this method",
    label = "not a legal argument here",
    note = "every method may take `Session`, `&Session`, `&Handshake`, `Path<T>`, `Query<T>`, `State<S>`, `User<P>`, `SessionState<T>`, `EndpointConfig` and `UserProperties`",
    note = "of an endpoint, every method also takes `#[path_param] name: T`, and `#[on_message]` one of: `String`, `&str`, `Bytes`, `Vec<u8>`, `Message`, `Json<T>`, `Valid<T>`, `Either<A, B>`, a number, `bool`, `char`; `Part<String>`, `Part<Bytes>`, `TextStream`, `BinaryStream`; `Pong`",
    note = "`#[on_close]` also takes `&CloseReason` or `&CloseInfo`, `#[on_error]` also takes `EndpointError`",
    note = "of a controller, every method also takes `Messenger`, `Users`, `Headers`, `MessageParts`, `#[destination_variable] name: T` and `#[header(\"name\")] value: T`; and last a payload: `Json<T>`, `String`, `&str`, `Bytes`, `Vec<u8>`, `Option<T>` or `Valid<T>` of these",
    note = "`#[message_exception_handler]` takes the error first: `error: &MyError`, or `error: &HandlerError` for any",
    note = "implement `FromMessage` for a message of your own that an endpoint takes, or `Decoder` for its `codec`; `FromPayload` for a payload of a controller; `Extract` for any other argument"
)]
pub trait Extract<P: Caller>: Sized {
    /// Which messages the argument takes, if it takes one.
    const PAYLOAD: Option<PayloadKind> = None;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// When what the peer sent does not make a `Self`. The method is not called then, and the error
    /// goes to `#[on_error]`, or that of a controller's method to its `#[message_exception_handler]`.
    fn extract(call: &mut P) -> Result<Self, P::Error>;

    /// Tells before the upgrade whether the handshake has what the argument needs. Not asked for the methods of
    /// a controller.
    ///
    /// # Errors
    ///
    /// What it lacks; the client is answered with status 400.
    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        let _ = handshake;
        Ok(())
    }

    /// Tells when the application is built whether it was given what the argument needs.
    ///
    /// # Errors
    ///
    /// What was not given; the application does not build.
    fn check_state(state: &AppState) -> Result<(), MissingState> {
        let _ = state;
        Ok(())
    }
}

/// What a payload argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Whole text messages.
    Text,
    /// Whole binary messages.
    Binary,
    /// Whole messages of both kinds.
    Any,
    /// Text messages in parts.
    TextParts,
    /// Binary messages in parts.
    BinaryParts,
    /// Text messages as streams.
    TextStream,
    /// Binary messages as streams.
    BinaryStream,
    /// Pongs.
    Pong,
}

impl PayloadKind {
    /// Whether a handler of this kind is called for `payload`.
    #[inline]
    pub fn takes(self, payload: &Payload) -> bool {
        match payload {
            Payload::Message(Message::Text(_)) => matches!(self, Self::Any | Self::Text),
            Payload::Message(Message::Binary(_)) => matches!(self, Self::Any | Self::Binary),
            Payload::Part(MessagePart::Text { .. }) => matches!(self, Self::TextParts),
            Payload::Part(MessagePart::Binary { .. }) => matches!(self, Self::BinaryParts),
            Payload::Stream(MessageStream::Text(_)) => matches!(self, Self::TextStream),
            Payload::Stream(MessageStream::Binary(_)) => matches!(self, Self::BinaryStream),
            Payload::Pong(_) => matches!(self, Self::Pong),
        }
    }

    /// Whether two handlers would both be called for some message.
    pub const fn overlaps(self, other: Self) -> bool {
        self.native() & other.native() != 0
    }

    /// Whether a limit on the size of a message makes sense.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Text | Self::Binary | Self::Any)
    }

    /// How an endpoint with handlers of these kinds, each with its limit in octets, wants its messages.
    pub fn receptions(handlers: &[(Self, Option<usize>)]) -> Receptions {
        let mut receptions = Receptions::default();
        for (kind, octets_max) in handlers {
            let delivery = match kind {
                Self::Text | Self::Binary | Self::Any => {
                    Delivery::Whole { octets_max: *octets_max }
                }
                Self::TextParts | Self::BinaryParts => Delivery::Parts,
                Self::TextStream | Self::BinaryStream => Delivery::Stream,
                Self::Pong => continue,
            };
            if kind.native() & TEXT != 0 {
                receptions.text = delivery;
            }
            if kind.native() & BINARY != 0 {
                receptions.binary = delivery;
            }
        }
        receptions
    }

    /// The native kinds of Jakarta WebSocket that it stands for, as a set of bits.
    const fn native(self) -> u8 {
        match self {
            Self::Text | Self::TextParts | Self::TextStream => TEXT,
            Self::Binary | Self::BinaryParts | Self::BinaryStream => BINARY,
            Self::Any => TEXT | BINARY,
            Self::Pong => PONG,
        }
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PONG: u8 = 4;

/// What a method with `#[on_message]` is called for.
#[derive(Debug)]
pub enum Payload {
    /// A whole message.
    Message(Message),
    /// A part of a message.
    Part(MessagePart),
    /// A message that is still arriving.
    Stream(MessageStream),
    /// A pong.
    Pong(Pong),
}

/// A part of a message, as an argument: `Part<String>` of text, `Part<Bytes>` of a binary message.
///
/// Parts are cut where the octets happened to arrive, but never within a character. Only the last may
/// be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// What follows the parts before.
    pub data: T,
    /// Whether the message ends here.
    pub last: bool,
}

/// An argument that the message makes an `A`, or if it is none, a `B`: Jakarta WebSocket's list of
/// decoders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first that was tried.
    First(A),
    /// The second.
    Second(B),
}

/// A call of `#[on_open]`.
#[derive(Debug)]
pub struct OnOpen<'a> {
    session: &'a Session,
}

/// A call of `#[on_message]`.
#[derive(Debug)]
pub struct OnMessage<'a> {
    session: &'a Session,
    payload: Option<Payload>,
}

/// A call of `#[on_close]`.
#[derive(Debug)]
pub struct OnClose<'a> {
    session: &'a Session,
    info: &'a CloseInfo,
}

/// A call of `#[on_error]`.
#[derive(Debug)]
pub struct OnError<'a> {
    session: &'a Session,
    error: Option<EndpointError>,
}

impl<'a> OnOpen<'a> {
    #[doc(hidden)]
    pub fn new(session: &'a Session) -> Self {
        Self { session }
    }
}

impl<'a> OnMessage<'a> {
    #[doc(hidden)]
    #[inline]
    pub fn new(session: &'a Session, payload: Payload) -> Self {
        Self { session, payload: Some(payload) }
    }

    /// Takes the message; an argument that comes later does not find it any more. `None` also when the
    /// method is called for something else.
    #[inline]
    pub fn take_message(&mut self) -> Option<Message> {
        match self.payload.take() {
            Some(Payload::Message(message)) => Some(message),
            _ => None,
        }
    }

    /// Takes what the method is called for; an argument that comes later does not find it any more.
    pub fn take_payload(&mut self) -> Option<Payload> {
        self.payload.take()
    }
}

impl<'a> OnClose<'a> {
    #[doc(hidden)]
    pub fn new(session: &'a Session, info: &'a CloseInfo) -> Self {
        Self { session, info }
    }
}

impl<'a> OnError<'a> {
    #[doc(hidden)]
    pub fn new(session: &'a Session, error: EndpointError) -> Self {
        Self { session, error: Some(error) }
    }
}

/// A call that knows its session: every one but that of `#[on_handshake]`.
pub trait Call: Caller {
    /// The session that the method is called for.
    fn session(&self) -> &Session;
}

macro_rules! calls {
    ($($call:ident),*) => {$(
        impl Call for $call<'_> {
            fn session(&self) -> &Session {
                self.session
            }
        }
    )*};
}

calls!(OnOpen, OnMessage, OnClose, OnError);

impl Extract<OnClose<'_>> for CloseReason {
    fn extract(call: &mut OnClose<'_>) -> Result<Self, EndpointError> {
        Ok(call.info.reason.clone())
    }
}

impl Extract<OnClose<'_>> for CloseInfo {
    fn extract(call: &mut OnClose<'_>) -> Result<Self, EndpointError> {
        Ok(call.info.clone())
    }
}

/// An argument whose type says in which form it wants messages, so that no other form comes.
fn mismatch() -> EndpointError {
    EndpointError::Handler("the message is an argument twice".into())
}

macro_rules! payload {
    ($type:ty, $kind:ident, $pattern:pat => $value:expr) => {
        impl Extract<OnMessage<'_>> for $type {
            const PAYLOAD: Option<PayloadKind> = Some(PayloadKind::$kind);

            fn extract(call: &mut OnMessage<'_>) -> Result<Self, EndpointError> {
                match call.take_payload() {
                    Some($pattern) => Ok($value),
                    _ => Err(mismatch()),
                }
            }
        }
    };
}

payload!(Part<String>, TextParts, Payload::Part(MessagePart::Text { data, last }) => Self { data, last });
payload!(Part<Bytes>, BinaryParts, Payload::Part(MessagePart::Binary { data, last }) => Self { data, last });
payload!(TextStream, TextStream, Payload::Stream(MessageStream::Text(stream)) => stream);
payload!(BinaryStream, BinaryStream, Payload::Stream(MessageStream::Binary(stream)) => stream);
payload!(Pong, Pong, Payload::Pong(pong) => pong);

impl Extract<OnError<'_>> for EndpointError {
    fn extract(call: &mut OnError<'_>) -> Result<Self, EndpointError> {
        let taken = || EndpointError::Handler("the error is an argument twice".into());
        call.error.take().ok_or_else(taken)
    }
}

/// A type that a whole message converts to.
pub trait FromMessage: Sized {
    /// The messages that convert.
    const KIND: PayloadKind;

    /// Converts a message of that kind.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Decode`] when the message does not say a `Self`.
    fn from_message(message: Message) -> Result<Self, EndpointError>;
}

impl<T: FromMessage> Extract<OnMessage<'_>> for T {
    const PAYLOAD: Option<PayloadKind> = Some(T::KIND);

    #[inline]
    fn extract(call: &mut OnMessage<'_>) -> Result<Self, EndpointError> {
        T::from_message(call.take_message().ok_or_else(mismatch)?)
    }
}

impl<A: FromMessage, B: FromMessage> FromMessage for Either<A, B> {
    const KIND: PayloadKind = match (A::KIND, B::KIND) {
        (PayloadKind::Text, PayloadKind::Text) => PayloadKind::Text,
        (PayloadKind::Binary, PayloadKind::Binary) => PayloadKind::Binary,
        _ => PayloadKind::Any,
    };

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        let payload = Payload::Message(message.clone());
        let first = match A::KIND.takes(&payload) {
            true => A::from_message(message.clone()),
            false => return B::from_message(message).map(Self::Second),
        };
        match first {
            Ok(first) => Ok(Self::First(first)),
            // Text is no blob because it is no command.
            Err(error) if !B::KIND.takes(&payload) => Err(error),
            Err(_) => B::from_message(message).map(Self::Second),
        }
    }
}

impl FromMessage for Message {
    const KIND: PayloadKind = PayloadKind::Any;

    #[inline]
    fn from_message(message: Message) -> Result<Self, EndpointError> {
        Ok(message)
    }
}

impl FromMessage for String {
    const KIND: PayloadKind = PayloadKind::Text;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(octets) => {
                let decoded = std::str::from_utf8(&octets).map(str::to_owned);
                decode("text", decoded, Message::Binary(octets))
            }
        }
    }
}

impl FromMessage for Bytes {
    const KIND: PayloadKind = PayloadKind::Binary;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        match message {
            Message::Text(text) => Ok(text.into()),
            Message::Binary(octets) => Ok(octets),
        }
    }
}

impl FromMessage for Vec<u8> {
    const KIND: PayloadKind = PayloadKind::Binary;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        Bytes::from_message(message).map(Self::from)
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    const KIND: PayloadKind = PayloadKind::Text;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        let decoded = serde_json::from_slice(message.as_octets()).map_err(JsonError);
        decode("JSON document of the expected shape", decoded, message).map(Json)
    }
}

macro_rules! parsed_from_text {
    ($($type:ty),*) => {$(
        impl FromMessage for $type {
            const KIND: PayloadKind = PayloadKind::Text;

            fn from_message(message: Message) -> Result<Self, EndpointError> {
                let text = String::from_message(message)?;
                decode(stringify!($type), Self::from_str(&text), text)
            }
        }
    )*};
}

parsed_from_text!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

fn decode<T, E>(
    expected: &'static str,
    decoded: Result<T, E>,
    message: impl Into<Message>,
) -> Result<T, EndpointError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    decoded.map_err(|error| EndpointError::decode(expected, message, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_converts_to_values() {
        assert_eq!(i32::from_message("-7".into()).unwrap(), -7);
        assert!(bool::from_message("true".into()).unwrap());
        assert_eq!(char::from_message("ö".into()).unwrap(), 'ö');
        let Json(list) = Json::<Vec<u8>>::from_message("[1, 2]".into()).unwrap();
        assert_eq!(list, [1, 2]);
    }

    #[test]
    fn either_takes_only_what_its_types_take() {
        type Command = Either<Json<u8>, Bytes>;

        let decoded = |message: Message| Command::from_message(message);
        assert_eq!(decoded("7".into()).unwrap(), Either::First(Json(7)));
        assert_eq!(decoded(vec![7].into()).unwrap(), Either::Second(Bytes::from(vec![7])));
        assert!(matches!(decoded("seven".into()), Err(EndpointError::Decode { .. })));
    }

    #[test]
    fn what_does_not_convert_says_what_was_expected() {
        let error = i32::from_message("seven".into()).unwrap_err();
        assert_eq!(error.to_string(), "message is not a valid i32: invalid digit found in string");
        let EndpointError::Decode { message, .. } = error else { panic!("{error:?}") };
        assert_eq!(*message, "seven".into());
        assert!(Json::<u8>::from_message("{".into()).is_err());
    }

    #[test]
    fn kinds_overlap_unless_one_is_text_and_the_other_binary() {
        use PayloadKind::{Any, Binary, Text};
        assert!(!Text.overlaps(Binary));
        assert!(Text.overlaps(Text));
        assert!(Any.overlaps(Binary));
        assert!(Text.overlaps(PayloadKind::TextParts));
        assert!(!PayloadKind::Pong.overlaps(Any));
    }

    #[test]
    fn handlers_say_how_messages_are_delivered() {
        let receptions = PayloadKind::receptions(&[
            (PayloadKind::Text, Some(5)),
            (PayloadKind::BinaryStream, None),
            (PayloadKind::Pong, None),
        ]);
        assert_eq!(receptions.text, Delivery::Whole { octets_max: Some(5) });
        assert_eq!(receptions.binary, Delivery::Stream);
    }

    #[test]
    fn the_second_is_tried_when_the_first_refuses() {
        type Number = Either<u8, Json<Vec<u8>>>;
        assert_eq!(Number::from_message("7".into()).unwrap(), Either::First(7));
        let second = Number::from_message("[1]".into()).unwrap();
        assert!(matches!(second, Either::Second(Json(list)) if list == [1]));
        assert!(Number::from_message("x".into()).is_err());
    }
}
