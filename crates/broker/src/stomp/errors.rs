use tidings_stomp::Error;

use crate::broker::{CommitError, CommitFailure};
use crate::error::{AckError, InvalidHeader, SendError, SubscribeError};

/// What the sender gets.
impl From<&SendError> for Error {
    fn from(error: &SendError) -> Self {
        let message = match error {
            SendError::UnknownDestination(_) => "unknown destination",
            SendError::InvalidDestination(_) => "invalid destination",
            SendError::InvalidHeader(_) => "invalid header",
            SendError::ArgumentDiffers { .. } => "queue argument differs",
            SendError::MessageTooLarge { .. } => "message is too large",
            SendError::TooMuchTogether { .. } => "too much for a queue",
            SendError::WildcardInQueueName { .. } => "wildcard in SEND",
            SendError::QueueFull { .. } | SendError::QueueRefuses { .. } => "queue is full",
            SendError::TemporaryQueueFull { .. } => "temporary queue is full",
            SendError::ReadOnly { .. } => "read only",
            SendError::NoRoomToRetain { .. } => "no room to retain",
            SendError::NoSuchQueue { .. } => "no such queue",
            SendError::NoSession { .. } => "no session",
            SendError::Temporary(_) => "no temporary destination",
            SendError::TooManyDestinations { .. } => "too many destinations",
            SendError::CannotStore { .. } => "cannot store",
        };
        Self::new(message, format!("The message was not sent: {error}.\n"))
    }
}

/// What whoever has written the header gets.
impl From<&InvalidHeader> for Error {
    fn from(invalid: &InvalidHeader) -> Self {
        Self::new("invalid header", format!("The {invalid}.\n"))
    }
}

/// What the subscriber gets.
impl From<&SubscribeError> for Error {
    fn from(error: &SubscribeError) -> Self {
        let message = match error {
            SubscribeError::InvalidDestination(_) => "invalid destination",
            SubscribeError::UnknownDestination(_) => "unknown destination",
            SubscribeError::InvalidHeader(_) => "invalid header",
            SubscribeError::InvalidSelector(_) => "invalid selector",
            SubscribeError::ArgumentDiffers { .. } => "queue argument differs",
            SubscribeError::NoSuchQueue { .. } => "no such queue",
            SubscribeError::Exclusive { .. } => "queue is exclusive",
            SubscribeError::Occupied { .. } => "queue has consumers",
            SubscribeError::Unprepared { .. } => "queue is not prepared",
            SubscribeError::NoPresence { .. } => "no presence",
            SubscribeError::DurableInUse { .. } => "durable subscription is in use",
            SubscribeError::DurableDiffers { .. } => "durable subscription differs",
            SubscribeError::DurableMayNotRefuse { .. } => {
                "durable subscription may not refuse messages"
            }
            SubscribeError::DurableToSeveral { .. } => {
                "durable subscription to several destinations"
            }
            SubscribeError::NotOwn { .. } => "not your temporary destination",
            SubscribeError::ReservedId { .. } => "reserved subscription id",
            SubscribeError::TooManyTemporary { .. } => "too many temporary destinations",
            SubscribeError::IdleWildcard { .. } => "wildcard means nothing",
            SubscribeError::PatternOfQueues { .. } => "wildcard for queues",
            SubscribeError::PatternOfUser { .. } => "wildcard for user destinations",
            SubscribeError::NoUser { .. } => "no user",
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

/// What the client gets whose transaction was not committed.
impl From<&CommitError> for Error {
    fn from(error: &CommitError) -> Self {
        let cause: Self = match &error.cause {
            CommitFailure::Send(cause) => cause.into(),
            CommitFailure::Ack(cause) => cause.into(),
        };
        let body = format!("Nothing of the transaction was done: {error}.\n");
        Self::new(format!("{} in a transaction", cause.message), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recording;
    use crate::stomp::AckMode;

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
