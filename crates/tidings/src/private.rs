//! What the code of the macros calls.

pub use bytes::Bytes;

use crate::endpoint::{BoxError, EndpointError, Flow, Message, PayloadKind, Session};

/// The kind of the one payload among a method's arguments; anything but one does not compile.
pub const fn only_payload(arguments: &[Option<PayloadKind>]) -> PayloadKind {
    let mut found = None;
    let mut index = 0;
    while index < arguments.len() {
        if let Some(kind) = arguments[index] {
            assert!(found.is_none(), "an #[on_message] method takes only one message argument");
            found = Some(kind);
        }
        index += 1;
    }
    match found {
        Some(kind) => kind,
        None => {
            panic!("an #[on_message] method must take the message: `text: String`, for example")
        }
    }
}

/// Sends what a method returned, if that is a message.
pub async fn send_reply(session: &Session, reply: Option<Message>) -> Result<(), EndpointError> {
    if let Some(message) = reply {
        session.send(message).await?;
    }
    Ok(())
}

/// What an `#[on_close]` method may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an `#[on_close]` method",
    label = "the peer is gone and takes no reply",
    note = "return `()` or `Result<(), E>`"
)]
pub trait Ended {
    fn ended(self) -> Result<(), EndpointError>;
}

impl Ended for () {
    fn ended(self) -> Result<(), EndpointError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Ended for Result<(), E> {
    fn ended(self) -> Result<(), EndpointError> {
        self.map_err(EndpointError::from_handler)
    }
}

/// A message that no method takes.
pub fn ignore(session: &Session, message: &Message) {
    let kind = if matches!(message, Message::Text(_)) { "text" } else { "binary" };
    tracing::debug!(session = %session.log_id(), kind, "no method for this kind of message");
}

/// What comes of `#[on_error]`, which may itself have failed.
pub fn flow(session: &Session, handled: Result<Flow, EndpointError>) -> Flow {
    handled.unwrap_or_else(|error| {
        tracing::error!(session = %session.log_id(), %error, "on_error failed");
        Flow::Continue
    })
}
