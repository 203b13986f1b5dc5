use std::fmt;
use std::sync::Arc;

use tidings_stomp::TransactionId;

use super::StompError;
use super::acknowledge::Acknowledgement;
use super::client::StompClient;
use super::message::Message;
use super::operation::{Bound, ConnectionNumber, Entry, Operation};
use super::send::SendRequest;

/// Messages that are sent and acknowledged together, or not at all. Made by [`StompClient::begin`].
///
/// It belongs to the connection that it was begun by: once that is lost, everything about it fails with
/// [`StompError::Stale`], and the server has aborted it. One that is dropped is aborted.
///
/// # Examples
///
/// ```no_run
/// # use tidings::client::stomp::{Message, StompClient, StompError};
/// # async fn forward(client: StompClient, order: Message<String>) -> Result<(), StompError> {
/// let transaction = client.begin().await?;
/// transaction.send("/queue/invoices").text(&order.payload).persistent().await?;
/// transaction.ack(&order).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction {
    client: StompClient,
    id: TransactionId,
    connection: ConnectionNumber,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Decided,
}

impl Transaction {
    pub(super) fn new(
        client: StompClient,
        id: TransactionId,
        connection: ConnectionNumber,
    ) -> Self {
        Self { client, id, connection, fate: Fate::Open }
    }

    /// Sends a message when the transaction is committed.
    pub fn send(&self, destination: impl Into<String>) -> SendRequest {
        let send = SendRequest::new(self.client.clone(), destination.into());
        send.in_transaction(self.id.clone(), self.connection)
    }

    /// Says when the transaction is committed that a message has been consumed.
    pub fn ack<T>(&self, message: &Message<T>) -> Acknowledgement {
        message.ack().in_transaction(self.id.clone(), self.connection)
    }

    /// Says when the transaction is committed that a message has not been consumed.
    pub fn nack<T>(&self, message: &Message<T>) -> Acknowledgement {
        message.nack().in_transaction(self.id.clone(), self.connection)
    }

    /// Makes everything take effect, and waits until it has: COMMIT with a receipt.
    ///
    /// # Errors
    ///
    /// [`StompError::Refused`] if the server does not do it, [`StompError::Unconfirmed`] if the connection was lost
    /// meanwhile.
    ///
    /// # Cancel safety
    ///
    /// After a dropped future it is not known whether the transaction is committed.
    pub async fn commit(mut self) -> Result<(), StompError> {
        let shared = Arc::clone(&self.client.shared);
        let confirmation =
            shared.queue_end_asking(self.entry(Operation::Commit(self.id.clone())))?;
        self.fate = Fate::Decided;
        confirmation.wait().await
    }

    /// Makes nothing of it take effect: ABORT.
    pub fn abort(self) {
        // As when it is dropped.
    }

    fn entry(&self, operation: Operation) -> Entry {
        Entry::new(operation, Bound::Only(self.connection))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.fate == Fate::Open {
            self.client.shared.queue_end(self.entry(Operation::Abort(self.id.clone())));
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("id", &self.id).finish_non_exhaustive()
    }
}
