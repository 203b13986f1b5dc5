use bytes::Bytes;
use serde::Serialize;
use tidings_websocket::Message;

use super::{BoxError, EndpointError, Flow, Json};

/// What a method of an annotated endpoint may return: it is sent back to the peer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a method of an endpoint",
    label = "cannot be sent as a reply",
    note = "return `()`, `String`, `&'static str`, `Bytes`, `Vec<u8>`, `Message`, `Json<T>`, a number, `bool`, `char`, or an `Option` or `Result` of these"
)]
pub trait IntoReply {
    /// The message to send, if there is one.
    ///
    /// # Errors
    ///
    /// The error that the method returned, or the one that kept its value from being encoded.
    fn into_reply(self) -> Result<Option<Message>, EndpointError>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Option<Message>, EndpointError> {
        Ok(None)
    }
}

macro_rules! messages {
    ($($type:ty),*) => {$(
        impl IntoReply for $type {
            fn into_reply(self) -> Result<Option<Message>, EndpointError> {
                Ok(Some(self.into()))
            }
        }
    )*};
}

messages!(Message, String, &'static str, Bytes, Vec<u8>);

macro_rules! shown_as_text {
    ($($type:ty),*) => {$(
        impl IntoReply for $type {
            fn into_reply(self) -> Result<Option<Message>, EndpointError> {
                Ok(Some(self.to_string().into()))
            }
        }
    )*};
}

shown_as_text!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Option<Message>, EndpointError> {
        let text = serde_json::to_string(&self.0);
        text.map(|text| Some(text.into())).map_err(|error| EndpointError::Encode(error.into()))
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self) -> Result<Option<Message>, EndpointError> {
        self.map_or(Ok(None), IntoReply::into_reply)
    }
}

impl<R: IntoReply, E: Into<BoxError>> IntoReply for Result<R, E> {
    fn into_reply(self) -> Result<Option<Message>, EndpointError> {
        match self {
            Ok(reply) => reply.into_reply(),
            Err(error) => Err(EndpointError::from_handler(error)),
        }
    }
}

/// What a method with `#[on_error]` may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an `#[on_error]` method",
    label = "does not say what happens to the session",
    note = "return `()`, which keeps the session open, or `Flow`"
)]
pub trait IntoFlow {
    /// What happens to the session.
    fn into_flow(self) -> Flow;
}

impl IntoFlow for () {
    fn into_flow(self) -> Flow {
        Flow::Continue
    }
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Flow {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_messages_and_nothing_stays_nothing() {
        assert_eq!(7_u8.into_reply().unwrap(), Some("7".into()));
        assert_eq!(Json([1, 2]).into_reply().unwrap(), Some("[1,2]".into()));
        assert_eq!(().into_reply().unwrap(), None);
        assert_eq!(None::<String>.into_reply().unwrap(), None);
    }

    #[test]
    fn a_returned_error_is_kept_as_it_is() {
        let failed: Result<(), BoxError> = Err("no".into());
        assert!(matches!(failed.into_reply(), Err(EndpointError::Handler(_))));
        let failed: Result<(), EndpointError> = Err(EndpointError::Panic("oh".into()));
        assert!(matches!(failed.into_reply(), Err(EndpointError::Panic(_))));
    }
}
