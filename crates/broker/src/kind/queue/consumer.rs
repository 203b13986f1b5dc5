use std::collections::BTreeMap;
use std::sync::Arc;

use super::backlog::{Place, Queued};
use crate::acknowledgement::DeliveryTag;
use crate::kind::DeliveryName;
use crate::message::Message;
use crate::stomp::{AckMode, Version};
use crate::subscription::{Exclusivity, Subscription};

/// A subscription to a queue, with the messages that it has not settled.
#[derive(Debug)]
pub(super) struct Consumer<S> {
    pub(super) subscription: Arc<Subscription<S>>,
    /// Ready messages before this place are not for it: it has looked at them.
    pub(super) cursor: Place,
    acknowledgement: Acknowledgement,
}

#[derive(Debug)]
enum Acknowledgement {
    /// A message is consumed once it is delivered.
    OnDelivery,
    Awaited(Box<Awaited>),
}

#[derive(Debug)]
struct Awaited {
    covers: Covers,
    /// How many messages may be unsettled.
    prefetch: usize,
    /// How many octets may be unsettled before there is no further message.
    window_octets: usize,
    /// How many are.
    octets: usize,
    next_tag: u64,
    /// In the order of delivery.
    unsettled: BTreeMap<DeliveryTag, Queued>,
    /// By the serial number of the message, for versions of STOMP that acknowledge by message.
    tags: Option<BTreeMap<u64, DeliveryTag>>,
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
        let prefetch = match subscription.options().prefetch.unwrap_or(prefetch_default) {
            0 => usize::MAX,
            prefetch => usize::try_from(prefetch).unwrap_or(usize::MAX),
        };
        let window_octets = subscription.options().window_octets;
        let window_octets = window_octets.and_then(|octets| usize::try_from(octets).ok());
        let window_octets = window_octets.unwrap_or(usize::MAX);
        let names_messages = subscription.class.version < Version::V1_2;
        let acknowledgement = match covers {
            None => Acknowledgement::OnDelivery,
            Some(covers) => Acknowledgement::Awaited(Box::new(Awaited {
                covers,
                prefetch,
                window_octets,
                octets: 0,
                next_tag: 1,
                unsettled: BTreeMap::new(),
                tags: names_messages.then(BTreeMap::new),
            })),
        };
        Self { subscription, cursor: Place::default(), acknowledgement }
    }

    pub(super) fn priority(&self) -> i32 {
        self.subscription.options().priority
    }

    pub(super) fn is_first_in_line(&self) -> bool {
        self.subscription.options().exclusivity == Exclusivity::FirstInLine
    }

    /// Whether it would take this message, as far as its selector goes.
    pub(super) fn wants(&self, message: &Message) -> bool {
        self.subscription.wants(message)
    }

    /// Whether it may have another message now.
    pub(super) fn is_ready(&self) -> bool {
        self.has_credit() && !self.subscription.flow.is_paused()
    }

    /// Whether it may have another message, as far as its prefetch goes.
    pub(super) fn has_credit(&self) -> bool {
        match &self.acknowledgement {
            Acknowledgement::OnDelivery => true,
            Acknowledgement::Awaited(awaited) => {
                let has_window =
                    awaited.unsettled.is_empty() || awaited.octets < awaited.window_octets;
                awaited.unsettled.len() < awaited.prefetch && has_window
            }
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
            if let Some(tags) = &mut awaited.tags {
                tags.insert(queued.message.message_id.serial(), tag);
            }
            if awaited.window_octets < usize::MAX {
                awaited.octets += queued.message.octets();
            }
            awaited.unsettled.insert(tag, queued);
        }
    }

    /// Whether this delivery waits for an ACK.
    pub(super) fn awaits(&self, delivery: DeliveryName) -> bool {
        match &self.acknowledgement {
            Acknowledgement::OnDelivery => false,
            Acknowledgement::Awaited(awaited) => awaited.find(delivery).is_some(),
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
    fn find(&self, delivery: DeliveryName) -> Option<DeliveryTag> {
        let tag = match (delivery, &self.tags) {
            (DeliveryName::Tag(tag), _) => Some(tag),
            (DeliveryName::Message(serial), Some(tags)) => tags.get(&serial).copied(),
            // A client of STOMP 1.2 that names messages all the same, mostly the oldest one.
            (DeliveryName::Message(serial), None) => {
                let is_this = |queued: &Queued| queued.message.message_id.serial() == serial;
                self.unsettled.iter().find(|(_, queued)| is_this(queued)).map(|(tag, _)| *tag)
            }
        };
        tag.filter(|tag| self.unsettled.contains_key(tag))
    }

    fn settle(&mut self, delivery: DeliveryName) -> Vec<Queued> {
        let last = self.find(delivery).and_then(|tag| self.unsettled.remove_entry(&tag));
        let Some((tag, last)) = last else { return Vec::new() };
        let mut settled = match self.covers {
            Covers::OneDelivery => Vec::with_capacity(1),
            Covers::EarlierDeliveries => {
                let later = self.unsettled.split_off(&tag);
                std::mem::replace(&mut self.unsettled, later).into_values().collect()
            }
        };
        settled.push(last);
        if self.window_octets < usize::MAX {
            self.octets -= settled.iter().map(|queued| queued.message.octets()).sum::<usize>();
        }
        if let Some(tags) = &mut self.tags {
            for queued in &settled {
                tags.remove(&queued.message.message_id.serial());
            }
        }
        settled
    }
}
