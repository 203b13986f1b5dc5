use bytes::Bytes;
use serde::Serialize;
use tidings_websocket::{CloseReason, Message};

use super::{BoxError, EndpointError, Flow, Json};

/// What a method of an annotated endpoint may return: it is sent back to the peer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a method of an endpoint",
    label = "cannot be sent as a reply",
    note = "return `()`, `String`, `&'static str`, `Bytes`, `Vec<u8>`, `Message`, `Json<T>`, a number, `bool`, `char`, or an `Option`, `Result`, `Several`, `Broadcast` or `Close` of these",
    note = "implement `IntoMessage` for a type of your own, or `Encoder` for the endpoint's `codec`"
)]
pub trait IntoReply {
    /// What to send, if anything.
    ///
    /// # Errors
    ///
    /// The error that the method returned, or the one that kept its value from being encoded.
    fn into_reply(self) -> Result<Reply, EndpointError>;
}

/// What is sent when a method has returned.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing.
    #[default]
    Nothing,
    /// A message to the peer.
    Message(Message),
    /// Several things, one after the other.
    Several(Vec<Reply>),
    /// A message to all open sessions of the endpoint.
    Broadcast(Message),
    /// The session is closed.
    Close(CloseReason),
}

impl From<Message> for Reply {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// Returned by a method: closes the session, after a reply.
///
/// ```
/// use tidings::endpoint::{Close, CloseCode};
///
/// fn goodbye() -> Close<&'static str> {
///     Close { reply: "bye", reason: CloseCode::NORMAL_CLOSURE.into() }
/// }
/// # let _ = goodbye();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<R = ()> {
    /// What is sent before.
    pub reply: R,
    /// Why the session is closed.
    pub reason: CloseReason,
}

/// Returned by a method: sends a reply to all open sessions of the endpoint, the session's own among
/// them, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast<R>(
    /// The reply.
    pub R,
);

/// Returned by a method: sends several replies, one after the other. A plain `Vec<u8>` is one binary
/// message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<R>(
    /// The replies.
    pub Vec<R>,
);

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        Ok(Reply::Nothing)
    }
}

impl<T: IntoMessage> IntoReply for T {
    #[inline]
    fn into_reply(self) -> Result<Reply, EndpointError> {
        self.into_message().map(Reply::Message).map_err(EndpointError::Encode)
    }
}

/// A value that makes a message: Jakarta WebSocket's `Encoder` for values that need no state.
///
/// A type that implements it can be returned by the methods of an endpoint, and
/// [sent](super::Session::send_object). With [`FromMessage`](super::FromMessage) it can be an argument, too.
pub trait IntoMessage {
    /// Encodes the value.
    ///
    /// # Errors
    ///
    /// Why it cannot be encoded.
    fn into_message(self) -> Result<Message, BoxError>;
}

macro_rules! messages {
    ($($type:ty),*) => {$(
        impl IntoMessage for $type {
            #[inline]
            fn into_message(self) -> Result<Message, BoxError> {
                Ok(self.into())
            }
        }
    )*};
}

messages!(Message, String, &'static str, Bytes, Vec<u8>);

macro_rules! shown_as_text {
    ($($type:ty),*) => {$(
        impl IntoMessage for $type {
            fn into_message(self) -> Result<Message, BoxError> {
                Ok(self.to_string().into())
            }
        }
    )*};
}

shown_as_text!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

impl<T: Serialize> IntoMessage for Json<T> {
    fn into_message(self) -> Result<Message, BoxError> {
        Ok(serde_json::to_string(&self.0)?.into())
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        self.map_or(Ok(Reply::Nothing), IntoReply::into_reply)
    }
}

impl<R: IntoReply, E: Into<BoxError>> IntoReply for Result<R, E> {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        match self {
            Ok(reply) => reply.into_reply(),
            Err(error) => Err(EndpointError::from_handler(error)),
        }
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        Ok(self)
    }
}

impl<R: IntoReply> IntoReply for Several<R> {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        let replies: Result<Vec<Reply>, _> = self.0.into_iter().map(R::into_reply).collect();
        Ok(Reply::Several(replies?))
    }
}

impl<R: IntoReply> IntoReply for Close<R> {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        Ok(Reply::Several(vec![self.reply.into_reply()?, Reply::Close(self.reason)]))
    }
}

impl<R: IntoReply> IntoReply for Broadcast<R> {
    fn into_reply(self) -> Result<Reply, EndpointError> {
        Ok(to_all(self.0.into_reply()?))
    }
}

fn to_all(reply: Reply) -> Reply {
    match reply {
        Reply::Message(message) => Reply::Broadcast(message),
        Reply::Several(replies) => Reply::Several(replies.into_iter().map(to_all).collect()),
        reply => reply,
    }
}

/// What a method with `#[on_error]` may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an `#[on_error]` method",
    label = "does not say what happens to the session",
    note = "return `()`, which keeps the session open, or `Flow`, or a `Result` of one of these"
)]
pub trait IntoFlow {
    /// What happens to the session.
    ///
    /// # Errors
    ///
    /// The method itself failed. That is logged, and the session is closed with 1011.
    fn into_flow(self) -> Result<Flow, EndpointError>;
}

impl IntoFlow for () {
    fn into_flow(self) -> Result<Flow, EndpointError> {
        Ok(Flow::Continue)
    }
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result<Flow, EndpointError> {
        Ok(self)
    }
}

impl<F: IntoFlow, E: Into<BoxError>> IntoFlow for Result<F, E> {
    fn into_flow(self) -> Result<Flow, EndpointError> {
        self.map_err(EndpointError::from_handler)?.into_flow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_messages_and_nothing_stays_nothing() {
        assert_eq!(7_u8.into_reply().unwrap(), Reply::Message("7".into()));
        assert_eq!(Json([1, 2]).into_reply().unwrap(), Reply::Message("[1,2]".into()));
        assert_eq!(().into_reply().unwrap(), Reply::Nothing);
        assert_eq!(None::<String>.into_reply().unwrap(), Reply::Nothing);
        let several = Broadcast(Several(vec!["a", "b"])).into_reply().unwrap();
        let broadcasts = ["a", "b"].map(|text| Reply::Broadcast(text.into()));
        assert_eq!(several, Reply::Several(broadcasts.into()));
    }

    #[test]
    fn a_returned_error_is_kept_as_it_is() {
        let failed: Result<(), BoxError> = Err("no".into());
        assert!(matches!(failed.into_reply(), Err(EndpointError::Handler(_))));
        let failed: Result<(), EndpointError> = Err(EndpointError::Panic("oh".into()));
        assert!(matches!(failed.into_reply(), Err(EndpointError::Panic(_))));
    }
}
