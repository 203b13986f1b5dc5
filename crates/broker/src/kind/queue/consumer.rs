use std::collections::BTreeMap;
use std::sync::Arc;

use super::backlog::Queued;
use crate::acknowledgement::DeliveryTag;
use crate::kind::DeliveryName;
use crate::stomp::AckMode;
use crate::subscription::Subscription;

/// A subscription to a queue, with the messages that it has not settled.
#[derive(Debug)]
pub(super) struct Consumer<S> {
    pub(super) subscription: Arc<Subscription<S>>,
    acknowledgement: Acknowledgement,
}

#[derive(Debug)]
enum Acknowledgement {
    /// A message is consumed once it is delivered.
    OnDelivery,
    Awaited(Awaited),
}

#[derive(Debug)]
struct Awaited {
    covers: Covers,
    /// How many messages may be unsettled.
    prefetch: usize,
    next_tag: u64,
    /// In the order of delivery.
    unsettled: BTreeMap<DeliveryTag, Queued>,
    /// By the serial number of the message, for versions of STOMP that acknowledge by message.
    tags: BTreeMap<u64, DeliveryTag>,
}

/// What one ACK is for.
#[derive(Clone, Copy, Debug)]
enum Covers {
    OneDelivery,
    /// Also all that were delivered before.
    EarlierDeliveries,
}

impl<S> Consumer<S> {
    pub(super) fn new(subscription: Arc<Subscription<S>>, prefetch_default: u32) -> Self {
        let covers = match subscription.ack {
            AckMode::Auto => None,
            AckMode::Client => Some(Covers::EarlierDeliveries),
            AckMode::ClientIndividual => Some(Covers::OneDelivery),
        };
        let prefetch = match subscription.prefetch.unwrap_or(prefetch_default) {
            0 => usize::MAX,
            prefetch => usize::try_from(prefetch).unwrap_or(usize::MAX),
        };
        let acknowledgement = match covers {
            None => Acknowledgement::OnDelivery,
            Some(covers) => Acknowledgement::Awaited(Awaited {
                covers,
                prefetch,
                next_tag: 1,
                unsettled: BTreeMap::new(),
                tags: BTreeMap::new(),
            }),
        };
        Self { subscription, acknowledgement }
    }

    /// Whether it may have another message, as far as its prefetch goes.
    pub(super) fn has_credit(&self) -> bool {
        match &self.acknowledgement {
            Acknowledgement::OnDelivery => true,
            Acknowledgement::Awaited(awaited) => awaited.unsettled.len() < awaited.prefetch,
        }
    }

    pub(super) fn expects_ack(&self) -> bool {
        matches!(self.acknowledgement, Acknowledgement::Awaited(_))
    }

    /// A name for the next delivery, if it is to be settled.
    pub(super) fn next_tag(&mut self) -> Option<DeliveryTag> {
        match &mut self.acknowledgement {
            Acknowledgement::OnDelivery => None,
            Acknowledgement::Awaited(awaited) => {
                let tag = DeliveryTag(awaited.next_tag);
                awaited.next_tag += 1;
                Some(tag)
            }
        }
    }

    /// A message has been delivered and waits for its ACK.
    pub(super) fn record(&mut self, tag: DeliveryTag, queued: Queued) {
        if let Acknowledgement::Awaited(awaited) = &mut self.acknowledgement {
            awaited.tags.insert(queued.message.message_id.serial(), tag);
            awaited.unsettled.insert(tag, queued);
        }
    }

    /// Takes all messages that an ACK or NACK for `delivery` is about, in the order of delivery:
    /// none if that one does not wait for an answer.
    pub(super) fn settle(&mut self, delivery: DeliveryName) -> Vec<Queued> {
        match &mut self.acknowledgement {
            Acknowledgement::OnDelivery => Vec::new(),
            Acknowledgement::Awaited(awaited) => awaited.settle(delivery),
        }
    }

    /// All messages that were not settled, in the order of delivery.
    pub(super) fn into_unsettled(self) -> impl Iterator<Item = Queued> {
        let unsettled = match self.acknowledgement {
            Acknowledgement::OnDelivery => BTreeMap::new(),
            Acknowledgement::Awaited(awaited) => awaited.unsettled,
        };
        unsettled.into_values()
    }
}

impl Awaited {
    fn settle(&mut self, delivery: DeliveryName) -> Vec<Queued> {
        let tag = match delivery {
            DeliveryName::Tag(tag) => Some(tag),
            DeliveryName::Message(serial) => self.tags.get(&serial).copied(),
        };
        let Some(last) = tag.and_then(|tag| self.unsettled.remove_entry(&tag)) else {
            return Vec::new();
        };
        let (tag, last) = last;
        let mut settled = match self.covers {
            Covers::OneDelivery => Vec::new(),
            Covers::EarlierDeliveries => {
                let later = self.unsettled.split_off(&tag);
                std::mem::replace(&mut self.unsettled, later).into_values().collect()
            }
        };
        settled.push(last);
        for queued in &settled {
            self.tags.remove(&queued.message.message_id.serial());
        }
        settled
    }
}
