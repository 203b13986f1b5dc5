use std::error::Error;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_stomp::Headers;

use super::recipient::Recipient;
use super::{HandlerError, Messenger, Target};
use crate::endpoint::{BoxError, Json, Valid, Validate};

/// A message to be sent to a destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outgoing {
    /// Where it goes. Of a message [to a user](Self::to_user) or [a session](Self::to_session) the path behind
    /// the user prefix.
    pub destination: String,
    /// Its headers; `content-type` among them where the payload has one.
    pub headers: Headers,
    /// Its octets.
    pub body: Bytes,
    /// Few have one.
    pub(super) recipient: Option<Box<Recipient>>,
}

impl Outgoing {
    /// A message with this payload.
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded.
    pub fn to(
        destination: impl Into<String>,
        payload: impl IntoPayload,
    ) -> Result<Self, HandlerError> {
        let payload = payload.into_payload()?;
        Ok(Self::with_payload(destination.into(), &payload))
    }

    /// Sends what a handler has replied.
    pub(crate) async fn publish(self, messenger: &Messenger) {
        let destination = self.destination.clone();
        if let Err(error) = messenger.publish(self).await {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            tracing::warn!(reason, destination, "reply of a handler was not sent");
        }
    }

    pub(super) fn with_payload(destination: String, payload: &Payload) -> Self {
        let mut headers = Headers::default();
        if let Some(content_type) = payload.content_type {
            headers.push("content-type", content_type);
        }
        Self { destination, headers, body: payload.body.clone(), recipient: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }
}

/// The octets of a message, with their MIME type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The MIME type, where the octets have one.
    pub content_type: Option<&'static str>,
    /// The octets.
    pub body: Bytes,
}

/// A value that can be the body of a message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of a message",
    label = "not a payload",
    note = "use `Json<T>`, `String`, `&str`, `Bytes` or `Vec<u8>`"
)]
pub trait IntoPayload {
    /// The octets of the value.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded.
    fn into_payload(self) -> Result<Payload, HandlerError>;
}

/// A value that the body of a message says: what handlers take as their payload, and
/// [subscriptions](crate::client::stomp::Subscription) deliver.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of the body of a message",
    label = "not a payload",
    note = "use `Json<T>` where `T: Deserialize`, `String`, `Bytes`, `Vec<u8>` or `()`, `Option<T>` or `Valid<T>` of these"
)]
pub trait FromPayload: Sized {
    /// Makes the value.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Payload`] when the body does not say a `Self`.
    fn from_payload(body: Bytes) -> Result<Self, HandlerError>;
}

/// What a message handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a message handler",
    label = "cannot be sent as a message",
    note = "return `()`, a payload (`Json<T>`, `String`, `&'static str`, `Bytes`, `Vec<u8>`), `Outgoing`, `Vec<Outgoing>`, or an `Option` or `Result` of these"
)]
pub trait IntoOutgoing {
    /// The messages to send. `targets` are the destinations for a reply that names none itself.
    ///
    /// # Errors
    ///
    /// The error that the handler returned, or the one that kept its value from being encoded.
    fn into_outgoing(self, targets: &[Target]) -> Result<Vec<Outgoing>, HandlerError>;
}

impl<T: Serialize> IntoPayload for Json<T> {
    fn into_payload(self) -> Result<Payload, HandlerError> {
        let body =
            serde_json::to_vec(&self.0).map_err(|error| HandlerError::Encode(error.into()))?;
        Ok(Payload { content_type: Some("application/json"), body: body.into() })
    }
}

impl<T: DeserializeOwned> FromPayload for Json<T> {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        let document = serde_json::from_slice(&body);
        document.map(Json).map_err(|error| HandlerError::payload("the JSON that is wanted", error))
    }
}

impl FromPayload for String {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        Self::from_utf8(body.into()).map_err(|error| HandlerError::payload("text", error))
    }
}

impl FromPayload for Bytes {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        Ok(body)
    }
}

impl FromPayload for Vec<u8> {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        Ok(body.into())
    }
}

/// No payload: whatever the body is, it is not wanted.
impl FromPayload for () {
    fn from_payload(_: Bytes) -> Result<Self, HandlerError> {
        Ok(())
    }
}

/// `None` of an empty body.
impl<T: FromPayload> FromPayload for Option<T> {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        if body.is_empty() { Ok(None) } else { T::from_payload(body).map(Some) }
    }
}

impl<T: FromPayload + Validate> FromPayload for Valid<T> {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
        let value = T::from_payload(body)?;
        value.validate().map_err(HandlerError::Invalid)?;
        Ok(Self(value))
    }
}

macro_rules! payloads {
    ($($type:ty => $content_type:expr),*) => {$(
        impl IntoPayload for $type {
            fn into_payload(self) -> Result<Payload, HandlerError> {
                Ok(Payload { content_type: $content_type, body: Bytes::from(self) })
            }
        }

        impl IntoOutgoing for $type {
            fn into_outgoing(self, targets: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
                to_targets(self, targets)
            }
        }
    )*};
}

payloads!(
    String => Some("text/plain;charset=utf-8"),
    &'static str => Some("text/plain;charset=utf-8"),
    Bytes => None,
    Vec<u8> => None
);

impl<T: Serialize> IntoOutgoing for Json<T> {
    fn into_outgoing(self, targets: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        to_targets(self, targets)
    }
}

impl IntoOutgoing for () {
    fn into_outgoing(self, _: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        Ok(Vec::new())
    }
}

impl IntoOutgoing for Outgoing {
    fn into_outgoing(self, _: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        Ok(vec![self])
    }
}

impl IntoOutgoing for Vec<Outgoing> {
    fn into_outgoing(self, _: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        Ok(self)
    }
}

impl<R: IntoOutgoing> IntoOutgoing for Option<R> {
    fn into_outgoing(self, targets: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        self.map_or(Ok(Vec::new()), |reply| reply.into_outgoing(targets))
    }
}

impl<R: IntoOutgoing, E: Into<BoxError>> IntoOutgoing for Result<R, E> {
    fn into_outgoing(self, targets: &[Target]) -> Result<Vec<Outgoing>, HandlerError> {
        self.map_err(HandlerError::new)?.into_outgoing(targets)
    }
}

/// Encodes once, for all targets.
fn to_targets(
    payload: impl IntoPayload,
    targets: &[Target],
) -> Result<Vec<Outgoing>, HandlerError> {
    let payload = payload.into_payload()?;
    Ok(targets.iter().map(|target| target.addressed(&payload)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_goes_to_every_target_with_its_content_type() {
        let targets = ["/topic/a", "/queue/b"].map(Target::to);
        let outgoing = Json([1]).into_outgoing(&targets).unwrap();
        assert_eq!(outgoing.len(), 2);
        assert_eq!(outgoing[1].destination, "/queue/b");
        assert_eq!(outgoing[1].headers.get("content-type"), Some("application/json"));
        assert_eq!(&*outgoing[1].body, b"[1]");
    }

    #[test]
    fn nothing_is_sent_for_nothing_and_an_error_stays_one() {
        assert!(None::<String>.into_outgoing(&[Target::to("/topic/a")]).unwrap().is_empty());
        let failed: Result<String, &str> = Err("no");
        assert_eq!(failed.into_outgoing(&[]).unwrap_err().to_string(), "no");
        let failed: Result<String, _> = Err(HandlerError::MissingHeader { name: "x" });
        let error = failed.into_outgoing(&[]).unwrap_err();
        assert!(matches!(error, HandlerError::MissingHeader { .. }));
    }
}
