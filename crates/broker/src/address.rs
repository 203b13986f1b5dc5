//! What the text of a `destination` header stands for.

use std::borrow::Cow;
use std::sync::Arc;

use crate::destination::{Destination, DestinationError};
use crate::durable_name::DurableName;
use crate::error::UnknownDestination;
use crate::kind::Kind;
use crate::options::BrokerOptions;
use crate::pattern::{DestinationPattern, Word};
use crate::presence;
use crate::token::Token;

/// What temporary destinations are called by the session whose they are.
pub(crate) const OWN_QUEUE: &str = "/temp-queue/";
const OWN_TOPIC: &str = "/temp-topic/";
/// What others are told they are called: by ActiveMQ's manner, and by RabbitMQ's.
const REMOTE_QUEUE: &str = "/remote-temp-queue/";
const REMOTE_TOPIC: &str = "/remote-temp-topic/";
const REPLY_QUEUE: &str = "/reply-queue/";

/// RabbitMQ's exchanges, and its queues that must exist.
pub(crate) const EXCHANGE: &str = "/exchange/";
const TOPIC_EXCHANGE: &str = "amq.topic";
const DIRECT_EXCHANGE: &str = "amq.direct";
const FANOUT_EXCHANGE: &str = "amq.fanout";
const EXISTING_QUEUE: &str = "/amq/queue/";

const PRESENCE: &str = "/presence/";

/// What is told, beside the prefixes of topics and queues, to those who use none of them.
const OTHERS: [&str; 6] = [
    "/temp-queue/NAME",
    "/temp-topic/NAME",
    "/amq/queue/NAME",
    "/exchange/amq.topic/KEY",
    "/exchange/amq.direct/KEY",
    "/exchange/amq.fanout",
];

/// What SEND and SUBSCRIBE call an exchange of RabbitMQ. The key may be left out. `None` if there is no such
/// exchange.
pub(crate) fn exchange_name(exchange: &str, key: Option<&str>) -> Option<String> {
    let is_one = [TOPIC_EXCHANGE, DIRECT_EXCHANGE, FANOUT_EXCHANGE].contains(&exchange);
    is_one.then(|| match key {
        Some(key) => format!("{EXCHANGE}{exchange}/{key}"),
        None => format!("{EXCHANGE}{exchange}"),
    })
}

/// Whether this is an exchange without the key that it needs.
pub(crate) fn needs_key(name: &Destination) -> bool {
    let exchange = name.as_str().strip_prefix(EXCHANGE);
    exchange.is_some_and(|exchange| [TOPIC_EXCHANGE, DIRECT_EXCHANGE].contains(&exchange))
}

/// What a destination is, under the name by which the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A topic or, from a subscriber, a pattern.
    Topic(Destination),
    /// A topic whose name is never a pattern: an exchange of RabbitMQ.
    Exchange(Destination),
    Queue(Destination),
    /// A queue that is not to be created.
    ExistingQueue(Destination),
    /// Who is subscribed to a topic.
    Presence(Destination),
    /// A destination of users, as it was written: of the subscriber's own, or of whom the sender names.
    User(Destination),
    /// A temporary destination of the session that names it, which calls it so.
    Own(TemporaryKind, Destination),
    /// A temporary destination of some session, by the name that others know.
    Remote(TemporaryKind, Destination),
}

/// Destinations that end with their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TemporaryKind {
    Queue,
    Topic,
}

/// How others are told of a temporary queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `/remote-temp-queue/`: its session has subscribed to it.
    ActiveMq,
    /// `/reply-queue/`: the broker has subscribed for its session.
    RabbitMq,
}

/// Whom a message is for where the name does not say it: the `destination-type` and
/// `subscription-type` headers of Artemis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingType {
    /// One consumer of a queue.
    Anycast,
    /// All subscribers of a topic.
    Multicast,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AddressError {
    Unknown(UnknownDestination),
    Invalid(DestinationError),
}

/// Knows what names begin with.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The longest first.
    prefixes: Box<[(Box<str>, Kind)]>,
    /// What plain names are put behind.
    topic_prefix: Option<Box<str>>,
    queue_prefix: Option<Box<str>>,
    pub(crate) user_prefix: Box<str>,
    /// What is told to those who use none of the prefixes.
    expected: Arc<str>,
}

