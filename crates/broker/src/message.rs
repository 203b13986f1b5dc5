use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::base36;
use crate::dead_letter::DeathReason;
use crate::destination::Destination;
use crate::history::HistoryPosition;
use crate::short_text::ShortText;
use crate::stomp::{self, Headers};
use crate::subscription::SessionKey;
use crate::timestamp::Timestamp;

/// A message on its way to subscribers, shared by all of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Where it was sent to: never a pattern.
    pub destination: Destination,
    /// Its id, the same for every subscriber and every delivery.
    pub message_id: MessageId,
    /// The headers of its sender, without those that STOMP itself defines for SEND and MESSAGE.
    pub headers: Headers,
    /// Its body. One that shares larger octets keeps all of them alive.
    pub body: Bytes,
    /// What the broker makes of its headers.
    pub properties: Properties,
    /// The session that sent it.
    pub(crate) sender: Option<SessionKey>,
}

/// What a sender asks of the broker for a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Whether a queue keeps the message when the server ends.
    pub durability: Durability,
    /// How urgent it is; queues deliver those with larger numbers first. What no sender has said is
    /// 4, as for JMS.
    pub priority: Option<u8>,
    /// When nobody wants it any more.
    pub expires_at: Option<Timestamp>,
    /// Before when no queue delivers it.
    pub deliver_at: Option<Timestamp>,
    /// Of a message that is stored: what its queue knows of it. In another queue it means nothing.
    pub kept: Kept,
    /// Whether a topic keeps it for new subscribers.
    pub retain: Retain,
}

/// What a queue knows of a message that it stores, besides what the message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    #[default]
    Unsaid,
    /// How long the queue keeps it.
    Until(Timestamp),
    /// The queue has given it up, and it waits for a place among dead letters.
    GivenUp {
        /// Why.
        reason: DeathReason,
        /// How many times it was delivered.
        deliveries: u32,
    },
}

/// What the sender of a message asks of the message that its topic retains: Apollo's `retain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// Nothing: the topic's policy says.
    #[default]
    Unsaid,
    /// It is this one from now on.
    Set,
    /// There is none from now on.
    Remove,
}

/// Whether a message outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is in memory only.
    #[default]
    Transient,
    /// A queue that is durable stores it.
    Persistent,
}

impl Message {
    /// Whether a durable queue stores it.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.properties.durability == Durability::Persistent
    }

    /// Where it stands in the history of its topic, if that has one.
    #[must_use]
    pub fn position(&self) -> Option<HistoryPosition> {
        stomp::position(&self.headers)
    }

    /// What it counts against limits in octets.
    pub(crate) fn octets(&self) -> usize {
        self.headers.kept_octets() + self.body.len()
    }
}

/// The id of a message, for the `message-id` header of MESSAGE.
///
/// No other message of the same broker has it. It consists of ASCII letters, digits, `-` and `_`,
/// so that no version of STOMP has to escape it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId {
    serial: u64,
    text: ShortText<{ Self::OCTETS_MAX }>,
}

/// The longest prefix of an id, without the `-` behind it.
const PREFIX_OCTETS_MAX: usize = 16;

impl MessageId {
    pub(crate) const OCTETS_MAX: usize = PREFIX_OCTETS_MAX + 1 + base36::DIGITS_MAX;

    /// The id as it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives every message of one broker its id.
#[derive(Debug)]
pub(crate) struct MessageIds {
    /// Empty, or ends with `-`.
    prefix: Box<str>,
    next: AtomicU64,
}

impl MessageIds {
    /// Ids that start with what may stand in an id of `prefix`, and count up from `first`.
    pub(crate) fn new(prefix: &str, first: u64) -> Self {
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let mut prefix: String = prefix.chars().filter(fits).take(PREFIX_OCTETS_MAX).collect();
        if !prefix.is_empty() {
            prefix.push('-');
        }
        Self { prefix: prefix.into(), next: AtomicU64::new(first.max(1)) }
    }

    pub(crate) fn next(&self) -> MessageId {
        self.of(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The id with this serial number.
    pub(crate) fn of(&self, serial: u64) -> MessageId {
        let mut text = ShortText::new();
        text.push_ascii(self.prefix.as_bytes());
        base36::push(&mut text, serial);
        MessageId { serial, text }
    }

    /// The serial number of an id that was given to a message.
    pub(crate) fn parse(&self, text: &str) -> Option<u64> {
        let serial = base36::parse(text.strip_prefix(&*self.prefix)?)?;
        (1..self.next.load(Ordering::Relaxed)).contains(&serial).then_some(serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_read_back() {
        let ids = MessageIds::new("n1", 1);
        let (first, second) = (ids.next(), ids.next());
        assert_eq!((first.as_str(), second.as_str()), ("n1-1", "n1-2"));
        assert_eq!(ids.parse("n1-2"), Some(second.serial()));
    }

    #[test]
    fn ids_that_no_message_has_are_unknown() {
        let ids = MessageIds::new("n1", 1);
        ids.next();
        for text in ["", "1", "n1-", "n1-0", "n1-2", "n1-01", "n2-1"] {
            assert_eq!(ids.parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_id_fits() {
        let ids = MessageIds::new(&"p".repeat(PREFIX_OCTETS_MAX + 1), 1);
        let id = ids.of(u64::MAX);
        assert_eq!(id.as_str(), "pppppppppppppppp-3w5e11264sgsf");
    }

    #[test]
    fn nothing_in_an_id_needs_escaping() {
        assert_eq!(MessageIds::new("a:b\\c\nd e.f", 1).next().as_str(), "abcdef-1");
        assert_eq!(MessageIds::new(":", 1).next().as_str(), "1");
    }
}
