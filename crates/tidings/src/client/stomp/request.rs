use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tidings_stomp::AckMode;

use super::client::StompClient;
use super::message::{Message, Origin};
use super::send::{BoxFuture, SendRequest};
use super::shared::{REPLIES, Shared};
use super::{DeliveryError, StompError};
use crate::messaging::{FromPayload, IntoPayload};

/// A message that is about to be sent, and the reply that is waited for. Made by [`StompClient::request`].
///
/// The replies of a client come by a temporary queue of its own, which is made with its first request.
///
/// # Errors
///
/// [`StompError::NoReply`] when none comes in time, [`StompError::Reply`] when it is not a `T`; others of
/// [`StompError`] when the message could not be sent, or the connection was lost meanwhile.
///
/// # Cancel safety
///
/// The message may have been sent or not; the reply is not waited for any more.
#[must_use = "nothing is sent until it is awaited"]
pub struct Request<T> {
    client: StompClient,
    send: SendRequest,
    timeout: Duration,
    payload: PhantomData<fn() -> T>,
}

impl<T: FromPayload> Request<T> {
    pub(super) fn new(client: StompClient, destination: String) -> Self {
        let send = SendRequest::new(client.clone(), destination);
        Self { client, send, timeout: Duration::from_secs(30), payload: PhantomData }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.send = self.send.header(name, value);
        self
    }

    /// Any payload that a message handler might return.
    pub fn payload(mut self, payload: impl IntoPayload) -> Self {
        self.send = self.send.payload(payload);
        self
    }

    /// A value as JSON, of the content type `application/json`.
    pub fn json<J: Serialize + ?Sized>(mut self, value: &J) -> Self {
        self.send = self.send.json(value);
        self
    }

    /// A text, of the content type `text/plain`.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.send = self.send.text(text);
        self
    }

    /// Octets, without a content type.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.send = self.send.body(body);
        self
    }

    /// How long the reply is waited for. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(self) -> Result<Message<T>, StompError> {
        let Self { client, send, timeout, .. } = self;
        let shared = &client.shared;
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the operating system provides randomness");
        let id = format!("{:032x}", u128::from_be_bytes(id));
        let replied = shared.expect_reply(&id);
        let _forget = ForgetReply { shared, id: &id };
        send.header("reply-to", REPLIES).header("correlation-id", &id).await?;
        let (message, connection) = match tokio::time::timeout(timeout, replied).await {
            Ok(replied) => replied.unwrap_or(Err(StompError::Closed))?,
            Err(_) => return Err(StompError::NoReply(timeout)),
        };
        let (origin, body) = Origin::new(client.clone(), connection, message, AckMode::Auto);
        origin.decode(body).map_err(|error| match error {
            DeliveryError::Payload { source, .. } => StompError::Reply(Arc::new(source)),
            _ => StompError::Closed,
        })
    }
}

impl<T: FromPayload + 'static> IntoFuture for Request<T> {
    type Output = Result<Message<T>, StompError>;
    type IntoFuture = BoxFuture<Message<T>>;

    fn into_future(self) -> BoxFuture<Message<T>> {
        Box::pin(self.run())
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("send", &self.send).finish_non_exhaustive()
    }
}

/// A reply that nobody waits for any more is not expected.
struct ForgetReply<'a> {
    shared: &'a Shared,
    id: &'a str,
}

impl Drop for ForgetReply<'_> {
    fn drop(&mut self) {
        self.shared.forget_reply(self.id);
    }
}
