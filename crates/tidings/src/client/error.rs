use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use tidings_websocket::handshake::client::{HandshakeError, InvalidSubprotocol};

use super::UrlError;
use super::sockjs::SockJsError;
use crate::endpoint::BoxError;

/// Why a client could not connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is none that can be connected to.
    Url(UrlError),
    /// A subprotocol cannot be offered: it is no token, or is offered twice.
    InvalidSubprotocol(InvalidSubprotocol),
    /// The host's name has no address.
    Dns {
        /// The name.
        host: String,
        /// What looking it up gave.
        source: io::Error,
    },
    /// The connection was refused, or broke before the handshake was complete.
    Io(io::Error),
    /// No secure connection came about: the certificate is not trusted, or is not the host's.
    Tls(io::Error),
    /// The proxy could not be used.
    Proxy(ProxyError),
    /// The handshake took longer than the [connect timeout](super::ClientBuilder::connect_timeout),
    /// given here.
    Timeout(Duration),
    /// The server answered with another status than 101; this is its answer, with the first octets of
    /// the body.
    Http(Box<Response<Bytes>>),
    /// The head of the answer has more octets than the
    /// [limit](super::ClientBuilder::response_head_octets_max), given here, or more than a hundred
    /// fields.
    ResponseHeadTooLong {
        /// The limit.
        octets_max: usize,
    },
    /// The answer is not HTTP.
    InvalidResponse(BoxError),
    /// The server agreed to an upgrade, but not to this one.
    Handshake(HandshakeError),
    /// There were more redirections in a row than [allowed](super::ClientBuilder::redirects_max).
    TooManyRedirects {
        /// The limit.
        max: u32,
    },
    /// A redirection leads back to where the client has been, given here.
    RedirectLoop(String),
    /// A redirection leads from a secure connection to one that is not, given here.
    InsecureRedirect(String),
    /// A SockJS server was reached, but no session of it.
    SockJs(SockJsError),
}

impl ConnectError {
    /// The server's answer, where there was one that does not connect.
    pub fn response(&self) -> Option<&Response<Bytes>> {
        match self {
            Self::Http(response) => Some(response),
            Self::SockJs(error) => error.response(),
            _ => None,
        }
    }

    /// Whether the same attempt would fail again: the URL or the client's options are wrong, or the
    /// server refuses this client (status 4xx, but for 408, 425 and 429).
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::InvalidSubprotocol(_)
            | Self::Handshake(_)
            | Self::RedirectLoop(_)
            | Self::InsecureRedirect(_)
            | Self::TooManyRedirects { .. } => true,
            Self::Http(response) | Self::Proxy(ProxyError::Http(response)) => {
                is_permanent(response.status())
            }
            Self::SockJs(error) => error.is_permanent(),
            _ => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::InvalidSubprotocol(error) => error.fmt(f),
            Self::Dns { host, .. } => write!(f, "no address is known for `{host}`"),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    f.write_str("connection was refused; is the server running?")
                }
                _ => f.write_str("connection failed"),
            },
            Self::Tls(error) if error.to_string().contains("InvalidContentType") => {
                f.write_str("no secure connection: the server may not speak TLS at this port")
            }
            Self::Tls(error) if error.to_string().contains("invalid peer certificate") => {
                f.write_str("no secure connection: the server's certificate is not one to trust")
            }
            Self::Tls(_) => f.write_str("no secure connection"),
            Self::Proxy(error) => error.fmt(f),
            Self::Timeout(timeout) => write!(f, "no connection within {timeout:?}"),
            Self::Http(response) => {
                write!(f, "server answered with status {} instead of 101", response.status())?;
                match explanation(response) {
                    Some(explanation) => write!(f, ": {explanation}"),
                    None => Ok(()),
                }
            }
            Self::ResponseHeadTooLong { octets_max } => {
                write!(f, "head of the answer has more than {octets_max} octets or 100 fields")
            }
            Self::InvalidResponse(_) => f.write_str("server does not answer in HTTP/1.1"),
            Self::Handshake(error) => error.fmt(f),
            Self::TooManyRedirects { max } => write!(f, "more than {max} redirections"),
            Self::RedirectLoop(url) => write!(f, "redirections lead in a circle, to {url}"),
            Self::InsecureRedirect(url) => write!(f, "redirection to {url} would give up TLS"),
            Self::SockJs(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dns { source, .. } => Some(source),
            Self::Io(error) | Self::Tls(error) => Some(error),
            Self::InvalidResponse(error) => Some(error.as_ref()),
            Self::Url(error) => error.source(),
            Self::InvalidSubprotocol(error) => error.source(),
            Self::Proxy(error) => error.source(),
            Self::Handshake(error) => error.source(),
            _ => None,
        }
    }
}

