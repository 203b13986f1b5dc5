use std::fmt;
use std::sync::Arc;

use tidings_broker::Members;

use super::{HandlerError, IntoPayload, Outgoing};
use crate::hub::{Hub, PublishError};

/// Sends to the destinations of an application from anywhere: a handler, a timer, another
/// framework's code. Spring's `SimpMessagingTemplate`. Cheap to clone.
#[derive(Clone)]
pub struct Messenger(Arc<Hub>);

impl Messenger {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// Sends a message to a destination of the broker. The payload is encoded once, however many
    /// subscribers there are. Returns how many there were.
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded, or the broker does not take the message.
    ///
    /// # Cancel safety
    ///
    /// A future that was never polled has sent nothing.
    pub async fn send(
        &self,
        destination: &str,
        payload: impl IntoPayload + Send,
    ) -> Result<usize, MessengerError> {
        self.publish(Outgoing::to(destination, payload).map_err(MessengerError::Payload)?)
    }

    /// Who is subscribed to a topic by its name: sessions, each with its login and what it has said of itself.
    /// `None` unless the policy of the topic has presence.
    pub fn presence(&self, destination: &str) -> Option<Members> {
        self.0.presence(destination)
    }

    /// Sends a message that is put together already.
    pub(crate) fn publish(&self, message: Outgoing) -> Result<usize, MessengerError> {
        let Outgoing { destination, headers, body } = message;
        self.0.publish(&destination, headers, body).map_err(MessengerError::Publish)
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
