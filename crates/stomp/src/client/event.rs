use bytes::Bytes;

use super::ClientError;
use crate::{AckTarget, Error, Headers, MessageId, ReceiptId, SubscriptionId, Version};

/// What the server has said to a [`Client`](crate::Client).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// CONNECTED: the session is open, in this version.
    Connected {
        /// The version that the server chose.
        version: Version,
        /// All headers of CONNECTED.
        headers: Headers,
    },
    /// MESSAGE.
    Message(Message),
    /// RECEIPT: the frame that asked for it has been processed.
    Receipt {
        /// The receipt that was asked for.
        id: ReceiptId,
        /// All headers of RECEIPT. Servers may say more about what was done.
        headers: Headers,
    },
    /// ERROR that names a subscription, and no frame of this end: the server has ended that subscription, as RabbitMQ
    /// does when a queue is deleted. The session goes on.
    Cancelled {
        /// The subscription, whose id is free.
        id: SubscriptionId,
        /// Why it has ended.
        error: Error,
    },
    /// Any other ERROR. The session is over, unless it has a receipt and the client is told to
    /// [go on](super::Client::go_on).
    Error(Error),
    /// The server broke the protocol or a limit, or did not answer CONNECT. The session is over.
    Failed(ClientError),
}

/// A MESSAGE frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Where the message was sent to.
    pub destination: String,
    /// The subscription that it is for. Servers of STOMP 1.0 may leave it out.
    pub subscription: Option<SubscriptionId>,
    /// The id of the message.
    pub message_id: MessageId,
    /// What an ACK or NACK of the message has to name in the version of the session. `None` where
    /// the server gave nothing to name.
    pub ack: Option<AckTarget>,
    /// All headers of the frame.
    pub headers: Headers,
    /// The body, which keeps alive no more than [`Frame::body`](crate::Frame::body) does.
    pub body: Bytes,
}
