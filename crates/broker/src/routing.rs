use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::address::Addresses;
use crate::alarms::Alarms;
use crate::destination::Destination;
use crate::history::epoch;
use crate::index::Index;
use crate::kind::{
    Allowance, Archive, DestinationKind, KeptOctets, Kind, Occupancy, Presence, Queue, Role, Topic,
};
use crate::limits::{Quota, QuotaSpent};
use crate::operation::Operation;
use crate::options::BrokerOptions;
use crate::pattern::{DestinationPattern, Word};
use crate::record::QueueId;
use crate::retained::RetainedTopics;
use crate::timestamp::Timestamp;
use crate::trie::PatternTrie;

/// Finds destinations: exact ones by name, patterns by what they match.
///
/// Nothing is in it that nobody uses. Whoever ends a use calls
/// [`close_if_vacant`](Self::close_if_vacant); whoever meets a retired destination helps to remove
/// it, and opens another.
pub(crate) struct RoutingTable<S> {
    addresses: Addresses,
    options: Arc<BrokerOptions>,
    /// Of topics, queues and patterns together.
    quota: Arc<Quota>,
    /// Of topics, queues and presences. Patterns want to be told nothing.
    alarms: Alarms,
    topics: Index<Topic<S>>,
    queues: Index<Queue<S>>,
    presences: Index<Presence<S>>,
    /// The destinations of users. There are no more of them than subscriptions, which are counted.
    users: Index<Topic<S>>,
    /// Whether some topics have presence.
    has_presence: bool,
    next_queue: AtomicU64,
    /// Whether there are topics that keep messages, whatever their senders ask for.
    keeps_messages: bool,
    kept_octets: Arc<KeptOctets>,
    next_history: AtomicU64,
    retained: RetainedTopics<S>,
    patterns: RwLock<PatternTrie<Arc<Topic<S>>>>,
    /// So that publishing needs no lock as long as there are no patterns.
    patterns_len: AtomicUsize,
}

