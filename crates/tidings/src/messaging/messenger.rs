use std::fmt;
use std::sync::Arc;

use tidings_broker::Members;

use super::{HandlerError, IntoPayload, Outgoing, Sent};
use crate::clock;
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
        let Outgoing { destination, headers, mut body } = message;
        let published = parse_destination(&destination).and_then(|destination| {
            self.0.try_publish(clock::now(), None, destination, headers, &mut body)
        });
        published.map(|published| self.sent(published)).map_err(MessengerError::Publish)
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
        let Outgoing { destination, headers, body } = message;
        let published = self.0.publish(None, &destination, headers, body).await;
        published.map(|published| self.sent(published)).map_err(MessengerError::Publish)
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
