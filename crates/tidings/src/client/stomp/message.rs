use std::fmt;

use bytes::Bytes;
use tidings_stomp::{AckMode, AckTarget, Headers, MessageId};

use super::DeliveryError;
use super::acknowledge::{Acknowledgement, Verdict};
use super::client::StompClient;
use super::operation::ConnectionNumber;
use super::send::SendRequest;
use crate::messaging::FromPayload;

/// A message of a [`Subscription`](super::Subscription), or the reply to a request.
pub struct Message<T> {
    /// What its body says.
    pub payload: T,
    origin: Origin,
}

/// Where a message comes from, and what there is to know of it.
#[derive(Clone)]
pub(super) struct Origin {
    client: StompClient,
    connection: ConnectionNumber,
    destination: String,
    message_id: MessageId,
    headers: Headers,
    /// `None` if it need not be acknowledged.
    ack: Option<AckTarget>,
}

impl Origin {
    pub(super) fn new(
        client: StompClient,
        connection: ConnectionNumber,
        message: tidings_stomp::Message,
        mode: AckMode,
    ) -> (Self, Bytes) {
        let tidings_stomp::Message { destination, message_id, headers, ack, body, .. } = message;
        let ack = ack.filter(|_| mode != AckMode::Auto);
        (Self { client, connection, destination, message_id, headers, ack }, body)
    }

    /// The message with its body decoded.
    pub(super) fn decode<T: FromPayload>(self, body: Bytes) -> Result<Message<T>, DeliveryError> {
        match T::from_payload(body.clone()) {
            Ok(payload) => Ok(Message { payload, origin: self }),
            Err(source) => {
                let message = Box::new(Message { payload: body, origin: self });
                Err(DeliveryError::Payload { message, source })
            }
        }
    }
}

impl<T> Message<T> {
    /// Where the message was sent to.
    pub fn destination(&self) -> &str {
        &self.origin.destination
    }

    /// The id that the server has given it.
    pub fn id(&self) -> &str {
        self.origin.message_id.as_str()
    }

    /// All headers of the frame.
    pub fn headers(&self) -> &Headers {
        &self.origin.headers
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.origin.headers.get(name)
    }

    /// Whether the server says that it has delivered the message before.
    pub fn is_redelivered(&self) -> bool {
        self.header("redelivered") == Some("true")
    }

    /// Says that the message has been consumed: ACK. In the mode [`Client`](tidings_stomp::AckMode::Client) that
    /// covers all earlier messages of the subscription.
    pub fn ack(&self) -> Acknowledgement {
        self.acknowledge(Verdict::Consumed)
    }

    /// Says that the message has not been consumed: NACK. What becomes of it is up to the server.
    pub fn nack(&self) -> Acknowledgement {
        self.acknowledge(Verdict::NotConsumed)
    }

    /// Replies: to the destination in `reply-to`, with the `correlation-id` of the message.
    pub fn reply(&self) -> SendRequest {
        let client = self.origin.client.clone();
        let Some(destination) = self.header("reply-to") else {
            return SendRequest::to_nowhere(client);
        };
        let reply = SendRequest::new(client, destination.to_owned());
        match self.header("correlation-id") {
            Some(id) => reply.header("correlation-id", id),
            None => reply,
        }
    }

    /// The same message with another payload.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Message<U> {
        Message { payload: map(self.payload), origin: self.origin }
    }

    fn acknowledge(&self, verdict: Verdict) -> Acknowledgement {
        let Origin { client, connection, ack, .. } = &self.origin;
        Acknowledgement::new(client.clone(), verdict, ack.clone(), *connection)
    }
}

impl<T: fmt::Debug> fmt::Debug for Message<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("destination", &self.origin.destination)
            .field("headers", &self.origin.headers)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
