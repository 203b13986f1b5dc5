use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tidings_websocket::{CloseCode, CloseReason, Message};

use super::{BoxError, IntoMessage, Session, SessionId};
use crate::net::{SharedMessage, TurnGuard};

/// The sessions of one endpoint that are open now.
///
/// The vector is shared with snapshots, and copied only when it changes while a snapshot is alive. Each
/// session knows its own position in it.
#[derive(Debug, Default)]
pub(crate) struct OpenSessions {
    sessions: Mutex<Arc<Vec<Session>>>,
    /// Why the endpoint is out of service, once it is.
    ended: OnceLock<CloseReason>,
}

impl OpenSessions {
    /// All sessions at this moment.
    pub(crate) fn snapshot(&self) -> Peers {
        Peers { sessions: Arc::clone(&self.lock()), without: None, of: None }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All sessions at this moment, as one of them sees them.
    pub(crate) fn peers_of(&self, session: &Session) -> Peers {
        Peers { of: Some(session.id()), ..self.snapshot() }
    }

    /// Closes all sessions, those too that are just coming in. The first reason holds.
    pub(crate) fn end(&self, reason: &CloseReason) {
        // Said before anyone is told: who comes in later than that looks here.
        let _ = self.ended.set(reason.clone());
        for session in self.snapshot().iter() {
            session.close(reason.clone());
        }
    }

    /// Whether the endpoint is out of service.
    pub(crate) fn are_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Vec<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open sessions of all endpoints of an application.
#[derive(Debug, Default)]
pub(crate) struct AllSessions(Mutex<Endpoints>);

#[derive(Debug, Default)]
struct Endpoints {
    /// Those of endpoints that are out of service stay until the last session has ended.
    sessions: Vec<Weak<OpenSessions>>,
    /// Why the application is, once it is.
    ended: Option<CloseReason>,
}

impl AllSessions {
    /// Counts in those of another endpoint.
    pub(crate) fn add(&self, sessions: &Arc<OpenSessions>) {
        let mut endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.sessions.retain(|sessions| sessions.strong_count() > 0);
        endpoints.sessions.push(Arc::downgrade(sessions));
        if let Some(reason) = &endpoints.ended {
            sessions.end(reason);
        }
    }

    /// Those that are open at this moment.
    pub(crate) fn snapshots(&self) -> Vec<Peers> {
        let endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = endpoints.sessions.iter().filter_map(Weak::upgrade);
        alive.map(|sessions| sessions.snapshot()).collect()
    }

    /// Closes all sessions, those too that are just coming in.
    pub(crate) fn end(&self, reason: &CloseReason) {
        let mut endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.ended = Some(reason.clone());
        for sessions in endpoints.sessions.iter().filter_map(Weak::upgrade) {
            sessions.end(reason);
        }
    }
}

/// Counts a session as open until dropped.
#[derive(Debug)]
pub(crate) struct OpenSession(Session);

impl OpenSession {
    /// Counts the session in among those of its endpoint.
    pub(crate) fn enter(session: &Session) -> Self {
        let open_sessions = &session.deployed().open_sessions;
        let mut sessions = open_sessions.lock();
        let has_room = session.config().has_room_beside(sessions.len());
        session.position().store(sessions.len(), Ordering::Relaxed);
        Arc::make_mut(&mut sessions).push(session.clone());
        drop(sessions);
        if let Some(reason) = open_sessions.ended.get() {
            session.close(reason.clone());
        } else if !has_room {
            session.close(CloseReason::truncated(CloseCode::TRY_AGAIN_LATER, "too many sessions"));
        }
        Self(session.clone())
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let mut sessions = self.0.deployed().open_sessions.lock();
        let position = self.0.position().load(Ordering::Relaxed);
        let sessions = Arc::make_mut(&mut sessions);
        sessions.swap_remove(position);
        if let Some(moved) = sessions.get(position) {
            moved.position().store(position, Ordering::Relaxed);
        }
    }
}

/// The open sessions of one endpoint at one moment: Jakarta WebSocket's `getOpenSessions`.
///
/// Any of them may close at any time.
#[derive(Clone, Debug)]
pub struct Peers {
    sessions: Arc<Vec<Session>>,
    /// Whose peers they are.
    of: Option<SessionId>,
    without: Option<SessionId>,
}

impl Peers {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        match self.without {
            None => self.sessions.len(),
            Some(_) => self.iter().count(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The sessions, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| self.without != Some(session.id()))
    }

    /// The same without the session whose peers they are.
    #[must_use]
    pub fn others(self) -> Self {
        Self { without: self.of, ..self }
    }

    /// Those that `keep` is true for: the sessions of one room, for example.
    ///
    /// ```
    /// use tidings::endpoint::{Message, Session};
    /// use tidings::server_endpoint;
    ///
    /// struct Rooms;
    ///
    /// #[server_endpoint("/rooms/{room}")]
    /// impl Rooms {
    ///     #[on_message]
    ///     fn said(&self, session: &Session, message: Message) {
    ///         let room = session.path_param("room");
    ///         session.peers().filter(|peer| peer.path_param("room") == room).broadcast(message);
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn filter(self, mut keep: impl FnMut(&Session) -> bool) -> Self {
        let kept = self.iter().filter(|session| keep(session)).cloned().collect();
        Self { sessions: Arc::new(kept), ..self }
    }

    /// Sends one value as a message to all of them, encoded once. Returns how many took it.
    ///
    /// Does not wait: a session whose outbox is full is closed with 1013.
    ///
    /// # Errors
    ///
    /// Why the value cannot be encoded; nothing was sent then.
    ///
    /// ```
    /// use tidings::endpoint::{BoxError, Json, Session};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Left<'a> {
    ///     name: &'a str,
    /// }
    ///
    /// fn tell(session: &Session, name: &str) -> Result<usize, BoxError> {
    ///     session.peers().others().broadcast_object(Json(Left { name }))
    /// }
    /// # let _ = tell;
    /// ```
    pub fn broadcast_object(&self, value: impl IntoMessage) -> Result<usize, BoxError> {
        Ok(self.broadcast(value.into_message()?))
    }

    /// Sends one message to all of them, encoded once. Returns how many took it. For JSON and other values
    /// there is [`broadcast_object`](Self::broadcast_object).
    ///
    /// Does not wait: a session whose outbox is full is closed with 1013.
    pub fn broadcast(&self, message: impl Into<Message>) -> usize {
        let _turn = TurnGuard::enter();
        let message = SharedMessage::new(message);
        self.iter().filter(|session| session.send_shared(&message).is_ok()).count()
    }
}
