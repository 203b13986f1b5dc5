use std::fmt;
use std::sync::Arc;

use tidings_stomp::{Error, Version, encode};
use tidings_websocket::{CloseCode, CloseReason};

use crate::clock;
use crate::endpoint::{Session, SessionId};
use crate::hub::{Connected, Hub, revoked};
use crate::net::TurnGuard;
use crate::server::stomp::message_for;

/// Who is online: the users of an application with their STOMP sessions, whichever door those came through.
/// Spring's `SimpUserRegistry`, which can also end sessions and subscriptions.
///
/// A session is here from CONNECTED to its end, and so is its user from the first session to the end of the last
/// one. A session without a user is that of the user whose name is its id, wherever a name is asked for; names are
/// listed without those.
///
/// From [`App::users`](crate::App::users), from [`Messenger::users`](super::Messenger::users), or as the argument of
/// a handler. Cheap to clone.
///
/// ```
/// use tidings::controller;
/// use tidings::endpoint::Json;
/// use tidings::messaging::Users;
///
/// struct Lobby;
///
/// #[controller("/lobby")]
/// impl Lobby {
///     #[subscribe_mapping("/users")]
///     fn online(&self, users: Users) -> Json<Vec<String>> {
///         Json(users.names())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Users(Arc<Hub>);

/// A subscription of a session that is connected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSubscription {
    /// Whose it is.
    pub session: Session,
    /// The user of the session, if it has one.
    pub user: Option<Arc<str>>,
    /// The client's id of the subscription.
    pub id: String,
    /// What it is to, as the client wrote it. A subscription to several destinations is several.
    pub destination: String,
}

impl Users {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// How many users are online.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.online().users_len()
    }

    /// How many sessions are connected, those without a user included.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.0.online().len()
    }

    /// The names of all users who are online, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.online().users().iter().map(ToString::to_string).collect()
    }

    /// Whether a user is online.
    #[must_use]
    pub fn is_online(&self, user: &str) -> bool {
        self.0.online().is_online(user)
    }

    /// The sessions of a user, the first one first.
    #[must_use]
    pub fn sessions_of(&self, user: &str) -> Vec<Session> {
        sessions(self.0.online().of_user(user))
    }

    /// All sessions that are connected, in no order.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        sessions(self.0.online().sessions())
    }

    /// The session of this id, if it is connected.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<Session> {
        self.0.online().find(id).map(|connected| connected.session)
    }

    /// The subscriptions that `wanted` is true for. One to a destination of the application is among them if its
    /// handler has answered it with a stream, until it is ended: a single answer is no subscription.
    ///
    /// ```
    /// use tidings::App;
    ///
    /// # fn listening(app: &App) -> usize {
    /// let to_news = app.users().subscriptions(|it| it.destination == "/topic/news");
    /// # to_news.len()
    /// # }
    /// ```
    #[must_use]
    pub fn subscriptions(
        &self,
        mut wanted: impl FnMut(&UserSubscription) -> bool,
    ) -> Vec<UserSubscription> {
        let mut found = Vec::new();
        for Connected { key, session, user } in self.0.online().sessions() {
            let of_broker = self.0.broker().subscriptions(key).into_iter();
            let of_broker = of_broker.map(|(id, destination)| (id, destination.to_string()));
            for (id, destination) in of_broker.chain(self.0.streams(key)) {
                let (session, user, id) = (session.clone(), user.clone(), id.to_string());
                let subscription = UserSubscription { session, user, id, destination };
                if wanted(&subscription) {
                    found.push(subscription);
                }
            }
        }
        found
    }

    /// Ends a session: its client gets ERROR with the reason, and the connection is closed, a WebSocket with 1008.
    /// Returns whether it was connected. What its client has sent and was not handled yet is not done.
    pub fn disconnect(&self, session: SessionId, reason: &str) -> bool {
        let found = self.0.online().find(session);
        let end = |it: Connected| end_session(&self.0, &it.session, DISCONNECTED, reason);
        found.map(end).is_some()
    }

    /// Ends all sessions of a user, as [`disconnect`](Self::disconnect). Returns how many those were.
    pub fn disconnect_user(&self, user: &str, reason: &str) -> usize {
        let sessions = self.0.online().of_user(user);
        sessions.iter().for_each(|it| end_session(&self.0, &it.session, DISCONNECTED, reason));
        sessions.len()
    }

    /// Ends a subscription of a session. Its client is told by ERROR, as RabbitMQ does, with `message:Server
    /// cancelled subscription` and the id in `subscription`; the session goes on. A stream of a handler is dropped.
    /// Returns whether there was one with this id.
    ///
    /// What was sent to the client before may still arrive. Nothing keeps it from subscribing again but the
    /// application.
    pub fn unsubscribe(&self, session: SessionId, subscription: &str) -> bool {
        let Some(Connected { key, .. }) = self.0.online().find(session) else { return false };
        let ended =
            self.0.deliver(|broker, sink| broker.revoke(clock::now(), key, subscription, sink));
        self.0.forget(key, subscription);
        ended || self.0.cancel_stream(key, subscription, None, revoked())
    }
}

fn sessions(connected: Vec<Connected>) -> Vec<Session> {
    connected.into_iter().map(|connected| connected.session).collect()
}

/// What a client is told by `message` whose session the application ends.
const DISCONNECTED: &str = "disconnected by the server";

/// Ends a session, and says by ERROR why.
pub(crate) fn end_session(hub: &Hub, session: &Session, message: &str, reason: &str) {
    let _turn = TurnGuard::enter();
    let error = Error::new(message, format!("{reason}\n"));
    let mut frame = Vec::new();
    // There is nothing in its headers that versions write differently.
    encode(&hub.errors().frame(&error), Version::V1_0, &mut frame);
    // A client that does not read is not told.
    let _ = session.try_send(message_for(session, frame.into()));
    let code = if session.link().has_close_codes() {
        CloseCode::POLICY_VIOLATION
    } else {
        // The door would tell of others by an ERROR of its own.
        CloseCode::NORMAL_CLOSURE
    };
    session.close(CloseReason::truncated(code, reason));
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.count()).finish_non_exhaustive()
    }
}
