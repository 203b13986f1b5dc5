use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::{DestinationKind, Kind, Occupancy, Refusal, Retired};
use crate::destination::Destination;
use crate::message::Message;
use crate::sink::Sink;
use crate::stats::DestinationStats;
use crate::subscribers::Subscribers;
use crate::subscription::Subscription;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// A topic, or all topics that match one pattern: nothing but its subscribers.
///
/// Publishing takes no lock. It reads a snapshot that subscribing and unsubscribing replace, one
/// after the other.
#[derive(Debug)]
pub(crate) struct Topic<S> {
    name: Destination,
    subscribers: ArcSwap<Subscribers<S>>,
    /// Held by whoever replaces the snapshot.
    writer: Mutex<Life>,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open,
    Retired,
}

impl<S> Topic<S> {
    pub(crate) fn new(name: Destination) -> Self {
        let subscribers = ArcSwap::from_pointee(Subscribers::default());
        Self { name, subscribers, writer: Mutex::new(Life::Open) }
    }
}

impl<S: Send + Sync> DestinationKind<S> for Topic<S> {
    fn on_send(
        &self,
        _now: Timestamp,
        message: &Arc<Message>,
        sink: &mut dyn Sink<S>,
    ) -> Result<usize, Refusal> {
        let subscribers = self.subscribers.load();
        if !subscribers.is_confirmed() {
            // Someone subscribes at this moment and holds the writer lock until that is confirmed.
            drop(lock(&self.writer));
        }
        if !subscribers.is_empty() {
            sink.topic(message, &subscribers);
        }
        Ok(subscribers.len())
    }

    /// The confirmation must not leave before messages can reach the subscriber, and no message may
    /// leave before the confirmation. So the snapshot is published first, marked unconfirmed, and
    /// whoever finds the mark waits.
    fn on_subscribe(
        &self,
        _now: Timestamp,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(),
        _sink: &mut dyn Sink<S>,
    ) -> Result<(), Retired> {
        let life = lock(&self.writer);
        if *life == Life::Retired {
            return Err(Retired);
        }
        let subscribers = Arc::new(self.subscribers.load().with(Arc::clone(subscription)));
        self.subscribers.store(Arc::clone(&subscribers));
        on_active();
        subscribers.confirm();
        Ok(())
    }

    fn on_unsubscribe(
        &self,
        _now: Timestamp,
        subscriptions: &[&Subscription<S>],
        _sink: &mut dyn Sink<S>,
    ) {
        let _life = lock(&self.writer);
        for subscription in subscriptions {
            if let Some(subscribers) = self.subscribers.load().without(subscription) {
                self.subscribers.store(Arc::new(subscribers));
            }
        }
    }

    fn retire_if_vacant(&self) -> Occupancy {
        let mut life = lock(&self.writer);
        if !self.subscribers.load().is_empty() {
            return Occupancy::InUse;
        }
        *life = Life::Retired;
        Occupancy::Retired
    }

    fn stats(&self) -> DestinationStats {
        DestinationStats {
            name: self.name.clone(),
            kind: Kind::Topic,
            subscriptions: self.subscribers.load().len(),
            ready: 0,
            unsettled: 0,
            octets: 0,
        }
    }
}
