use std::future::Future;
use std::pin::Pin;

use super::Messenger;
use crate::endpoint::Session;

/// What happens to STOMP sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// CONNECT was answered with CONNECTED.
    Connected {
        /// The session.
        session: Session,
        /// The login of its CONNECT.
        user: Option<String>,
    },
    /// A subscription is active.
    Subscribed {
        /// The session.
        session: Session,
        /// The client's id of the subscription.
        id: String,
        /// What it subscribed to.
        destination: String,
    },
    /// A subscription has ended while its session goes on.
    Unsubscribed {
        /// The session.
        session: Session,
        /// The client's id of the subscription.
        id: String,
    },
    /// The session has ended. Told exactly once for each that was connected.
    Disconnected {
        /// The session.
        session: Session,
    },
}

/// Is told what happens to STOMP sessions, in order for each of them.
///
/// The session waits until it is told. A closure will do:
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
