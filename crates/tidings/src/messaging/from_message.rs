use bytes::Bytes;
use serde::de::DeserializeOwned;
use tidings_stomp::Headers;

use super::{FromPayload, HandlerError, Messenger};
use crate::endpoint::{Json, PathParams, Session};

/// All of a message to a handler but its body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessageParts {
    /// The destination without the application prefix.
    pub destination: String,
    /// The variables of the mapping.
    pub variables: PathParams,
    /// The headers that the client set.
    pub headers: Headers,
    /// The session that the message came from.
    pub session: Session,
    /// Sends to the application's destinations.
    pub messenger: Messenger,
}

/// An argument of a message handler that leaves the body alone. Any number of them may stand in any
/// order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a message handler",
    label = "not a legal argument here",
    note = "take `Session`, `Messenger`, `Headers`, `#[destination_variable] name: T`, `#[header(\"name\")] value: T`",
    note = "the payload (`Json<T>`, `String`, `Bytes`, `Vec<u8>`) must be the last argument"
)]
pub trait FromMessageParts: Sized {
    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// When the message lacks what the argument needs. The handler is not called then.
    fn from_message_parts(parts: &MessageParts) -> Result<Self, HandlerError>;
}

/// The last argument of a message handler: its payload, or whatever else may be an argument.
///
/// `M` only tells the two apart for the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the last argument of a message handler",
    label = "not a legal argument here",
    note = "the payload is `Json<T>` where `T: Deserialize`, `String`, `Bytes` or `Vec<u8>`",
    note = "or take `Session`, `Messenger`, `Headers`, `#[destination_variable] name: T`, `#[header(\"name\")] value: T`"
)]
pub trait FromMessage<M = marker::Payload>: Sized {
    /// Makes the argument of the body.
    ///
    /// # Errors
    ///
    /// When the body does not say a `Self`. The handler is not called then.
    fn from_message(parts: &MessageParts, body: Bytes) -> Result<Self, HandlerError>;
}

#[doc(hidden)]
pub mod marker {
    #[derive(Debug)]
    pub enum Payload {}
    #[derive(Debug)]
    pub enum Parts {}
}

impl FromMessageParts for Session {
    fn from_message_parts(parts: &MessageParts) -> Result<Self, HandlerError> {
        Ok(parts.session.clone())
    }
}

impl FromMessageParts for Messenger {
    fn from_message_parts(parts: &MessageParts) -> Result<Self, HandlerError> {
        Ok(parts.messenger.clone())
    }
}

impl FromMessageParts for Headers {
    fn from_message_parts(parts: &MessageParts) -> Result<Self, HandlerError> {
        Ok(parts.headers.clone())
    }
}

impl<T: FromMessageParts> FromMessage<marker::Parts> for T {
    fn from_message(parts: &MessageParts, _: Bytes) -> Result<Self, HandlerError> {
        T::from_message_parts(parts)
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    fn from_message(_: &MessageParts, body: Bytes) -> Result<Self, HandlerError> {
        Self::from_payload(body)
    }
}

macro_rules! payloads {
    ($($type:ty),*) => {$(
        impl FromMessage for $type {
            fn from_message(_: &MessageParts, body: Bytes) -> Result<Self, HandlerError> {
                Self::from_payload(body)
            }
        }
    )*};
}

payloads!(String, Bytes, Vec<u8>, ());
