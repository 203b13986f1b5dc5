use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::destination::Destination;
use crate::kind::Kind;
use crate::pattern::DestinationPattern;
use crate::presence;

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
    /// How often a message of a queue is delivered at most; afterwards it is a dead letter. Of what a consumer
    /// leaves without an answer when it ends, that is said of the message it got first: the others it may
    /// never have looked at. A restart counts anew. Default 20.
    pub deliveries_max: u32,
    /// How long a message that was not acknowledged waits before it is delivered again.
    /// Default: not at all.
    pub redelivery_delay: RedeliveryDelay,
    /// What happens to subscribers of a topic who read too slowly. Default: they are closed.
    pub slow_consumers: SlowConsumers,
    /// Where the messages go that a queue gives up. Default: to a queue of their own, `/queue/DLQ.` and the
    /// queue's name.
    pub dead_letters: DeadLetters,
    /// After how long persistent dead letters are sent again for which there was no place, a second at least.
    /// Default 60 s.
    pub dead_letter_retry: Duration,
    /// What a topic keeps of its messages, for subscribers that come back. Default: nothing.
    pub history: Option<HistoryPolicy>,
    /// Which message a topic keeps for new subscribers. Default: the last one whose sender asks for
    /// it with `retain:set`.
    pub retention: Retention,
    /// Whether it is told who is subscribed to a topic, and how. Default: it is not.
    pub presence: Option<PresencePolicy>,
}

/// How it is told who is subscribed to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresencePolicy {
    /// Up to how many members each of them is told. Beyond, only their number is. Default 1,000.
    pub members_max: usize,
    /// Up to how many octets of the list of all members, as it is told. Beyond, only their number is
    /// told too. Default 256 KiB.
    pub octets_max: usize,
}

impl Default for PresencePolicy {
    fn default() -> Self {
        Self { members_max: 1000, octets_max: 256 * 1024 }
    }
}

/// How much a topic keeps of its messages: those that meet all of these limits.
///
/// A topic that nobody uses is forgotten, with its history, after `age_max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPolicy {
    /// How many messages. Default 100.
    pub messages_max: usize,
    /// For how long. Default 5 minutes.
    pub age_max: Duration,
    /// How many octets, 256 for each message included. Default 1 MiB.
    pub octets_max: usize,
}

impl Default for HistoryPolicy {
    fn default() -> Self {
        Self { messages_max: 100, age_max: Duration::from_secs(5 * 60), octets_max: 1024 * 1024 }
    }
}

/// Which message a topic keeps for new subscribers: its last value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retention {
    /// The last one with the header `retain:set`, as for Apollo.
    #[default]
    WhenAsked,
    /// The last one.
    Last,
    /// None; `retain` is only a header.
    Never,
}

/// What happens to a subscriber of a topic who reads more slowly than the topic's messages come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumers {
    /// Its connection is closed once its outbox is full. It may come back.
    #[default]
    Close,
    /// It misses the oldest of the messages that wait for it.
    DropOldest,
    /// It misses all but the latest: of each destination, one message waits for it.
    KeepLatest,
}

/// What happens to a message for which its queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOverflow {
    /// It is not taken: its sender has to wait until consumers have caught up.
    #[default]
    Wait,
    /// It is not taken, and its sender is told so at once: `x-overflow:reject-publish` of RabbitMQ.
    Refuse,
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
///
/// The name of a queue is here what stands behind its [prefix](crate::BrokerOptions::queue_prefixes). A name
/// that gets too long is cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetters {
    /// To a queue of their own for each queue: its prefix, `DLQ.`, and its name.
    #[default]
    QueueOfItsOwn,
    /// To a queue of their own for each queue: this, and its name.
    QueueNamed(String),
    /// All to one destination.
    To(Destination),
    /// Nowhere.
    Discard,
}

/// A setting of a policy that does nothing for the destinations of its pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdleSetting {
    /// The pattern.
    pub pattern: DestinationPattern,
    /// The setting, as `tidings serve --destination` calls it.
    pub setting: &'static str,
    /// Why it does nothing.
    pub reason: IdleReason,
}

