//! ACK and NACK, and transactions.

use tidings_broker::{self as broker, AckError, AckId, Action, Destination, NackAction, Timestamp};
use tidings_stomp::{
    AckTarget, Acknowledge, Error, ReceiptId, Requeue, Severity, SubscriptionId, TransactionAction,
};

use super::session::StompSession;
use crate::endpoint::Session;
use crate::messaging::Unhandled;
use crate::store::BatchNumber;

impl StompSession {
    /// An ACK, or a NACK that does `nack`.
    pub(super) fn settle(
        &mut self,
        session: &Session,
        now: Timestamp,
        acknowledge: Acknowledge,
        nack: Option<NackAction>,
    ) {
        let Acknowledge { target, receipt, .. } = acknowledge;
        if let Err(error) = self.check_target(&target) {
            return self.fail(&error, Severity::Notice, receipt);
        }
        match self.settle_at_broker(now, &target, nack) {
            (Ok(()), batch) => self.receipt_after(session, batch, receipt),
            (Err(error), _) => self.fail(&error, Severity::Notice, receipt),
        }
    }

    /// Whoever is strict takes no id of a message for that of a delivery.
    fn check_target(&self, target: &AckTarget) -> Result<(), AckError> {
        match target {
            AckTarget::Ack(id) if self.shared.options.strict && !AckId::is_one(id) => {
                Err(AckError::UnknownDelivery { id: id.as_str().into() })
            }
            _ => Ok(()),
        }
    }

    fn settle_at_broker(
        &self,
        now: Timestamp,
        target: &AckTarget,
        nack: Option<NackAction>,
    ) -> (Result<(), AckError>, Option<BatchNumber>) {
        let key = self.key;
        let target = broker_target(target);
        self.shared.hub.deliver_recorded(|broker, sink| match nack {
            None => broker.ack(now, key, target, sink),
            Some(action) => broker.nack(now, key, target, action, sink),
        })
    }

    /// Does what a transaction gathered: all that is the broker's, or nothing. What is for handlers
    /// follows: it is known to be for somebody, but what fails there undoes nothing. Receipts of its frames
    /// come before COMMIT's.
    pub(super) async fn commit(
        &mut self,
        session: &Session,
        actions: Vec<TransactionAction>,
        receipt: Option<ReceiptId>,
    ) {
        let mut receipts = Vec::new();
        let mut for_handlers = Vec::new();
        let mut for_broker = Vec::with_capacity(actions.len());
        for action in &actions {
            if let TransactionAction::Ack(it) | TransactionAction::Nack(it) = action
                && let Err(error) = self.check_target(&it.target)
            {
                return self.fail(&error, Severity::Frame, receipt);
            }
            let action = match action {
                TransactionAction::Send(send) => {
                    receipts.extend(send.receipt.clone());
                    let (headers, body) = (send.headers.clone(), send.body.clone());
                    if let Some(path) = self.shared.strip_application_prefix(&send.destination) {
                        let is_told = receipt.is_some() || send.receipt.is_some();
                        if is_told && !self.shared.dispatcher.has_handler(path) {
                            return self.fail(Unhandled::NoHandler, Severity::Frame, receipt);
                        }
                        match self.for_handler(session, path, headers, body) {
                            Ok(message) => for_handlers.push((message, send.receipt.clone())),
                            Err(error) => return self.fail(error, Severity::Frame, receipt),
                        }
                        continue;
                    }
                    if let Err(error) = self.check_user_id(session, &headers) {
                        return self.fail(error, Severity::Frame, receipt);
                    }
                    match Destination::parse(&send.destination) {
                        Ok(destination) => Action::Send { destination, headers, body },
                        Err(error) => {
                            let error = Error::new("invalid destination", error.to_string());
                            return self.fail(error, Severity::Frame, receipt);
                        }
                    }
                }
                TransactionAction::Ack(ack) => {
                    receipts.extend(ack.receipt.clone());
                    Action::Ack(broker_target(&ack.target))
                }
                TransactionAction::Nack(nack) => {
                    receipts.extend(nack.receipt.clone());
                    Action::Nack(broker_target(&nack.target), nack_action(nack.requeue))
                }
            };
            for_broker.push(action);
        }
        let Some(sender) = self.sender(session) else { return };
        let committed = self.shared.hub.commit(sender, for_broker).await;
        let batch = match committed {
            Ok(batch) => batch,
            Err(error) if error.is_receivers_fault() => {
                return self.fail(&error, Severity::Notice, receipt);
            }
            Err(error) => return self.fail(&error, Severity::Frame, receipt),
        };
        self.sent(session, batch, None);
        for (message, wanted) in for_handlers {
            let path = message.destination.clone();
            if let Err(unhandled) = self.handle_by_controller(message).await {
                receipts.retain(|receipt| Some(receipt) != wanted.as_ref());
                self.tell_unhandled(session, &path, unhandled, wanted);
            }
        }
        for receipt in receipts.into_iter().chain(receipt) {
            self.receipt_after(session, batch, Some(receipt));
        }
    }
}

fn broker_target(target: &AckTarget) -> broker::AckTarget<'_> {
    match target {
        AckTarget::Ack(id) => broker::AckTarget::Ack(id),
        AckTarget::Message { subscription, message_id } => broker::AckTarget::Message {
            subscription: subscription.as_ref().map(SubscriptionId::as_str),
            message_id: message_id.as_str(),
        },
    }
}

pub(super) fn nack_action(requeue: Requeue) -> NackAction {
    match requeue {
        Requeue::Allow => NackAction::Requeue,
        Requeue::Refuse => NackAction::Reject,
    }
}
