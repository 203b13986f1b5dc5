//! The server's side: RFC 6455, section 4.2.

use std::error::Error;
use std::fmt;

use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};

use super::key::Key;
use super::list;
use crate::{Extension, InvalidExtension};

/// Checks a client's opening handshake.
///
/// # Errors
///
/// [`HandshakeError`] when the request is not an opening handshake, or not one of this version of
/// the protocol; it knows the response.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
/// use tidings_websocket::handshake::server::accept;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("connection", HeaderValue::from_static("Upgrade"));
/// headers.insert("upgrade", HeaderValue::from_static("websocket"));
/// headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
/// headers.insert("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
///
/// let response = accept(&Method::GET, Version::HTTP_11, &headers)?.response(None);
/// assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
/// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), tidings_websocket::handshake::server::HandshakeError>(())
/// ```
pub fn accept(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<Accepted, HandshakeError> {
    if method != Method::GET {
        return Err(HandshakeError::MethodNotGet);
    }
    if version < Version::HTTP_11 {
        return Err(HandshakeError::HttpVersionTooOld);
    }
    if !list::contains(headers, CONNECTION, "upgrade") {
        return Err(HandshakeError::ConnectionWithoutUpgrade);
    }
    if !list::contains(headers, UPGRADE, "websocket") {
        return Err(HandshakeError::UpgradeNotToWebSocket);
    }
    if only_value(headers, SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(HandshakeError::UnsupportedVersion);
    }
    let key = only_value(headers, SEC_WEBSOCKET_KEY)
        .and_then(Key::parse)
        .ok_or(HandshakeError::InvalidKey)?;
    let subprotocols = offered_subprotocols(headers)?;
    let extensions = offered_extensions(headers)?;
    Ok(Accepted { accept_key: Some(key.accept()), subprotocols, extensions })
}

/// Checks a client's opening handshake over HTTP/2 or HTTP/3: RFC 8441 and RFC 9220, an extended
/// CONNECT request. `protocol` is its pseudo-header field `:protocol`.
///
/// There is no key, and the response is 200 instead of 101.
///
/// # Errors
///
/// [`HandshakeError`] when it is for another protocol, or not for this version of it.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use tidings_websocket::handshake::server::accept_extended_connect;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
/// let response = accept_extended_connect("websocket", &headers)?.response(None);
/// assert_eq!(response.status(), StatusCode::OK);
/// # Ok::<(), tidings_websocket::handshake::server::HandshakeError>(())
/// ```
pub fn accept_extended_connect(
    protocol: &str,
    headers: &HeaderMap,
) -> Result<Accepted, HandshakeError> {
    if protocol != "websocket" {
        return Err(HandshakeError::ProtocolNotWebSocket);
    }
    if only_value(headers, SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(HandshakeError::UnsupportedVersion);
    }
    let subprotocols = offered_subprotocols(headers)?;
    Ok(Accepted { accept_key: None, subprotocols, extensions: offered_extensions(headers)? })
}

fn offered_extensions(headers: &HeaderMap) -> Result<Vec<Extension>, HandshakeError> {
    Extension::from_headers(headers).map_err(|InvalidExtension| HandshakeError::InvalidExtension)
}

fn offered_subprotocols(headers: &HeaderMap) -> Result<Vec<String>, HandshakeError> {
    list::elements(headers, SEC_WEBSOCKET_PROTOCOL)
        .map(|element| list::token(element).map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or(HandshakeError::InvalidSubprotocol)
}

/// A client's opening handshake that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// `None` over HTTP/2.
    accept_key: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl Accepted {
    /// The value of `Sec-WebSocket-Accept` in the response, which over HTTP/2 has none.
    pub fn accept_key(&self) -> Option<&str> {
        self.accept_key.as_deref()
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The extensions that the client offers, its favourite first.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The response that completes the handshake, with the subprotocol chosen if there is one.
    ///
    /// A subprotocol that the client does not offer is left out: the client would have to fail the
    /// connection.
    pub fn response(&self, subprotocol: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        if let Some(accept_key) = &self.accept_key {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            let accept_key =
                HeaderValue::from_str(accept_key).expect("base64 is a valid header value");
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
        }
        let chosen = subprotocol
            .filter(|chosen| self.subprotocols.iter().any(|offered| offered == chosen))
            .map(|chosen| HeaderValue::from_str(chosen).expect("a token is a valid header value"));
        if let Some(chosen) = chosen {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        response
    }
}

/// Why a request is not an opening handshake that can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET.
    MethodNotGet,
    /// The pseudo-header field `:protocol` of an extended CONNECT is not `websocket`.
    ProtocolNotWebSocket,
    /// The request is older than HTTP/1.1, which knows no upgrade.
    HttpVersionTooOld,
    /// The field `Connection` does not list `upgrade`.
    ConnectionWithoutUpgrade,
    /// The field `Upgrade` does not list `websocket`.
    UpgradeNotToWebSocket,
    /// `Sec-WebSocket-Version` is not 13.
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is missing, there are several, or it is not 16 octets in base64.
    InvalidKey,
    /// `Sec-WebSocket-Protocol` lists something that is not a token.
    InvalidSubprotocol,
    /// `Sec-WebSocket-Extensions` breaks the grammar, or is too long.
    InvalidExtension,
}

impl HandshakeError {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedVersion => StatusCode::UPGRADE_REQUIRED,
            Self::ProtocolNotWebSocket => StatusCode::NOT_IMPLEMENTED,
            Self::HttpVersionTooOld
            | Self::ConnectionWithoutUpgrade
            | Self::UpgradeNotToWebSocket
            | Self::InvalidKey
            | Self::InvalidSubprotocol
            | Self::InvalidExtension => StatusCode::BAD_REQUEST,
        }
    }

    /// The response: the status, what the client should do instead, and the error as plain text.
    ///
    /// Over HTTP/2, the fields `Connection` and `Upgrade` have to be removed from it.
    pub fn response(&self) -> Response<String> {
        let mut response = Response::new(format!("Not a WebSocket opening handshake: {self}.\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
        match self {
            Self::MethodNotGet => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            Self::UnsupportedVersion => {
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MethodNotGet => "the method must be GET",
            Self::ProtocolNotWebSocket => "the field :protocol must be \"websocket\"",
            Self::HttpVersionTooOld => "the request must be HTTP/1.1",
            Self::ConnectionWithoutUpgrade => "the field Connection must list \"upgrade\"",
            Self::UpgradeNotToWebSocket => "the field Upgrade must list \"websocket\"",
            Self::UnsupportedVersion => "the field Sec-WebSocket-Version must be 13",
            Self::InvalidKey => "the field Sec-WebSocket-Key must be 16 octets in base64",
            Self::InvalidSubprotocol => "the field Sec-WebSocket-Protocol must list tokens",
            Self::InvalidExtension => "the field Sec-WebSocket-Extensions must list extensions",
        })
    }
}

impl Error for HandshakeError {}

/// The value of a field that has exactly one line.
fn only_value(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut lines = headers.get_all(name).into_iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    Some(only.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        headers.insert(SEC_WEBSOCKET_KEY, key);
        headers
    }

    fn check(headers: &HeaderMap, expected: Result<(), HandshakeError>) {
        let accepted = accept(&Method::GET, Version::HTTP_11, headers);
        assert_eq!(accepted.map(drop), expected, "{headers:?}");
    }

    fn set(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = headers();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    fn without(name: HeaderName) -> HeaderMap {
        let mut headers = headers();
        headers.remove(name);
        headers
    }

    #[test]
    fn the_response_completes_the_handshake() {
        let accepted = accept(&Method::GET, Version::HTTP_11, &headers()).unwrap();
        let response = accepted.response(None);
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[UPGRADE], "websocket");
        assert_eq!(response.headers()[CONNECTION], "Upgrade");
        let accept_key = response.headers()[SEC_WEBSOCKET_ACCEPT].to_str().ok();
        assert_eq!(accept_key, accepted.accept_key());
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn only_an_offered_subprotocol_is_answered() {
        let mut headers = set(SEC_WEBSOCKET_PROTOCOL, "v12.stomp, v11.stomp");
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v10.stomp"));
        let accepted = accept(&Method::GET, Version::HTTP_11, &headers).unwrap();
        assert_eq!(accepted.subprotocols(), ["v12.stomp", "v11.stomp", "v10.stomp"]);
        let response = accepted.response(Some("v11.stomp"));
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "v11.stomp");
        let response = accepted.response(Some("chat"));
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn connection_tokens_may_be_in_any_case_and_on_several_lines() {
        let mut headers = set(CONNECTION, "keep-alive");
        headers.append(CONNECTION, HeaderValue::from_static("UPGRADE"));
        check(&headers, Ok(()));
    }

    #[test]
    fn a_request_for_no_upgrade_is_a_bad_request() {
        check(&without(CONNECTION), Err(HandshakeError::ConnectionWithoutUpgrade));
        check(&set(CONNECTION, "upgraded"), Err(HandshakeError::ConnectionWithoutUpgrade));
        check(&without(UPGRADE), Err(HandshakeError::UpgradeNotToWebSocket));
        check(&set(UPGRADE, "h2c"), Err(HandshakeError::UpgradeNotToWebSocket));
        assert_eq!(HandshakeError::ConnectionWithoutUpgrade.status(), StatusCode::BAD_REQUEST);
        assert_eq!(HandshakeError::UpgradeNotToWebSocket.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_missing_doubled_or_malformed_key_is_a_bad_request() {
        check(&without(SEC_WEBSOCKET_KEY), Err(HandshakeError::InvalidKey));
        check(&set(SEC_WEBSOCKET_KEY, "c2hvcnQ="), Err(HandshakeError::InvalidKey));
        let mut twice = headers();
        twice.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        check(&twice, Err(HandshakeError::InvalidKey));
        assert_eq!(HandshakeError::InvalidKey.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_extended_connect_is_answered_without_key_and_upgrade() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat"));
        let accepted = accept_extended_connect("websocket", &headers).unwrap();
        let response = accepted.response(Some("chat"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "chat");

        let other = accept_extended_connect("connect-udp", &headers).unwrap_err();
        assert_eq!(other.status(), StatusCode::NOT_IMPLEMENTED);
        headers.remove(SEC_WEBSOCKET_VERSION);
        let old = accept_extended_connect("websocket", &headers).unwrap_err();
        assert_eq!(old, HandshakeError::UnsupportedVersion);
    }

    #[test]
    fn another_version_is_told_which_one_is_spoken() {
        for headers in [without(SEC_WEBSOCKET_VERSION), set(SEC_WEBSOCKET_VERSION, "8")] {
            check(&headers, Err(HandshakeError::UnsupportedVersion));
        }
        let response = HandshakeError::UnsupportedVersion.response();
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(response.headers()[SEC_WEBSOCKET_VERSION], "13");
        assert_eq!(response.headers()[UPGRADE], "websocket");
    }

    #[test]
    fn other_methods_are_told_which_one_is_allowed() {
        let error = accept(&Method::POST, Version::HTTP_11, &headers()).unwrap_err();
        assert_eq!(error.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(error.response().headers()[ALLOW], "GET");
    }

    #[test]
    fn http_1_0_is_a_bad_request() {
        let error = accept(&Method::GET, Version::HTTP_10, &headers()).unwrap_err();
        assert_eq!(error, HandshakeError::HttpVersionTooOld);
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn any_octet_in_any_field_is_answered() {
        let fields = [
            (CONNECTION, HandshakeError::ConnectionWithoutUpgrade),
            (UPGRADE, HandshakeError::UpgradeNotToWebSocket),
            (SEC_WEBSOCKET_VERSION, HandshakeError::UnsupportedVersion),
            (SEC_WEBSOCKET_KEY, HandshakeError::InvalidKey),
            (SEC_WEBSOCKET_PROTOCOL, HandshakeError::InvalidSubprotocol),
        ];
        for (name, error) in fields {
            for octet in (0x80..=0xff).chain([b'"', b'/', b';']) {
                let mut headers = headers();
                headers.insert(&name, HeaderValue::from_bytes(&[octet]).unwrap());
                check(&headers, Err(error));
            }
        }
    }
}
