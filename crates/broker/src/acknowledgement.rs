use std::fmt;

use crate::base36;
use crate::message::MessageId;
use crate::short_text::ShortText;

/// What a consumer names to acknowledge one delivery: the `ack` header of MESSAGE and the `id`
/// header of ACK and NACK in STOMP 1.2.
///
/// Short, unique among the deliveries of a session, and made of characters that no version of STOMP
/// has to escape. A redelivery has a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AckId(ShortText<OCTETS_MAX>);

/// Those of the longest id of a message, which are more than those of two numbers.
const OCTETS_MAX: usize = MessageId::OCTETS_MAX;

impl AckId {
    /// The id as it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether a text has the form of these ids, which ids of messages do not have.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        Self::parse(text).is_some()
    }

    pub(crate) fn new(subscription_number: u64, tag: DeliveryTag) -> Self {
        let mut text = ShortText::new();
        base36::push(&mut text, subscription_number);
        text.push(b'.');
        base36::push(&mut text, tag.0);
        Self(text)
    }

    /// What is named instead where an ACK changes nothing, for a topic.
    pub(crate) fn of_message(id: &MessageId) -> Self {
        let mut text = ShortText::new();
        text.push_ascii(id.as_str().as_bytes());
        Self(text)
    }

    /// The number of the subscription within its session and the delivery, of an id that may never
    /// have been given out.
    pub(crate) fn parse(text: &str) -> Option<(u64, DeliveryTag)> {
        let (number, tag) = text.split_once('.')?;
        Some((base36::parse(number)?, DeliveryTag(base36::parse(tag)?)))
    }
}

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts up over the deliveries of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeliveryTag(pub(crate) u64);

/// Which delivery an ACK or NACK is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckTarget<'a> {
    /// The `id` header of STOMP 1.2. Many clients put the message id there, which is understood too.
    Ack(&'a str),
    /// The headers of STOMP 1.0 and 1.1.
    Message {
        /// The `subscription` header. STOMP 1.0 has none: every subscription of the session counts.
        subscription: Option<&'a str>,
        /// The `message-id` header.
        message_id: &'a str,
    },
}

/// What becomes of a message that its consumer does not want. STOMP leaves that to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackAction {
    /// It goes back to its place in the queue and is delivered again, perhaps to the same consumer.
    Requeue,
    /// It is not delivered again: it becomes a dead letter.
    Reject,
}

/// What a consumer decided about messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    Consume,
    Requeue,
    Reject,
}

impl From<NackAction> for Settlement {
    fn from(action: NackAction) -> Self {
        match action {
            NackAction::Requeue => Self::Requeue,
            NackAction::Reject => Self::Reject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let id = AckId::new(36, DeliveryTag(7));
        assert_eq!(id.as_str(), "10.7");
        assert_eq!(AckId::parse("10.7"), Some((36, DeliveryTag(7))));
    }

    #[test]
    fn anything_else_is_no_id() {
        for text in ["", ".", "1", "1.", ".1", "1.1.1", "01.1", "1:1", "a-1"] {
            assert_eq!(AckId::parse(text), None, "{text}");
        }
    }
}
