use std::convert::Infallible;
use std::fmt;
use std::ptr;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::destination::Destination;
use crate::limits::{Quota, QuotaSpent};
use crate::sync::lock;

const SHARDS: usize = 256;

/// Finds by name, without a lock. Adding and removing copy one shard.
pub(crate) struct Index<T: ?Sized> {
    shards: Box<[Shard<T>]>,
    quota: Arc<Quota>,
}

struct Shard<T: ?Sized> {
    /// In the order of their hashes.
    entries: ArcSwap<Vec<Entry<T>>>,
    writer: Mutex<()>,
}

struct Entry<T: ?Sized> {
    hash: u64,
    name: Destination,
    value: Arc<T>,
}

impl<T: ?Sized> Index<T> {
    pub(crate) fn new(quota: Arc<Quota>) -> Self {
        let empty = Arc::new(Vec::new());
        let shard = || Shard { entries: ArcSwap::new(Arc::clone(&empty)), writer: Mutex::new(()) };
        let shards = (0..SHARDS).map(|_| shard()).collect();
        Self { shards, quota }
    }

    pub(crate) fn find(&self, name: &Destination) -> Option<Arc<T>> {
        let (hash, shard) = self.shard_of(name);
        let entries = shard.entries.load();
        position(&entries, hash, name).ok().map(|at| Arc::clone(&entries[at].value))
    }

    /// Finds, or adds what `make` returns.
    pub(crate) fn find_or_insert(
        &self,
        name: &Destination,
        make: impl FnOnce() -> Arc<T>,
    ) -> Result<Arc<T>, QuotaSpent> {
        self.find_or_insert_at(name, Quota::take, make)
    }

    /// The same, beyond the quota if need be.
    pub(crate) fn find_or_insert_in_any_case(
        &self,
        name: &Destination,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let place = |quota: &Quota| {
            quota.take_in_any_case();
            Ok::<_, Infallible>(())
        };
        let Ok(found) = self.find_or_insert_at(name, place, make);
        found
    }

    fn find_or_insert_at<E>(
        &self,
        name: &Destination,
        place: impl FnOnce(&Quota) -> Result<(), E>,
        make: impl FnOnce() -> Arc<T>,
    ) -> Result<Arc<T>, E> {
        let (hash, shard) = self.shard_of(name);
        let _writer = lock(&shard.writer);
        let entries = shard.entries.load();
        match position(&entries, hash, name) {
            Ok(at) => Ok(Arc::clone(&entries[at].value)),
            Err(at) => {
                place(&self.quota)?;
                let value = make();
                let entry = Entry { hash, name: name.clone(), value: Arc::clone(&value) };
                let mut next = Vec::with_capacity(entries.len() + 1);
                next.extend_from_slice(&entries[..at]);
                next.push(entry);
                next.extend_from_slice(&entries[at..]);
                shard.entries.store(Arc::new(next));
                Ok(value)
            }
        }
    }

    /// Removes `value`, unless it is gone already: another may have the name by now.
    pub(crate) fn remove<V: ?Sized>(&self, name: &Destination, value: &Arc<V>) {
        let (hash, shard) = self.shard_of(name);
        let _writer = lock(&shard.writer);
        let entries = shard.entries.load();
        let Ok(at) = position(&entries, hash, name) else { return };
        if ptr::addr_eq(Arc::as_ptr(&entries[at].value), Arc::as_ptr(value)) {
            let mut next = Vec::clone(&entries);
            next.remove(at);
            shard.entries.store(Arc::new(next));
            self.quota.give_back();
        }
    }

    /// How many of all that share its quota there are.
    pub(crate) fn len(&self) -> usize {
        self.quota.used()
    }

    /// Everything, in no order.
    pub(crate) fn values(&self) -> Vec<Arc<T>> {
        let mut values = Vec::new();
        for shard in &self.shards {
            values.extend(shard.entries.load().iter().map(|entry| Arc::clone(&entry.value)));
        }
        values
    }

    fn shard_of(&self, name: &Destination) -> (u64, &Shard<T>) {
        let hash = name.hash_of_name();
        let [low, ..] = hash.to_le_bytes();
        (hash, &self.shards[usize::from(low)])
    }
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { hash: self.hash, name: self.name.clone(), value: Arc::clone(&self.value) }
    }
}

impl<T: ?Sized> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shards.iter().map(|shard| shard.entries.load().len());
        f.debug_struct("Index").field("len", &names.sum::<usize>()).finish_non_exhaustive()
    }
}

/// Where the name is, or where it belongs.
fn position<T: ?Sized>(
    entries: &[Entry<T>],
    hash: u64,
    name: &Destination,
) -> Result<usize, usize> {
    let start = entries.partition_point(|entry| entry.hash < hash);
    let same_hash = entries[start..].iter().take_while(|entry| entry.hash == hash);
    match same_hash.enumerate().find(|(_, entry)| entry.name == *name) {
        Some((at, _)) => Ok(start + at),
        None => Err(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Destination {
        Destination::parse(&format!("/topic/{number}")).unwrap()
    }

    fn index(max: usize) -> Index<usize> {
        Index::new(Arc::new(Quota::new(max)))
    }

    #[test]
    fn many_names_are_found_until_they_are_removed() {
        let index = index(2000);
        for number in 0..2000 {
            index.find_or_insert(&name(number), || Arc::new(number)).unwrap();
        }
        for number in 0..2000 {
            let found = index.find(&name(number)).unwrap();
            assert_eq!(*found, number);
            index.remove(&name(number), &found);
            assert_eq!(index.find(&name(number)), None);
        }
        assert_eq!(index.quota.used(), 0);
    }

    #[test]
    fn a_name_is_inserted_once() {
        let index = index(1);
        let first = index.find_or_insert(&name(1), || Arc::new(1)).unwrap();
        let second = index.find_or_insert(&name(1), || Arc::new(2)).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_successor_is_not_removed_in_place_of_its_predecessor() {
        let index = index(1);
        let first = index.find_or_insert(&name(1), || Arc::new(1)).unwrap();
        index.remove(&name(1), &first);
        index.find_or_insert(&name(1), || Arc::new(2)).unwrap();
        index.remove(&name(1), &first);
        assert_eq!(index.find(&name(1)).as_deref(), Some(&2));
    }

    #[test]
    fn the_quota_holds() {
        let index = index(1);
        index.find_or_insert(&name(1), || Arc::new(1)).unwrap();
        let refused = index.find_or_insert(&name(2), || Arc::new(2));
        assert_eq!(refused, Err(QuotaSpent { max: 1 }));
    }
}
