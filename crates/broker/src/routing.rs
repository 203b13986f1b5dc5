use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::destination::Destination;
use crate::error::UnknownDestination;
use crate::index::Index;
use crate::kind::{DestinationKind, Kind, Occupancy};
use crate::limits::{Limits, Quota, QuotaSpent};
use crate::options::BrokerOptions;
use crate::pattern::{DestinationPattern, Word};
use crate::trie::PatternTrie;

/// Finds destinations: exact ones by name, patterns by what they match.
///
/// Nothing is in it that nobody uses. Whoever ends a use calls
/// [`close_if_vacant`](Self::close_if_vacant); whoever meets a retired destination helps to remove
/// it, and opens another.
pub(crate) struct RoutingTable<S> {
    /// The longest first.
    prefixes: Box<[(Box<str>, Kind)]>,
    /// As they are told to those who use none of them.
    known_prefixes: Arc<[Box<str>]>,
    limits: Limits,
    /// Of exact destinations and patterns together.
    quota: Arc<Quota>,
    exact: Index<dyn DestinationKind<S>>,
    patterns: RwLock<PatternTrie<Arc<dyn DestinationKind<S>>>>,
    /// So that publishing needs no lock as long as there are no patterns.
    patterns_len: AtomicUsize,
}

impl<S: Send + Sync + 'static> RoutingTable<S> {
    pub(crate) fn new(options: &BrokerOptions) -> Self {
        let topics = options.topic_prefixes.iter().map(|prefix| (prefix, Kind::Topic));
        let queues = options.queue_prefixes.iter().map(|prefix| (prefix, Kind::Queue));
        let mut prefixes: Vec<(Box<str>, Kind)> =
            topics.chain(queues).map(|(prefix, kind)| (prefix.as_str().into(), kind)).collect();
        let known_prefixes = prefixes.iter().map(|(prefix, _)| prefix.clone()).collect();
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let quota = Arc::new(Quota::new(options.limits.destinations_max));
        Self {
            prefixes: prefixes.into(),
            known_prefixes,
            limits: options.limits.clone(),
            exact: Index::new(Arc::clone(&quota)),
            quota,
            patterns: RwLock::new(PatternTrie::new()),
            patterns_len: AtomicUsize::new(0),
        }
    }

    /// What kind of destination a name or pattern is for.
    pub(crate) fn kind(&self, text: &str) -> Result<Kind, UnknownDestination> {
        let fits = |prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        let found = self.prefixes.iter().find(|(prefix, _)| fits(prefix));
        found.map(|(_, kind)| *kind).ok_or_else(|| UnknownDestination {
            destination: text.into(),
            prefixes: Arc::clone(&self.known_prefixes),
        })
    }

    pub(crate) fn find(&self, pattern: &DestinationPattern) -> Option<Arc<dyn DestinationKind<S>>> {
        match pattern.words() {
            None => self.exact.find(pattern.name()),
            Some(words) => {
                let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
                patterns.get(words).cloned()
            }
        }
    }

    /// Finds a destination, or creates it.
    pub(crate) fn open(
        &self,
        kind: Kind,
        pattern: &DestinationPattern,
    ) -> Result<Arc<dyn DestinationKind<S>>, QuotaSpent> {
        if let Some(found) = self.find(pattern) {
            return Ok(found);
        }
        let create = || kind.open(pattern.name().clone(), &self.limits);
        match pattern.words() {
            None => self.exact.find_or_insert(pattern.name(), create),
            Some(words) => self.open_pattern(words, create),
        }
    }

    /// Removes a destination that has retired, unless it is gone already.
    pub(crate) fn close(
        &self,
        pattern: &DestinationPattern,
        retired: &Arc<dyn DestinationKind<S>>,
    ) {
        let Some(words) = pattern.words() else {
            return self.exact.remove(pattern.name(), retired);
        };
        let mut patterns = self.patterns.write().unwrap_or_else(PoisonError::into_inner);
        let same = |found: &Arc<_>| ptr::addr_eq(Arc::as_ptr(found), Arc::as_ptr(retired));
        if patterns.get(words).is_some_and(same) {
            patterns.remove(words);
            self.patterns_len.store(patterns.len(), Ordering::Release);
            self.quota.give_back();
        }
    }

    /// Removes a destination that nobody uses.
    pub(crate) fn close_if_vacant(
        &self,
        pattern: &DestinationPattern,
        destination: &Arc<dyn DestinationKind<S>>,
    ) {
        if destination.retire_if_vacant() == Occupancy::Retired {
            self.close(pattern, destination);
        }
    }

    /// The destination of that name, and the patterns that match it.
    pub(crate) fn listening_to(
        &self,
        name: &Destination,
    ) -> impl Iterator<Item = Arc<dyn DestinationKind<S>>> + use<S> {
        let mut patterns = Vec::new();
        if self.patterns_len.load(Ordering::Acquire) > 0 {
            let trie = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
            trie.find_matching(name.as_str(), |found| patterns.push(Arc::clone(found)));
        }
        self.exact.find(name).into_iter().chain(patterns)
    }

    /// How many destinations and patterns there are.
    pub(crate) fn len(&self) -> usize {
        self.quota.used()
    }

    /// Every destination and pattern, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<dyn DestinationKind<S>>> {
        let mut all = self.exact.values();
        let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
        all.extend(patterns.values().into_iter().cloned());
        all
    }

    fn open_pattern(
        &self,
        words: &[Word],
        create: impl FnOnce() -> Arc<dyn DestinationKind<S>>,
    ) -> Result<Arc<dyn DestinationKind<S>>, QuotaSpent> {
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
