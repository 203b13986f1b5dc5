use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::destination::Destination;
use crate::kind::{Allowance, DestinationKind};
use crate::limits::Limits;
use crate::pattern::DestinationPattern;
use crate::stomp::SubscriptionId;
use crate::subscription::{Flow, SessionKey, Subscription};
use crate::sync::lock;

const SHARDS: u64 = 16;

/// Ids of ended subscriptions that a session remembers. An ACK may cross the end of its subscription.
pub(crate) const ENDED_MAX: usize = 64;

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
    /// In the order of their numbers. Several of one id, where it has subscribed to several destinations.
    routes: Vec<Route<S>>,
    next_number: u64,
    /// Its temporary destinations, if it has any.
    own: Option<Box<Own>>,
    /// The ids of the latest subscriptions that have ended, the oldest first.
    ended: VecDeque<SubscriptionId>,
    life: Life,
}

/// The temporary destinations of a session.
#[derive(Debug)]
struct Own {
    /// What it calls them, and their names.
    names: Vec<(Destination, Destination)>,
    allowance: Arc<Allowance>,
}

/// What a session leaves behind.
pub(crate) struct Remains<S> {
    /// Those of one destination side by side.
    pub(crate) routes: Vec<Route<S>>,
    /// The names of its temporary destinations.
    pub(crate) own: Vec<Destination>,
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
            routes: Vec::new(),
            next_number: 1,
            own: None,
            ended: VecDeque::new(),
            life: Life::Connected,
        };
        Self { flow: Arc::default(), routes: Mutex::new(routes) }
    }
}

impl<S> Routes<S> {
    pub(crate) fn len(&self) -> usize {
        self.routes.len()
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
        // Most sessions have one.
        if self.routes.is_empty() {
            self.routes.reserve_exact(1);
        }
        self.routes.push(route);
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Route<S>> {
        self.place_of(number).map(|at| &self.routes[at])
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.by_id(id).next().is_some()
    }

    /// The parts of a subscription: one for each destination.
    pub(crate) fn by_id<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Route<S>> {
        self.routes.iter().filter(move |route| route.subscription.id.as_str() == id)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Vec<Route<S>> {
        let removed: Vec<_> =
            self.routes.extract_if(.., |route| route.subscription.id.as_str() == id).collect();
        if let Some(route) = removed.first() {
            self.remember_ended(route.subscription.id.clone());
        }
        removed
    }

    fn remember_ended(&mut self, id: SubscriptionId) {
        if self.has_ended(Some(id.as_str())) {
            return;
        }
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }

    /// Whether a subscription of this id, or any, has ended, and not too many after it.
    pub(crate) fn has_ended(&self, id: Option<&str>) -> bool {
        self.ended.iter().any(|ended| id.is_none_or(|id| ended.as_str() == id))
    }

    /// Removes one part of a subscription; returns whether it was there.
    pub(crate) fn remove_part(&mut self, subscription: &Subscription<S>) -> bool {
        let Some(at) = self.place_of(subscription.number) else { return false };
        let route = self.routes.remove(at);
        self.remember_ended(route.subscription.id.clone());
        true
    }

    /// The routes, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route<S>> {
        self.routes.iter()
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        self.routes.binary_search_by_key(&number, |route| route.subscription.number).ok()
    }

    /// The temporary destination that the session calls so.
    pub(crate) fn own(&self, called: &Destination) -> Option<&Destination> {
        let names = &self.own.as_ref()?.names;
        names.iter().find(|(known, _)| known == called).map(|(_, name)| name)
    }

    pub(crate) fn own_len(&self) -> usize {
        self.own.as_ref().map_or(0, |own| own.names.len())
    }

    pub(crate) fn insert_own(&mut self, called: Destination, name: Destination, limits: &Limits) {
        self.own_or_none_yet(limits).names.push((called, name));
    }

    /// How much the temporary queues of the session may hold.
    pub(crate) fn allowance(&mut self, limits: &Limits) -> &Arc<Allowance> {
        &self.own_or_none_yet(limits).allowance
    }

    fn own_or_none_yet(&mut self, limits: &Limits) -> &mut Own {
        let none = || {
            let allowance = Arc::new(Allowance::new(limits.session_temporary_octets_max));
            Box::new(Own { names: Vec::new(), allowance })
        };
        self.own.get_or_insert_with(none)
    }

    /// Takes everything. Nothing more is wanted.
    pub(crate) fn disconnect(&mut self) -> Remains<S> {
        self.life = Life::Disconnected;
        let mut routes = std::mem::take(&mut self.routes);
        routes.sort_by_key(Route::place);
        let own = self.own.take().map(|own| own.names).unwrap_or_default();
        let own = own.into_iter().map(|(_, name)| name).collect();
        Remains { routes, own }
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
