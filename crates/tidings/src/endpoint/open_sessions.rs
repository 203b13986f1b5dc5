use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_websocket::{CloseReason, Message};

use super::{Session, SessionId};
use crate::net::{SharedMessage, TurnGuard};

/// The sessions of one endpoint that are open now.
#[derive(Debug, Default)]
pub(crate) struct OpenSessions(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    /// Shared with snapshots; copied only when it changes while a snapshot is alive.
    sessions: Arc<Vec<Session>>,
    positions: HashMap<SessionId, usize>,
}

impl OpenSessions {
    /// Counts the session in until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, session: &Session) -> OpenSession {
        let mut registry = self.lock();
        let position = registry.sessions.len();
        registry.positions.insert(session.id(), position);
        Arc::make_mut(&mut registry.sessions).push(session.clone());
        OpenSession { sessions: Arc::clone(self), id: session.id() }
    }

    pub(crate) fn snapshot(&self) -> Peers {
        Peers(Arc::clone(&self.lock().sessions))
    }

    fn leave(&self, id: SessionId) {
        let mut registry = self.lock();
        let Some(position) = registry.positions.remove(&id) else { return };
        let sessions = Arc::make_mut(&mut registry.sessions);
        sessions.swap_remove(position);
        if let Some(moved) = sessions.get(position).map(Session::id) {
            registry.positions.insert(moved, position);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a session as open until dropped.
#[derive(Debug)]
pub(crate) struct OpenSession {
    sessions: Arc<OpenSessions>,
    id: SessionId,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.sessions.leave(self.id);
    }
}

/// The open sessions of one endpoint at one moment: Jakarta WebSocket's `getOpenSessions`.
///
/// Any of them may close at any time.
#[derive(Clone, Debug)]
pub struct Peers(Arc<Vec<Session>>);

impl Peers {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sessions, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.0.iter()
    }

    /// Sends one message to all of them, encoded once. Returns how many took it.
    ///
    /// Does not wait: a session whose outbox is full is closed with 1013.
    pub fn broadcast(&self, message: impl Into<Message>) -> usize {
        let message = SharedMessage::new(message);
        let _turn = TurnGuard::enter();
        self.0.iter().filter(|session| session.send_shared(&message).is_ok()).count()
    }

    /// Closes all of them for the same reason.
    pub(crate) fn close(&self, reason: &CloseReason) {
        for session in self.iter() {
            session.close(reason.clone());
        }
    }
}
