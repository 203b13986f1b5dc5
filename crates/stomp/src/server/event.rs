use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{AckMode, Error, Headers, MessageId, ReceiptId, SubscriptionId, Version};

/// What a client wants, or what became of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client wants to open the session. Answer with [`accept`](super::Server::accept) or
    /// [`refuse`](super::Server::refuse); until then there is no further event.
    Connect(Connect),
    /// A message for a destination.
    Send(Send),
    /// A new subscription. Its receipt must go out before its first message. The session has it from
    /// now on: [`refuse_subscription`](super::Server::refuse_subscription) takes it back.
    Subscribe(Subscribe),
    /// The end of a subscription that the session has.
    Unsubscribe {
        /// Which one.
        id: SubscriptionId,
        /// All headers of the frame.
        headers: Headers,
        /// The receipt that is due when the subscription has ended.
        receipt: Option<ReceiptId>,
    },
    /// The end of a subscription that the session does not have: perhaps a durable one, which the
    /// headers name. If not, [`unknown_subscription`](super::Server::unknown_subscription) is the answer.
    UnsubscribeUnknown {
        /// The id, if the frame has one.
        id: Option<SubscriptionId>,
        /// All headers of the frame.
        headers: Headers,
        /// The receipt that is due when the subscription has ended.
        receipt: Option<ReceiptId>,
    },
    /// Messages have been consumed.
    Ack(Acknowledge),
    /// Messages have not been consumed. What becomes of them is up to the server.
    Nack(Acknowledge),
    /// A transaction was committed: everything it gathered, in order, and COMMIT's own receipt,
    /// which is due after those of the actions.
    Transaction(Vec<TransactionAction>, Option<ReceiptId>),
    /// The client ends the session. No further event comes. The receipt is due when all earlier
    /// ones are out; then close the connection.
    Disconnect {
        /// The receipt that the client waits for.
        receipt: Option<ReceiptId>,
    },
    /// The client broke the protocol or a limit. The ERROR frame waits in
    /// [`poll_transmit`](super::Server::poll_transmit). No further event comes, unless the options let
    /// the session go on: [`is_closed`](super::Server::is_closed) tells.
    Failed(Error),
}

/// A CONNECT or STOMP frame.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// Who the client says it is.
    pub login: Option<String>,
    /// What proves it.
    pub passcode: Option<String>,
    /// The virtual host; many clients leave it out.
    pub host: Option<String>,
    /// All headers of the frame.
    pub headers: Headers,
    /// The version that the session will have.
    pub version: Version,
}

/// Shows everything but the passcode.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, passcode, host, headers, version } = self;
        f.debug_struct("Connect")
            .field("login", login)
            .field("passcode", &passcode.as_ref().map(|_| "[hidden]"))
            .field("host", host)
            .field("headers", headers)
            .field("version", version)
            .finish()
    }
}

/// A SEND frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Where to. Not empty. SENDs that a session receives one after the other share it while it stays the same.
    pub destination: Arc<str>,
    /// The headers that belong to the message. Those that a server gives or acts on are not among
    /// them: `destination`, `message-id`, `subscription`, `ack`, `redelivered`, `receipt`,
    /// `transaction` and `content-length`.
    pub headers: Headers,
    /// The body, which keeps alive no more than [`Frame::body`](crate::Frame::body) does.
    pub body: Bytes,
    /// The receipt that is due when the server has taken responsibility for the message.
    pub receipt: Option<ReceiptId>,
}

/// A SUBSCRIBE frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribe {
    /// The id, which no other subscription of the session has. In STOMP 1.0 a client may give none,
    /// and then the destination takes its place: [`SubscriptionId::on_wire`] tells.
    pub id: SubscriptionId,
    /// Where from. Not empty.
    pub destination: String,
    /// How messages are acknowledged.
    pub ack: AckMode,
    /// All headers of the frame.
    pub headers: Headers,
    /// The receipt that is due when the subscription is active.
    pub receipt: Option<ReceiptId>,
}

/// An ACK or NACK frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    /// Which message it is about.
    pub target: AckTarget,
    /// Whether a message that was not consumed may be delivered again: the `requeue` header of
    /// NACK, which RabbitMQ's clients send.
    pub requeue: Requeue,
    /// The receipt that is due when the acknowledgement has been recorded.
    pub receipt: Option<ReceiptId>,
}

/// Whether a message that was not consumed may be delivered again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requeue {
    /// It may; without the header, too.
    #[default]
    Allow,
    /// Nobody wants it: `requeue:false`.
    Refuse,
}

/// Which message an ACK or NACK is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckTarget {
    /// STOMP 1.2: the `ack` header of the MESSAGE. Many clients put the message id here.
    Ack(String),
    /// STOMP 1.1 and 1.0, and clients of 1.2 that have not moved on.
    Message {
        /// The subscription that brought the message. In STOMP 1.0 there is none, and the message
        /// may have come with any subscription of the session.
        subscription: Option<SubscriptionId>,
        /// The `message-id` header of the MESSAGE.
        message_id: MessageId,
    },
}

/// A frame that took effect with its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionAction {
    /// A message for a destination.
    Send(Send),
    /// Messages have been consumed.
    Ack(Acknowledge),
    /// Messages have not been consumed.
    Nack(Acknowledge),
}

impl TransactionAction {
    pub(super) fn into_receipt(self) -> Option<ReceiptId> {
        match self {
            Self::Send(send) => send.receipt,
            Self::Ack(it) | Self::Nack(it) => it.receipt,
        }
    }
}
