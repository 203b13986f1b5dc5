use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{Members, UserDestination};
use tidings_stomp::Headers;

use super::recipient::Recipient;
use super::{HandlerError, IntoPayload, Outgoing, Sent, Users};
use crate::clock;
use crate::endpoint::SessionId;
use crate::hub::{Hub, PublishError, Published, parse_destination};

/// Sends to the destinations of an application from anywhere: a handler, a timer, another
/// framework's code. Spring's `SimpMessagingTemplate`. Cheap to clone.
#[derive(Clone)]
pub struct Messenger(Arc<Hub>);

impl Messenger {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// Sends a message to a destination of the broker. The payload is encoded once, however many
    /// subscribers there are. Where a queue has no room, it waits until consumers have caught up, at most
    /// [`publish_wait_max`](crate::AppBuilder::publish_wait_max).
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded, or the broker does not take the message.
    ///
    /// # Cancel safety
    ///
    /// A future that was dropped before it was ready has sent nothing.
    pub async fn send(
        &self,
        destination: &str,
        payload: impl IntoPayload + Send,
    ) -> Result<Sent, MessengerError> {
        let message = Outgoing::to(destination, payload).map_err(MessengerError::Payload)?;
        self.publish(message).await
    }

    /// Who is online.
    pub fn users(&self) -> Users {
        Users::new(Arc::clone(&self.0))
    }

    /// Who is subscribed to a topic by its name: sessions, each with its login and what it has said of itself.
    /// `None` unless the policy of the topic has presence.
    pub fn presence(&self, destination: &str) -> Option<Members> {
        self.0.presence(destination)
    }

    /// As [`send`](Self::send), without waiting: a queue without room is an error.
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded, or the broker does not take the message now.
    pub fn try_send(
        &self,
        destination: &str,
        payload: impl IntoPayload,
    ) -> Result<Sent, MessengerError> {
        let message = Outgoing::to(destination, payload).map_err(MessengerError::Payload)?;
        self.try_publish(message)
    }

    /// Sends a message to all sessions of a user that have subscribed to `path` behind the
    /// [user prefix](crate::AppBuilder::user_prefix): what Bob's sessions get who have subscribed to
    /// `/user/queue/news`, if the user is `bob` and the path `/queue/news`. Spring's `convertAndSendToUser`.
    ///
    /// Any characters may be in the name. A session without a user is that of the user whose name is its id.
    /// [`Sent::subscribers`] says how many it has reached; without any the message is gone.
    ///
    /// ```
    /// use tidings::App;
    ///
    /// # async fn tell(app: App) -> Result<(), Box<dyn std::error::Error>> {
    /// let sent = app.messenger().send_to_user("bob", "/queue/news", "Your order has left.").await?;
    /// if sent.subscribers() == 0 {
    ///     // He is away: a mail, perhaps.
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded, or the name or the path is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to_user(
        &self,
        user: &str,
        path: &str,
        payload: impl IntoPayload + Send,
    ) -> Result<Sent, MessengerError> {
        let message = Outgoing::to_user(user, path, payload).map_err(MessengerError::Payload)?;
        self.publish(message).await
    }

    /// As [`send_to_user`](Self::send_to_user), where nothing can be awaited.
    ///
    /// # Errors
    ///
    /// As for [`send_to_user`](Self::send_to_user).
    pub fn try_send_to_user(
        &self,
        user: &str,
        path: &str,
        payload: impl IntoPayload,
    ) -> Result<Sent, MessengerError> {
        let message = Outgoing::to_user(user, path, payload).map_err(MessengerError::Payload)?;
        self.try_publish(message)
    }

    /// Sends a message to one session, if it has subscribed to `path` behind the user prefix: as
    /// [`send_to_user`](Self::send_to_user), to one session of the user.
    ///
    /// # Errors
    ///
    /// As for [`send_to_user`](Self::send_to_user). A session that has ended is none.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to_session(
        &self,
        session: SessionId,
        path: &str,
        payload: impl IntoPayload + Send,
    ) -> Result<Sent, MessengerError> {
        let message =
            Outgoing::to_session(session, path, payload).map_err(MessengerError::Payload)?;
        self.publish(message).await
    }

    /// As [`send_to_session`](Self::send_to_session), where nothing can be awaited.
    ///
    /// # Errors
    ///
    /// As for [`send_to_session`](Self::send_to_session).
    pub fn try_send_to_session(
        &self,
        session: SessionId,
        path: &str,
        payload: impl IntoPayload,
    ) -> Result<Sent, MessengerError> {
        let message =
            Outgoing::to_session(session, path, payload).map_err(MessengerError::Payload)?;
        self.try_publish(message)
    }

    /// As [`send`](Self::send), a message with headers of its own: `persistent:true` has a durable queue
    /// store it.
    ///
    /// ```
    /// use tidings::App;
    /// use tidings::messaging::Outgoing;
    ///
    /// # async fn order(app: App) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = Outgoing::to("/queue/orders", "one of those")?.header("persistent", "true");
    /// app.messenger().publish(order).await?.stored().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the broker does not take the message.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn publish(&self, message: Outgoing) -> Result<Sent, MessengerError> {
        if message.recipient.is_some() {
            return self.try_publish(message);
        }
        let Outgoing { destination, headers, body, .. } = message;
        let published = self.0.publish(None, &destination, headers, body).await;
        published.map(|published| self.sent(published)).map_err(MessengerError::Publish)
    }

    fn try_publish(&self, message: Outgoing) -> Result<Sent, MessengerError> {
        let Outgoing { destination, headers, mut body, recipient } = message;
        let published = match recipient {
            Some(recipient) => self.publish_to(&recipient, &destination, headers, body),
            None => parse_destination(&destination).and_then(|destination| {
                self.0.try_publish(clock::now(), None, destination, headers, &mut body)
            }),
        };
        published.map(|published| self.sent(published)).map_err(MessengerError::Publish)
    }

    /// Nobody has to be waited for: whoever does not read in time is a slow consumer.
    fn publish_to(
        &self,
        recipient: &Recipient,
        path: &str,
        headers: Headers,
        body: Bytes,
    ) -> Result<Published, PublishError> {
        match recipient {
            Recipient::User(user) => {
                self.0.publish_to_user(UserDestination { user, session: None, path }, headers, body)
            }
            Recipient::Session(id) => {
                let Some(connected) = self.0.online().find(*id) else {
                    return Ok(Published { subscribers: 0, batch: None });
                };
                let (user, session) = (&*connected.user_or_id(), Some(connected.key));
                self.0.publish_to_user(UserDestination { user, session, path }, headers, body)
            }
        }
    }

    fn sent(&self, published: Published) -> Sent {
        let Published { subscribers, batch } = published;
        Sent::new(subscribers, self.0.journal().cloned().zip(batch))
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger").finish_non_exhaustive()
    }
}

/// Why [`Messenger::send`] sent nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum MessengerError {
    /// The payload cannot be encoded.
    Payload(HandlerError),
    /// The broker did not take the message.
    Publish(PublishError),
}

impl fmt::Display for MessengerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(_) => f.write_str("payload cannot be encoded"),
            Self::Publish(_) => f.write_str("message was not published"),
        }
    }
}

impl std::error::Error for MessengerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payload(error) => Some(error),
            Self::Publish(error) => Some(error),
        }
    }
}
