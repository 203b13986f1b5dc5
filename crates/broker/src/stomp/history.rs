//! The headers of histories and retained messages.

use std::time::Duration;

use super::{Headers, invalid, is_true, number, whole_number};
use crate::error::InvalidHeader;
use crate::history::{HistoryPosition, Rewind};
use crate::message::{Message, Retain};
use crate::timestamp::Timestamp;

pub(super) const EPOCH: &str = "history-epoch";
pub(super) const OFFSET: &str = "history-offset";
pub(super) const RETAINED: &str = "retained";
const RECOVERED: &str = "recovered";

/// With which message of the history a SUBSCRIBE frame asks to begin.
pub(super) fn rewind(headers: &Headers) -> Result<Option<Rewind>, InvalidHeader> {
    let is_retroactive = is_true(headers, "activemq.retroactive")?;
    let epoch = headers.get(EPOCH);
    if headers.get(OFFSET).is_some() || epoch.is_some() {
        // A client that has seen nothing yet may leave the offset out.
        let offset = headers.get(OFFSET).map_or(Ok(0), |value| whole_number(OFFSET, value))?;
        let Some(epoch) = epoch else { return Ok(Some(Rewind::From(offset.saturating_add(1)))) };
        let position = format!("{epoch}:{offset}").parse().map(Rewind::After);
        return position.map(Some).map_err(|_| invalid(EPOCH, epoch, "that of a MESSAGE"));
    }
    if let Some(value) = headers.get("history") {
        return asked(value).map(Some);
    }
    if let Some(value) = headers.get("x-stream-offset") {
        return of_stream(value);
    }
    Ok(is_retroactive.then_some(Rewind::Everything))
}

/// Our own header: `all`, `last=COUNT`, or `since=MILLISECONDS`, of the calendar.
fn asked(value: &str) -> Result<Rewind, InvalidHeader> {
    let expected = "all, last=COUNT or since=MILLISECONDS";
    let wrong = || invalid("history", value, expected);
    match value.trim().split_once('=') {
        None if value.trim() == "all" => Ok(Rewind::Everything),
        Some(("last", count)) => number(count).map(Rewind::Last).ok_or_else(wrong),
        Some(("since", time)) => {
            number(time).map(|time| Rewind::Since(Timestamp(time))).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// RabbitMQ's streams.
fn of_stream(value: &str) -> Result<Option<Rewind>, InvalidHeader> {
    let expected = "first, last, next, offset=NUMBER or timestamp=SECONDS";
    let wrong = || invalid("x-stream-offset", value, expected);
    match value.trim().split_once('=') {
        None => match value.trim() {
            "first" => Ok(Some(Rewind::Everything)),
            "last" => Ok(Some(Rewind::Last(1))),
            "next" => Ok(None),
            _ => Err(wrong()),
        },
        Some(("offset", offset)) => number(offset).map(Rewind::From).map(Some).ok_or_else(wrong),
        Some(("timestamp", seconds)) => {
            let seconds = number(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
            Ok(Some(Rewind::Since(Timestamp(0).after(seconds))))
        }
        Some(_) => Err(wrong()),
    }
}

/// Apollo's header of SEND.
pub(super) fn retain(value: &str) -> Result<Retain, InvalidHeader> {
    match value.trim() {
        "set" => Ok(Retain::Set),
        "remove" => Ok(Retain::Remove),
        _ => Err(invalid("retain", value, "set or remove")),
    }
}

/// The message with its place in the history.
pub(crate) fn with_position(message: &Message, position: &HistoryPosition) -> Message {
    let mut message = message.clone();
    push_position(&mut message.headers, position);
    message
}

/// How a subscription begins.
pub(crate) fn beginning(recovered: &str, position: Option<&HistoryPosition>) -> Headers {
    let mut headers = Headers::from([(RECOVERED, recovered)]);
    if let Some(position) = position {
        push_position(&mut headers, position);
    }
    headers
}

fn push_position(headers: &mut Headers, position: &HistoryPosition) {
    headers.push(EPOCH, &position.epoch);
    headers.push(OFFSET, &position.offset.to_string());
}

/// The message as new subscribers get it.
pub(crate) fn retained(message: &Message) -> Message {
    let mut message = message.clone();
    message.headers.push(RETAINED, "true");
    message
}

/// The place in a history that the headers of a message tell.
pub(crate) fn position(headers: &Headers) -> Option<HistoryPosition> {
    let (epoch, offset) = (headers.get(EPOCH)?, headers.get(OFFSET)?);
    Some(HistoryPosition { epoch: epoch.into(), offset: number(offset)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Result<Option<Rewind>, &str>) {
        let asked = rewind(&headers.iter().copied().collect()).map_err(|error| error.name);
        assert_eq!(asked, expected, "{headers:?}");
    }

    #[test]
    fn clients_ask_for_the_past_in_the_words_of_their_broker() {
        let position = |text: &str| Ok(Some(Rewind::After(text.parse().unwrap())));
        check(&[], Ok(None));
        check(&[("history-epoch", "a-1"), ("history-offset", "7")], position("a-1:7"));
        check(&[("history-epoch", "a-1")], position("a-1:0"));
        check(&[("history-offset", "7")], Ok(Some(Rewind::From(8))));
        check(&[("history", "all")], Ok(Some(Rewind::Everything)));
        check(&[("history", "last=10")], Ok(Some(Rewind::Last(10))));
        check(
            &[("history", "since=1700000000000")],
            Ok(Some(Rewind::Since(Timestamp(1700000000000)))),
        );
        check(&[("x-stream-offset", "first")], Ok(Some(Rewind::Everything)));
        check(&[("x-stream-offset", "last")], Ok(Some(Rewind::Last(1))));
        check(&[("x-stream-offset", "next")], Ok(None));
        check(&[("x-stream-offset", "offset=5")], Ok(Some(Rewind::From(5))));
        check(&[("x-stream-offset", "timestamp=1")], Ok(Some(Rewind::Since(Timestamp(1000)))));
        check(&[("activemq.retroactive", "true")], Ok(Some(Rewind::Everything)));
        check(&[("activemq.retroactive", "false")], Ok(None));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        check(&[("history-offset", "x")], Err("history-offset"));
        check(&[("history-epoch", "a b"), ("history-offset", "1")], Err("history-epoch"));
        check(&[("activemq.retroactive", "yes")], Err("activemq.retroactive"));
        for value in ["", "some", "last=", "last=-1", "since=now", "first=1"] {
            check(&[("history", value)], Err("history"));
        }
        for value in ["", "second", "offset=x", "timestamp=", "1"] {
            check(&[("x-stream-offset", value)], Err("x-stream-offset"));
        }
    }
}
