//! Waiting for a receipt.

use tidings_stomp::ReceiptId;
use tokio::sync::oneshot;

use super::StompError;
use super::operation::{Entry, Unconfirmed};
use super::shared::Shared;

/// A receipt that was asked for.
pub(super) struct Asked {
    pub(super) receipt: ReceiptId,
    pub(super) confirmed: oneshot::Receiver<Result<(), StompError>>,
}

/// Somebody waits for a receipt. Whoever does so no longer is not in its way.
pub(super) struct Confirmation<'a> {
    pub(super) shared: &'a Shared,
    pub(super) asked: Asked,
}

impl Confirmation<'_> {
    /// Waits for the receipt, within the time for that. What is not even sent by then never is.
    pub(super) async fn wait(mut self) -> Result<(), StompError> {
        let outcome = self.shared.confirmed(&mut self.asked.confirmed).await;
        if let Err(StompError::ReceiptTimeout(timeout)) = outcome {
            let mut state = self.shared.lock();
            let receipt = Some(&self.asked.receipt);
            let waiting = state.outgoing.remove(|entry| entry.receipt.as_ref() == receipt);
            drop(state);
            // It may have been all that there was to connect for.
            self.shared.work.notify_waiters();
            if let Some(Entry { unconfirmed, .. }) = waiting
                && !matches!(unconfirmed, Unconfirmed::IsSentAgain { times: 1.. })
            {
                return Err(StompError::SendTimeout(timeout));
            }
        }
        outcome
    }
}

impl Drop for Confirmation<'_> {
    fn drop(&mut self) {
        drop(self.shared.lock().receipts.take(&self.asked.receipt));
        self.shared.room.notify_waiters();
    }
}
