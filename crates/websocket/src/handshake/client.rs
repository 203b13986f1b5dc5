//! The client's side: RFC 6455, section 4.1.

use std::error::Error;
use std::fmt;

use http::StatusCode;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};

use super::key::{Key, NONCE_OCTETS};
use super::list;
use crate::{DeflateAnswerError, DeflateOptions, Extension, InvalidExtension, PerMessageDeflate};

/// A client's opening handshake: makes the request, and checks the response to it.
///
/// # Examples
///
/// ```
/// use http::{Method, Version};
/// use tidings_websocket::handshake::{client::OpeningHandshake, server};
///
/// // Sixteen octets of a strong source of randomness.
/// let nonce = *b"the sample nonce";
/// let opening = OpeningHandshake::new(nonce, ["v12.stomp"])?;
///
/// let accepted = server::accept(&Method::GET, Version::HTTP_11, &opening.headers())?;
/// let response = accepted.response(Some("v12.stomp"));
///
/// let opened = opening.verify(response.status(), response.headers())?;
/// assert_eq!(opened.subprotocol(), Some("v12.stomp"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpeningHandshake {
    key: Key,
    subprotocols: Vec<String>,
    deflate: Option<DeflateOptions>,
}

impl OpeningHandshake {
    /// An opening handshake that offers subprotocols, the favourite first.
    ///
    /// Each connection takes a new `nonce` from a strong source of randomness.
    ///
    /// # Errors
    ///
    /// [`InvalidSubprotocol`] when one of them is not a token of RFC 9110, or is there twice.
    pub fn new<S: Into<String>>(
        nonce: [u8; NONCE_OCTETS],
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidSubprotocol> {
        let mut offered: Vec<String> = Vec::new();
        for subprotocol in subprotocols {
            let subprotocol = subprotocol.into();
            if list::token(subprotocol.as_bytes()).is_none() || offered.contains(&subprotocol) {
                return Err(InvalidSubprotocol(subprotocol));
            }
            offered.push(subprotocol);
        }
        Ok(Self { key: Key::new(nonce), subprotocols: offered, deflate: None })
    }

    /// Offers to compress messages: RFC 7692.
    #[must_use]
    pub fn with_deflate(self, options: Option<DeflateOptions>) -> Self {
        Self { deflate: options, ..self }
    }

    /// The header fields that make a GET request the opening handshake; `Host` is not among them.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let key = HeaderValue::from_str(self.key.as_str()).expect("base64 is a valid header value");
        headers.insert(SEC_WEBSOCKET_KEY, key);
        headers.extend(self.extended_connect_headers());
        headers
    }

    /// The header fields that make an extended CONNECT request of HTTP/2, whose `:protocol` is
    /// `websocket`, the opening handshake: RFC 8441, section 5.
    pub fn extended_connect_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        if !self.subprotocols.is_empty() {
            let offered = HeaderValue::from_str(&self.subprotocols.join(", "))
                .expect("a list of tokens is a valid header value");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        }
        if let Some(options) = &self.deflate {
            let offer = HeaderValue::from_str(&options.offer().to_string())
                .expect("tokens and numbers are a valid header value");
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, offer);
        }
        headers
    }

    /// Checks the server's response.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] when the server did not accept, or did not answer this handshake.
    pub fn verify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Opened, HandshakeError> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::UnexpectedStatus(status));
        }
        if !list::contains(headers, UPGRADE, "websocket") {
            return Err(HandshakeError::UpgradeNotToWebSocket);
        }
        if !list::contains(headers, CONNECTION, "upgrade") {
            return Err(HandshakeError::ConnectionWithoutUpgrade);
        }
        if !list::elements(headers, SEC_WEBSOCKET_ACCEPT).eq([self.key.accept().as_bytes()]) {
            return Err(HandshakeError::WrongAcceptKey);
        }
        self.agree(headers)
    }

    /// Checks the server's response to an extended CONNECT request.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] when the server did not accept.
    pub fn verify_extended_connect(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Opened, HandshakeError> {
        if !status.is_success() {
            return Err(HandshakeError::UnexpectedStatus(status));
        }
        self.agree(headers)
    }

    /// What both ends agree on.
    fn agree(&self, headers: &HeaderMap) -> Result<Opened, HandshakeError> {
        let answered = Extension::from_headers(headers)
            .map_err(|InvalidExtension| HandshakeError::ExtensionNotOffered)?;
        let deflate = match &self.deflate {
            Some(options) => options
                .agree(&answered)
                .map_err(|DeflateAnswerError| HandshakeError::ExtensionNotOffered)?,
            None if answered.is_empty() => None,
            None => return Err(HandshakeError::ExtensionNotOffered),
        };
        let chosen: Vec<_> = list::elements(headers, SEC_WEBSOCKET_PROTOCOL).collect();
        let subprotocol = match chosen[..] {
            [] => None,
            [chosen] => {
                let offered = self.subprotocols.iter().find(|it| it.as_bytes() == chosen);
                Some(offered.ok_or(HandshakeError::SubprotocolNotOffered)?.clone())
            }
            _ => return Err(HandshakeError::SubprotocolNotOffered),
        };
        Ok(Opened { subprotocol, deflate })
    }
}

/// A handshake that the server has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    subprotocol: Option<String>,
    deflate: Option<PerMessageDeflate>,
}

