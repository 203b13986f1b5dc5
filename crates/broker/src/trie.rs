use std::collections::BTreeMap;

use crate::pattern::{Word, words_of};

/// Finds what is stored under the patterns that match a destination.
///
/// It changes in place, one node per word: there is no cache that could be out of date.
#[derive(Debug)]
pub(crate) struct PatternTrie<T> {
    root: Node<T>,
    next_node: u64,
    len: usize,
}

#[derive(Debug)]
struct Node<T> {
    /// Counts up, so that matches have an order.
    id: u64,
    /// What the last word on the way to this node stands for.
    reached_by: ReachedBy,
    literals: BTreeMap<Box<str>, Box<Node<T>>>,
    one: Option<Box<Node<T>>>,
    any: Option<Box<Node<T>>>,
    value: Option<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReachedBy {
    OneWord,
    AnyWords,
}

impl<T> PatternTrie<T> {
    pub(crate) fn new() -> Self {
        Self { root: Node::new(0, ReachedBy::OneWord), next_node: 1, len: 0 }
    }

    /// How many patterns there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, pattern: &[Word]) -> Option<&T> {
        let node = pattern.iter().try_fold(&self.root, |node, word| node.child(word));
        node.and_then(|node| node.value.as_ref())
    }

    pub(crate) fn insert(&mut self, pattern: &[Word], value: T) {
        let mut node = &mut self.root;
        for word in pattern {
            node = node.child_or_insert(word, &mut self.next_node);
        }
        if node.value.replace(value).is_none() {
            self.len += 1;
        }
    }

    /// Removes what is stored under `pattern`, and the nodes that only led there.
    pub(crate) fn remove(&mut self, pattern: &[Word]) {
        if self.root.remove(pattern) {
            self.len -= 1;
        }
    }

    /// Calls `found` for everything whose pattern matches, in a fixed order.
    ///
    /// The work is at most the number of words times the number of nodes that can be reached by
    /// them, whatever the wildcards.
    pub(crate) fn find_matching<'a>(&'a self, destination: &str, mut found: impl FnMut(&'a T)) {
        let mut reached = Vec::new();
        self.root.enter(&mut reached);
        let mut next = Vec::new();
        for word in words_of(destination) {
            for node in &reached {
                node.step(word, &mut next);
            }
            next.sort_unstable_by_key(|node| node.id);
            next.dedup_by_key(|node| node.id);
            reached.clear();
            std::mem::swap(&mut reached, &mut next);
        }
        reached.iter().filter_map(|node| node.value.as_ref()).for_each(&mut found);
    }

    /// Everything.
    pub(crate) fn values(&self) -> Vec<&T> {
        let mut values = Vec::new();
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            values.extend(&node.value);
            nodes.extend(node.literals.values().map(Box::as_ref));
            nodes.extend(node.one.as_deref().into_iter().chain(node.any.as_deref()));
        }
        values
    }
}

impl<T> Node<T> {
    fn new(id: u64, reached_by: ReachedBy) -> Self {
        Self { id, reached_by, literals: BTreeMap::new(), one: None, any: None, value: None }
    }

    fn child(&self, word: &Word) -> Option<&Self> {
        match word {
            Word::Literal(literal) => self.literals.get(literal).map(Box::as_ref),
            Word::One => self.one.as_deref(),
            Word::Any => self.any.as_deref(),
        }
    }

    fn child_or_insert(&mut self, word: &Word, next_node: &mut u64) -> &mut Self {
        let mut make = |reached_by| {
            let id = *next_node;
            *next_node += 1;
            Self::new(id, reached_by)
        };
        match word {
            Word::Literal(literal) => {
                let entry = self.literals.entry(literal.clone());
                entry.or_insert_with(|| Box::new(make(ReachedBy::OneWord)))
            }
            Word::One => self.one.get_or_insert_with(|| Box::new(make(ReachedBy::OneWord))),
            Word::Any => self.any.get_or_insert_with(|| Box::new(make(ReachedBy::AnyWords))),
        }
    }

