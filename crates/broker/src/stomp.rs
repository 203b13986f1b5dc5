//! What the broker takes from STOMP, and what it says to STOMP's clients.

pub(crate) use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};

use tidings_stomp::Error;

use crate::error::{AckError, SendError, SubscribeError};

/// Whether MESSAGE frames of a subscription in this mode are to be answered with ACK or NACK.
pub(crate) fn expects_ack(mode: AckMode) -> bool {
    !matches!(mode, AckMode::Auto)
}

/// What the sender gets.
impl From<&SendError> for Error {
    fn from(error: &SendError) -> Self {
        let message = match error {
            SendError::UnknownDestination(_) => "unknown destination",
            SendError::WildcardInQueueName { .. } => "wildcard in SEND",
            SendError::QueueFull { .. } => "queue is full",
            SendError::TooManyDestinations { .. } => "too many destinations",
        };
        Self::new(message, format!("The message was not sent: {error}.\n"))
    }
}

/// What the subscriber gets.
impl From<&SubscribeError> for Error {
    fn from(error: &SubscribeError) -> Self {
        let message = match error {
            SubscribeError::InvalidDestination(_) => "invalid destination",
            SubscribeError::UnknownDestination(_) => "unknown destination",
            SubscribeError::PatternOfQueues { .. } => "wildcard for queues",
            SubscribeError::DuplicateId { .. } => "duplicate subscription id",
            SubscribeError::TooManySubscriptions { .. } => "too many subscriptions",
            SubscribeError::TooManyDestinations { .. } => "too many destinations",
            SubscribeError::Disconnected => "disconnected",
        };
        Self::new(message, format!("The subscription was refused: {error}.\n"))
    }
}

/// What the consumer gets.
impl From<&AckError> for Error {
    fn from(error: &AckError) -> Self {
        let AckError::UnknownDelivery { .. } = error;
        let advice = "Settle every message once, by the ack header of its MESSAGE frame";
        let version = "before STOMP 1.2 by its message-id and subscription headers";
        Self::new("unknown message", format!("There is {error}. {advice}, {version}.\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recording;

    #[test]
    fn a_client_is_told_what_was_wrong_and_what_to_do() {
        let mut recording = Recording::new();
        let check = |error: Error, message: &str, advice: &str| {
            assert_eq!(error.message, message);
            assert!(error.body.contains(advice), "{}", error.body);
        };
        let refused = recording.send("/foo", "m").unwrap_err();
        check((&refused).into(), "unknown destination", "/topic/NAME or /queue/NAME");
        let refused = recording.subscribe(1, "a", "/queue/*", AckMode::Auto).unwrap_err();
        check((&refused).into(), "wildcard for queues", "each queue by its name");
        let refused = recording.ack(1, "1.1").unwrap_err();
        check((&refused).into(), "unknown message", "by the ack header");
    }
}
