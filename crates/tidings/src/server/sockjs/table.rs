use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::HttpSession;

/// The HTTP sessions of one service, by the id that their clients chose.
#[derive(Debug, Default)]
pub(super) struct SessionTable(Mutex<HashMap<Box<str>, Arc<HttpSession>>>);

impl SessionTable {
    pub(super) fn find(&self, id: &str) -> Option<Arc<HttpSession>> {
        self.lock().get(id).filter(|session| !session.is_removed()).cloned()
    }

    /// The session of that id, which becomes `new` if there is none.
    pub(super) fn find_or_insert(&self, id: &str, new: Arc<HttpSession>) -> Arc<HttpSession> {
        let mut sessions = self.lock();
        match sessions.get(id) {
            Some(session) if !session.is_removed() => Arc::clone(session),
            _ => {
                sessions.insert(id.into(), Arc::clone(&new));
                new
            }
        }
    }

    /// Forgets the session, unless its id has been given to another since.
    pub(super) fn remove(&self, id: &str, session: &Arc<HttpSession>) {
        let mut sessions = self.lock();
        if sessions.get(id).is_some_and(|known| Arc::ptr_eq(known, session)) {
            sessions.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<HttpSession>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
