//! Where a subscription stands in the history of its topic.

use std::borrow::Cow;

use tidings_stomp::Headers;

/// Headers of SUBSCRIBE that ask for a part of the past, which a position takes the place of.
const PARTS_OF_THE_PAST: [&str; 5] =
    ["history", "history-epoch", "history-offset", "x-stream-offset", "activemq.retroactive"];

/// What the server has said last, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    epoch: String,
    offset: String,
}

impl Position {
    /// The position that a MESSAGE or a RECEIPT tells, if it does.
    pub(super) fn told_by(headers: &Headers) -> Option<Self> {
        let epoch = headers.get("history-epoch")?.to_owned();
        Some(Self { epoch, offset: headers.get("history-offset")?.to_owned() })
    }

    /// The headers of a SUBSCRIBE that goes on from here.
    pub(super) fn resume<'a>(position: Option<&Self>, headers: &'a Headers) -> Cow<'a, Headers> {
        let Some(Self { epoch, offset }) = position else { return Cow::Borrowed(headers) };
        let mut headers = headers.clone();
        headers.retain(|name, _| !PARTS_OF_THE_PAST.contains(&name));
        headers.push("history-epoch", epoch);
        headers.push("history-offset", offset);
        Cow::Owned(headers)
    }
}
