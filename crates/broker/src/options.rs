use std::sync::Arc;

use crate::address::{Address, Addresses, EXCHANGE};
use crate::destination::Destination;
use crate::error::SendError;
use crate::kind::Kind;
use crate::limits::Limits;
use crate::pattern::DestinationPattern;
use crate::policy::{DeadLetters, DestinationPolicies, IdleReason, IdleSetting};
use crate::token::TokenSource;

/// How a [`Broker`](crate::Broker) is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerOptions {
    /// What the ids of messages start with. Random text makes them differ from those of other
    /// brokers and of this one before a restart. Characters other than ASCII letters, digits, `-`
    /// and `_` are left out, and those behind the 16th of what is left. Default empty.
    pub message_id_prefix: String,
    /// The number of the first message; the others count up from it. A broker whose messages are
    /// stored needs one beyond those of its past. Default 1.
    pub message_serial_first: u64,
    /// What the epochs of histories start with. Random text tells clients that come back after a
    /// restart that the history they have seen is gone. Characters other than ASCII letters, digits,
    /// `-` and `_` are left out. Default empty.
    pub history_epoch: String,
    /// What the names of topics start with; the first one is put before names that do not say what they
    /// are, where a header says that. The longest prefix that fits decides the kind of a
    /// destination. Default `/topic/`.
    pub topic_prefixes: Vec<String>,
    /// What the names of queues start with; the first one is put before names without slash. Default
    /// `/queue/`.
    pub queue_prefixes: Vec<String>,
    /// What the destinations of users start with, with a slash at its end: see
    /// [`SubscribeOptions::user`](crate::SubscribeOptions::user). Empty if there are none. Default `/user/`.
    pub user_prefix: String,
    /// What destinations start with that somebody else than the broker serves, such as `/app/`: told to those
    /// whose destination is unknown. Default none.
    pub other_prefixes: Vec<String>,
    /// Where the names of temporary destinations come from, which nobody must be able to guess.
    pub tokens: TokenSource,
    /// How destinations of some names behave.
    pub policies: DestinationPolicies,
    /// What becomes of a subscription to a queue whose messages nobody would know to have been delivered,
    /// should the server end. A shell that stores changes wants it refused. Default: it gets them.
    pub unprepared: Unprepared,
    /// How much the broker holds.
    pub limits: Limits,
}

/// What becomes of a subscription that was not [prepared](crate::Broker::prepare_subscribe), or before
/// there was something to prepare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unprepared {
    /// It gets the messages that there are.
    #[default]
    Deliver,
    /// It is refused with [`SubscribeError::Unprepared`](crate::SubscribeError::Unprepared).
    Refuse,
}

impl BrokerOptions {
    /// Whether there can be destinations, under these prefixes, that the patterns of the policies match: the others
    /// would be passed over in silence. A pattern is understood as the destination of a SUBSCRIBE is, `NAME` without
    /// a slash as a queue; one that begins with a wildcard is for whatever it matches.
    ///
    /// # Errors
    ///
    /// The first pattern that is for nothing, and what is wrong with it.
    pub fn check_policies(&self) -> Result<(), (DestinationPattern, SendError)> {
        let addresses = Addresses::new(self);
        self.policies.with_patterns().try_for_each(|(pattern, _)| {
            match addresses.policy_pattern(pattern) {
                Ok(_) => Ok(()),
                Err(error) => Err((pattern.clone(), error.into())),
            }
        })
    }

    /// The name that all spellings of a destination share, or of a pattern, if it is any that a broker with these
    /// prefixes knows: that of its [claims](crate::Claim).
    #[must_use]
    pub fn common_name(&self, text: &str) -> Option<Box<str>> {
        let addresses = Addresses::new(self);
        let called = Destination::parse(text).ok()?;
        let address = addresses.resolve(&called, || None).ok()?;
        Some(addresses.common_name(&called, address).as_str().into())
    }

    /// Patterns that match all such names, and hardly any others, each with the kind of their destinations.
    #[must_use]
    pub fn common_names(&self) -> Vec<(String, Kind)> {
        Addresses::new(self).of_clients()
    }

    /// What is told to those whose destination is unknown: what destinations are called.
    #[must_use]
    pub fn expected_names(&self) -> Arc<str> {
        Arc::clone(Addresses::new(self).expected())
    }

