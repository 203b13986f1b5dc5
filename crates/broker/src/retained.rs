use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::destination::Destination;
use crate::kind::Topic;
use crate::pattern::{DestinationPattern, Word};

/// Finds the topics that may have a retained message, for those who subscribe to a pattern.
///
/// Whoever changes a retained message holds it as one of many, and whoever subscribes to a pattern
/// alone: so a message reaches the subscriber either as a retained one or live.
pub(crate) struct RetainedTopics<S>(RwLock<Topics<S>>);

pub(crate) struct Topics<S>(BTreeMap<Key, Arc<Topic<S>>>);

/// In the order of the words, whatever separates them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    words: Box<str>,
    name: Option<Destination>,
}

/// Held while a retained message changes.
pub(crate) enum Hold<'a, S> {
    /// With others.
    Shared { _topics: RwLockReadGuard<'a, Topics<S>> },
    /// Alone, since the topic is new here.
    Alone { _topics: RwLockWriteGuard<'a, Topics<S>> },
}

impl<S> RetainedTopics<S> {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(Topics(BTreeMap::new())))
    }

    /// Makes sure that a topic is found.
    pub(crate) fn hold(&self, name: &Destination, topic: &Arc<Topic<S>>) -> Hold<'_, S> {
        let key = Key::of(name);
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if topics.0.get(&key).is_some_and(|known| Arc::ptr_eq(known, topic)) {
            return Hold::Shared { _topics: topics };
        }
        drop(topics);
        let mut topics = self.alone();
        topics.0.insert(key, Arc::clone(topic));
        Hold::Alone { _topics: topics }
    }

    /// Keeps all others from changing a retained message.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, Topics<S>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a topic that has retired.
    pub(crate) fn remove<T: ?Sized>(&self, name: &Destination, retired: &Arc<T>) {
        // Most brokers retain nothing, and a topic that is here was put here before it retired.
        if self.0.read().unwrap_or_else(PoisonError::into_inner).0.is_empty() {
            return;
        }
        if let Entry::Occupied(entry) = self.alone().0.entry(Key::of(name))
            && std::ptr::addr_eq(Arc::as_ptr(entry.get()), Arc::as_ptr(retired))
        {
            entry.remove();
        }
    }
}

impl<S> Topics<S> {
    /// The topics that a pattern matches, in the order of their names.
    pub(crate) fn matching(
        &self,
        pattern: &DestinationPattern,
    ) -> impl Iterator<Item = &Arc<Topic<S>>> {
        let start = literal_start(pattern);
        let first = Key { words: start.as_str().into(), name: None };
        let from_there = self.0.range((Bound::Included(first), Bound::Unbounded));
        let beginning = from_there.take_while(move |(key, _)| key.words.starts_with(&start));
        beginning.filter_map(|(key, topic)| {
            key.name.as_ref().is_some_and(|name| pattern.matches(name)).then_some(topic)
        })
    }
}

impl Key {
    fn of(name: &Destination) -> Self {
        Self { words: name.as_str().replace('.', "/").into(), name: Some(name.clone()) }
    }
}

/// What the names begin with that a pattern matches.
fn literal_start(pattern: &DestinationPattern) -> String {
    let words = pattern.words().unwrap_or_default();
    let literal = |word: &Word| match word {
        Word::Literal(literal) => Some(literal.clone()),
        Word::One | Word::Any => None,
    };
    let literals: Vec<_> = words.iter().map_while(literal).collect();
    literals.join("/")
}
