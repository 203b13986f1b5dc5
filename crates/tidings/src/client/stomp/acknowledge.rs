use std::future::IntoFuture;

use tidings_stomp::{AckTarget, Acknowledge, Requeue, TransactionId};

use super::StompError;
use super::client::StompClient;
use super::operation::{Bound, ConnectionNumber, Entry, Operation};
use super::send::BoxFuture;

/// ACK or NACK of a message. Made by [`Message::ack`](super::Message::ack) and [`Message::nack`](super::Message::nack).
///
/// Awaited, it is done once the frame waits to be sent, or with [`receipt`](Self::receipt) once the server has
/// recorded it. Does nothing for messages of subscriptions that need no acknowledgement.
///
/// # Errors
///
/// [`StompError::Stale`] if the connection that brought the message has ended: the message comes again.
///
/// # Cancel safety
///
/// A dropped future has either queued the frame or not at all.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Acknowledgement {
    client: StompClient,
    verdict: Verdict,
    /// `None` if there is nothing to acknowledge.
    target: Option<AckTarget>,
    connection: ConnectionNumber,
    requeue: Requeue,
    receipt: Receipt,
    transaction: Option<TransactionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Consumed,
    NotConsumed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipt {
    None,
    Awaited,
}

impl Acknowledgement {
    pub(super) fn new(
        client: StompClient,
        verdict: Verdict,
        target: Option<AckTarget>,
        connection: ConnectionNumber,
    ) -> Self {
        let (requeue, receipt, transaction) = (Requeue::Allow, Receipt::None, None);
        Self { client, verdict, target, connection, requeue, receipt, transaction }
    }

    pub(super) fn in_transaction(self, id: TransactionId, connection: ConnectionNumber) -> Self {
        // A message and a transaction of different connections: one of them is over.
        let connection = self.connection.min(connection);
        Self { transaction: Some(id), connection, ..self }
    }

    /// Waits for the receipt: the server has recorded it. In a transaction it is that of COMMIT that counts.
    pub fn receipt(mut self) -> Self {
        if self.transaction.is_none() {
            self.receipt = Receipt::Awaited;
        }
        self
    }

    /// Has a message that is not consumed given up, rather than delivered again: `requeue:false`, which RabbitMQ and
    /// Tidings understand.
    pub fn discard(self) -> Self {
        Self { requeue: Requeue::Refuse, ..self }
    }

    async fn run(self) -> Result<(), StompError> {
        let Self { client, verdict, target, connection, requeue, receipt, transaction } = self;
        let Some(target) = target else { return Ok(()) };
        let acknowledge = Acknowledge { target, requeue, receipt: None };
        let operation = match verdict {
            Verdict::Consumed => Operation::Ack { acknowledge, transaction },
            Verdict::NotConsumed => Operation::Nack { acknowledge, transaction },
        };
        let entry = Entry::new(operation, Bound::Only(connection));
        match receipt {
            Receipt::None => client.shared.queue(entry).await,
            Receipt::Awaited => client.shared.queue_and_confirm(entry).await,
        }
    }
}

impl IntoFuture for Acknowledgement {
    type Output = Result<(), StompError>;
    type IntoFuture = BoxFuture<()>;

    fn into_future(self) -> BoxFuture<()> {
        Box::pin(self.run())
    }
}
