//! What the broker takes from STOMP, and what it says to STOMP's clients.

mod errors;
mod history;
mod presence;
mod subscribe;

pub(crate) use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};

pub(crate) use self::history::{beginning, position, retained, with_position};
pub(crate) use self::presence::presence_headers;

use std::time::Duration;

use tidings_stomp::{NotAFlag, parse_flag};

use crate::address::{RoutingType, decode, exchange_name};
use crate::arguments::QueueArguments;
use crate::dead_letter::DeadLetter;
use crate::destination::Destination;
use crate::error::InvalidHeader;
use crate::message::{Durability, Kept, Message, Properties, Retain};
use crate::pattern::DestinationPattern;
use crate::policy::QueueOverflow;
use crate::timestamp::Timestamp;

/// The headers by which RabbitMQ's clients ask something of a queue. They are for the broker, and
/// no part of the message. Nor are those that only the broker gives.
const ARGUMENTS: &[&str] = &[
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_KEY,
    "x-queue-type",
    SINGLE_CONSUMER,
    "x-queue-name",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    DELAY,
    history::EPOCH,
    history::OFFSET,
    history::RETAINED,
    REASON,
    COUNT,
    ORIGIN,
    QUEUE,
];

/// RabbitMQ: where dead letters of the queue go.
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_KEY: &str = "x-dead-letter-routing-key";

/// RabbitMQ: one consumer of the queue at a time. It asks that of the queue, here the consumers do.
const SINGLE_CONSUMER: &str = "x-single-active-consumer";
/// RabbitMQ: how often a message is delivered.
const DELIVERY_LIMIT: &str = "x-delivery-limit";

/// Headers that dead letters have got.
const REASON: &str = "x-death-reason";
const COUNT: &str = "x-delivery-count";
const ORIGIN: &str = "original-destination";
/// Of those whose queue is not where they were sent to: that of a durable subscription.
const QUEUE: &str = "x-death-queue";

/// ActiveMQ: after how many milliseconds a queue delivers the message at first.
const DELAY: &str = "AMQ_SCHEDULED_DELAY";

const REPLY_TO: &str = "reply-to";

/// Artemis: what a name is that does not say it.
pub(crate) const DESTINATION_TYPE: &str = "destination-type";
pub(crate) const SUBSCRIPTION_TYPE: &str = "subscription-type";

/// Whether MESSAGE frames of a subscription in this mode are to be answered with ACK or NACK.
pub(crate) fn expects_ack(mode: AckMode) -> bool {
    !matches!(mode, AckMode::Auto)
}

/// What the headers of SEND ask of the broker for the message, and whom it is for where its name does not say it.
/// Of a repeated one the first holds, and blanks around a value do not count. An empty one says nothing.
pub(crate) fn asked_for_message(
    now: Timestamp,
    headers: &Headers,
) -> Result<(Properties, Option<RoutingType>), InvalidHeader> {
    let mut first = First::default();
    for (name, value) in headers.iter() {
        let place = match name {
            "persistent" => &mut first.persistent,
            "priority" => &mut first.priority,
            "expires" => &mut first.expires,
            "expiration" => &mut first.expiration,
            DELAY => &mut first.delay,
            "retain" => &mut first.retain,
            DESTINATION_TYPE => &mut first.destination_type,
            _ => continue,
        };
        place.get_or_insert(value.trim());
    }
    let persistent = spoken(first.persistent).map_or(Ok(None), |it| flag("persistent", it))?;
    let whole = |name, first| spoken(first).map(|value| whole_number(name, value)).transpose();
    let priority = whole("priority", first.priority)?;
    // ActiveMQ: at this time, or never.
    let expires = whole("expires", first.expires)?;
    // RabbitMQ: after so long.
    let expiration = whole("expiration", first.expiration)?;
    let delay = whole(DELAY, first.delay)?;
    let expires = expires.filter(|at| *at > 0).map(Timestamp);
    let expiration = expiration.map(|after| now.after(Duration::from_millis(after)));
    let durability = match persistent {
        Some(true) => Durability::Persistent,
        Some(false) | None => Durability::Transient,
    };
    let properties = Properties {
        durability,
        priority: priority.map(|number| u8::try_from(number).unwrap_or(u8::MAX)),
        expires_at: expires.into_iter().chain(expiration).min(),
        deliver_at: delay.map(|delay| now.after(Duration::from_millis(delay))),
        kept: Kept::Unsaid,
        retain: spoken(first.retain).map_or(Ok(Retain::Unsaid), history::retain)?,
    };
    let routing_type = spoken(first.destination_type).map(|it| routing(DESTINATION_TYPE, it));
    Ok((properties, routing_type.transpose()?))
}

