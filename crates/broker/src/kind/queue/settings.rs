use std::time::Duration;

use super::backlog::Amount;
use crate::address::{self, OWN_QUEUE};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::error::QueueLimit;
use crate::kind::Refusal;
use crate::message::{Kept, Message, Properties};
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
            dead_letters: dead_letters(name, arguments, options),
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
        let Properties { expires_at, kept, .. } = message.properties;
        let kept_until = if let Kept::Until(at) = kept { Some(at) } else { None };
        least([expires_at, kept_until, self.message_ttl.map(|ttl| now.after(ttl))])
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
        self.drops() || self.ever_fits(message)
    }

    /// Whether the queue gives up messages for which there is no room, rather than refuse them.
    pub(super) fn drops(&self) -> bool {
        match self.overflow {
            QueueOverflow::DropHead | QueueOverflow::DropNew => true,
            QueueOverflow::Wait | QueueOverflow::Refuse => false,
        }
    }

    /// What the sender is told of a message for which there is no room now.
    pub(super) fn refusal(&self, limit: QueueLimit) -> Refusal {
        match self.overflow {
            QueueOverflow::Refuse => Refusal::FullAndRefusing(limit),
            QueueOverflow::Wait | QueueOverflow::DropHead | QueueOverflow::DropNew => {
                Refusal::Full(limit)
            }
        }
    }

    /// Whether a queue with so much may take more, if only because it gives up something else.
    pub(super) fn has_room(&self, amount: Amount) -> bool {
        self.drops() || amount.is_below(self.max)
    }
}

fn dead_letters(
    queue: &Destination,
    arguments: &QueueArguments,
    options: &BrokerOptions,
) -> Option<Destination> {
    // Of those that end with their session nothing is left.
    if queue.as_str().starts_with(OWN_QUEUE) {
        return None;
    }
    let (prefix, name) = options.split_queue_name(queue)?;
    if let Some(target) = &arguments.dead_letters {
        return Some(if address::needs_key(target) {
            shortened(&format!("{target}/{name}"))?
        } else {
            target.clone()
        });
    }
    // The letters of such a queue are dead already.
    let of_its_own = |start: &str| {
        let is_one = queue.as_str().starts_with(start);
        if is_one { None } else { shortened(&format!("{start}{name}")) }
    };
    match &options.policies.of(queue).dead_letters {
        DeadLetters::Discard => None,
        DeadLetters::To(target) => Some(target.clone()),
        DeadLetters::QueueOfItsOwn => of_its_own(&format!("{prefix}DLQ.")),
        DeadLetters::QueueNamed(start) => of_its_own(start),
    }
}

/// A name that may be too long.
fn shortened(name: &str) -> Option<Destination> {
    Destination::parse(&name[..name.floor_char_boundary(Destination::OCTETS_MAX)]).ok()
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

    /// Where the dead letters of a queue go.
    fn place(prefixes: &[&str], queue: &str, arguments: &QueueArguments) -> Option<String> {
        let queue_prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let options = BrokerOptions { queue_prefixes, ..BrokerOptions::default() };
        let place = dead_letters(&Destination::parse(queue).unwrap(), arguments, &options);
        place.map(|place| place.to_string())
    }

    #[test]
    fn dead_letters_of_a_queue_have_a_queue_of_their_own_and_no_further_one() {
        let check = |prefixes: &[&str], queue: &str, expected: Option<&str>| {
            let place = place(prefixes, queue, &QueueArguments::default());
            assert_eq!(place.as_deref(), expected, "{queue}");
        };
        check(&["/queue/"], "/queue/orders", Some("/queue/DLQ.orders"));
        check(&["/queue/"], "/queue/a/b", Some("/queue/DLQ.a/b"));
        check(&["/queue/"], "/queue/DLQ.orders", None);
        check(&["/queue/"], "/temp-queue/x", None);
        check(&["/queue/"], "/dsub/ann/news", Some("/queue/DLQ.ann/news"));
        let others = ["jms.queue.", "/jobs/", "/jobs/eu/"];
        check(&others, "jms.queue.orders", Some("jms.queue.DLQ.orders"));
        check(&others, "/jobs/a", Some("/jobs/DLQ.a"));
        check(&others, "/jobs/eu/a", Some("/jobs/eu/DLQ.a"));
        check(&others, "/jobs/DLQ.a", None);
        check(&others, "/dsub/ann/news", Some("jms.queue.DLQ.ann/news"));
        let long = format!("/queue/{}ä", "x".repeat(1015));
        let expected = format!("/queue/DLQ.{}", "x".repeat(1013));
        check(&["/queue/"], &long, Some(&expected));
    }

    #[test]
    fn an_exchange_without_a_key_gets_the_name_of_the_queue_for_it() {
        let check = |target: &str, expected: &str| {
            let dead_letters = Some(Destination::parse(target).unwrap());
            let arguments = QueueArguments { dead_letters, ..QueueArguments::default() };
            let place = place(&["/queue/"], "/queue/a/b", &arguments);
            assert_eq!(place.as_deref(), Some(expected), "{target}");
        };
        check("/exchange/amq.direct", "/exchange/amq.direct/a/b");
        check("/exchange/amq.topic", "/exchange/amq.topic/a/b");
        check("/exchange/amq.fanout", "/exchange/amq.fanout");
        check("/exchange/amq.direct/c", "/exchange/amq.direct/c");
        check("c", "c");
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
