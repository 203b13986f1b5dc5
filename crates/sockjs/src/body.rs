use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::{DecodeError, decode_messages};

/// The messages in the body of an `xhr_send` request.
///
/// `content_type` is the header's value, if there is one; its parameters and the case of its
/// letters do not matter. There are no more than `messages_max`; the caller limits how long a body may be.
///
/// # Errors
///
/// [`SendBodyError`]. It is found before the session is looked up, so a bad body is refused as such
/// even if there is no such session.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::{SendBodyError, parse_send};
///
/// assert_eq!(parse_send(Some(b"text/plain"), br#"["a","b"]"#, 100).unwrap(), ["a", "b"]);
/// assert_eq!(parse_send(None, b"", 100), Err(SendBodyError::PayloadExpected));
/// ```
pub fn parse_send(
    content_type: Option<&[u8]>,
    body: &[u8],
    messages_max: usize,
) -> Result<Vec<String>, SendBodyError> {
    if body.is_empty() || !is_accepted(content_type.unwrap_or_default()) {
        return Err(SendBodyError::PayloadExpected);
    }
    Ok(decode_messages(body, messages_max)?)
}

/// The messages in the body of a `jsonp_send` request: the field `d` of a form, or the body itself if it is
/// plain text.
///
/// # Errors
///
/// [`SendBodyError`], as for [`parse_send`].
///
/// # Examples
///
/// ```
/// use tidings_sockjs::parse_jsonp_send;
///
/// let form = Some(&b"application/x-www-form-urlencoded"[..]);
/// assert_eq!(parse_jsonp_send(form, b"d=%5B%22a+b%22%5D", 100).unwrap(), ["a b"]);
/// assert_eq!(parse_jsonp_send(Some(b"text/plain"), b"[\"%61\"]", 100).unwrap(), ["%61"]);
/// ```
pub fn parse_jsonp_send(
    content_type: Option<&[u8]>,
    body: &[u8],
    messages_max: usize,
) -> Result<Vec<String>, SendBodyError> {
    let media_type = media_type(content_type.unwrap_or_default());
    if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        let field = form_urlencoded::parse(body).find(|(name, _)| name == "d");
        let field = field.map(|(_, value)| value).filter(|value| !value.is_empty());
        let field = field.ok_or(SendBodyError::PayloadExpected)?;
        return Ok(decode_messages(field.as_bytes(), messages_max)?);
    }
    let is_text = media_type.is_empty() || media_type.eq_ignore_ascii_case(b"text/plain");
    if body.is_empty() || !is_text {
        return Err(SendBodyError::PayloadExpected);
    }
    Ok(decode_messages(body, messages_max)?)
}

/// Why a request brings no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendBodyError {
    /// There is no body, or it is of a type that is not read, or it is not an array.
    PayloadExpected,
    /// The body is not JSON.
    BrokenJson,
    /// The array has more elements than it may.
    TooManyMessages,
}

impl SendBodyError {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::PayloadExpected | Self::BrokenJson => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyMessages => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The body of the answer; clients and the test suite of SockJS know these texts.
    pub fn text(self) -> &'static str {
        match self {
            Self::PayloadExpected => "Payload expected.",
            Self::BrokenJson => "Broken JSON encoding.",
            Self::TooManyMessages => "Too many messages.",
        }
    }
}

impl fmt::Display for SendBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadExpected => f.write_str("body without a JSON array"),
            Self::BrokenJson => f.write_str("body with broken JSON"),
            Self::TooManyMessages => f.write_str("body with too many messages"),
        }
    }
}

impl Error for SendBodyError {}

impl From<DecodeError> for SendBodyError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Syntax { .. } => Self::BrokenJson,
            DecodeError::NotAnArray => Self::PayloadExpected,
            DecodeError::TooManyMessages => Self::TooManyMessages,
        }
    }
}

/// The types that clients have sent over the years; one of them is really called `T`.
fn is_accepted(content_type: &[u8]) -> bool {
    let media_type = media_type(content_type);
    [&b""[..], b"text/plain", b"t", b"application/json", b"application/xml", b"text/xml"]
        .iter()
        .any(|accepted| media_type.eq_ignore_ascii_case(accepted))
}

fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_send(content_type: Option<&[u8]>, body: &[u8]) -> Result<Vec<String>, SendBodyError> {
        super::parse_send(content_type, body, 2)
    }

    fn parse_jsonp_send(
        content_type: Option<&[u8]>,
        body: &[u8],
    ) -> Result<Vec<String>, SendBodyError> {
        super::parse_jsonp_send(content_type, body, 2)
    }

    #[test]
    fn every_content_type_of_the_suite_is_read() {
        let types = ["", "text/plain", "T", "application/json", "application/xml", "text/xml"];
        let parameters = ["", ";charset=utf-8", "; charset=utf-8"];
        for (media_type, parameter) in
            types.iter().flat_map(|it| parameters.iter().map(move |parameter| (it, parameter)))
        {
            let content_type = format!("{media_type}{parameter}");
            let messages = parse_send(Some(content_type.as_bytes()), br#"["x"]"#);
            assert_eq!(messages.unwrap(), ["x"], "{content_type}");
        }
        assert_eq!(parse_send(None, br#"["x"]"#).unwrap(), ["x"]);
    }

    #[test]
    fn letters_of_the_content_type_may_be_of_any_case() {
        assert_eq!(parse_send(Some(b"TEXT/Plain ;a=b"), b"[]"), Ok(vec![]));
    }

    #[test]
    fn other_content_types_are_like_an_empty_body() {
        for content_type in
            [&b"application/x-www-form-urlencoded"[..], b"text", b"text/plain, T", b"\xff"]
        {
            let refused = parse_send(Some(content_type), b"[\"x");
            assert_eq!(refused, Err(SendBodyError::PayloadExpected));
        }
    }

    #[test]
    fn bodies_are_refused_with_the_texts_of_the_standard() {
        for (body, text) in [
            (&b""[..], "Payload expected."),
            (b"[\"x", "Broken JSON encoding."),
            (b" ", "Broken JSON encoding."),
            (b"x", "Broken JSON encoding."),
            (b"{\"x\":", "Broken JSON encoding."),
            (b"{}", "Payload expected."),
            (b"\"x\"", "Payload expected."),
            (b"null", "Payload expected."),
        ] {
            let error = parse_send(None, body).unwrap_err();
            assert_eq!((error.text(), error.status().as_u16()), (text, 500));
        }
    }

    #[test]
    fn an_empty_array_is_a_heartbeat_of_the_client() {
        assert_eq!(parse_send(None, b"[]"), Ok(vec![]));
    }

    #[test]
    fn too_many_messages_are_too_large_a_payload() {
        let error = parse_send(None, b"[0,0,0]").unwrap_err();
        assert_eq!((error, error.status().as_u16()), (SendBodyError::TooManyMessages, 413));
    }

    #[test]
    fn a_form_brings_messages_in_its_field_d() {
        let form = Some(&b"application/x-www-form-urlencoded; charset=UTF-8"[..]);
        for (body, messages) in [
            (&b"d=%5B%22x%22%5D"[..], Ok(vec!["x".to_owned()])),
            (b"a=1&d=[\"%2b+\"]&d=x", Ok(vec!["+ ".to_owned()])),
            (b"d=[]", Ok(vec![])),
            (b"", Err(SendBodyError::PayloadExpected)),
            (b"d=", Err(SendBodyError::PayloadExpected)),
            (b"d", Err(SendBodyError::PayloadExpected)),
            (b"D=[]", Err(SendBodyError::PayloadExpected)),
            (b"d=%5B%22x", Err(SendBodyError::BrokenJson)),
            (b"d={}", Err(SendBodyError::PayloadExpected)),
        ] {
            let body_text = String::from_utf8_lossy(body);
            assert_eq!(parse_jsonp_send(form, body), messages, "{body_text}");
        }
    }

    #[test]
    fn plain_text_of_jsonp_is_not_decoded() {
        for content_type in [Some(&b"text/plain"[..]), Some(b"Text/Plain;charset=utf-8"), None] {
            let messages = parse_jsonp_send(content_type, b"[\"%61bc\"]");
            assert_eq!(messages.unwrap(), ["%61bc"]);
            let nothing = parse_jsonp_send(content_type, b"");
            assert_eq!(nothing, Err(SendBodyError::PayloadExpected));
        }
        let json = parse_jsonp_send(Some(b"application/json"), b"[\"x\"]");
        assert_eq!(json, Err(SendBodyError::PayloadExpected));
    }
}