/// The first values of the headers that say something about a message.
#[derive(Default)]
struct First<'a> {
    persistent: Option<&'a str>,
    priority: Option<&'a str>,
    expires: Option<&'a str>,
    expiration: Option<&'a str>,
    delay: Option<&'a str>,
    retain: Option<&'a str>,
    destination_type: Option<&'a str>,
}

/// Takes what a frame asks of the queue out of its headers.
pub(crate) fn take_arguments(
    mut headers: Headers,
) -> Result<(QueueArguments, Headers), InvalidHeader> {
    let arguments = arguments(&headers)?;
    if headers.iter().any(|(name, _)| ARGUMENTS.contains(&name)) {
        headers.retain(|name, _| !ARGUMENTS.contains(&name));
    }
    Ok((arguments, headers))
}

/// What a frame asks of the queue. Of a repeated header the first holds.
pub(crate) fn arguments(headers: &Headers) -> Result<QueueArguments, InvalidHeader> {
    let mut arguments = QueueArguments::default();
    if !headers.iter().any(|(name, _)| name.starts_with("x-")) {
        return Ok(arguments);
    }
    let first = |name| headers.get(name).map(str::trim);
    if let Some(limit) = spoken(first(DELIVERY_LIMIT)) {
        let expected = "none: how often a message is delivered is said by the server, with deliveries-max in the \
                        policy of the queue";
        return Err(invalid(DELIVERY_LIMIT, limit, expected));
    }
    let whole = |name| first(name).map(|value| whole_number(name, value)).transpose();
    let duration = |name| whole(name).map(|it| it.map(Duration::from_millis));
    arguments.message_ttl = duration("x-message-ttl")?;
    arguments.expires = duration("x-expires")?;
    if arguments.expires.is_some_and(|lease| lease.is_zero()) {
        return Err(invalid("x-expires", "0", "a number of milliseconds above 0"));
    }
    arguments.messages_max = whole("x-max-length")?;
    arguments.octets_max = whole("x-max-length-bytes")?;
    arguments.overflow = first("x-overflow").map(overflow).transpose()?;
    let priority_max = whole("x-max-priority")?;
    arguments.priority_max = priority_max.map(|max| u8::try_from(max).unwrap_or(u8::MAX));
    let exchange = first(DEAD_LETTER_EXCHANGE).unwrap_or_default();
    arguments.dead_letters = dead_letters(exchange, first(DEAD_LETTER_KEY))?;
    // RabbitMQ drops the oldest where its clients give a length and say no more.
    let has_length = arguments.messages_max.is_some() || arguments.octets_max.is_some();
    if has_length && arguments.overflow.is_none() {
        arguments.overflow = Some(QueueOverflow::DropHead);
    }
    Ok(arguments)
}

/// What RabbitMQ's exchanges are called here. The one without a name has queues for keys; where no key is given
/// it has nothing to say.
fn dead_letters(exchange: &str, key: Option<&str>) -> Result<Option<Destination>, InvalidHeader> {
    let key = key.filter(|key| !key.is_empty());
    let name = match (exchange, key) {
        ("", None) => return Ok(None),
        // A plain name is a queue's.
        ("", Some(key)) => match key.strip_prefix('/') {
            Some(rest) => format!("%2F{rest}"),
            None => key.to_owned(),
        },
        _ => exchange_name(exchange, key).ok_or_else(|| {
            invalid(DEAD_LETTER_EXCHANGE, exchange, "amq.direct, amq.topic, amq.fanout or empty")
        })?,
    };
    let wrong = |expected| invalid(DEAD_LETTER_KEY, key.unwrap_or_default(), expected);
    let place = Destination::parse(&name).map_err(|_| wrong("one that fits in a destination"))?;
    let is_name = || DestinationPattern::parse(&decode(&name)).is_ok_and(|it| it.is_exact());
    if exchange.is_empty() && !is_name() {
        return Err(wrong("the name of a queue, without wildcards"));
    }
    Ok(Some(place))
}

fn overflow(value: &str) -> Result<QueueOverflow, InvalidHeader> {
    match value.trim() {
        "drop-head" => Ok(QueueOverflow::DropHead),
        "reject-publish" => Ok(QueueOverflow::Refuse),
        "reject-publish-dlx" => Ok(QueueOverflow::DropNew),
        _ => Err(invalid("x-overflow", value, "drop-head, reject-publish or reject-publish-dlx")),
    }
}

