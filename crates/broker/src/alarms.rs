use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use crate::destination::Destination;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// Which destination wants to be told the time, and when: one alarm for each.
///
/// A destination that is told the time asks again for all that it still waits for. It may be told
/// earlier than it has asked for, since one before it may have had its name.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<Set>);

/// Both have the same alarms.
#[derive(Debug, Default)]
struct Set {
    by_time: BTreeSet<(Timestamp, Destination)>,
    by_name: HashMap<Destination, Timestamp>,
}

impl Alarms {
    /// Sets the alarm of a destination, if it has none that is earlier, and if it `exists` at all.
    /// Whether this is the earliest alarm of all now.
    pub(crate) fn set(
        &self,
        at: Timestamp,
        name: &Destination,
        exists: impl FnOnce() -> bool,
    ) -> bool {
        let mut set = lock(&self.0);
        if set.by_name.get(name).is_some_and(|earlier| *earlier <= at) || !exists() {
            return false;
        }
        set.remove(name);
        set.by_name.insert(name.clone(), at);
        set.by_time.insert((at, name.clone()));
        set.by_time.first().is_some_and(|(_, first)| first == name)
    }

    /// Removes the alarm of a destination that is gone, unless there `exists` another by its name.
    pub(crate) fn remove(&self, name: &Destination, exists: impl FnOnce() -> bool) {
        let mut set = lock(&self.0);
        if set.by_name.contains_key(name) && !exists() {
            set.remove(name);
        }
    }

    /// The first destination whose time has come.
    pub(crate) fn take_due(&self, now: Timestamp) -> Option<Destination> {
        let mut set = lock(&self.0);
        set.by_time.first().filter(|(at, _)| *at <= now)?;
        let (_, name) = set.by_time.pop_first()?;
        set.by_name.remove(&name);
        Some(name)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        lock(&self.0).by_time.first().map(|(at, _)| *at)
    }
}

impl Set {
    fn remove(&mut self, name: &Destination) {
        if let Some((name, at)) = self.by_name.remove_entry(name) {
            self.by_time.remove(&(at, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> Destination {
        Destination::parse(&format!("/queue/{number}")).unwrap()
    }

    fn set(alarms: &Alarms, at: u64, number: u64) -> bool {
        alarms.set(Timestamp(at), &name(number), || true)
    }

    #[test]
    fn a_destination_has_one_alarm_the_earliest() {
        let alarms = Alarms::default();
        for at in (1..1000).rev() {
            assert!(set(&alarms, at, 1));
            assert!(!set(&alarms, at + 1, 1), "it is told before");
        }
        assert_eq!(lock(&alarms.0).by_time.len(), 1);
        assert!(!set(&alarms, 2, 2), "another one is earlier");
        assert_eq!(alarms.take_due(Timestamp(0)), None);
        assert_eq!(alarms.take_due(Timestamp(9)), Some(name(1)));
        assert_eq!(alarms.next(), Some(Timestamp(2)), "one after the other");
        assert_eq!(alarms.take_due(Timestamp(9)), Some(name(2)));
        assert!(lock(&alarms.0).by_name.is_empty());
    }

    #[test]
    fn what_is_gone_is_not_woken() {
        let alarms = Alarms::default();
        assert!(!alarms.set(Timestamp(1), &name(1), || false), "it was gone before");
        set(&alarms, 1, 1);
        alarms.remove(&name(1), || true);
        assert_eq!(alarms.next(), Some(Timestamp(1)), "it has a successor, which may have set it");
        alarms.remove(&name(1), || false);
        assert_eq!(alarms.next(), None);
        assert!(lock(&alarms.0).by_name.is_empty());
    }
}