    /// Whether every setting of the policies can do something for the destinations of its pattern: whoever has set one
    /// that cannot would wait for it in vain. Patterns for destinations of several kinds may have them all.
    ///
    /// # Errors
    ///
    /// The first one that cannot.
    pub fn check_settings(&self) -> Result<(), IdleSetting> {
        let addresses = Addresses::new(self);
        self.policies.with_patterns().try_for_each(|(pattern, policy)| {
            let Ok((known, Some(kind))) = addresses.policy_pattern(pattern) else { return Ok(()) };
            let of_others = policy.idle_setting(kind);
            let of_others =
                of_others.map(|(setting, owners)| (setting, IdleReason::OfOthers { owners, kind }));
            let is_to_itself = || match &policy.dead_letters {
                DeadLetters::To(place) if known.is_exact() => addresses
                    .resolve(place, || None)
                    .is_ok_and(|it| addresses.common_name(place, it) == *known.name()),
                _ => false,
            };
            let idle = of_others
                .or_else(|| is_to_itself().then_some(("dead-letters", IdleReason::ToItself)));
            idle.map_or(Ok(()), |(setting, reason)| {
                Err(IdleSetting { pattern: pattern.clone(), setting, reason })
            })
        })
    }

    /// Has the patterns of policies be those of names by which the broker knows destinations.
    pub(crate) fn resolve_policies(&mut self) {
        let addresses = Addresses::new(self);
        self.policies.replace_patterns(|pattern| {
            addresses.policy_pattern(pattern).ok().map(|(known, _)| known)
        });
    }

    /// Whether the policies send dead letters to destinations that there are, under these prefixes: they would
    /// be lost otherwise.
    ///
    /// # Errors
    ///
    /// [`SendError`] about the first place that is no queue and no topic.
    pub fn check_dead_letters(&self) -> Result<(), SendError> {
        let addresses = Addresses::new(self);
        for policy in self.policies.all() {
            let place = match &policy.dead_letters {
                DeadLetters::QueueOfItsOwn | DeadLetters::Discard => continue,
                DeadLetters::To(place) => place.clone(),
                DeadLetters::QueueNamed(start) => {
                    let place = Destination::parse(&format!("{start}NAME"));
                    place.map_err(SendError::InvalidDestination)?
                }
            };
            addresses.check_place(&place)?;
        }
        Ok(())
    }

    /// Whether there are such destinations, under these prefixes, to which somebody may send who is no session; several
    /// are separated by commas.
    ///
    /// # Errors
    ///
    /// [`SendError`] about the first that is none.
    pub fn check_destination(&self, text: &str) -> Result<(), SendError> {
        let addresses = Addresses::new(self);
        let parse = |text| Destination::parse(text).map_err(SendError::InvalidDestination);
        parse(text)?.parts().try_for_each(|part| addresses.check_place(&parse(part)?))
    }

    /// Whether some prefix of destinations begins with this text, and has more: what follows then says what it is.
    #[must_use]
    pub fn begins_prefix(&self, text: &str) -> bool {
        let addresses = Addresses::new(self);
        let is_exchange = text.strip_prefix(EXCHANGE).is_some_and(|name| !name.contains('/'));
        let mut known = addresses.all_prefixes();
        is_exchange || known.any(|prefix| prefix != text && prefix.starts_with(text))
    }

    /// The prefix of a queue's name, and what stands behind it. What has none of the prefixes counts as one
    /// with the first prefix, whose name begins behind its own first word.
    pub(crate) fn split_queue_name<'a>(
        &'a self,
        queue: &'a Destination,
    ) -> Option<(&'a str, &'a str)> {
        let name = queue.as_str();
        let behind = |prefix: &'a String| {
            let rest = name.strip_prefix(prefix.as_str()).filter(|rest| !rest.is_empty())?;
            Some((prefix.as_str(), rest))
        };
        let longest = self.queue_prefixes.iter().filter_map(behind).max_by_key(|(it, _)| it.len());
        longest.or_else(|| {
            let words = name.trim_start_matches('/').split_once('/');
            Some((self.queue_prefixes.first()?.as_str(), words.map_or(name, |(_, rest)| rest)))
        })
    }
}

impl Addresses {
    /// Whether somebody who is no session may send there.
    fn check_place(&self, place: &Destination) -> Result<(), SendError> {
        match self.resolve(place, || None)? {
            Address::User(destination) => Ok(self.user_topic_called(&destination).map(drop)?),
            Address::Topic(_)
            | Address::Exchange(_)
            | Address::Queue(_)
            | Address::ExistingQueue(_) => Ok(()),
            Address::Presence(destination) => Err(SendError::ReadOnly { destination }),
            Address::Own(_, destination) | Address::Remote(_, destination) => {
                Err(SendError::NoSession { destination })
            }
        }
    }
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            message_id_prefix: String::new(),
            message_serial_first: 1,
            history_epoch: String::new(),
            topic_prefixes: vec!["/topic/".to_owned()],
            queue_prefixes: vec!["/queue/".to_owned()],
            user_prefix: "/user/".to_owned(),
            other_prefixes: Vec::new(),
            tokens: TokenSource::default(),
            policies: DestinationPolicies::default(),
            unprepared: Unprepared::default(),
            limits: Limits::default(),
        }
    }
}