impl Addresses {
    pub(crate) fn new(options: &BrokerOptions) -> Self {
        let topics = options.topic_prefixes.iter().map(|prefix| (prefix, Kind::Topic));
        let queues = options.queue_prefixes.iter().map(|prefix| (prefix, Kind::Queue));
        let mut prefixes: Vec<(Box<str>, Kind)> =
            topics.chain(queues).map(|(prefix, kind)| (prefix.as_str().into(), kind)).collect();
        let named: Vec<String> =
            prefixes.iter().map(|(prefix, _)| format!("{prefix}NAME")).collect();
        let user_prefix = Some(&*options.user_prefix).filter(|prefix| !prefix.is_empty());
        let users = user_prefix.map(|prefix| format!("{prefix}PATH"));
        let others = options.other_prefixes.iter().map(|prefix| format!("{prefix}NAME"));
        let others: Vec<String> = others.chain(OTHERS.map(str::to_owned)).chain(users).collect();
        prefixes.extend(user_prefix.map(|prefix| (prefix.into(), Kind::User)));
        let expected = format!(
            "a destination is {}; NAME alone is a queue; there are also {}",
            named.join(" or "),
            others.join(", ")
        )
        .into();
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let first = |prefixes: &[String]| prefixes.first().map(|prefix| prefix.as_str().into());
        Self {
            prefixes: prefixes.into(),
            topic_prefix: first(&options.topic_prefixes),
            queue_prefix: first(&options.queue_prefixes),
            user_prefix: options.user_prefix.as_str().into(),
            expected,
        }
    }

    /// What a name or pattern stands for. `routing_type` is asked where the name does not say it.
    pub(crate) fn resolve(
        &self,
        text: &Destination,
        routing_type: impl FnOnce() -> Option<RoutingType>,
    ) -> Result<Address, AddressError> {
        let name = text.as_str();
        let fits = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        if let Some((_, kind)) = self.prefixes.iter().find(|(prefix, _)| fits(prefix)) {
            return Ok(match kind {
                Kind::Topic | Kind::TemporaryTopic => Address::Topic(decoded(text)?),
                Kind::Queue | Kind::TemporaryQueue => Address::Queue(decoded(text)?),
                Kind::Presence => Address::Presence(decoded(text)?),
                Kind::User => Address::User(text.clone()),
            });
        }
        if presence::is_told_at(text) {
            return Ok(Address::Presence(decoded(text)?));
        }
        if let Some(address) = temporary(text)? {
            return Ok(address);
        }
        if let Some(exchange) = name.strip_prefix(EXCHANGE) {
            return self.exchange(text, exchange);
        }
        if let Some(queue) = name.strip_prefix(EXISTING_QUEUE).filter(|queue| !queue.is_empty()) {
            return self.behind(&self.queue_prefix, queue, text).map(Address::ExistingQueue);
        }
        match (routing_type(), name.strip_prefix('/')) {
            (Some(RoutingType::Multicast), Some(name)) if !name.is_empty() => {
                self.behind(&self.topic_prefix, name, text).map(Address::Topic)
            }
            (Some(RoutingType::Multicast), None) => {
                self.behind(&self.topic_prefix, name, text).map(Address::Topic)
            }
            (Some(RoutingType::Anycast), Some(name)) if !name.is_empty() => {
                self.behind(&self.queue_prefix, name, text).map(Address::Queue)
            }
            (_, None) => self.behind(&self.queue_prefix, name, text).map(Address::Queue),
            (_, Some(_)) => Err(self.unknown(text)),
        }
    }

    /// The kind of a destination that is called by the [name that all its spellings share](Self::common_name), and begins
    /// with one of the prefixes. `None` if that takes a longer look.
    pub(crate) fn kind_of_plain(&self, text: &str) -> Option<Kind> {
        // Several are separated by commas, and escapes begin with a percent sign.
        let is_plain = |octet| matches!(octet, b' '..=b'~') && !matches!(octet, b',' | b'%');
        if text.len() > Destination::OCTETS_MAX || !text.bytes().all(is_plain) {
            return None;
        }
        let fits = |prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        let (_, kind) = self.prefixes.iter().find(|(prefix, _)| fits(prefix))?;
        Some(*kind)
    }

