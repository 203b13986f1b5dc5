use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tidings_stomp::{Headers, Send as SendFrame, TransactionId};

use super::StompError;
use super::client::StompClient;
use super::operation::{Bound, ConnectionNumber, Entry, Operation, Unconfirmed};
use crate::endpoint::Json;
use crate::messaging::{HandlerError, IntoPayload, Payload};

/// A future of the client's requests.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, StompError>> + Send>>;

/// A message that is about to be sent. Made by [`StompClient::send`], [`Transaction::send`](super::Transaction::send)
/// and [`Message::reply`](super::Message::reply).
///
/// Awaited, it is done once the message waits to be sent, or with [`receipt`](Self::receipt) once the server has it.
/// Without a connection it waits for the next one. What was on its way when a connection was lost, without a receipt,
/// may be lost with it.
///
/// # Errors
///
/// [`StompError`] says what did not go well.
///
/// # Cancel safety
///
/// A dropped future has either queued the message or not at all; its receipt is not waited for any more.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct SendRequest {
    client: StompClient,
    destination: Result<String, StompError>,
    headers: Headers,
    payload: Result<Payload, HandlerError>,
    confirmation: Confirmation,
    transaction: Option<(TransactionId, ConnectionNumber)>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmation {
    Queued,
    Receipt(Unconfirmed),
}

impl SendRequest {
    pub(super) fn new(client: StompClient, destination: String) -> Self {
        Self {
            client,
            destination: Ok(destination),
            headers: Headers::default(),
            payload: Ok(Payload { content_type: None, body: Bytes::new() }),
            confirmation: Confirmation::Queued,
            transaction: None,
        }
    }

    /// A reply to nowhere.
    pub(super) fn to_nowhere(client: StompClient) -> Self {
        let destination = Err(StompError::NoReplyTo);
        Self { destination, ..Self::new(client, String::new()) }
    }

    pub(super) fn in_transaction(self, id: TransactionId, connection: ConnectionNumber) -> Self {
        Self { transaction: Some((id, connection)), ..self }
    }

    /// Adds a header. The first of a name holds, and a `content-type` goes before that of the payload. The request's
    /// own, `destination`, `transaction` and `receipt`, are passed over.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Asks the server to keep the message on disk until it is consumed: `persistent:true`.
    pub fn persistent(self) -> Self {
        self.header("persistent", "true")
    }

    /// Any payload that a message handler might return.
    pub fn payload(mut self, payload: impl IntoPayload) -> Self {
        self.payload = payload.into_payload();
        self
    }

    /// A value as JSON, of the content type `application/json`.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.payload(Json(value))
    }

    /// A text, of the content type `text/plain`.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.payload(text.into())
    }

    /// Octets, without a content type.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.payload(body.into())
    }

    /// Waits for the receipt: the server has taken responsibility for the message, and if that is
    /// [persistent](Self::persistent) it is on disk.
    ///
    /// In a transaction it is that of COMMIT that counts, and nothing is waited for here.
    pub fn receipt(mut self) -> Self {
        if self.transaction.is_none() && self.confirmation == Confirmation::Queued {
            self.confirmation = Confirmation::Receipt(Unconfirmed::Fails);
        }
        self
    }

    /// Waits for the receipt, and sends the message again by the next connection if the receipt has not come when one
    /// is lost, at most five times. The server may get the message more than once.
    pub fn resend(mut self) -> Self {
        if self.transaction.is_none() {
            self.confirmation = Confirmation::Receipt(Unconfirmed::IsSentAgain { times: 0 });
        }
        self
    }

    async fn run(self) -> Result<(), StompError> {
        let Self { client, destination, mut headers, payload, confirmation, transaction } = self;
        let destination = destination?;
        let Payload { content_type, body } =
            payload.map_err(|error| StompError::Encode(Arc::new(error)))?;
        if let Some(content_type) = content_type.filter(|_| headers.get("content-type").is_none()) {
            headers.push("content-type", content_type);
        }
        let (transaction, bound) = match transaction {
            Some((id, connection)) => (Some(id), Bound::Only(connection)),
            None => (None, Bound::Any),
        };
        let destination = destination.into();
        let send = SendFrame { destination, headers, body, receipt: None };
        let entry = Entry::new(Operation::Send { send, transaction }, bound);
        match confirmation {
            Confirmation::Queued => client.shared.queue(entry).await,
            Confirmation::Receipt(unconfirmed) => {
                client.shared.queue_and_confirm(Entry { unconfirmed, ..entry }).await
            }
        }
    }
}

impl IntoFuture for SendRequest {
    type Output = Result<(), StompError>;
    type IntoFuture = BoxFuture<()>;

    fn into_future(self) -> BoxFuture<()> {
        Box::pin(self.run())
    }
}
