use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{
    BatchNumber, Broker, Change, Delivered, Delivery, Destination, EncodingClass, Message, Sink,
    Storage, Subscribers, Timestamp,
};
use tidings_stomp::{MessageParts, SubscriptionId, Version, encode_message};

use crate::disk::number;
use crate::model::DEAD_LETTERS;
use crate::outside::{Outside, Publishing};
use crate::plan::Plant;
use crate::random::Random;
use crate::server::Now;
use crate::session::{Life, ServerSession};

/// Hands what the broker delivers to the sessions.
pub(crate) struct Deliveries<'a> {
    pub(crate) now: Now,
    pub(crate) broker: &'a Broker<u64>,
    pub(crate) sessions: &'a mut BTreeMap<u64, ServerSession>,
    pub(crate) outside: &'a mut Outside,
    pub(crate) random: &'a mut Random,
    pub(crate) storage: Storage,
    pub(crate) plant: Plant,
    pub(crate) batch: Option<BatchNumber>,
}

impl Sink<u64> for Deliveries<'_> {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<u64>) {
        for (class, subscriptions) in subscribers.groups() {
            let (destination, ack) =
                (subscriptions.destination(message), subscriptions.ack(message));
            let frame = self.frame(message, destination, class, ack, 1);
            for subscription in subscriptions {
                if let Some(session) = self.sessions.get_mut(&subscription.subscriber) {
                    session.send(self.now.instant, frame.clone());
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, u64>) -> Delivered {
        let subscription = delivery.subscription;
        let (key, count) = (subscription.subscriber, delivery.delivery_count);
        let ack = delivery.ack.as_ref().map(|ack| ack.as_str());
        let destination = subscription.destination_of(delivery.message);
        let frame = self.frame(delivery.message, destination, &subscription.class, ack, count);
        let Some(session) = self.sessions.get_mut(&key).filter(|it| it.life == Life::Open) else {
            return Delivered::Refused;
        };
        if let Some(message) = number(&delivery.message.body) {
            let what = format_args!("is delivered to {key:x}, time {count}");
            self.outside.trace.message(message, what);
        }
        session.send(self.now.instant, frame);
        if session.is_backlogged() {
            session.is_paused = true;
            return Delivered::ThenPause;
        }
        Delivered::Ready
    }

    fn record(&mut self, change: Change) {
        if self.plant == Plant::LostMarks && matches!(change, Change::Mark { .. }) {
            return;
        }
        if let Some(batch) = self.batch
            && self.random.percent(50)
        {
            self.outside.begin_batch();
            if self.plant == Plant::SplitOperations {
                self.outside.collector.finish(batch);
                self.batch = None;
            }
        }
        let held = self.outside.note(&change, self.plant);
        self.outside.record(&mut self.batch, change);
        if let Some(held) = held {
            self.publish_meanwhile(&held);
        }
    }

    fn storage(&self) -> Storage {
        self.storage
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.outside.wake_at = self.outside.wake_at.into_iter().chain([at]).min();
    }

    fn has_room(&mut self, queue: &Destination) {
        if self.plant != Plant::ForgottenRoom {
            self.outside.rooms.push(queue.clone());
        }
    }
}

impl Deliveries<'_> {
    /// The application sends something in the middle of an operation that has a queue in its hand, as
    /// another thread does: not to that queue, for which it would have to wait.
    fn publish_meanwhile(&mut self, held: &Destination) {
        if self.outside.publishing == Publishing::Nothing && self.random.percent(60) {
            let Some(publication) = self.outside.publications.first() else { return };
            // What another queue gives up may go to the queue of dead letters in hand.
            if publication.destination == *held || held.as_str().starts_with(DEAD_LETTERS) {
                return;
            }
            let publications = std::mem::take(&mut self.outside.publications);
            let own = self.batch.take();
            if self.random.percent(50) {
                self.outside.begin_batch();
            }
            self.outside.publishing = Publishing::Something;
            for publication in publications {
                self.outside.meanwhile += 1;
                publication.publish(self.broker, self.now, self);
            }
            self.outside.publishing = Publishing::Nothing;
            self.batch = own;
        }
    }

    fn frame(
        &self,
        message: &Message,
        destination: &Destination,
        class: &EncodingClass,
        ack: Option<&str>,
        deliveries: u32,
    ) -> Bytes {
        let is_redelivered = deliveries > 1 || self.plant == Plant::AlwaysMarked;
        let parts = MessageParts {
            destination: destination.as_str(),
            message_id: message.message_id.as_str(),
            subscription: class.subscription.as_ref().map(SubscriptionId::as_str),
            ack: ack.filter(|_| class.version >= Version::V1_2),
            redelivered: is_redelivered,
            headers: &message.headers,
            body: &message.body,
        };
        let mut frame = Vec::new();
        encode_message(&parts, class.version, &mut frame);
        frame.into()
    }
}
