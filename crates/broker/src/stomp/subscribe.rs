use super::{Headers, history, invalid, is_true, number, presence};
use crate::durable_name::{DurableName, Owner, Sharing};
use crate::error::{InvalidHeader, SubscribeError};
use crate::selector::Selector;
use crate::subscription::{Access, Exclusivity, MissingQueue, OwnMessages, SubscribeOptions};

/// Names of a durable subscription, as different brokers have them.
const DURABLE_NAMES: &[&str] =
    &["activemq.subscriptionName", "durable-subscription-name", "durable-subscriber-name"];

impl SubscribeOptions {
    /// What a SUBSCRIBE frame asks for: the headers of RabbitMQ, ActiveMQ, Artemis and Apollo.
    ///
    /// `id` and `destination` are those of the frame, `owner` is whom a durable subscription belongs to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] for values that cannot be understood.
    pub fn from_headers(
        headers: &Headers,
        id: &str,
        destination: &str,
        owner: &Owner,
    ) -> Result<Self, SubscribeError> {
        let selector = headers.get("selector").filter(|text| !text.trim().is_empty());
        let selector = selector.map(Selector::parse).transpose();
        Ok(Self {
            prefetch: prefetch(headers)?,
            window_octets: window_octets(headers)?,
            selector: selector.map_err(SubscribeError::InvalidSelector)?,
            priority: priority(headers)?,
            exclusivity: exclusivity(headers),
            access: if is_true(headers, "browser") { Access::Browse } else { Access::Consume },
            durable: DurableName::from_headers(headers, id, Some(destination), owner),
            arguments: super::arguments(headers)?,
            missing: MissingQueue::Create,
            rewind: history::rewind(headers)?,
            own_messages: own_messages(headers),
            routing_type: super::routing_type(headers, "subscription-type"),
            member: presence::member(headers)?,
            user: None,
        })
    }
}

impl DurableName {
    /// The name of the durable subscription that a SUBSCRIBE or UNSUBSCRIBE frame is about, if it is
    /// about one. Without a destination it is not known which one of RabbitMQ's.
    #[must_use]
    pub fn from_headers(
        headers: &Headers,
        id: &str,
        destination: Option<&str>,
        owner: &Owner,
    ) -> Option<Self> {
        let given = DURABLE_NAMES.iter().find_map(|name| headers.get(name));
        let given = given.filter(|name| !name.is_empty());
        let sharing = if is_true(headers, "shared") { Sharing::Several } else { Sharing::One };
        let owner = owner.clone();
        if let Some(name) = given {
            return Some(Self::Given { owner, name: name.into(), sharing });
        }
        if !is_true(headers, "durable") && !is_true(headers, "persistent") {
            return None;
        }
        // RabbitMQ: it ends with its last consumer, as those do that are not durable.
        if is_true(headers, "auto-delete") {
            return None;
        }
        if let Some(name) = headers.get("x-queue-name").filter(|name| !name.is_empty()) {
            return Some(Self::Queue { name: name.into() });
        }
        let (id, destination) = (id.into(), destination?.into());
        Some(Self::Derived { owner, id, destination, sharing })
    }
}

fn prefetch(headers: &Headers) -> Result<Option<u32>, InvalidHeader> {
    for name in ["prefetch-count", "activemq.prefetchSize"] {
        if let Some(value) = headers.get(name) {
            let parsed = number(value).ok_or_else(|| invalid(name, value, "a whole number"));
            return parsed.map(Some);
        }
    }
    // Apollo: messages, then octets.
    let credit = headers.get("credit").and_then(|credit| credit.split(',').next());
    Ok(credit.and_then(number))
}

/// Artemis: octets, of which -1 is any number, and 0 one message at a time. Apollo: the second number of
/// `credit`.
fn window_octets(headers: &Headers) -> Result<Option<u64>, InvalidHeader> {
    if let Some(value) = headers.get("consumer-window-size") {
        let octets: i64 = number(value)
            .ok_or_else(|| invalid("consumer-window-size", value, "a number of octets, or -1"))?;
        return Ok(u64::try_from(octets).ok());
    }
    let octets = headers.get("credit").and_then(|credit| credit.split_once(','));
    Ok(octets.and_then(|(_, octets)| number(octets)))
}

fn priority(headers: &Headers) -> Result<i32, InvalidHeader> {
    for name in ["x-priority", "activemq.priority", "consumer-priority"] {
        if let Some(value) = headers.get(name) {
            return number(value).ok_or_else(|| invalid(name, value, "a whole number"));
        }
    }
    Ok(0)
}

fn own_messages(headers: &Headers) -> OwnMessages {
    let is_unwanted = ["no-local", "activemq.noLocal"].iter().any(|name| is_true(headers, name));
    if is_unwanted { OwnMessages::Unwanted } else { OwnMessages::Wanted }
}

fn exclusivity(headers: &Headers) -> Exclusivity {
    if is_true(headers, "activemq.exclusive") {
        Exclusivity::FirstInLine
    } else if is_true(headers, "exclusive") {
        Exclusivity::Alone
    } else {
        Exclusivity::Shared
    }
}
