//! The headers of presence.

use super::{Headers, invalid};
use crate::error::InvalidHeader;
use crate::presence::{INFO_OCTETS_MAX, MemberInfo, PresenceEvent};

/// What a SUBSCRIBE frame says of its sender.
pub(super) fn member(headers: &Headers) -> Result<Option<MemberInfo>, InvalidHeader> {
    let Some(info) = headers.get("presence-info") else { return Ok(None) };
    if info.len() > INFO_OCTETS_MAX {
        return Err(invalid("presence-info", info, "at most 1024 octets"));
    }
    Ok(Some(MemberInfo { user: None, info: Some(info.into()) }))
}

/// The headers of a message of presence.
pub(crate) fn presence_headers(event: PresenceEvent) -> Headers {
    Headers::from([("presence", event.as_str()), ("content-type", "application/json")])
}
