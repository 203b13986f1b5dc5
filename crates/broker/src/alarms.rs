use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::destination::Destination;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// Which destination wants to be told the time, and when.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    set: Mutex<BTreeSet<(Timestamp, Destination)>>,
}

impl Alarms {
    /// Whether no other alarm is earlier.
    pub(crate) fn set(&self, at: Timestamp, destination: Destination) -> bool {
        let mut set = lock(&self.set);
        set.insert((at, destination.clone()));
        set.first().is_some_and(|(first, name)| *first == at && *name == destination)
    }

    /// The destinations whose time has come.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<Destination> {
        let mut set = lock(&self.set);
        let mut due = Vec::new();
        while let Some((at, _)) = set.first() {
            if *at > now {
                break;
            }
            due.extend(set.pop_first().map(|(_, destination)| destination));
        }
        due
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        lock(&self.set).first().map(|(at, _)| *at)
    }
}
