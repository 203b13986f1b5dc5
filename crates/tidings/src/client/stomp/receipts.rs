//! Who waits for which receipt.

use std::collections::BTreeMap;

use tidings_stomp::{ReceiptId, SubscriptionId};
use tokio::sync::oneshot;

use super::operation::Entry;
use super::{ConnectionEnd, StompError};

/// Tells whoever waits what came of an operation.
pub(super) type Outcome = oneshot::Sender<Result<(), StompError>>;

/// The receipts that were asked for, in the order of asking.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    last: u64,
    awaited: BTreeMap<u64, Awaited>,
    /// Of what may have to be sent again.
    octets: usize,
}

/// What a lost connection leaves to do, in order.
pub(super) struct Lost {
    /// What is to be sent again.
    pub(super) again: Vec<Entry>,
    /// SUBSCRIBE was sent for these, and not confirmed.
    pub(super) subscriptions: Vec<SubscriptionId>,
}

#[derive(Debug)]
pub(super) enum Awaited {
    /// Of SUBSCRIBE, whose outcome is with the subscription.
    Subscription(SubscriptionId),
    /// Of UNSUBSCRIBE, whose outcome is with the subscriptions that end.
    Unsubscription(SubscriptionId),
    /// Of UNSUBSCRIBE for what the server has ended meanwhile, and may not know any more.
    CrossedUnsubscription,
    Operation {
        outcome: Outcome,
        progress: Progress,
    },
}

/// How far an operation has come.
#[derive(Debug)]
pub(super) enum Progress {
    Waits,
    /// It is on its way, with what is to be sent again if its receipt does not come.
    Sent(Option<Box<Entry>>),
}

impl Receipts {
    pub(super) fn ask(&mut self, awaited: Awaited) -> ReceiptId {
        self.last += 1;
        self.awaited.insert(self.last, awaited);
        ReceiptId::from(self.last.to_string().as_str())
    }

    pub(super) fn take(&mut self, id: &ReceiptId) -> Option<Awaited> {
        let awaited = self.awaited.remove(&number(id)?)?;
        if let Awaited::Operation { progress: Progress::Sent(Some(entry)), .. } = &awaited {
            self.octets -= entry.operation.octets();
        }
        Some(awaited)
    }

    /// Octets that are kept because they may have to be sent again.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Waits no longer for the receipt of a SUBSCRIBE.
    pub(super) fn forget_subscription(&mut self, id: &SubscriptionId) {
        self.awaited.retain(|_, awaited| !matches!(awaited, Awaited::Subscription(of) if of == id));
    }

    /// Waits no longer for the receipt of an UNSUBSCRIBE.
    pub(super) fn forget_unsubscription(&mut self, id: &SubscriptionId) {
        self.awaited
            .retain(|_, awaited| !matches!(awaited, Awaited::Unsubscription(of) if of == id));
    }

    /// The server has ended a subscription while UNSUBSCRIBE was on its way.
    pub(super) fn cross_unsubscription(&mut self, id: &SubscriptionId) {
        for awaited in self.awaited.values_mut() {
            if matches!(awaited, Awaited::Unsubscription(of) if of == id) {
                *awaited = Awaited::CrossedUnsubscription;
            }
        }
    }

    /// Notes that an operation is on its way.
    pub(super) fn set_sent(&mut self, id: &ReceiptId, again: Option<Box<Entry>>) {
        let awaited = number(id).and_then(|number| self.awaited.get_mut(&number));
        if let Some(Awaited::Operation { progress, .. }) = awaited {
            self.octets += again.as_ref().map_or(0, |entry| entry.operation.octets());
            *progress = Progress::Sent(again);
        }
    }

    /// The connection has ended: whoever waits for something that was sent by it is told, and what is to be sent
    /// again comes back, in order. What was not sent yet is waited for as before.
    pub(super) fn lose(&mut self, end: &ConnectionEnd) -> Lost {
        let (mut again, mut subscriptions) = (Vec::new(), Vec::new());
        self.octets = 0;
        for (number, awaited) in std::mem::take(&mut self.awaited) {
            match awaited {
                Awaited::Subscription(id) => subscriptions.push(id),
                // It has ended with its connection.
                Awaited::Unsubscription(_) | Awaited::CrossedUnsubscription => {}
                Awaited::Operation { outcome, progress: Progress::Sent(None) } => {
                    // Nobody may be waiting any more.
                    let _ = outcome.send(Err(StompError::Unconfirmed(end.clone())));
                }
                Awaited::Operation { outcome, progress } => {
                    if let Progress::Sent(Some(entry)) = progress {
                        again.push(*entry);
                    }
                    let waits = Awaited::Operation { outcome, progress: Progress::Waits };
                    self.awaited.insert(number, waits);
                }
            }
        }
        Lost { again, subscriptions }
    }

    /// Nothing is sent any more: all who wait are told.
    pub(super) fn end(&mut self, error: &StompError) {
        self.octets = 0;
        for awaited in std::mem::take(&mut self.awaited).into_values() {
            if let Awaited::Operation { outcome, .. } = awaited {
                let _ = outcome.send(Err(error.clone()));
            }
        }
    }
}

fn number(id: &ReceiptId) -> Option<u64> {
    id.as_str().parse().ok()
}
