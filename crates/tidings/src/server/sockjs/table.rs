use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_sockjs::SessionOptions;

use super::HttpSession;

/// The HTTP sessions of one service, by the id that their clients chose.
#[derive(Debug, Default)]
pub(super) struct SessionTable(Mutex<HashMap<Box<str>, Arc<HttpSession>>>);

/// Whether a receive request met its session or made it.
pub(super) enum Found {
    Known(Arc<HttpSession>),
    New(Arc<HttpSession>),
}

impl SessionTable {
    pub(super) fn find(&self, id: &str) -> Option<Arc<HttpSession>> {
        self.lock().get(id).filter(|session| !session.is_removed()).cloned()
    }

    pub(super) fn find_or_create(&self, id: &str, options: &SessionOptions) -> Found {
        let mut sessions = self.lock();
        match sessions.get(id) {
            Some(session) if !session.is_removed() => Found::Known(Arc::clone(session)),
            _ => {
                let session = HttpSession::new(options.clone());
                sessions.insert(id.into(), Arc::clone(&session));
                Found::New(session)
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