/// Why a setting does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdleReason {
    /// Others have it.
    OfOthers {
        /// What has that setting.
        owners: &'static str,
        /// What the destinations are.
        kind: Kind,
    },
    /// The dead letters of a queue would go to that queue.
    ToItself,
}

impl fmt::Display for IdleSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, setting, reason } = self;
        write!(f, "policy of `{pattern}`: {setting} ")?;
        match reason {
            IdleReason::OfOthers { owners, kind } => {
                write!(f, "is for {owners}, and does nothing for a {kind}")
            }
            IdleReason::ToItself => {
                f.write_str("names the queue that gives the messages up: name another, or discard")
            }
        }
    }
}

impl Error for IdleSetting {}

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

    pub(crate) fn with_patterns(
        &self,
    ) -> impl Iterator<Item = (&DestinationPattern, &DestinationPolicy)> {
        self.policies.iter().map(|(pattern, policy)| (pattern, policy))
    }

    /// Puts other patterns in place of those for which there are some.
    pub(crate) fn replace_patterns(
        &mut self,
        replacement: impl Fn(&DestinationPattern) -> Option<DestinationPattern>,
    ) {
        for (pattern, _) in &mut self.policies {
            if let Some(other) = replacement(pattern) {
                *pattern = other;
            }
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &DestinationPolicy> {
        self.policies.iter().map(|(_, policy)| policy).chain([&self.rest])
    }

    /// Whether some topics have presence.
    pub(crate) fn have_presence(&self) -> bool {
        self.all().any(|policy| policy.presence.is_some())
    }

    /// Whether some topics keep messages, whatever their senders ask for.
    pub(crate) fn keep_messages(&self) -> bool {
        self.all().any(DestinationPolicy::keeps_messages)
    }

    /// What happens to subscribers of a topic who read too slowly. Where presence is told, they are
    /// always closed: whoever missed a change would be wrong about it from then on.
    #[must_use]
    pub fn slow_consumers(&self, topic: &Destination) -> SlowConsumers {
        let close = |policy: &DestinationPolicy| policy.slow_consumers == SlowConsumers::Close;
        if self.all().all(close) {
            return SlowConsumers::Close;
        }
        if presence::is_told_at(topic) {
            return SlowConsumers::Close;
        }
        self.of(topic).slow_consumers
    }

    /// The policy of a destination.
    #[must_use]
    pub fn of(&self, destination: &Destination) -> &DestinationPolicy {
        let found = self.policies.iter().find(|(pattern, _)| pattern.matches(destination));
        found.map_or(&self.rest, |(_, policy)| policy)
    }
}

impl DestinationPolicy {
    /// A setting that is not as it is by default, and that destinations of this kind do not have, with what has it.
    pub(crate) fn idle_setting(&self, kind: Kind) -> Option<(&'static str, &'static str)> {
        let default = Self::default();
        let of_queues = [
            ("message-ttl", self.message_ttl != default.message_ttl),
            ("messages-max", self.messages_max != default.messages_max),
            ("octets-max", self.octets_max != default.octets_max),
            ("overflow", self.overflow != default.overflow),
            ("deliveries-max", self.deliveries_max != default.deliveries_max),
            ("redelivery-delay", self.redelivery_delay != default.redelivery_delay),
        ];
        let of_letters = [
            ("dead-letters", self.dead_letters != default.dead_letters),
            ("dead-letter-retry", self.dead_letter_retry != default.dead_letter_retry),
        ];
        let of_topics = [
            ("history", self.history != default.history),
            ("retain", self.retention != default.retention),
            ("presence", self.presence != default.presence),
        ];
        let of_subscribers = [("slow-consumers", self.slow_consumers != default.slow_consumers)];
        let queues = (&of_queues[..], "queues");
        let letters = (&of_letters[..], "queues");
        let lasting = (&of_letters[..], "queues that outlive their connection");
        let topics = (&of_topics[..], "topics");
        let subscribers = (&of_subscribers[..], "topics and destinations of users");
        let idle = match kind {
            Kind::Queue => &[topics, subscribers][..],
            Kind::TemporaryQueue => &[topics, subscribers, lasting],
            Kind::Topic => &[queues, letters],
            Kind::TemporaryTopic | Kind::User => &[queues, letters, topics],
            Kind::Presence => &[queues, letters, topics, subscribers],
        };
        idle.iter().find_map(|(settings, owners)| {
            let (setting, _) = settings.iter().find(|(_, is_set)| *is_set)?;
            Some((*setting, *owners))
        })
    }

    /// Whether a topic keeps messages, whatever their senders ask for.
    pub(crate) fn keeps_messages(&self) -> bool {
        self.history.is_some() || self.retention == Retention::Last
    }
}

impl Default for DestinationPolicy {
    fn default() -> Self {
        Self {
            message_ttl: None,
            messages_max: None,
            octets_max: None,
            overflow: QueueOverflow::Wait,
            slow_consumers: SlowConsumers::Close,
            deliveries_max: 20,
            redelivery_delay: RedeliveryDelay::NONE,
            dead_letters: DeadLetters::default(),
            dead_letter_retry: Duration::from_secs(60),
            history: None,
            retention: Retention::WhenAsked,
            presence: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::BrokerOptions;

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
    fn a_setting_that_can_do_nothing_is_found() {
        let age = Some(Duration::from_secs(3600));
        let history = Some(HistoryPolicy::default());
        let ttl = || DestinationPolicy { message_ttl: age, ..Default::default() };
        let past = || DestinationPolicy { history: history.clone(), ..Default::default() };
        let slow_consumers = SlowConsumers::DropOldest;
        let slow = || DestinationPolicy { slow_consumers, ..Default::default() };
        let check = |pattern: &str, policy: DestinationPolicy, expected: Option<&str>| {
            let mut options = BrokerOptions::default();
            options.policies.push(DestinationPattern::parse(pattern).unwrap(), policy);
            let idle = options.check_settings().err().map(|idle| idle.setting);
            assert_eq!(idle, expected, "{pattern}");
        };
        for topic in ["/topic/x", "/topic/**", "/exchange/amq.direct/k", "/exchange/amq.topic/a.#"]
        {
            check(topic, ttl(), Some("message-ttl"));
            check(topic, past(), None);
            check(topic, slow(), None);
        }
        for queue in ["/queue/x", "jobs.*", "/amq/queue/x", "/dsub/**", "/temp-queue/*"] {
            check(queue, ttl(), None);
            check(queue, past(), Some("history"));
            check(queue, slow(), Some("slow-consumers"));
        }
        let letters = |place: &str| {
            let dead_letters = DeadLetters::To(Destination::parse(place).unwrap());
            DestinationPolicy { dead_letters, ..Default::default() }
        };
        check("/temp-queue/*", letters("/queue/dead"), Some("dead-letters"));
        check("/topic/x", letters("/queue/dead"), Some("dead-letters"));
        for (queue, itself) in [("/queue/x", "x"), ("x", "/queue/x"), ("/amq/queue/x", "/queue/x")]
        {
            check(queue, letters(itself), Some("dead-letters"));
            check(queue, letters("/queue/y"), None);
        }
        check("/queue/**", letters("/queue/x"), None);
        check("/user/**", slow(), None);
        check("/user/**", past(), Some("history"));
        check("/presence/topic/x", slow(), Some("slow-consumers"));
        // They are for both, or for whatever there is.
        for pattern in ["**", "/*/x", "/topic.a.*"] {
            check(pattern, ttl(), None);
            check(pattern, past(), None);
        }
        check("/topic/x", DestinationPolicy::default(), None);
    }

    #[test]
    fn no_change_of_presence_is_dropped() {
        let mut policies = DestinationPolicies::default();
        let slow_consumers = SlowConsumers::DropOldest;
        policies.set_rest(DestinationPolicy { slow_consumers, ..Default::default() });
        let check = |name: &str, expected| {
            let topic = Destination::parse(name).unwrap();
            assert_eq!(policies.slow_consumers(&topic), expected, "{name}");
        };
        check("/presence/topic/a", SlowConsumers::Close);
        check("/topic/presence/a", SlowConsumers::DropOldest);
        check("/presences/a", SlowConsumers::DropOldest);
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
