//! Who is subscribed to a destination, and what those are told who want to know.

use std::fmt::Write;

use crate::destination::{Destination, DestinationError};
use crate::json;
use crate::subscription::SessionKey;

/// A session that is subscribed to a destination whose policy has
/// [presence](crate::DestinationPolicy::presence).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The session.
    pub session: SessionKey,
    /// Who it is, and what else it has said.
    pub info: MemberInfo,
}

/// What a subscriber lets others know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberInfo {
    /// Who it is, if that is known. No more than 1 KiB of it is told.
    pub user: Option<Box<str>>,
    /// What the client has said: the header `presence-info`.
    pub info: Option<Box<str>>,
}

/// Who is subscribed to a destination at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Members {
    /// How many sessions.
    pub count: usize,
    /// Which ones, in the order of their keys.
    pub members: Vec<Member>,
}

/// A session has subscribed, or has ended its subscription.
#[derive(Debug)]
pub(crate) struct PresenceChange {
    pub(crate) destination: Destination,
    pub(crate) session: SessionKey,
    pub(crate) turn: Turn,
}

#[derive(Debug)]
pub(crate) enum Turn {
    Joins(MemberInfo),
    Leaves,
}

/// Octets of what is told of a member, of its name and of what it says of itself: 1 KiB each.
pub(crate) const INFO_OCTETS_MAX: usize = 1024;

impl MemberInfo {
    /// With as much of the name as is told.
    pub(crate) fn shortened(mut self) -> Self {
        let short = |user: Box<str>| {
            let end = user.floor_char_boundary(INFO_OCTETS_MAX);
            user[..end].into()
        };
        self.user = self.user.map(short);
        self
    }

    /// Octets in the list of all members.
    pub(crate) fn octets(&self, session: SessionKey) -> usize {
        let mut listed = String::new();
        push_member(&mut listed, session, self);
        listed.len() + ",".len()
    }
}

/// What the names of presence begin with, before the whole name of the destination.
pub(crate) const PREFIX: &str = "/presence";

/// Where the presence of a destination is told.
pub(crate) fn companion_of(destination: &Destination) -> Result<Destination, DestinationError> {
    Destination::parse(&format!("{PREFIX}{destination}"))
}

/// Whether presence is told there.
pub(crate) fn is_told_at(name: &Destination) -> bool {
    name.as_str().strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// Whose presence is told there.
pub(crate) fn told_by(companion: &Destination) -> Option<Destination> {
    Destination::parse(companion.as_str().strip_prefix(PREFIX)?).ok()
}

/// What is told of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PresenceEvent {
    /// All members.
    Present,
    Join,
    Leave,
    /// Only how many there are.
    Count,
}

impl PresenceEvent {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Count => "count",
        }
    }

    /// The body of the message.
    pub(crate) fn body<'a>(
        self,
        count: usize,
        members: impl Iterator<Item = (SessionKey, &'a MemberInfo)>,
    ) -> String {
        let mut body = format!("{{\"event\":\"{}\",\"count\":{count}", self.as_str());
        if self != Self::Count {
            body.push_str(",\"members\":[");
            for (at, (session, info)) in members.enumerate() {
                if at > 0 {
                    body.push(',');
                }
                push_member(&mut body, session, info);
            }
            body.push(']');
        }
        body.push('}');
        body
    }
}

fn push_member(body: &mut String, session: SessionKey, info: &MemberInfo) {
    let _ = write!(body, "{{\"session\":\"{}\"", session.0);
    let told = [("user", &info.user), ("info", &info.info)];
    for (name, text) in told.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        let _ = write!(body, ",\"{name}\":");
        json::push_string(body, text);
    }
    body.push('}');
}
