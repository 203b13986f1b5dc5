use std::time::Duration;

use super::backlog::Amount;
use crate::address::OWN_QUEUE;
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::error::QueueLimit;
use crate::message::Message;
use crate::options::BrokerOptions;
use crate::policy::{DeadLetters, QueueOverflow, RedeliveryDelay};
use crate::timestamp::Timestamp;

/// The rank of a message about whose priority nothing was said.
const PRIORITY_DEFAULT: u8 = 4;
/// Letters are sent again no sooner than that.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The highest priority that a queue tells apart, unless it was asked for more.
const PRIORITY_MAX: u8 = 9;

/// How a queue behaves: its policy, and what clients have asked for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) overflow: QueueOverflow,
    pub(super) deliveries_max: u32,
    pub(super) redelivery_delay: RedeliveryDelay,
    /// Where messages go that the queue gives up.
    pub(super) dead_letters: Option<Destination>,
    /// How long the queue lasts without consumers, if not for ever.
    pub(super) expires: Option<Duration>,
    /// When dead letters are sent again for which there was no place.
    pub(super) dead_letter_retry: Duration,
    message_ttl: Option<Duration>,
    /// How much it holds, besides dead letters that wait for a place.
    max: Amount,
    /// How much it holds together with those.
    pub(super) max_with_letters: Amount,
    priority_max: Option<u8>,
}

impl Settings {
    pub(super) fn new(
        name: &Destination,
        arguments: &QueueArguments,
        options: &BrokerOptions,
    ) -> Self {
        let policy = options.policies.of(name);
        let limits = &options.limits;
        let max_with_letters =
            Amount { messages: limits.queue_messages_max, octets: limits.queue_octets_max };
        let asked = |max: Option<u64>| max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        let least_of = |limit: usize, others: [Option<usize>; 2]| {
            others.into_iter().flatten().fold(limit, usize::min)
        };
        let max = Amount {
            messages: least_of(
                limits.queue_messages_max,
                [policy.messages_max, asked(arguments.messages_max)],
            ),
            octets: least_of(
                limits.queue_octets_max,
                [policy.octets_max, asked(arguments.octets_max)],
            ),
        };
        Self {
            overflow: arguments.overflow.unwrap_or(policy.overflow),
            deliveries_max: policy.deliveries_max,
            redelivery_delay: policy.redelivery_delay,
            dead_letters: dead_letters(name, arguments, &policy.dead_letters),
            expires: arguments.expires,
            dead_letter_retry: policy.dead_letter_retry.max(RETRY_MIN),
            message_ttl: least([policy.message_ttl, arguments.message_ttl]),
            max,
            max_with_letters,
            priority_max: arguments.priority_max,
        }
    }

    /// The lower, the more urgent.
    pub(super) fn rank(&self, message: &Message) -> u8 {
        // RabbitMQ, where the argument comes from, takes what says nothing for the least urgent.
        let unsaid = if self.priority_max.is_some() { 0 } else { PRIORITY_DEFAULT };
        let priority = message.properties.priority.unwrap_or(unsaid);
        u8::MAX - priority.min(self.priority_max.unwrap_or(PRIORITY_MAX))
    }

    /// When a message is no longer wanted that comes now.
    pub(super) fn expiry(&self, now: Timestamp, message: &Message) -> Option<Timestamp> {
        least([message.properties.expires_at, self.message_ttl.map(|ttl| now.after(ttl))])
    }

    /// Whether the queue may hold so much.
    pub(super) fn check(&self, amount: Amount) -> Result<(), QueueLimit> {
        amount.check(self.max)
    }

    /// Whether an empty queue would have room for the message.
    pub(super) fn ever_fits(&self, message: &Message) -> bool {
        self.check(Amount::default().with(message)).is_ok()
    }

    /// Whether waiting for room helps a message.
    pub(super) fn may_take(&self, message: &Message) -> bool {
        self.overflow != QueueOverflow::Wait || self.ever_fits(message)
    }

    /// Whether a queue with so much may take more, if only because it gives up something else.
    pub(super) fn has_room(&self, amount: Amount) -> bool {
        self.overflow != QueueOverflow::Wait || amount.is_below(self.max)
    }
}

fn dead_letters(
    name: &Destination,
    arguments: &QueueArguments,
    policy: &DeadLetters,
) -> Option<Destination> {
    // Of those that end with their session nothing is left.
    if name.as_str().starts_with(OWN_QUEUE) {
        return None;
    }
    if let Some(target) = &arguments.dead_letters {
        return Some(target.clone()).filter(|target| target != name);
    }
    match policy {
        DeadLetters::Discard => None,
        DeadLetters::To(target) => Some(target.clone()).filter(|target| target != name),
        // The letters of such a queue are dead already.
        DeadLetters::QueueNamed(prefix) if name.as_str().starts_with(prefix) => None,
        DeadLetters::QueueNamed(prefix) => {
            let name = name.as_str();
            let last = name.trim_start_matches('/').split_once('/').map_or(name, |(_, rest)| rest);
            Destination::parse(&format!("{prefix}{last}")).ok()
        }
    }
}

fn least<T: Ord>(options: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    options.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, arguments: &QueueArguments) -> Settings {
        Settings::new(&Destination::parse(name).unwrap(), arguments, &BrokerOptions::default())
    }

    #[test]
    fn dead_letters_of_a_queue_have_a_queue_of_their_own_and_no_further_one() {
        let check = |name: &str, expected: Option<&str>| {
            let settings = settings(name, &QueueArguments::default());
            assert_eq!(settings.dead_letters.as_ref().map(Destination::as_str), expected, "{name}");
        };
        check("/queue/orders", Some("/queue/DLQ.orders"));
        check("/queue/a/b", Some("/queue/DLQ.a/b"));
        check("/queue/DLQ.orders", None);
        check("/temp-queue/x", None);
    }

    #[test]
    fn a_client_may_ask_for_less_than_the_policy_and_not_for_more() {
        let arguments = QueueArguments {
            messages_max: Some(3),
            octets_max: Some(u64::MAX),
            ..Default::default()
        };
        let settings = settings("/queue/a", &arguments);
        let octets = BrokerOptions::default().limits.queue_octets_max;
        assert_eq!(settings.max, Amount { messages: 3, octets });
    }
}