/// Whether a server that answers with this status would do so again.
pub(super) fn is_permanent(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429)
}

/// Characters of a server's explanation that are shown.
const EXPLANATION_CHARS_MAX: usize = 200;

/// What the server says in its own words: the first line of a plain text, without control characters, which
/// could make a terminal show something else.
pub(super) fn explanation(response: &Response<Bytes>) -> Option<String> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let is_text = content_type.trim_start().to_ascii_lowercase().starts_with("text/plain");
    let body = String::from_utf8_lossy(response.body());
    let line = body.lines().map(str::trim).find(|line| !line.is_empty()).filter(|_| is_text)?;
    let shown = line.chars().filter(|char| !char.is_control());
    Some(shown.take(EXPLANATION_CHARS_MAX).collect())
}

/// Why a proxy could not be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's name has no address.
    Dns {
        /// The name.
        host: String,
        /// What looking it up gave.
        source: io::Error,
    },
    /// The connection to the proxy was refused, or broke.
    Io(io::Error),
    /// The proxy does not connect: 407 where it wants credentials, or better ones. This is its answer.
    Http(Box<Response<Bytes>>),
    /// The head of the proxy's answer is too long.
    ResponseHeadTooLong {
        /// The limit.
        octets_max: usize,
    },
    /// The answer is not HTTP, or octets follow that belong to nothing.
    InvalidResponse(BoxError),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { host, .. } => write!(f, "no address is known for the proxy `{host}`"),
            Self::Io(_) => f.write_str("connection to the proxy failed"),
            Self::Http(response) if response.status() == 407 => {
                f.write_str("proxy wants other credentials (status 407)")
            }
            Self::Http(response) => {
                write!(f, "proxy answered with status {}", response.status())
            }
            Self::ResponseHeadTooLong { octets_max } => {
                write!(f, "head of the proxy's answer has more than {octets_max} octets")
            }
            Self::InvalidResponse(_) => f.write_str("proxy does not answer in HTTP/1.1"),
        }
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dns { source, .. } | Self::Io(source) => Some(source),
            Self::InvalidResponse(error) => Some(error.as_ref()),
            Self::Http(_) | Self::ResponseHeadTooLong { .. } => None,
        }
    }
}

impl From<UrlError> for ConnectError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<InvalidSubprotocol> for ConnectError {
    fn from(error: InvalidSubprotocol) -> Self {
        Self::InvalidSubprotocol(error)
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<ProxyError> for ConnectError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(content_type: &str, body: &'static str) -> String {
        let response = Response::builder().status(403).header(CONTENT_TYPE, content_type);
        ConnectError::Http(Box::new(response.body(Bytes::from(body)).unwrap())).to_string()
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server() {
        let plain = "server answered with status 403 Forbidden instead of 101";
        let text = "text/plain; charset=utf-8";
        assert_eq!(told(text, "\n say ?name=you \nmore"), format!("{plain}: say ?name=you"));
        assert_eq!(told(text, ""), plain);
        assert_eq!(told("text/html", "<h1>no"), plain);
        assert_eq!(told(text, "\x1b[2Jcleared"), format!("{plain}: [2Jcleared"));
        assert_eq!(told(text, "x".repeat(999).leak()).len(), plain.len() + 2 + 200);
    }
}
