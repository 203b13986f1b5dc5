use std::error::Error;
use std::fmt;

use crate::ProtocolError;

/// The longest reason, in octets: what a control frame holds besides the code.
const REASON_OCTETS_MAX: usize = 123;

/// Why a connection was closed, as a number: RFC 6455, section 7.4, and IANA's registry.
///
/// Any number from 1000 to 4999; 3000 to 3999 are registered by libraries, 4000 to 4999 are the
/// application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL_CLOSURE: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: data of a kind that this endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the close frame had no code. Never sent.
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// 1006: the stream ended without a close frame. Never sent.
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// 1007: data that is not what its type says, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message that violates the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension in the server's answer.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The close code of a number.
    ///
    /// # Errors
    ///
    /// [`CloseCodeOutOfRange`] unless `code` is from 1000 to 4999.
    pub const fn new(code: u16) -> Result<Self, CloseCodeOutOfRange> {
        match code {
            1000..=4999 => Ok(Self(code)),
            _ => Err(CloseCodeOutOfRange(code)),
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether a close frame may carry the code.
    ///
    /// 1004, 1005, 1006 and 1015 may not, nor may 1016 to 2999, which have no meaning yet.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = CloseCodeOutOfRange;

    fn try_from(code: u16) -> Result<Self, CloseCodeOutOfRange> {
        Self::new(code)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number, given here, is not from 1000 to 4999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCodeOutOfRange(pub u16);

impl fmt::Display for CloseCodeOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close code {} is not from 1000 to 4999", self.0)
    }
}

impl Error for CloseCodeOutOfRange {}

/// Why a connection was closed: a code, and a text of at most 123 octets that may be empty.
///
/// # Examples
///
/// ```
/// # use tidings_websocket::{CloseCode, CloseReason};
/// let reason = CloseReason::new(CloseCode::GOING_AWAY, "back at noon")?;
/// assert_eq!(reason.to_string(), "1001 (back at noon)");
/// # Ok::<(), tidings_websocket::CloseReasonError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    code: CloseCode,
    reason: Box<str>,
}

impl CloseReason {
    /// A code with a text. What is [not sendable](CloseCode::is_sendable) does not reach the peer, nor does its
    /// text.
    ///
    /// # Errors
    ///
    /// [`CloseReasonError::TooLong`] when the text has more than 123 octets of UTF-8.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Result<Self, CloseReasonError> {
        let reason = reason.into();
        if reason.len() > REASON_OCTETS_MAX {
            return Err(CloseReasonError::TooLong { len: reason.len() });
        }
        Ok(Self { code, reason: reason.into() })
    }

    /// A code with as many characters of a text as fit.
    pub fn truncated(code: CloseCode, reason: &str) -> Self {
        let end = reason.floor_char_boundary(REASON_OCTETS_MAX);
        Self { code, reason: reason.get(..end).unwrap_or_default().into() }
    }

    /// A code without a text.
    pub fn from_code(code: CloseCode) -> Self {
        Self { code, reason: Box::default() }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The text, empty if there is none.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What the payload of a close frame says.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(Self::from_code(CloseCode::NO_STATUS_RECEIVED)),
            [_] => return Err(ProtocolError::ClosePayloadOfOneOctet),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code)
            .ok()
            .filter(|code| code.is_sendable())
            .ok_or(ProtocolError::InvalidCloseCode(code))?;
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Self { code, reason: reason.into() })
    }
}

impl From<CloseCode> for CloseReason {
    fn from(code: CloseCode) -> Self {
        Self::from_code(code)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => self.code.fmt(f),
            reason => write!(f, "{} ({reason})", self.code),
        }
    }
}

/// A [`CloseReason`] that no close frame could carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReasonError {
    /// The text has more than 123 octets.
    TooLong {
        /// Its length in octets.
        len: usize,
    },
}

impl fmt::Display for CloseReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooLong { len } = self;
        write!(f, "close reason of {len} octets is longer than {REASON_OCTETS_MAX}")
    }
}

impl Error for CloseReasonError {}

/// The payload of the close frame that says `reason`: RFC 6455, section 5.5.1.
///
/// Empty, so without its text too, when the code may not be sent, as with
/// [`CloseCode::NO_STATUS_RECEIVED`].
pub fn close_payload(reason: &CloseReason) -> Vec<u8> {
    if !reason.code.is_sendable() {
        return Vec::new();
    }
    [&reason.code.as_u16().to_be_bytes(), reason.reason.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_from_1000_to_4999() {
        for code in [0, 999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(code), Err(CloseCodeOutOfRange(code)));
        }
        for code in [1000, 1004, 2999, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::as_u16), Ok(code));
        }
    }

    #[test]
    fn a_close_frame_is_decoded_to_its_code_and_reason() {
        let none = CloseReason::from_code(CloseCode::NO_STATUS_RECEIVED);
        assert_eq!(CloseReason::decode(b""), Ok(none));
        let bye = CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "bye");
        assert_eq!(CloseReason::decode(b"\x03\xe8bye"), Ok(bye));
    }

    #[test]
    fn a_close_frame_may_not_carry_reserved_codes() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
            let decoded = CloseReason::decode(&code.to_be_bytes());
            assert_eq!(decoded, Err(ProtocolError::InvalidCloseCode(code)));
        }
        for code in [1000u16, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999] {
            assert!(CloseReason::decode(&code.to_be_bytes()).is_ok(), "{code}");
        }
    }

    #[test]
    fn a_close_frame_with_half_a_code_or_bad_text_is_refused() {
        assert_eq!(CloseReason::decode(b"\x03"), Err(ProtocolError::ClosePayloadOfOneOctet));
        assert_eq!(CloseReason::decode(b"\x03\xe8\xff"), Err(ProtocolError::InvalidUtf8));
    }

    #[test]
    fn a_reason_has_at_most_123_octets() {
        let code = CloseCode::NORMAL_CLOSURE;
        assert!(CloseReason::new(code, "x".repeat(123)).is_ok());
        let long = CloseReason::new(code, "€".repeat(42));
        assert_eq!(long, Err(CloseReasonError::TooLong { len: 126 }));
    }

    #[test]
    fn truncation_keeps_whole_characters() {
        let reason = CloseReason::truncated(CloseCode::NORMAL_CLOSURE, &"🦀".repeat(31));
        assert_eq!(reason.reason(), "🦀".repeat(30));
        let short = CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "short");
        assert_eq!(short.reason(), "short");
    }

    #[test]
    fn codes_that_may_not_be_sent_give_an_empty_payload() {
        assert!(close_payload(&CloseCode::NO_STATUS_RECEIVED.into()).is_empty());
        assert!(close_payload(&CloseCode::ABNORMAL_CLOSURE.into()).is_empty());
        assert_eq!(close_payload(&CloseCode::GOING_AWAY.into()), b"\x03\xe9");
    }

    #[test]
    fn a_reason_is_shown_with_its_code() {
        assert_eq!(CloseReason::from_code(CloseCode::GOING_AWAY).to_string(), "1001");
    }
}
