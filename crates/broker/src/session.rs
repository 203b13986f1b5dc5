use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::kind::DestinationKind;
use crate::pattern::DestinationPattern;
use crate::stomp::SubscriptionId;
use crate::subscription::{Flow, SessionKey, Subscription};
use crate::sync::lock;

const SHARDS: u64 = 16;

/// Finds what a session has subscribed to.
#[derive(Debug)]
pub(crate) struct SessionTable<S> {
    shards: Box<[Shard<S>]>,
}

#[derive(Debug)]
struct Shard<S> {
    sessions: Mutex<HashMap<SessionKey, Arc<Session<S>>>>,
}

/// One session. Whatever it does to its subscriptions, it does under the lock of its routes, which
/// is taken before the lock of any destination.
#[derive(Debug)]
pub(crate) struct Session<S> {
    pub(crate) flow: Arc<Flow>,
    pub(crate) routes: Mutex<Routes<S>>,
}

#[derive(Debug)]
pub(crate) struct Routes<S> {
    by_number: BTreeMap<u64, Route<S>>,
    /// Several for an id that has subscribed to several destinations.
    numbers: HashMap<SubscriptionId, Vec<u64>>,
    next_number: u64,
    life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Connected,
    Disconnected,
}

/// Where a subscription is attached.
pub(crate) struct Route<S> {
    pub(crate) pattern: DestinationPattern,
    pub(crate) destination: Arc<dyn DestinationKind<S>>,
    pub(crate) subscription: Arc<Subscription<S>>,
}

impl<S> SessionTable<S> {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard { sessions: Mutex::default() }).collect() }
    }

    pub(crate) fn find(&self, key: SessionKey) -> Option<Arc<Session<S>>> {
        lock(&self.shard_of(key).sessions).get(&key).cloned()
    }

    pub(crate) fn find_or_insert(&self, key: SessionKey) -> Arc<Session<S>> {
        Arc::clone(lock(&self.shard_of(key).sessions).entry(key).or_default())
    }

    pub(crate) fn remove(&self, key: SessionKey) -> Option<Arc<Session<S>>> {
        lock(&self.shard_of(key).sessions).remove(&key)
    }

    /// How many sessions there are, and how many subscriptions they have.
    pub(crate) fn count(&self) -> (usize, usize) {
        let mut count = (0, 0);
        for shard in &self.shards {
            let sessions: Vec<_> = lock(&shard.sessions).values().cloned().collect();
            count.0 += sessions.len();
            count.1 += sessions.iter().map(|session| lock(&session.routes).len()).sum::<usize>();
        }
        count
    }

    fn shard_of(&self, key: SessionKey) -> &Shard<S> {
        let shard = usize::try_from(key.0 % SHARDS).unwrap_or(0);
        &self.shards[shard]
    }
}

impl<S> Default for Session<S> {
    fn default() -> Self {
        let routes = Routes {
            by_number: BTreeMap::new(),
            numbers: HashMap::new(),
            next_number: 1,
            life: Life::Connected,
        };
        Self { flow: Arc::default(), routes: Mutex::new(routes) }
    }
}

impl<S> Routes<S> {
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(crate) fn is_disconnected(&self) -> bool {
        self.life == Life::Disconnected
    }

    /// A number that no subscription of the session had before.
    pub(crate) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Whether a subscription of the session has, or had, this number.
    pub(crate) fn has_given(&self, number: u64) -> bool {
        (1..self.next_number).contains(&number)
    }

    pub(crate) fn insert(&mut self, route: Route<S>) {
        let subscription = &route.subscription;
        let numbers = self.numbers.entry(subscription.id.clone());
        numbers.or_insert_with(|| Vec::with_capacity(1)).push(subscription.number);
        self.by_number.insert(subscription.number, route);
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Route<S>> {
        self.by_number.get(&number)
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.numbers.contains_key(id)
    }

    /// The parts of a subscription: one for each destination.
    pub(crate) fn by_id(&self, id: &str) -> impl Iterator<Item = &Route<S>> {
        let numbers = self.numbers.get(id).map_or(&[][..], Vec::as_slice);
        numbers.iter().filter_map(|number| self.by_number(*number))
    }

    pub(crate) fn remove(&mut self, id: &str) -> Vec<Route<S>> {
        let numbers = self.numbers.remove(id).unwrap_or_default();
        numbers.iter().filter_map(|number| self.by_number.remove(number)).collect()
    }

    /// Removes one part of a subscription.
    pub(crate) fn remove_part(&mut self, subscription: &Subscription<S>) {
        self.by_number.remove(&subscription.number);
        if let Some(numbers) = self.numbers.get_mut(subscription.id.as_str()) {
            numbers.retain(|number| *number != subscription.number);
            if numbers.is_empty() {
                self.numbers.remove(subscription.id.as_str());
            }
        }
    }

    /// The routes, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route<S>> {
        self.by_number.values()
    }

    /// Takes all routes, those of one destination side by side. No further ones are wanted.
    pub(crate) fn disconnect(&mut self) -> Vec<Route<S>> {
        self.life = Life::Disconnected;
        self.numbers.clear();
        let mut routes: Vec<_> = std::mem::take(&mut self.by_number).into_values().collect();
        routes.sort_by_key(Route::place);
        routes
    }
}

impl<S> Route<S> {
    /// Tells its destination from all others.
    pub(crate) fn place(&self) -> usize {
        Arc::as_ptr(&self.destination).addr()
    }
}

impl<S> fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("pattern", &self.pattern)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}
