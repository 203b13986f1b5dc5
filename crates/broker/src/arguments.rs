use std::time::Duration;

use crate::destination::Destination;
use crate::policy::QueueOverflow;

/// What a client asks of a queue when it uses it: the `x-` headers of SEND and SUBSCRIBE that
/// RabbitMQ knows. What it leaves out, it has no opinion on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueArguments {
    /// `x-message-ttl`: how long a message waits for a consumer at most.
    pub message_ttl: Option<Duration>,
    /// `x-expires`: the queue, or durable subscription, is deleted with its messages after so long without
    /// consumers. It begins when the queue is made, or the server starts, or the last consumer leaves.
    pub expires: Option<Duration>,
    /// `x-max-length`: how many messages wait at most.
    pub messages_max: Option<u64>,
    /// `x-max-length-bytes`: how many octets wait at most.
    pub octets_max: Option<u64>,
    /// `x-overflow`: what happens to those for which there is no room.
    pub overflow: Option<QueueOverflow>,
    /// `x-max-priority`: the highest priority that the queue tells apart.
    pub priority_max: Option<u8>,
    /// `x-dead-letter-exchange` and `x-dead-letter-routing-key`: where messages go that the queue
    /// gives up.
    pub dead_letters: Option<Destination>,
}

impl QueueArguments {
    pub(crate) const NONE: Self = Self {
        message_ttl: None,
        expires: None,
        messages_max: None,
        octets_max: None,
        overflow: None,
        priority_max: None,
        dead_letters: None,
    };

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// What both ask, or the name of the argument about which they differ.
    pub(crate) fn merged(&self, other: &Self) -> Result<Self, &'static str> {
        Ok(Self {
            message_ttl: merge("x-message-ttl", &self.message_ttl, &other.message_ttl)?,
            expires: merge("x-expires", &self.expires, &other.expires)?,
            messages_max: merge("x-max-length", &self.messages_max, &other.messages_max)?,
            octets_max: merge("x-max-length-bytes", &self.octets_max, &other.octets_max)?,
            overflow: merge("x-overflow", &self.overflow, &other.overflow)?,
            priority_max: merge("x-max-priority", &self.priority_max, &other.priority_max)?,
            dead_letters: merge("x-dead-letter-exchange", &self.dead_letters, &other.dead_letters)?,
        })
    }
}

fn merge<T: Clone + PartialEq>(
    name: &'static str,
    one: &Option<T>,
    other: &Option<T>,
) -> Result<Option<T>, &'static str> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(name),
        (one, other) => Ok(one.as_ref().or(other.as_ref()).cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_agrees_with_everything() {
        let ttl = |seconds| QueueArguments {
            message_ttl: Some(Duration::from_secs(seconds)),
            ..Default::default()
        };
        let length = QueueArguments { messages_max: Some(3), ..Default::default() };
        let both = ttl(1).merged(&length).unwrap();
        assert_eq!((both.message_ttl, both.messages_max), (ttl(1).message_ttl, Some(3)));
        assert_eq!(both.merged(&QueueArguments::default()), Ok(both.clone()));
        assert_eq!(both.merged(&ttl(2)), Err("x-message-ttl"));
    }
}
