use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_broker::SessionKey;
use tidings_stomp::SubscriptionId;

/// Ids of subscriptions that the broker has ended, until their sessions take note.
#[derive(Debug, Default)]
pub(super) struct Cancelled {
    ids: Mutex<HashMap<SessionKey, Vec<SubscriptionId>>>,
    /// How many sessions are in it, so that nobody needs the lock while there are none.
    sessions: AtomicUsize,
}

impl Cancelled {
    pub(super) fn insert(&self, session: SessionKey, id: SubscriptionId) {
        let mut ids = self.lock();
        ids.entry(session).or_default().push(id);
        self.sessions.store(ids.len(), Ordering::Release);
    }

    /// Those of a session since the last time.
    pub(super) fn take(&self, session: SessionKey) -> Vec<SubscriptionId> {
        if self.sessions.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut ids = self.lock();
        let taken = ids.remove(&session).unwrap_or_default();
        self.sessions.store(ids.len(), Ordering::Release);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Vec<SubscriptionId>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