/// Whom the destination of a SEND or SUBSCRIBE is for, if one of these headers of Artemis says it.
pub(crate) fn routing_type(
    headers: &Headers,
    name: &'static str,
) -> Result<Option<RoutingType>, InvalidHeader> {
    spoken(headers.get(name)).map(|value| routing(name, value)).transpose()
}

fn routing(name: &'static str, value: &str) -> Result<RoutingType, InvalidHeader> {
    match value.trim() {
        it if it.eq_ignore_ascii_case("ANYCAST") => Ok(RoutingType::Anycast),
        it if it.eq_ignore_ascii_case("MULTICAST") => Ok(RoutingType::Multicast),
        _ => Err(invalid(name, value, "ANYCAST or MULTICAST")),
    }
}

/// Whether SEND may be about more than its destination for a header of this name.
pub(crate) fn may_claim_more(name: &str) -> bool {
    name.starts_with("x-") || name == REPLY_TO
}

/// Where replies to a message go.
pub(crate) fn reply_to(headers: &Headers) -> Option<&str> {
    headers.get(REPLY_TO).map(str::trim)
}

/// What is wrong with a `reply-to` that names no temporary destination, although it begins as one.
pub(crate) fn nameless_reply_to(value: &str) -> InvalidHeader {
    invalid(REPLY_TO, value, "a name behind it, as in /temp-queue/NAME")
}

/// What is wrong with a `retain` in a message that goes to queues only.
pub(crate) fn nothing_to_retain(headers: &Headers) -> InvalidHeader {
    let value = headers.get("retain").unwrap_or_default();
    invalid("retain", value, "none where no topic is sent to: a queue keeps every message")
}

/// The headers with another place for replies.
pub(crate) fn with_reply_to(mut headers: Headers, reply_to: &str) -> Headers {
    headers.remove(REPLY_TO);
    headers.push(REPLY_TO, reply_to);
    headers
}

/// The headers of a dead letter: those of the message, and what became of it.
pub(crate) fn dead_letter_headers(letter: &DeadLetter) -> Headers {
    let mut headers = letter.message.headers.clone();
    let given = [REASON, COUNT, ORIGIN, QUEUE, "expires", "expiration"];
    if headers.iter().any(|(name, _)| given.contains(&name)) {
        headers.retain(|name, _| !given.contains(&name));
    }
    headers.push(ORIGIN, letter.message.destination.as_str());
    if letter.queue != letter.message.destination {
        headers.push(QUEUE, letter.queue.as_str());
    }
    headers.push(REASON, letter.reason.as_str());
    headers.push(COUNT, &letter.deliveries.to_string());
    headers
}

/// Where a dead letter comes from.
pub(crate) struct Past {
    /// Where it was sent to.
    pub(crate) destination: Option<Destination>,
    /// The queue that has given it up, if that is another one.
    pub(crate) queue: Option<Destination>,
}

/// Where a message comes from, if it is a dead letter.
pub(crate) fn past(message: &Message) -> Past {
    let named = |name| message.headers.get(name).and_then(|it| Destination::parse(it).ok());
    Past { destination: named(ORIGIN), queue: named(QUEUE) }
}

/// The headers of a message as they were before it became a dead letter, if it is one.
pub(crate) fn revived(message: &Message) -> Headers {
    let mut headers = message.headers.clone();
    if headers.get(REASON).is_some() {
        headers.retain(|name, _| ![REASON, COUNT, ORIGIN, QUEUE].contains(&name));
    }
    headers
}

/// A value that says something. Clients write nothing where they have nothing to say.
fn spoken(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.trim().is_empty())
}

fn whole_number(name: &'static str, value: &str) -> Result<u64, InvalidHeader> {
    number(value)
        .ok_or_else(|| invalid(name, value, "a whole number from 0 to 18446744073709551615"))
}

fn number<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.trim().parse().ok()
}

fn invalid(name: &'static str, value: &str, expected: &'static str) -> InvalidHeader {
    let value = value.chars().take(100).collect::<String>().into();
    InvalidHeader { name, value, expected }
}

/// Whether a header says `true`, which it does not where there is none.
fn is_true(headers: &Headers, name: &'static str) -> Result<bool, InvalidHeader> {
    let said = headers.get(name).map_or(Ok(None), |value| flag(name, value))?;
    Ok(said.unwrap_or(false))
}

fn flag(name: &'static str, value: &str) -> Result<Option<bool>, InvalidHeader> {
    parse_flag(value).map_err(|_| invalid(name, value, NotAFlag::EXPECTED))
}

#[cfg(test)]
mod tests;
