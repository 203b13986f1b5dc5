use std::future::Future;
use std::pin::Pin;

use super::Messenger;
use crate::endpoint::{CloseInfo, Session};

/// What happens to STOMP sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// CONNECT is answered with CONNECTED.
    Connected {
        /// The session.
        session: Session,
        /// The login of its CONNECT.
        user: Option<String>,
    },
    /// A subscription is active: it gets what is sent from now on. Of those to destinations of the application the ones
    /// are told that a handler has answered with a stream.
    Subscribed {
        /// The session.
        session: Session,
        /// The client's id of the subscription.
        id: String,
        /// What it subscribed to, as the client wrote it.
        destination: String,
    },
    /// A subscription has ended while its session goes on: the client has unsubscribed, the application has
    /// [revoked](super::Users::unsubscribe) it, or its queue was deleted.
    Unsubscribed {
        /// The session.
        session: Session,
        /// The client's id of the subscription.
        id: String,
        /// What it was to.
        destination: String,
    },
    /// The client reads more slowly than it is sent to. Told once each time it falls behind, but not again before
    /// listeners know of the last time.
    SlowConsumer {
        /// The session.
        session: Session,
        /// A destination of which it may miss messages, as its [policy](crate::broker::SlowConsumers) has it;
        /// `None` if the session is closed for it, which is told next.
        destination: Option<String>,
    },
    /// The session has ended, and with it its subscriptions. Told exactly once for each that was connected.
    Disconnected {
        /// The session.
        session: Session,
        /// The user that was told with `Connected`.
        user: Option<String>,
        /// How it has ended: which end closed it, and why.
        info: CloseInfo,
    },
}

/// Is told what happens to STOMP sessions, in order for each of them.
///
/// The session waits until it is told what it has done itself, and goes on while it is told what was done to it. A
/// listener that has to do more than note what has happened leaves that to a task. A closure will do:
///
/// ```
/// use tidings::App;
/// use tidings::messaging::{Messenger, SessionEvent};
///
/// let app = App::builder().stomp("/stomp").session_listener(
///     |event: SessionEvent, messenger: Messenger| async move {
///         if let SessionEvent::Connected { user, .. } = event {
///             let who = user.unwrap_or_else(|| "somebody".to_owned());
///             let _ = messenger.send("/topic/arrivals", who).await;
///         }
///     },
/// );
/// # app.build().unwrap();
/// ```
pub trait SessionListener: Send + Sync + 'static {
    /// Something happened.
    fn on_event(
        &self,
        event: &SessionEvent,
        messenger: &Messenger,
    ) -> impl Future<Output = ()> + Send;
}

impl<F, Told> SessionListener for F
where
    F: Fn(SessionEvent, Messenger) -> Told + Send + Sync + 'static,
    Told: Future<Output = ()> + Send,
{
    fn on_event(
        &self,
        event: &SessionEvent,
        messenger: &Messenger,
    ) -> impl Future<Output = ()> + Send {
        self(event.clone(), messenger.clone())
    }
}

/// A listener whose type is forgotten.
pub(crate) trait AnySessionListener: Send + Sync {
    fn tell<'a>(
        &'a self,
        event: &'a SessionEvent,
        messenger: &'a Messenger,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl<L: SessionListener> AnySessionListener for L {
    fn tell<'a>(
        &'a self,
        event: &'a SessionEvent,
        messenger: &'a Messenger,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.on_event(event, messenger))
    }
}