    /// The name that all spellings of a destination share, of which this is one.
    pub(crate) fn common_name(&self, called: &Destination, address: Address) -> Destination {
        match address {
            Address::Topic(name)
            | Address::Queue(name)
            | Address::ExistingQueue(name)
            | Address::Presence(name)
            | Address::Exchange(name)
            | Address::Own(_, name) => name,
            // The name of a user may be written in several ways.
            Address::User(called) => self.user_topic_called(&called).unwrap_or(called),
            // RabbitMQ's clients and ActiveMQ's call it differently.
            Address::Remote(TemporaryKind::Queue, _) => {
                let common = called.as_str().replacen(REPLY_QUEUE, REMOTE_QUEUE, 1);
                parse(&common).unwrap_or_else(|_| called.clone())
            }
            Address::Remote(TemporaryKind::Topic, _) => called.clone(),
        }
    }

    /// Patterns that match all names that [spellings share](Self::common_name), and hardly any others.
    pub(crate) fn of_clients(&self) -> Vec<(String, Kind)> {
        let told = self
            .prefixes
            .iter()
            .filter(|(prefix, kind)| *kind == Kind::Topic && prefix.starts_with('/'));
        let told =
            told.map(|(prefix, _)| (format!("{}{prefix}", presence::PREFIX), Kind::Presence));
        let others = [
            (OWN_QUEUE, Kind::TemporaryQueue),
            (OWN_TOPIC, Kind::TemporaryTopic),
            (REMOTE_QUEUE, Kind::TemporaryQueue),
            (REMOTE_TOPIC, Kind::TemporaryTopic),
        ];
        let others = others.map(|(prefix, kind)| (prefix.to_owned(), kind));
        let named = self.prefixes.iter().map(|(prefix, kind)| (prefix.to_string(), *kind));
        let behind = |(prefix, kind): (String, Kind)| {
            // What is behind the last separator is part of a word.
            let words = prefix.rfind(['/', '.']).map_or("", |end| &prefix[..=end]);
            (format!("{words}*/**"), kind)
        };
        let exchanges = [
            (format!("{EXCHANGE}{DIRECT_EXCHANGE}/*/**"), Kind::Topic),
            (format!("{EXCHANGE}{FANOUT_EXCHANGE}"), Kind::Topic),
        ];
        named.chain(told).chain(others).map(behind).chain(exchanges).collect()
    }

    /// What is told to those whose destination is unknown.
    pub(crate) fn expected(&self) -> &Arc<str> {
        &self.expected
    }

