use super::{
    Headers, SINGLE_CONSUMER, SUBSCRIPTION_TYPE, history, invalid, is_true, number, presence,
};
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
            exclusivity: exclusivity(headers)?,
            access: if is_true(headers, "browser")? { Access::Browse } else { Access::Consume },
            durable: DurableName::from_headers(headers, id, Some(destination), owner)?,
            arguments: super::arguments(headers)?,
            missing: MissingQueue::Create,
            rewind: history::rewind(headers)?,
            own_messages: own_messages(headers)?,
            routing_type: super::routing_type(headers, SUBSCRIPTION_TYPE)?,
            member: presence::member(headers)?,
            user: None,
        })
    }
}

impl DurableName {
    /// The name of the durable subscription that a SUBSCRIBE or UNSUBSCRIBE frame is about, if it is
    /// about one. Without a destination it is not known which one of RabbitMQ's.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`] if one of the headers is neither true nor false.
    pub fn from_headers(
        headers: &Headers,
        id: &str,
        destination: Option<&str>,
        owner: &Owner,
    ) -> Result<Option<Self>, InvalidHeader> {
        let given = DURABLE_NAMES.iter().find_map(|name| headers.get(name));
        let given = given.filter(|name| !name.is_empty());
        let sharing = if is_true(headers, "shared")? { Sharing::Several } else { Sharing::One };
        let is_durable = is_true(headers, "durable")? | is_true(headers, "persistent")?;
        // RabbitMQ: it ends with its last consumer, as those do that are not durable.
        let ends_with_consumer = is_true(headers, "auto-delete")?;
        let owner = owner.clone();
        if let Some(name) = given {
            return Ok(Some(Self::Given { owner, name: name.into(), sharing }));
        }
        if !is_durable || ends_with_consumer {
            return Ok(None);
        }
        if let Some(name) = headers.get("x-queue-name").filter(|name| !name.is_empty()) {
            return Ok(Some(Self::Queue { name: name.into() }));
        }
        let derived = |destination: &str| {
            let (id, destination) = (id.into(), destination.into());
            Self::Derived { owner, id, destination, sharing }
        };
        Ok(destination.map(derived))
    }
}

fn prefetch(headers: &Headers) -> Result<Option<u32>, InvalidHeader> {
    for name in ["prefetch-count", "activemq.prefetchSize"] {
        if let Some(value) = headers.get(name) {
            let expected = "a whole number from 0 to 4294967295";
            return number(value).map(Some).ok_or_else(|| invalid(name, value, expected));
        }
    }
    Ok(credit(headers)?.map(|(messages, _)| messages))
}

/// Artemis: octets, of which -1 is any number, and 0 one message at a time.
fn window_octets(headers: &Headers) -> Result<Option<u64>, InvalidHeader> {
    if let Some(value) = headers.get("consumer-window-size") {
        let expected = "a number of octets from 0 to 9223372036854775807, or -1 for any number";
        let octets: Option<i64> = number(value).filter(|octets| *octets >= -1);
        let octets = octets.ok_or_else(|| invalid("consumer-window-size", value, expected))?;
        return Ok(u64::try_from(octets).ok());
    }
    Ok(credit(headers)?.and_then(|(_, octets)| octets))
}

/// Apollo: how many messages and, behind a comma, how many octets.
fn credit(headers: &Headers) -> Result<Option<(u32, Option<u64>)>, InvalidHeader> {
    let Some(value) = headers.get("credit") else { return Ok(None) };
    let (messages, octets) = match value.split_once(',') {
        Some((messages, octets)) => (number(messages), Some(number(octets))),
        None => (number(value), None),
    };
    match (messages, octets) {
        (Some(messages), None) => Ok(Some((messages, None))),
        (Some(messages), Some(Some(octets))) => Ok(Some((messages, Some(octets)))),
        _ => Err(invalid(
            "credit",
            value,
            "a number of messages from 0 to 4294967295, or one, a comma and a number of octets",
        )),
    }
}

fn priority(headers: &Headers) -> Result<i32, InvalidHeader> {
    for name in ["x-priority", "activemq.priority", "consumer-priority"] {
        if let Some(value) = headers.get(name) {
            let expected = "a whole number from -2147483648 to 2147483647";
            return number(value).ok_or_else(|| invalid(name, value, expected));
        }
    }
    Ok(0)
}

fn own_messages(headers: &Headers) -> Result<OwnMessages, InvalidHeader> {
    let is_unwanted = is_true(headers, "no-local")? | is_true(headers, "activemq.noLocal")?;
    Ok(if is_unwanted { OwnMessages::Unwanted } else { OwnMessages::Wanted })
}

fn exclusivity(headers: &Headers) -> Result<Exclusivity, InvalidHeader> {
    let waits = is_true(headers, "activemq.exclusive")? | is_true(headers, SINGLE_CONSUMER)?;
    let is_alone = is_true(headers, "exclusive")?;
    Ok(match (waits, is_alone) {
        (true, _) => Exclusivity::FirstInLine,
        (false, true) => Exclusivity::Alone,
        (false, false) => Exclusivity::Shared,
    })
}
