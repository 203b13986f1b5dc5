use super::error::ProtocolError;
use super::event::{AckTarget, Acknowledge, Send, TransactionAction};
use crate::{Limits, ReceiptId, TransactionId};

/// What a frame takes beside its text and body: its place among the others, and what holds its headers.
const FRAME_OCTETS: usize = 512;

/// The open transactions of a session. There are few, so they are searched in turn.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: Vec<Transaction>,
    /// What all of them hold together, in octets.
    octets: usize,
}

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    actions: Vec<TransactionAction>,
    octets: usize,
}

impl Transactions {
    pub(super) fn begin(&mut self, id: &str, limits: &Limits) -> Result<(), ProtocolError> {
        if self.position(id).is_ok() {
            return Err(ProtocolError::DuplicateTransaction);
        }
        if self.open.len() >= limits.transactions_max {
            return Err(ProtocolError::TooManyTransactions { max: limits.transactions_max });
        }
        self.open.push(Transaction { id: id.into(), actions: Vec::new(), octets: 0 });
        Ok(())
    }

    pub(super) fn enlist(
        &mut self,
        id: &str,
        action: TransactionAction,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        let at = self.position(id)?;
        let transaction = &mut self.open[at];
        if transaction.actions.len() >= limits.transaction_frames_max {
            return Err(ProtocolError::TransactionTooLong { max: limits.transaction_frames_max });
        }
        let octets = octets(&action);
        if self.octets + octets > limits.transaction_octets_max {
            return Err(ProtocolError::TransactionsTooLarge { max: limits.transaction_octets_max });
        }
        self.octets += octets;
        transaction.octets += octets;
        transaction.actions.push(action);
        Ok(())
    }

    /// Ends a transaction, and returns what it gathered.
    pub(super) fn end(&mut self, id: &str) -> Result<Vec<TransactionAction>, ProtocolError> {
        let at = self.position(id)?;
        let Transaction { actions, octets, .. } = self.open.swap_remove(at);
        self.octets -= octets;
        Ok(actions)
    }

    fn position(&self, id: &str) -> Result<usize, ProtocolError> {
        let is_this = |transaction: &Transaction| transaction.id.as_str() == id;
        self.open.iter().position(is_this).ok_or(ProtocolError::UnknownTransaction)
    }
}

/// The octets that an action holds.
fn octets(action: &TransactionAction) -> usize {
    let octets = match action {
        TransactionAction::Send(Send { destination, headers, body, receipt }) => {
            destination.len() + headers.kept_octets() + body.len() + receipt_octets(receipt)
        }
        TransactionAction::Ack(Acknowledge { target, receipt, .. })
        | TransactionAction::Nack(Acknowledge { target, receipt, .. }) => {
            target_octets(target) + receipt_octets(receipt)
        }
    };
    FRAME_OCTETS + octets
}

fn target_octets(target: &AckTarget) -> usize {
    match target {
        AckTarget::Ack(id) => id.len(),
        AckTarget::Message { subscription, message_id } => {
            let subscription = subscription.as_ref().map_or(0, |id| id.as_str().len());
            subscription + message_id.as_str().len()
        }
    }
}

fn receipt_octets(receipt: &Option<ReceiptId>) -> usize {
    receipt.as_ref().map_or(0, |receipt| receipt.as_str().len())
}