    /// Returns whether there was something to remove.
    fn remove(&mut self, pattern: &[Word]) -> bool {
        let Some((word, rest)) = pattern.split_first() else { return self.value.take().is_some() };
        match word {
            Word::Literal(literal) => {
                let Some(child) = self.literals.get_mut(literal) else { return false };
                let removed = child.remove(rest);
                if child.is_unused() {
                    self.literals.remove(literal);
                }
                removed
            }
            Word::One => remove_from(&mut self.one, rest),
            Word::Any => remove_from(&mut self.any, rest),
        }
    }

    fn is_unused(&self) -> bool {
        let children = self.literals.len();
        self.value.is_none() && children == 0 && self.one.is_none() && self.any.is_none()
    }

    /// This node is reached, and with it a wildcard that stands for no word.
    fn enter<'a>(&'a self, reached: &mut Vec<&'a Self>) {
        reached.push(self);
        reached.extend(self.any.as_deref());
    }

    /// What is reached from this node by one more word.
    fn step<'a>(&'a self, word: &str, next: &mut Vec<&'a Self>) {
        if let Some(child) = self.literals.get(word) {
            child.enter(next);
        }
        if let Some(child) = &self.one {
            child.enter(next);
        }
        if self.reached_by == ReachedBy::AnyWords {
            next.push(self);
        }
    }
}

fn remove_from<T>(child: &mut Option<Box<Node<T>>>, rest: &[Word]) -> bool {
    let Some(node) = child else { return false };
    let removed = node.remove(rest);
    if node.is_unused() {
        *child = None;
    }
    removed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::destination::Destination;
    use crate::pattern::DestinationPattern;

    fn pattern() -> impl Strategy<Value = DestinationPattern> {
        let word = prop::sample::select(vec!["a", "b", "*", "**", "#", ">", ""]);
        let words = prop::collection::vec(word, 1..6);
        words.prop_filter_map("four wildcards for any words at most", |words| {
            let pattern = DestinationPattern::parse(&format!("/{}", words.join("."))).ok()?;
            pattern.words().is_some().then_some(pattern)
        })
    }

    fn destination() -> impl Strategy<Value = Destination> {
        let word = prop::sample::select(vec!["a", "b", "c", ""]);
        prop::collection::vec(word, 1..7)
            .prop_map(|words| Destination::parse(&format!("/{}", words.join("."))).unwrap())
    }

    fn matching(trie: &PatternTrie<usize>, destination: &Destination) -> Vec<usize> {
        let mut found = Vec::new();
        trie.find_matching(destination.as_str(), |value| found.push(*value));
        found.sort_unstable();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_trie_finds_what_each_pattern_matches(
            patterns in prop::collection::vec(pattern(), 0..12),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            destinations in prop::collection::vec(destination(), 1..8),
        ) {
            let mut trie = PatternTrie::new();
            let mut stored: Vec<(DestinationPattern, usize)> = Vec::new();
            for (value, pattern) in patterns.iter().enumerate() {
                let words = pattern.words().unwrap();
                if trie.get(words).is_none() {
                    trie.insert(words, value);
                    stored.push((pattern.clone(), value));
                }
            }
            for index in removed {
                if !stored.is_empty() {
                    let (pattern, _) = stored.swap_remove(index.index(stored.len()));
                    trie.remove(pattern.words().unwrap());
                }
            }
            prop_assert_eq!(trie.len(), stored.len());
            for destination in &destinations {
                let matches = stored.iter().filter(|(pattern, _)| pattern.matches(destination));
                let mut expected: Vec<usize> = matches.map(|(_, value)| *value).collect();
                expected.sort_unstable();
                prop_assert_eq!(matching(&trie, destination), expected);
            }
            for (pattern, _) in stored {
                trie.remove(pattern.words().unwrap());
            }
            prop_assert!(trie.root.is_unused(), "no node is left behind");
        }
    }

    #[test]
    fn nested_wildcards_do_not_multiply_the_work() {
        let mut trie = PatternTrie::new();
        let words = DestinationPattern::parse("/**.a.**.a.**.a.**.b").unwrap();
        trie.insert(words.words().unwrap(), 1);
        let destination = Destination::parse(&"a.".repeat(500)).unwrap();
        assert_eq!(matching(&trie, &destination), Vec::<usize>::new());
    }
}
