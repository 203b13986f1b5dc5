use std::time::Duration;

use crate::destination::Destination;
use crate::pattern::DestinationPattern;

/// How destinations of some names behave, where an application wants them to differ.
///
/// What a client asks for with the arguments of a queue goes before its policy, as far as it asks
/// for less.
///
/// ```
/// use std::time::Duration;
/// use tidings_broker::{DestinationPolicy, QueueOverflow};
///
/// let policy = DestinationPolicy {
///     message_ttl: Some(Duration::from_secs(60)),
///     overflow: QueueOverflow::DropHead,
///     ..DestinationPolicy::default()
/// };
/// # let _ = policy;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationPolicy {
    /// How long a message of a queue waits for a consumer at most. Default: for ever.
    pub message_ttl: Option<Duration>,
    /// How many messages a queue holds, if fewer than
    /// [`Limits::queue_messages_max`](crate::Limits::queue_messages_max). Default: that limit.
    pub messages_max: Option<usize>,
    /// How many octets a queue holds, if fewer than
    /// [`Limits::queue_octets_max`](crate::Limits::queue_octets_max). Default: that limit.
    pub octets_max: Option<usize>,
    /// What happens to messages for which a queue has no room. Default: the sender waits.
    pub overflow: QueueOverflow,
    /// How often a message of a queue is delivered at most; afterwards it is a dead letter.
    /// Default 20.
    pub deliveries_max: u32,
    /// How long a message that was not acknowledged waits before it is delivered again.
    /// Default: not at all.
    pub redelivery_delay: RedeliveryDelay,
    /// Where the messages go that a queue gives up. Default: `/queue/DLQ.` and the queue's name.
    pub dead_letters: DeadLetters,
}

/// What happens to a message for which its queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOverflow {
    /// It is not taken: its sender has to wait until consumers have caught up.
    #[default]
    Wait,
    /// It is taken, and the oldest messages that wait become dead letters.
    DropHead,
    /// It becomes a dead letter itself.
    DropNew,
}

/// How long a message waits before it is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeliveryDelay {
    /// After the first delivery.
    pub first: Duration,
    /// By what the delay grows with each further delivery. 1 keeps it as it is.
    pub factor: u32,
    /// How long it gets.
    pub max: Duration,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetters {
    /// To a queue of their own for each queue: this, and the name of the queue.
    QueueNamed(String),
    /// All to one destination.
    To(Destination),
    /// Nowhere.
    Discard,
}

/// The policies of a broker: the first one whose pattern matches a destination is its policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationPolicies {
    policies: Vec<(DestinationPattern, DestinationPolicy)>,
    rest: DestinationPolicy,
}

impl RedeliveryDelay {
    /// No delay at all.
    pub const NONE: Self = Self { first: Duration::ZERO, factor: 1, max: Duration::ZERO };

    /// The delay of a message that has been delivered so many times.
    #[must_use]
    pub fn after_deliveries(&self, deliveries: u32) -> Duration {
        let steps = deliveries.saturating_sub(1);
        let factor = self.factor.max(1).saturating_pow(steps);
        self.first.saturating_mul(factor).min(self.max)
    }
}

impl DestinationPolicies {
    /// Adds a policy, behind those that are there.
    pub fn push(&mut self, pattern: DestinationPattern, policy: DestinationPolicy) {
        self.policies.push((pattern, policy));
    }

    /// The policy of all destinations that no pattern matches.
    pub fn set_rest(&mut self, policy: DestinationPolicy) {
        self.rest = policy;
    }

    /// The policy of a destination.
    #[must_use]
    pub fn of(&self, destination: &Destination) -> &DestinationPolicy {
        let found = self.policies.iter().find(|(pattern, _)| pattern.matches(destination));
        found.map_or(&self.rest, |(_, policy)| policy)
    }
}

impl Default for DestinationPolicy {
    fn default() -> Self {
        Self {
            message_ttl: None,
            messages_max: None,
            octets_max: None,
            overflow: QueueOverflow::Wait,
            deliveries_max: 20,
            redelivery_delay: RedeliveryDelay::NONE,
            dead_letters: DeadLetters::QueueNamed("/queue/DLQ.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let mut policies = DestinationPolicies::default();
        let policy = |deliveries_max| DestinationPolicy { deliveries_max, ..Default::default() };
        policies.push(DestinationPattern::parse("/queue/a").unwrap(), policy(1));
        policies.push(DestinationPattern::parse("/queue/*").unwrap(), policy(2));
        policies.set_rest(policy(3));
        let check = |name: &str, expected| {
            let destination = Destination::parse(name).unwrap();
            assert_eq!(policies.of(&destination).deliveries_max, expected, "{name}");
        };
        check("/queue/a", 1);
        check("/queue/b", 2);
        check("/queue/b.c", 3);
    }

    #[test]
    fn a_delay_grows_up_to_its_end() {
        let second = Duration::from_secs(1);
        let delay = RedeliveryDelay { first: second, factor: 3, max: 10 * second };
        let delays = [1, 2, 3, 4, u32::MAX].map(|count| delay.after_deliveries(count).as_secs());
        assert_eq!(delays, [1, 3, 9, 10, 10]);
        assert_eq!(RedeliveryDelay::NONE.after_deliveries(5), Duration::ZERO);
    }
}