impl<S: Send + Sync + 'static> RoutingTable<S> {
    pub(crate) fn new(options: &Arc<BrokerOptions>) -> Self {
        let quota = Arc::new(Quota::new(options.limits.destinations_max));
        Self {
            addresses: Addresses::new(options),
            options: Arc::clone(options),
            topics: Index::new(Arc::clone(&quota)),
            queues: Index::new(Arc::clone(&quota)),
            presences: Index::new(Arc::clone(&quota)),
            users: Index::new(Arc::new(Quota::new(usize::MAX))),
            has_presence: options.policies.have_presence(),
            next_queue: AtomicU64::new(1),
            keeps_messages: options.policies.keep_messages(),
            kept_octets: Arc::new(KeptOctets::new(options.limits.kept_octets_max)),
            next_history: AtomicU64::new(1),
            retained: RetainedTopics::new(),
            quota,
            alarms: Alarms::default(),
            patterns: RwLock::new(PatternTrie::new()),
            patterns_len: AtomicUsize::new(0),
        }
    }

    /// What names stand for.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn find(&self, pattern: &DestinationPattern) -> Option<Arc<dyn DestinationKind<S>>> {
        match pattern.words() {
            None => match self.topics.find(pattern.name()) {
                Some(topic) => Some(topic),
                None => match self.queues.find(pattern.name()) {
                    Some(queue) => Some(queue),
                    None => match self.presences.find(pattern.name()) {
                        Some(presence) => Some(presence),
                        None => Some(self.users.find(pattern.name())?),
                    },
                },
            },
            Some(words) => {
                let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
                Some(Arc::clone(patterns.get(words)?) as _)
            }
        }
    }

    pub(crate) fn queue(&self, name: &Destination) -> Option<Arc<Queue<S>>> {
        self.queues.find(name)
    }

    /// A queue like what it would be if it were created.
    pub(crate) fn empty_queue(&self, name: &Destination) -> Arc<Queue<S>> {
        Arc::new(Queue::new(name.clone(), Role::Named, QueueId(0), &self.options))
    }

    /// Finds the topic or the topics that a pattern stands for, or creates it: it keeps what is sent from
    /// now on, if it keeps messages.
    pub(crate) fn open_topic(
        &self,
        pattern: &DestinationPattern,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Arc<Topic<S>>, QuotaSpent> {
        let name = pattern.name();
        match pattern.words() {
            None => match self.topics.find(name) {
                Some(found) => Ok(found),
                None => {
                    let make = || Arc::new(self.new_topic(name, kind, now));
                    self.topics.find_or_insert(name, make)
                }
            },
            Some(words) => self.open_pattern(words, || Arc::new(Topic::new(name.clone(), kind))),
        }
    }

    fn new_topic(&self, name: &Destination, kind: Kind, now: Timestamp) -> Topic<S> {
        let may_keep = self.keeps_messages && kind == Kind::Topic;
        if may_keep && self.options.policies.of(name).keeps_messages() {
            Topic::keeping(name.clone(), self.archive_of(name, now))
        } else {
            Topic::new(name.clone(), kind)
        }
    }

    /// What keeps the messages of a topic from now on.
    pub(crate) fn archive_of(&self, name: &Destination, now: Timestamp) -> Archive<S> {
        let number = self.next_history.fetch_add(1, Ordering::Relaxed);
        let epoch = epoch(&self.options.history_epoch, number);
        Archive::new(self.options.policies.of(name), epoch, now, Arc::clone(&self.kept_octets))
    }

    pub(crate) fn keeps_messages(&self) -> bool {
        self.keeps_messages
    }

    /// Octets of what all topics together keep.
    pub(crate) fn kept_octets(&self) -> usize {
        self.kept_octets.used()
    }

    /// Whether topics together can keep so many octets more.
    pub(crate) fn has_room_to_keep(&self, octets: usize) -> bool {
        self.kept_octets.has_room(octets)
    }

    pub(crate) fn retained(&self) -> &RetainedTopics<S> {
        &self.retained
    }

    pub(crate) fn has_presence(&self) -> bool {
        self.has_presence
    }

    /// The presence that is told under this name, if it is in use.
    pub(crate) fn presence(&self, name: &Destination) -> Option<Arc<Presence<S>>> {
        self.presences.find(name)
    }

    pub(crate) fn open_presence(
        &self,
        name: &Destination,
        make: impl FnOnce() -> Presence<S>,
    ) -> Result<Arc<Presence<S>>, QuotaSpent> {
        match self.presences.find(name) {
            Some(found) => Ok(found),
            None => self.presences.find_or_insert(name, || Arc::new(make())),
        }
    }

    /// The same, even if there are too many destinations: that was asked before.
    pub(crate) fn open_presence_in_any_case(
        &self,
        name: &Destination,
        make: impl FnOnce() -> Presence<S>,
    ) -> Arc<Presence<S>> {
        self.presences.find_or_insert_in_any_case(name, || Arc::new(make()))
    }

    /// The topic of this name, if it is in use.
    pub(crate) fn topic(&self, name: &Destination) -> Option<Arc<Topic<S>>> {
        self.topics.find(name)
    }

    /// The destination of a user that is known by this name, if a session is subscribed to it.
    pub(crate) fn user(&self, name: &Destination) -> Option<Arc<Topic<S>>> {
        self.users.find(name)
    }

    /// The same, made if there is none.
    pub(crate) fn open_user(&self, name: &Destination) -> Arc<Topic<S>> {
        let make = || Arc::new(Topic::new(name.clone(), Kind::User));
        self.users.find(name).unwrap_or_else(|| self.users.find_or_insert_in_any_case(name, make))
    }

    /// Finds a queue, or creates it.
    pub(crate) fn open_queue(
        &self,
        name: &Destination,
        role: &Role,
    ) -> Result<Arc<Queue<S>>, QuotaSpent> {
        if let Some(found) = self.queues.find(name) {
            return Ok(found);
        }
        self.queues.find_or_insert(name, || self.new_queue(name, role))
    }

    /// The same, even if there are too many destinations: that was asked before.
    pub(crate) fn open_queue_in_any_case(&self, name: &Destination, role: &Role) -> Arc<Queue<S>> {
        self.queues.find_or_insert_in_any_case(name, || self.new_queue(name, role))
    }

    /// Finds a temporary queue, or creates it.
    pub(crate) fn open_temporary(
        &self,
        name: &Destination,
        allowance: &Arc<Allowance>,
    ) -> Result<Arc<Queue<S>>, QuotaSpent> {
        let create = || Queue::temporary(name.clone(), Arc::clone(allowance), &self.options);
        self.queues.find_or_insert(name, || Arc::new(create()))
    }

    fn new_queue(&self, name: &Destination, role: &Role) -> Arc<Queue<S>> {
        let id = QueueId(self.next_queue.fetch_add(1, Ordering::Relaxed));
        Arc::new(Queue::new(name.clone(), role.clone(), id, &self.options))
    }

    /// Whether so many destinations can be made.
    pub(crate) fn check_places(&self, count: usize) -> Result<(), QuotaSpent> {
        self.quota.check(count)
    }

    /// Adds a queue that was found in the store. No other may have its name.
    pub(crate) fn restore_queue(&self, queue: Queue<S>) -> Result<Arc<Queue<S>>, QuotaSpent> {
        let name = queue.name().clone();
        self.queues.find_or_insert(&name, || Arc::new(queue))
    }

    /// Queues that are created from now on get ids beyond this one.
    pub(crate) fn reserve_queue_ids(&self, upto: QueueId) {
        self.next_queue.fetch_max(upto.0.saturating_add(1), Ordering::Relaxed);
    }

    /// Removes a destination that has retired, unless it is gone already.
    pub(crate) fn close<T: ?Sized>(&self, pattern: &DestinationPattern, retired: &Arc<T>) {
        let Some(words) = pattern.words() else {
            let name = pattern.name();
            self.retained.remove(name, retired);
            self.topics.remove(name, retired);
            self.presences.remove(name, retired);
            self.queues.remove(name, retired);
            self.users.remove(name, retired);
            return self.alarms.remove(name, || self.exists(name));
        };
        let mut patterns = self.patterns.write().unwrap_or_else(PoisonError::into_inner);
        let same = |found: &Arc<_>| ptr::addr_eq(Arc::as_ptr(found), Arc::as_ptr(retired));
        if patterns.get(words).is_some_and(same) {
            patterns.remove(words);
            self.patterns_len.store(patterns.len(), Ordering::Release);
            self.quota.give_back();
        }
    }

    /// Has a destination told the time no later than `at`, unless it is gone. Whether no other wants to
    /// be told earlier.
    pub(crate) fn set_alarm(&self, at: Timestamp, name: &Destination) -> bool {
        self.alarms.set(at, name, || self.exists(name))
    }

    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Whether there is a destination of this name.
    fn exists(&self, name: &Destination) -> bool {
        self.topics.find(name).is_some()
            || self.queues.find(name).is_some()
            || self.presences.find(name).is_some()
    }

    /// Removes a destination that nobody uses.
    pub(crate) fn close_if_vacant(
        &self,
        pattern: &DestinationPattern,
        destination: &Arc<dyn DestinationKind<S>>,
        operation: &mut Operation<'_, S>,
    ) {
        if destination.retire_if_vacant(operation) == Occupancy::Retired {
            self.close(pattern, destination);
        }
    }

    /// The topic of that name, and the patterns that match it.
    pub(crate) fn listening_to(
        &self,
        name: &Destination,
    ) -> impl Iterator<Item = Arc<Topic<S>>> + use<S> {
        self.topics.find(name).into_iter().chain(self.patterns_of(name))
    }

    /// The patterns that match a name.
    pub(crate) fn patterns_of(&self, name: &Destination) -> Vec<Arc<Topic<S>>> {
        let mut patterns = Vec::new();
        if self.patterns_len.load(Ordering::Acquire) > 0 {
            let trie = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
            trie.find_matching(name.as_str(), |found| patterns.push(Arc::clone(found)));
        }
        patterns
    }

    /// How many destinations and patterns there are.
    pub(crate) fn len(&self) -> usize {
        self.quota.used() + self.users.len()
    }

    /// Every destination and pattern, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<dyn DestinationKind<S>>> {
        let mut all: Vec<Arc<dyn DestinationKind<S>>> = Vec::new();
        all.extend(self.topics.values().into_iter().map(|topic| topic as _));
        all.extend(self.queues.values().into_iter().map(|queue| queue as _));
        all.extend(self.presences.values().into_iter().map(|presence| presence as _));
        all.extend(self.users.values().into_iter().map(|user| user as _));
        let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
        all.extend(patterns.values().into_iter().map(|topic| Arc::clone(topic) as _));
        all
    }

    fn open_pattern(
        &self,
        words: &[Word],
        create: impl FnOnce() -> Arc<Topic<S>>,
    ) -> Result<Arc<Topic<S>>, QuotaSpent> {
        let mut patterns = self.patterns.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = patterns.get(words) {
            return Ok(Arc::clone(found));
        }
        self.quota.take()?;
        let created = create();
        patterns.insert(words, Arc::clone(&created));
        self.patterns_len.store(patterns.len(), Ordering::Release);
        Ok(created)
    }
}