    /// What the names of topics, queues and users begin with.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|(prefix, _)| &**prefix)
    }

    /// What destinations of any kind begin with.
    pub(crate) fn all_prefixes(&self) -> impl Iterator<Item = &str> {
        let temporary = [OWN_QUEUE, OWN_TOPIC, REMOTE_QUEUE, REMOTE_TOPIC, REPLY_QUEUE];
        self.prefixes().chain(temporary).chain([EXCHANGE, EXISTING_QUEUE, PRESENCE])
    }

    /// The pattern of a policy, with the name by which the broker knows the destinations that it is for, and what they
    /// are if all are of one kind.
    ///
    /// # Errors
    ///
    /// [`AddressError`] where there can be no such destination.
    pub(crate) fn policy_pattern(
        &self,
        pattern: &DestinationPattern,
    ) -> Result<(DestinationPattern, Option<Kind>), AddressError> {
        if pattern.as_str().starts_with(DurableName::PREFIX) {
            return Ok((pattern.clone(), Some(Kind::Queue)));
        }
        let begins_with_wildcard = pattern.words().is_some_and(|words| {
            let first =
                words.iter().find(|word| !matches!(word, Word::Literal(it) if it.is_empty()));
            !matches!(first, Some(Word::Literal(_)))
        });
        if begins_with_wildcard {
            return Ok((pattern.clone(), None));
        }
        let is_plain = !pattern.as_str().starts_with('/');
        match self.resolve(pattern.name(), || None) {
            // Its wildcards may stand for what it has to begin with.
            Ok(Address::Queue(_)) if is_plain && self.may_begin(pattern) => {
                Ok((pattern.clone(), None))
            }
            Err(AddressError::Unknown(_)) if self.may_begin(pattern) => Ok((pattern.clone(), None)),
            Ok(Address::Own(..)) if names_one(pattern) => Err(unknowable(pattern)),
            Ok(Address::Remote(..)) => Err(unknowable(pattern)),
            Ok(address) => {
                let kind = address.kind();
                let known = match address {
                    Address::Topic(name)
                    | Address::Queue(name)
                    | Address::ExistingQueue(name)
                    | Address::Exchange(name) => {
                        DestinationPattern::of(name).map_err(AddressError::Invalid)?
                    }
                    Address::Presence(_)
                    | Address::User(_)
                    | Address::Own(..)
                    | Address::Remote(..) => pattern.clone(),
                };
                Ok((known, Some(kind)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether some destination begins with the words of a pattern before its first wildcard.
    fn may_begin(&self, pattern: &DestinationPattern) -> bool {
        let Some(words) = pattern.words() else { return false };
        let literals = words.iter().map_while(|word| match word {
            Word::Literal(literal) => Some(&**literal),
            Word::One | Word::Any => None,
        });
        let start = literals.collect::<Vec<_>>().join("/");
        self.prefixes().chain([OWN_QUEUE, OWN_TOPIC, EXCHANGE, presence::PREFIX]).any(|prefix| {
            // A pattern compares words, whatever separates them.
            let prefix = prefix.replace('.', "/");
            start.starts_with(&*prefix) || prefix.starts_with(&start)
        })
    }

    /// RabbitMQ: `amq.topic` is what topics are, the others know no patterns.
    fn exchange(&self, text: &Destination, exchange: &str) -> Result<Address, AddressError> {
        let (exchange, key) = exchange.split_once('/').unwrap_or((exchange, ""));
        let name = match (exchange, key) {
            (TOPIC_EXCHANGE, key) if !key.is_empty() => {
                return self.behind(&self.topic_prefix, key, text).map(Address::Topic);
            }
            (DIRECT_EXCHANGE, key) if !key.is_empty() => decoded(text)?,
            (FANOUT_EXCHANGE, _) => parse(&format!("{EXCHANGE}{FANOUT_EXCHANGE}"))?,
            _ => {
                let expected = "an exchange is amq.topic/KEY, amq.direct/KEY or amq.fanout";
                return Err(unknown(text, expected.into()));
            }
        };
        Ok(Address::Exchange(name))
    }

    /// A name that is a topic's or a queue's, without saying so itself.
    fn behind(
        &self,
        prefix: &Option<Box<str>>,
        name: &str,
        text: &Destination,
    ) -> Result<Destination, AddressError> {
        let prefix = prefix.as_ref().ok_or_else(|| self.unknown(text))?;
        parse(&format!("{prefix}{}", decode(name)))
    }

    fn unknown(&self, text: &Destination) -> AddressError {
        unknown(text, Arc::clone(&self.expected))
    }
}

/// Whether a pattern of temporary destinations has a word of their names.
fn names_one(pattern: &DestinationPattern) -> bool {
    let is_literal = |word: &Word| matches!(word, Word::Literal(_));
    // The first is empty, and the second says that they are temporary.
    pattern.words().is_none_or(|words| words.iter().skip(2).any(is_literal))
}

/// Nobody knows what a temporary destination will be called.
fn unknowable(pattern: &DestinationPattern) -> AddressError {
    let expected = "the server makes up the names of temporary ones: /temp-queue/* and /temp-topic/* are all of them";
    unknown(pattern.name(), expected.into())
}

impl Address {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Topic(_) | Self::Exchange(_) => Kind::Topic,
            Self::Queue(_) | Self::ExistingQueue(_) => Kind::Queue,
            Self::Presence(_) => Kind::Presence,
            Self::User(_) => Kind::User,
            Self::Own(kind, _) | Self::Remote(kind, _) => kind.kind(),
        }
    }
}

impl TemporaryKind {
    /// A name that no other destination has, and nobody can guess.
    pub(crate) fn name(self, token: &Token) -> Destination {
        let prefix = match self {
            Self::Queue => OWN_QUEUE,
            Self::Topic => OWN_TOPIC,
        };
        parse(&format!("{prefix}{token}")).expect("a prefix and a token make a name")
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Queue => Kind::TemporaryQueue,
            Self::Topic => Kind::TemporaryTopic,
        }
    }

    /// What others may call the temporary destination of that name.
    pub(crate) fn remote_name(self, name: &Destination, manner: Manner) -> String {
        let token = name.as_str().rsplit('/').next().unwrap_or_default();
        let prefix = match (self, manner) {
            (Self::Topic, _) => REMOTE_TOPIC,
            (Self::Queue, Manner::ActiveMq) => REMOTE_QUEUE,
            (Self::Queue, Manner::RabbitMq) => REPLY_QUEUE,
        };
        format!("{prefix}{token}")
    }
}

/// Whether it begins as a temporary destination does, and ends there.
pub(crate) fn is_nameless(text: &str) -> bool {
    [OWN_QUEUE, OWN_TOPIC].contains(&text)
}

fn temporary(text: &Destination) -> Result<Option<Address>, AddressError> {
    let name = text.as_str();
    let own = [(OWN_QUEUE, TemporaryKind::Queue), (OWN_TOPIC, TemporaryKind::Topic)];
    for (prefix, kind) in own {
        if name.len() > prefix.len() && name.starts_with(prefix) {
            return Ok(Some(Address::Own(kind, text.clone())));
        }
    }
    let remote = [
        (REMOTE_QUEUE, OWN_QUEUE, TemporaryKind::Queue),
        (REPLY_QUEUE, OWN_QUEUE, TemporaryKind::Queue),
        (REMOTE_TOPIC, OWN_TOPIC, TemporaryKind::Topic),
    ];
    for (prefix, own, kind) in remote {
        if let Some(token) = name.strip_prefix(prefix).filter(|token| !token.is_empty()) {
            return parse(&format!("{own}{token}")).map(|name| Some(Address::Remote(kind, name)));
        }
    }
    Ok(None)
}

/// The name with what its sender had to write differently: RabbitMQ's names have no slashes.
fn decoded(text: &Destination) -> Result<Destination, AddressError> {
    match decode(text.as_str()) {
        Cow::Borrowed(_) => Ok(text.clone()),
        Cow::Owned(name) => parse(&name),
    }
}

/// `%2F` and `%25`, and no others: RabbitMQ's clients write slashes so.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    decode_characters(text, &[("2F", '/'), ("25", '%')])
}

