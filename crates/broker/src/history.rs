//! What a subscriber may ask of a topic's past, and what it is told.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::base36;
use crate::short_text::ShortText;
use crate::stomp::{self, Headers};
use crate::timestamp::Timestamp;

/// Names one message of a topic's history: the epoch of the history, and the offset in it.
///
/// Offsets count up by one from 1. Another epoch is another history: that of another topic, or of
/// the same one after it was forgotten. It is written `EPOCH:OFFSET`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HistoryPosition {
    /// Which history. ASCII letters, digits, `-` and `_`.
    pub epoch: Arc<str>,
    /// Which message; 0 is before the first one.
    pub offset: u64,
}

impl fmt::Display for HistoryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

/// A text that is no [`HistoryPosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHistoryPosition;

impl fmt::Display for NoHistoryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position in a history is EPOCH:OFFSET")
    }
}

impl Error for NoHistoryPosition {}

impl FromStr for HistoryPosition {
    type Err = NoHistoryPosition;

    fn from_str(text: &str) -> Result<Self, NoHistoryPosition> {
        let (epoch, offset) = text.split_once(':').ok_or(NoHistoryPosition)?;
        let is_epoch = !epoch.is_empty() && epoch.chars().all(may_stand_in_epoch);
        let offset = offset.parse().map_err(|_| NoHistoryPosition)?;
        if is_epoch { Ok(Self { epoch: epoch.into(), offset }) } else { Err(NoHistoryPosition) }
    }
}

fn may_stand_in_epoch(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// The epoch of one history: that of the broker, and a number that no other history of it has.
pub(crate) fn epoch(of_broker: &str, number: u64) -> Arc<str> {
    let mut epoch: String = of_broker.chars().filter(|c| may_stand_in_epoch(*c)).collect();
    if !epoch.is_empty() {
        epoch.push('-');
    }
    let mut text = ShortText::<{ base36::DIGITS_MAX }>::new();
    base36::push(&mut text, number);
    epoch.push_str(text.as_str());
    epoch.into()
}

/// With which message of a topic's history a subscription begins, if it is not the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rewind {
    /// With the one behind this: the subscriber has seen everything up to it.
    After(HistoryPosition),
    /// With this offset, whatever the epoch. Nobody can tell then whether something is missing.
    From(u64),
    /// With so many messages of the past. Something may be missing if fewer are kept.
    Last(usize),
    /// With the first one that was sent at this time or later. Something may be missing if the history
    /// began no earlier, as after a restart of the server.
    Since(Timestamp),
    /// With the oldest one that is kept. Nothing is missing of that.
    Everything,
}

/// How a subscription begins, which is known before its first message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beginning {
    /// The message before the first one that it gets, if the destination has a history.
    pub position: Option<HistoryPosition>,
    /// Whether it gets all of the past that it has asked for.
    pub recovery: Recovery,
}

/// Whether a subscription gets all of the past that it has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// It has asked for nothing.
    #[default]
    NotAsked,
    /// All of it.
    Complete,
    /// Something is missing, or may be. What is kept, it gets.
    Incomplete,
}

impl Beginning {
    /// What the RECEIPT of the SUBSCRIBE frame tells of it; nothing if nothing was asked for.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let recovered = match self.recovery {
            Recovery::NotAsked => return Headers::default(),
            Recovery::Complete => "true",
            Recovery::Incomplete => "false",
        };
        stomp::beginning(recovered, self.position.as_ref())
    }

    /// That of a subscription to what has no history.
    pub(crate) fn without_history(rewind: Option<&Rewind>) -> Self {
        let recovery = match rewind {
            None => Recovery::NotAsked,
            Some(_) => Recovery::Incomplete,
        };
        Self { position: None, recovery }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back() {
        let position = HistoryPosition { epoch: epoch("k3:\n", 36), offset: 7 };
        assert_eq!(position.to_string(), "k3-10:7");
        assert_eq!("k3-10:7".parse(), Ok(position));
    }

    #[test]
    fn anything_else_is_no_position() {
        for text in ["", ":", "a", "a:", ":1", "a:b", "a:-1", "a:1:2", "a b:1", "a:1 ", "ä:1"] {
            assert_eq!(text.parse::<HistoryPosition>(), Err(NoHistoryPosition), "{text}");
        }
    }
}
