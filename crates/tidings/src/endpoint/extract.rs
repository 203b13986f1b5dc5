//! What a method of an annotated endpoint may ask for.

use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tidings_websocket::{CloseReason, Message};

use super::{EndpointError, Handshake, Json, Session};

/// An argument of an annotated method. `P` is the call that the method is for: [`OnOpen`],
/// [`OnMessage`], [`OnClose`] or [`OnError`].
///
/// Implement it for a type of your own to make that type an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this method of an endpoint",
    label = "not a legal argument here",
    note = "every method may take `Session`, `&Session`, `&Handshake` and `#[path_param] name: T`",
    note = "`#[on_message]` also takes one of: `String`, `&str`, `Bytes`, `Vec<u8>`, `Message`, `Json<T>`, a number, `bool`, `char`",
    note = "`#[on_close]` also takes `&CloseReason`, `#[on_error]` also takes `EndpointError`"
)]
pub trait Extract<P>: Sized {
    /// Which messages the argument takes, if it takes one.
    const PAYLOAD: Option<PayloadKind> = None;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// When what the peer sent does not make a `Self`. The method is not called then, and the error
    /// goes to `#[on_error]`.
    fn extract(call: &mut P) -> Result<Self, EndpointError>;
}

/// The kinds of message that a payload argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Text messages.
    Text,
    /// Binary messages.
    Binary,
    /// Both.
    Any,
}

impl PayloadKind {
    /// Whether a handler of this kind is called for `message`.
    pub fn takes(self, message: &Message) -> bool {
        matches!(
            (self, message),
            (Self::Any, _) | (Self::Text, Message::Text(_)) | (Self::Binary, Message::Binary(_))
        )
    }

    /// Whether two handlers would both be called for some message.
    pub const fn overlaps(self, other: Self) -> bool {
        !matches!((self, other), (Self::Text, Self::Binary) | (Self::Binary, Self::Text))
    }
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
    message: Option<Message>,
}

/// A call of `#[on_close]`.
#[derive(Debug)]
pub struct OnClose<'a> {
    session: &'a Session,
    reason: &'a CloseReason,
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
    pub fn new(session: &'a Session, message: Message) -> Self {
        Self { session, message: Some(message) }
    }

    /// Takes the message; an argument that comes later does not find it any more.
    pub fn take_message(&mut self) -> Option<Message> {
        self.message.take()
    }
}

impl<'a> OnClose<'a> {
    #[doc(hidden)]
    pub fn new(session: &'a Session, reason: &'a CloseReason) -> Self {
        Self { session, reason }
    }
}

impl<'a> OnError<'a> {
    #[doc(hidden)]
    pub fn new(session: &'a Session, error: EndpointError) -> Self {
        Self { session, error: Some(error) }
    }
}

/// A call that knows its session: every one.
pub trait Call {
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

        impl Extract<$call<'_>> for Session {
            fn extract(call: &mut $call<'_>) -> Result<Self, EndpointError> {
                Ok(call.session.clone())
            }
        }

        impl Extract<$call<'_>> for Handshake {
            fn extract(call: &mut $call<'_>) -> Result<Self, EndpointError> {
                Ok(call.session.handshake().clone())
            }
        }
    )*};
}

calls!(OnOpen, OnMessage, OnClose, OnError);

impl Extract<OnClose<'_>> for CloseReason {
    fn extract(call: &mut OnClose<'_>) -> Result<Self, EndpointError> {
        Ok(call.reason.clone())
    }
}

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

    fn extract(call: &mut OnMessage<'_>) -> Result<Self, EndpointError> {
        let taken = || EndpointError::Handler("the message is an argument twice".into());
        T::from_message(call.take_message().ok_or_else(taken)?)
    }
}

impl FromMessage for Message {
    const KIND: PayloadKind = PayloadKind::Any;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        Ok(message)
    }
}

impl FromMessage for String {
    const KIND: PayloadKind = PayloadKind::Text;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(octets) => decode("text", String::from_utf8(octets.into())),
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
        let octets = Bytes::from_message(message)?;
        decode("JSON document of the expected shape", serde_json::from_slice(&octets)).map(Json)
    }
}

macro_rules! parsed_from_text {
    ($($type:ty),*) => {$(
        impl FromMessage for $type {
            const KIND: PayloadKind = PayloadKind::Text;

            fn from_message(message: Message) -> Result<Self, EndpointError> {
                decode(stringify!($type), Self::from_str(&String::from_message(message)?))
            }
        }
    )*};
}

parsed_from_text!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

fn decode<T, E>(expected: &'static str, decoded: Result<T, E>) -> Result<T, EndpointError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    decoded.map_err(|error| EndpointError::Decode { expected, source: error.into() })
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
    fn what_does_not_convert_says_what_was_expected() {
        let error = i32::from_message("seven".into()).unwrap_err();
        assert_eq!(error.to_string(), "message is not a valid i32");
        assert!(Json::<u8>::from_message("{".into()).is_err());
    }

    #[test]
    fn kinds_overlap_unless_one_is_text_and_the_other_binary() {
        use PayloadKind::{Any, Binary, Text};
        assert!(!Text.overlaps(Binary));
        assert!(Text.overlaps(Text));
        assert!(Any.overlaps(Binary));
    }
}
