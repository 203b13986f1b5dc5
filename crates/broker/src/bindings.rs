use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::destination::Destination;
use crate::kind::Queue;
use crate::message::Message;
use crate::pattern::DestinationPattern;
use crate::trie::PatternTrie;

/// Finds the queues that get the messages of a topic: those of durable subscriptions.
pub(crate) struct Bindings<S> {
    queues: RwLock<Bound<S>>,
    /// So that publishing needs no lock as long as there are none.
    len: AtomicUsize,
}

struct Bound<S> {
    exact: HashMap<Destination, Vec<Arc<Queue<S>>>>,
    patterns: PatternTrie<Vec<Arc<Queue<S>>>>,
}

impl<S> Bindings<S> {
    pub(crate) fn new() -> Self {
        let queues = Bound { exact: HashMap::new(), patterns: PatternTrie::new() };
        Self { queues: RwLock::new(queues), len: AtomicUsize::new(0) }
    }

    /// From now on the queue gets what matches `pattern`.
    pub(crate) fn insert(&self, pattern: &DestinationPattern, queue: Arc<Queue<S>>) {
        let mut bound = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        match pattern.words() {
            None => bound.exact.entry(pattern.name().clone()).or_default().push(queue),
            Some(words) => {
                let mut queues = bound.patterns.get(words).cloned().unwrap_or_default();
                queues.push(queue);
                bound.patterns.insert(words, queues);
            }
        }
        self.len.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn remove(&self, pattern: &DestinationPattern, queue: &Arc<Queue<S>>) {
        let mut bound = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let others = |queues: &mut Vec<Arc<Queue<S>>>| {
            let before = queues.len();
            queues.retain(|other| !Arc::ptr_eq(other, queue));
            before - queues.len()
        };
        let removed = match pattern.words() {
            None => {
                let removed = bound.exact.get_mut(pattern.name()).map_or(0, others);
                bound.exact.retain(|_, queues| !queues.is_empty());
                removed
            }
            Some(words) => {
                let mut queues = bound.patterns.get(words).cloned().unwrap_or_default();
                let removed = others(&mut queues);
                if queues.is_empty() {
                    bound.patterns.remove(words);
                } else {
                    bound.patterns.insert(words, queues);
                }
                removed
            }
        };
        self.len.fetch_sub(removed, Ordering::Release);
    }

    /// The queues that get this message.
    pub(crate) fn of(&self, message: &Message) -> Vec<Arc<Queue<S>>> {
        if self.len.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let bound = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let mut queues = Vec::new();
        queues.extend(bound.exact.get(&message.destination).into_iter().flatten().cloned());
        let destination = message.destination.as_str();
        bound.patterns.find_matching(destination, |found| queues.extend(found.iter().cloned()));
        let wants = |queue: &Arc<Queue<S>>| queue.binding().is_some_and(|it| it.wants(message));
        queues.retain(wants);
        queues
    }
}
