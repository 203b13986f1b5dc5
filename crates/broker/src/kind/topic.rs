mod archive;
mod history;
mod keeping;

use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;

pub(crate) use self::archive::Archive;
pub(crate) use self::history::KeptOctets;
use super::{DestinationKind, Kind, NotAttached, Occupancy, Refusal};
use crate::destination::Destination;
use crate::history::Beginning;
use crate::message::Message;
use crate::operation::Operation;
use crate::stats::DestinationStats;
use crate::subscribers::Subscribers;
use crate::subscription::{SessionKey, Subscription};
use crate::sync::{Guard, lock};

/// A topic, or all topics that match one pattern, or a user's destination: its subscribers, and what it keeps for those that
/// come later, if it keeps anything.
///
/// Publishing takes no lock. It reads a snapshot that subscribing and unsubscribing replace, one
/// after the other. Subscribers that do not want all have a snapshot of their own, so that the others do
/// not pay for them.
#[derive(Debug)]
pub(crate) struct Topic<S> {
    name: Destination,
    kind: Kind,
    subscribers: ArcSwap<Subscribers<S>>,
    selective: ArcSwap<Subscribers<S>>,
    /// Held by whoever replaces a snapshot.
    writer: Mutex<Life>,
    /// For those few that keep messages, from the first one on.
    archive: OnceLock<Box<Archive<S>>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open,
    Retired,
}

impl<S> Topic<S> {
    pub(crate) fn new(name: Destination, kind: Kind) -> Self {
        let nobody = || ArcSwap::from_pointee(Subscribers::default());
        let writer = Mutex::new(Life::Open);
        let archive = OnceLock::new();
        Self { name, kind, subscribers: nobody(), selective: nobody(), writer, archive }
    }

    /// A topic that keeps messages.
    pub(crate) fn keeping(name: Destination, archive: Archive<S>) -> Self {
        Self { archive: OnceLock::from(Box::new(archive)), ..Self::new(name, Kind::Topic) }
    }

    /// Takes a message that is for one session only. Returns to how many of its subscriptions it was handed.
    pub(crate) fn send_to_session(
        &self,
        session: SessionKey,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> usize {
        let mut handed = 0;
        for snapshot in [&self.subscribers, &self.selective] {
            let subscribers = self.confirmed(snapshot);
            let meant = subscribers.filter(|it| it.session == session && it.wants(message));
            if !meant.is_empty() {
                operation.sink.topic(message, &meant);
            }
            handed += meant.len();
        }
        handed
    }

    fn has_subscribers(&self) -> bool {
        !self.subscribers.load().is_empty() || !self.selective.load().is_empty()
    }

    fn snapshot_of(&self, subscription: &Subscription<S>) -> &ArcSwap<Subscribers<S>> {
        if subscription.wants_all() { &self.subscribers } else { &self.selective }
    }

    /// A snapshot whose newest subscriber knows that it has subscribed.
    fn confirmed(
        &self,
        snapshot: &ArcSwap<Subscribers<S>>,
    ) -> arc_swap::Guard<Arc<Subscribers<S>>> {
        let subscribers = snapshot.load();
        if !subscribers.is_confirmed() {
            // Someone subscribes at this moment and holds the writer lock until that is confirmed.
            drop(lock(&self.writer));
        }
        subscribers
    }

    /// From now on the subscriber gets what is sent. `before` is for what it has to get first.
    ///
    /// That must not leave before messages can reach the subscriber, and no message may leave before it.
    /// So the snapshot is published first, marked unconfirmed, and whoever finds the mark waits.
    fn join(
        &self,
        _: &Guard<'_, Life>,
        subscription: &Arc<Subscription<S>>,
        before: impl FnOnce(),
    ) {
        let snapshot = self.snapshot_of(subscription);
        let subscribers = Arc::new(snapshot.load().with(Arc::clone(subscription)));
        snapshot.store(Arc::clone(&subscribers));
        before();
        subscribers.confirm();
    }
}

impl<S: Send + Sync> DestinationKind<S> for Topic<S> {
    fn on_send(
        &self,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, Refusal> {
        let subscribers = self.confirmed(&self.subscribers);
        if !subscribers.is_empty() {
            operation.sink.topic(message, &subscribers);
        }
        let selective = self.confirmed(&self.selective);
        if selective.is_empty() {
            return Ok(subscribers.len());
        }
        let willing = selective.filter(|subscription| subscription.wants(message));
        if !willing.is_empty() {
            operation.sink.topic(message, &willing);
        }
        Ok(subscribers.len() + willing.len())
    }

    fn on_subscribe(
        &self,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        let life = lock(&self.writer);
        if let Some(archive) = self.archive() {
            drop(life);
            return self.subscribe_behind(archive, subscription, on_active, operation);
        }
        if *life == Life::Retired {
            return Err(NotAttached::Retired);
        }
        let rewind = subscription.options().rewind.as_ref();
        self.join(&life, subscription, || on_active(Beginning::without_history(rewind)));
        Ok(())
    }

    fn on_unsubscribe(&self, subscriptions: &[&Subscription<S>], operation: &mut Operation<'_, S>) {
        let mut archive = self.archive().map(Archive::lock);
        if let Some(archive) = &mut archive {
            archive.touch(operation.now);
            subscriptions.iter().for_each(|subscription| archive.remove_reader(subscription));
        }
        let _life = lock(&self.writer);
        for subscription in subscriptions {
            let snapshot = self.snapshot_of(subscription);
            if let Some(subscribers) = snapshot.load().without(subscription) {
                snapshot.store(Arc::new(subscribers));
            }
        }
    }

    fn on_resume(&self, subscription: &Subscription<S>, operation: &mut Operation<'_, S>) {
        if let Some(archive) = self.archive() {
            self.go_on(archive, subscription, operation);
        }
    }

    fn on_timeout(&self, operation: &mut Operation<'_, S>) {
        if let Some(archive) = self.archive() {
            self.tidy(archive, operation);
        }
    }

    fn retire_if_vacant(&self, operation: &mut Operation<'_, S>) -> Occupancy {
        let mut life = lock(&self.writer);
        if let Some(archive) = self.archive() {
            drop(life);
            return self.retire_with(archive, operation);
        }
        if self.has_subscribers() {
            return Occupancy::InUse;
        }
        *life = Life::Retired;
        Occupancy::Retired
    }

    fn stats(&self) -> DestinationStats {
        let archive = self.archive().map(|archive| {
            let archive = archive.lock();
            (archive.readers(), archive.kept())
        });
        let (readers, (kept, octets)) = archive.unwrap_or_default();
        let subscribers = self.subscribers.load().len() + self.selective.load().len();
        DestinationStats {
            name: self.name.clone(),
            kind: self.kind,
            subscriptions: subscribers + readers,
            ready: 0,
            delayed: 0,
            unsettled: 0,
            kept,
            octets,
        }
    }
}