impl Opened {
    /// The subprotocol that the server chose, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How messages are compressed, if they are.
    pub fn deflate(&self) -> Option<&PerMessageDeflate> {
        self.deflate.as_ref()
    }
}

/// Why a response does not complete the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The status, given here, is not 101.
    UnexpectedStatus(StatusCode),
    /// The field `Upgrade` does not say `websocket`.
    UpgradeNotToWebSocket,
    /// The field `Connection` does not list `upgrade`.
    ConnectionWithoutUpgrade,
    /// `Sec-WebSocket-Accept` does not answer the key.
    WrongAcceptKey,
    /// The server chose an extension that was not offered, or not like this.
    ExtensionNotOffered,
    /// The server chose a subprotocol that was not offered, or several.
    SubprotocolNotOffered,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedStatus(status) => {
                write!(f, "server answered with status {}", status.as_u16())
            }
            Self::UpgradeNotToWebSocket => f.write_str("server does not upgrade to websocket"),
            Self::ConnectionWithoutUpgrade => f.write_str("server does not upgrade"),
            Self::WrongAcceptKey => f.write_str("server does not answer the key"),
            Self::ExtensionNotOffered => f.write_str("server chose an extension not offered"),
            Self::SubprotocolNotOffered => f.write_str("server chose a subprotocol not offered"),
        }
    }
}

impl Error for HandshakeError {}

/// The subprotocol, given here, cannot be offered: it is not a token, or is offered already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSubprotocol(pub String);

impl fmt::Display for InvalidSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subprotocol {:?} is not a token or is offered twice", self.0)
    }
}

impl Error for InvalidSubprotocol {}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    fn opening() -> OpeningHandshake {
        OpeningHandshake::new(*b"the sample nonce", ["chat", "superchat"]).unwrap()
    }

    fn answer() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        let accept_key = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
        headers
    }

    /// What is said to the good answer with another line in it, instead or in addition.
    fn check(
        name: HeaderName,
        value: &'static str,
        expected: Result<Option<&str>, HandshakeError>,
    ) {
        let mut headers = answer();
        headers.insert(name, HeaderValue::from_static(value));
        let opened = opening().verify(StatusCode::SWITCHING_PROTOCOLS, &headers);
        let subprotocol = opened.as_ref().map(Opened::subprotocol).map_err(|error| *error);
        assert_eq!(subprotocol, expected, "{headers:?}");
    }

    #[test]
    fn the_request_is_that_of_the_standards_example() {
        let headers = opening().headers();
        assert_eq!(headers[SEC_WEBSOCKET_KEY], "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "chat, superchat");
        assert_eq!(headers[SEC_WEBSOCKET_VERSION], "13");
    }

    #[test]
    fn an_offered_subprotocol_or_none_is_taken() {
        check(SEC_WEBSOCKET_PROTOCOL, "superchat", Ok(Some("superchat")));
        check(SEC_WEBSOCKET_PROTOCOL, "", Ok(None));
    }

    #[test]
    fn a_subprotocol_not_offered_is_refused() {
        let error = Err(HandshakeError::SubprotocolNotOffered);
        for value in ["other", "Chat", "chat, superchat"] {
            check(SEC_WEBSOCKET_PROTOCOL, value, error);
        }
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        check(UPGRADE, "h2c", Err(HandshakeError::UpgradeNotToWebSocket));
        check(CONNECTION, "close", Err(HandshakeError::ConnectionWithoutUpgrade));
        check(SEC_WEBSOCKET_ACCEPT, "", Err(HandshakeError::WrongAcceptKey));
        let lower_case = "s3ppLMBiTxaQ9kYGzzhZRbK+xOo=";
        check(SEC_WEBSOCKET_ACCEPT, lower_case, Err(HandshakeError::WrongAcceptKey));
        let extension = "permessage-deflate";
        check(SEC_WEBSOCKET_EXTENSIONS, extension, Err(HandshakeError::ExtensionNotOffered));
    }

    #[test]
    fn another_status_is_reported() {
        let opened = opening().verify(StatusCode::FORBIDDEN, &answer());
        assert_eq!(opened, Err(HandshakeError::UnexpectedStatus(StatusCode::FORBIDDEN)));
    }

    #[test]
    fn extended_connect_has_neither_key_nor_upgrade() {
        let headers = opening().extended_connect_headers();
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "chat, superchat");
        assert_eq!(headers[SEC_WEBSOCKET_VERSION], "13");
        assert_eq!(headers.len(), 2);

        let mut answer = HeaderMap::new();
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat"));
        let opened = opening().verify_extended_connect(StatusCode::OK, &answer).unwrap();
        assert_eq!(opened.subprotocol(), Some("chat"));
        let refused = opening().verify_extended_connect(StatusCode::FORBIDDEN, &answer);
        assert_eq!(refused, Err(HandshakeError::UnexpectedStatus(StatusCode::FORBIDDEN)));
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("other"));
        let refused = opening().verify_extended_connect(StatusCode::OK, &answer);
        assert_eq!(refused, Err(HandshakeError::SubprotocolNotOffered));
    }

    #[test]
    fn subprotocols_are_tokens_and_different() {
        for offered in [vec!["a b"], vec![""], vec!["a", "a"]] {
            assert!(OpeningHandshake::new([0; 16], offered).is_err());
        }
    }
}
