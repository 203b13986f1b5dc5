use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::SessionKey;

use crate::endpoint::{Session, SessionId};

/// The STOMP sessions that are connected, by their ids and by their users: from CONNECTED to their end.
///
/// Messages do not meet it. One lock is enough: a session takes it when it begins, when it ends, and for a subscription to a
/// destination of its user, for 3 µs at most, as measured without optimization and with 20,000 users.
#[derive(Default)]
pub(crate) struct Online(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Connected>,
    /// Those of one user side by side. A user may have very many.
    of_users: BTreeMap<(Arc<str>, SessionKey), Session>,
    /// How many users there are.
    users: usize,
}

/// A session that is connected.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    pub(crate) key: SessionKey,
    pub(crate) session: Session,
    pub(crate) user: Option<Arc<str>>,
}

impl Connected {
    /// The name under which messages are sent to it.
    pub(crate) fn user_or_id(&self) -> Arc<str> {
        self.user.clone().unwrap_or_else(|| self.session.id().to_string().into())
    }
}

impl Online {
    /// A session is connected, and its user is known.
    pub(crate) fn enter(&self, key: SessionKey, session: &Session) {
        let mut state = self.lock();
        let name = session.user_name().filter(|name| !name.is_empty());
        let user = name.map(|name| state.enter_user(&name, key, session));
        let connected = Connected { key, session: session.clone(), user };
        state.sessions.insert(session.id(), connected);
    }

    /// A session has ended. Returns its user.
    pub(crate) fn leave(&self, session: &Session) -> Option<Arc<str>> {
        let mut state = self.lock();
        let Connected { key, user, .. } = state.sessions.remove(&session.id())?;
        if let Some(user) = &user {
            state.leave_user(user, key);
        }
        user
    }

    /// The session of this id.
    pub(crate) fn find(&self, id: SessionId) -> Option<Connected> {
        self.lock().sessions.get(&id).cloned()
    }

    /// Whether a name is the id of a session.
    pub(crate) fn has_session(&self, name: &str) -> bool {
        name.parse().is_ok_and(|id| self.lock().sessions.contains_key(&id))
    }

    /// Whether a user has sessions, or a session without user this id.
    pub(crate) fn is_online(&self, name: &str) -> bool {
        let state = self.lock();
        let own = name.parse().ok().and_then(|id| state.sessions.get(&id));
        own.is_some_and(|connected| connected.user.is_none())
            || state.of_user(name).next().is_some()
    }

    /// The sessions of a user; under its id one that has no user.
    pub(crate) fn of_user(&self, name: &str) -> Vec<Connected> {
        let state = self.lock();
        let own = name.parse().ok().and_then(|id| state.sessions.get(&id));
        match own {
            Some(connected) if connected.user.is_none() => vec![connected.clone()],
            _ => state.of_user(name).collect(),
        }
    }

    /// All sessions, in no order.
    pub(crate) fn sessions(&self) -> Vec<Connected> {
        self.lock().sessions.values().cloned().collect()
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// The names of all users, in order.
    pub(crate) fn users(&self) -> Vec<Arc<str>> {
        let state = self.lock();
        let mut users: Vec<Arc<str>> = Vec::with_capacity(state.users);
        for (name, _) in state.of_users.keys() {
            if users.last() != Some(name) {
                users.push(Arc::clone(name));
            }
        }
        users
    }

    /// How many users there are.
    pub(crate) fn users_len(&self) -> usize {
        self.lock().users
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a session of a user. Returns the name, of which all sessions of the user share one copy.
    fn enter_user(&mut self, name: &str, key: SessionKey, session: &Session) -> Arc<str> {
        let other = self.of_user(name).next().and_then(|other| other.user);
        let name = other.unwrap_or_else(|| {
            self.users += 1;
            name.into()
        });
        self.of_users.insert((Arc::clone(&name), key), session.clone());
        name
    }

    fn leave_user(&mut self, name: &Arc<str>, key: SessionKey) {
        self.of_users.remove(&(Arc::clone(name), key));
        if self.of_user(name).next().is_none() {
            self.users -= 1;
        }
    }

    fn of_user<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Connected> + 's {
        let first = (Arc::from(name), SessionKey(0));
        let of_user =
            self.of_users.range(first..).take_while(move |((user, _), _)| **user == *name);
        of_user.map(|((user, key), session)| Connected {
            key: *key,
            session: session.clone(),
            user: Some(Arc::clone(user)),
        })
    }
}

impl fmt::Debug for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Online").field("sessions", &self.len()).finish_non_exhaustive()
    }
}