/// Characters that are written as `%` with these hexadecimal digits, and no others.
pub(crate) fn decode_characters<'t>(text: &'t str, escapes: &[(&str, char)]) -> Cow<'t, str> {
    // It looks at all octets, since that is done by many at a time.
    if !text.bytes().fold(false, |is_in, octet| is_in | (octet == b'%')) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2);
        let is_it = |(escape, _): &&(&str, char)| {
            digits.is_some_and(|digits| digits.eq_ignore_ascii_case(escape))
        };
        let (character, rest) = match escapes.iter().find(is_it) {
            Some((_, character)) => (*character, &part[2..]),
            None => ('%', part),
        };
        decoded.push(character);
        decoded.push_str(rest);
    }
    Cow::Owned(decoded)
}

fn parse(name: &str) -> Result<Destination, AddressError> {
    Destination::parse(name).map_err(AddressError::Invalid)
}

pub(crate) fn unknown(text: &Destination, expected: Arc<str>) -> AddressError {
    AddressError::Unknown(UnknownDestination { destination: text.as_str().into(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Destination {
        Destination::parse(text).unwrap()
    }

    fn resolve(text: &str, routing_type: Option<RoutingType>) -> Result<Address, AddressError> {
        Addresses::new(&BrokerOptions::default()).resolve(&name(text), || routing_type)
    }

    #[test]
    fn names_stand_for_what_their_brokers_say() {
        use Address::{Exchange, ExistingQueue, Own, Queue, Remote, Topic};
        let check = |text: &str, expected: Address| {
            assert_eq!(resolve(text, None), Ok(expected), "{text}");
        };
        check("/topic/a.b", Topic(name("/topic/a.b")));
        check("/topic/a/b", Topic(name("/topic/a/b")));
        check("/topic/a%2Fb%2fc%252F%2", Topic(name("/topic/a/b/c%2F%2")));
        check("/topic/%C3%BC%", Topic(name("/topic/%C3%BC%")));
        check("/queue/a", Queue(name("/queue/a")));
        check("/queue/a%2Fb", Queue(name("/queue/a/b")));
        check("a", Queue(name("/queue/a")));
        check("a%2Fb/c", Queue(name("/queue/a/b/c")));
        check("/amq/queue/a", ExistingQueue(name("/queue/a")));
        check("/exchange/amq.topic/a.*", Topic(name("/topic/a.*")));
        check("/exchange/amq.direct/a.*", Exchange(name("/exchange/amq.direct/a.*")));
        check("/exchange/amq.fanout", Exchange(name("/exchange/amq.fanout")));
        check("/exchange/amq.fanout/a", Exchange(name("/exchange/amq.fanout")));
        check("/temp-queue/a", Own(TemporaryKind::Queue, name("/temp-queue/a")));
        check("/temp-topic/a", Own(TemporaryKind::Topic, name("/temp-topic/a")));
        check("/reply-queue/a", Remote(TemporaryKind::Queue, name("/temp-queue/a")));
        check("/remote-temp-queue/a", Remote(TemporaryKind::Queue, name("/temp-queue/a")));
        check("/remote-temp-topic/a", Remote(TemporaryKind::Topic, name("/temp-topic/a")));
        check("/user/queue/a%2Fb", Address::User(name("/user/queue/a%2Fb")));
    }

    #[test]
    fn artemis_says_with_a_header_what_a_name_is() {
        let check = |text: &str, routing_type, expected: Address| {
            assert_eq!(resolve(text, Some(routing_type)), Ok(expected), "{text}");
        };
        check("a", RoutingType::Multicast, Address::Topic(name("/topic/a")));
        check("a", RoutingType::Anycast, Address::Queue(name("/queue/a")));
        check("/a/b", RoutingType::Multicast, Address::Topic(name("/topic/a/b")));
        check("/a/b", RoutingType::Anycast, Address::Queue(name("/queue/a/b")));
        check("/queue/a", RoutingType::Multicast, Address::Queue(name("/queue/a")));
    }

    #[test]
    fn what_is_no_destination_is_answered_with_what_is_one() {
        let check = |text: &str, expected: &str| {
            let Err(AddressError::Unknown(error)) = resolve(text, None) else {
                panic!("{text} is a destination");
            };
            assert!(error.to_string().contains(expected), "{error}");
        };
        for text in ["/foo/bar", "/topic", "/topic/", "/queue/", "/", "/temp-queue/", "/amq/queue/"]
        {
            check(text, "a destination is /topic/NAME or /queue/NAME; NAME alone is a queue");
            check(text, "also /temp-queue/NAME, /temp-topic/NAME, /amq/queue/NAME, /exchange/amq.");
            check(text, "/user/PATH");
        }
        for text in ["/exchange/", "/exchange/a/b", "/exchange/amq.topic", "/exchange/amq.direct/"]
        {
            check(text, "an exchange is amq.topic/KEY, amq.direct/KEY or amq.fanout");
        }
    }

    #[test]
    fn the_pattern_of_a_policy_is_understood_as_names_are() {
        let addresses = Addresses::new(&BrokerOptions::default());
        let check = |text: &str, expected: Option<&str>| {
            let pattern = addresses.policy_pattern(&DestinationPattern::parse(text).unwrap());
            let pattern = pattern.map(|(pattern, _)| pattern.as_str().to_owned());
            assert_eq!(pattern.ok().as_deref(), expected, "{text}");
        };
        check("plain", Some("/queue/plain"));
        check("jobs.*", Some("/queue/jobs.*"));
        check("/amq/queue/a", Some("/queue/a"));
        check("/exchange/amq.topic/a.#", Some("/topic/a.#"));
        check("/queue/a%2Fb", Some("/queue/a/b"));
        for as_it_is in [
            "/queue/a",
            "/topic/**",
            "/topic.a.*",
            "**",
            "/**",
            "*/a",
            "#",
            "/dsub/**",
            "/exchange/**",
            "/exchange/amq.direct/a",
            "/temp-queue/*",
            "/queue.>",
            "/user/**",
            "/user/*/queue/a",
        ] {
            check(as_it_is, Some(as_it_is));
        }
        let topic_prefixes = vec!["jms.topic.".to_owned()];
        let options = BrokerOptions { topic_prefixes, ..BrokerOptions::default() };
        let of_jms = DestinationPattern::parse("jms.*.a").unwrap();
        assert_eq!(Addresses::new(&options).policy_pattern(&of_jms), Ok((of_jms, None)));
        for of_nothing in ["/foo", "/foo/**", "/queue", "/topics/*"] {
            check(of_nothing, None);
        }
        for made_up in ["/temp-queue/a", "/temp-queue/a.*", "/temp-topic/a", "/reply-queue/*"] {
            check(made_up, None);
        }
    }
}
