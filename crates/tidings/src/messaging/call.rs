//! What a method of a controller is called with.

use bytes::Bytes;
use tidings_stomp::Headers;

use super::{FromPayload, HandlerError, Messenger, Users};
use crate::endpoint::{Call, Extract, PathParams, PayloadKind, Session};

/// All of a message to a handler but its body. An argument of a controller's methods, too.
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

/// A call of `#[message_mapping]` or `#[subscribe_mapping]`.
#[derive(Debug)]
pub struct OnMapping<'a> {
    message: &'a MessageParts,
    body: Bytes,
}

impl<'a> OnMapping<'a> {
    #[doc(hidden)]
    pub fn new(message: &'a MessageParts, body: Bytes) -> Self {
        Self { message, body }
    }
}

/// A call of `#[message_exception_handler]`.
#[derive(Debug)]
pub struct OnException<'a> {
    message: &'a MessageParts,
    body: Bytes,
    error: &'a HandlerError,
}

impl<'a> OnException<'a> {
    pub(super) fn new(message: &'a MessageParts, body: Bytes, error: &'a HandlerError) -> Self {
        Self { message, body, error }
    }

    /// What went wrong.
    pub fn error(&self) -> &'a HandlerError {
        self.error
    }
}

macro_rules! calls {
    ($($call:ident),*) => {$(
        impl<'a> $call<'a> {
            /// The message, or the SUBSCRIBE, that the method is called for.
            pub fn message(&self) -> &'a MessageParts {
                self.message
            }

            /// Takes the body; an argument that comes later finds an empty one.
            pub fn take_body(&mut self) -> Bytes {
                std::mem::take(&mut self.body)
            }
        }

        impl Call for $call<'_> {
            fn session(&self) -> &Session {
                &self.message.session
            }
        }

        impl Extract<$call<'_>> for MessageParts {
            fn extract(call: &mut $call<'_>) -> Result<Self, HandlerError> {
                Ok(call.message.clone())
            }
        }

        impl Extract<$call<'_>> for Messenger {
            fn extract(call: &mut $call<'_>) -> Result<Self, HandlerError> {
                Ok(call.message.messenger.clone())
            }
        }

        impl Extract<$call<'_>> for Users {
            fn extract(call: &mut $call<'_>) -> Result<Self, HandlerError> {
                Ok(call.message.messenger.users())
            }
        }

        impl Extract<$call<'_>> for Headers {
            fn extract(call: &mut $call<'_>) -> Result<Self, HandlerError> {
                Ok(call.message.headers.clone())
            }
        }

        impl<T: FromPayload> Extract<$call<'_>> for T {
            const PAYLOAD: Option<PayloadKind> = Some(PayloadKind::Any);

            fn extract(call: &mut $call<'_>) -> Result<Self, HandlerError> {
                T::from_payload(call.take_body())
            }
        }
    )*};
}

calls!(OnMapping, OnException);
