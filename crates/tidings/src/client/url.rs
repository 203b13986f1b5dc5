use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// A `ws` or `wss` URI: RFC 6455, section 3.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WebSocketUrl {
    scheme: Scheme,
    /// With the brackets of an IPv6 address, in lower case.
    host: Box<str>,
    port: u16,
    path_and_query: PathAndQuery,
}

/// Whether the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Ws,
    Wss,
}

/// Why a URL cannot be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not a URI of RFC 3986.
    Malformed,
    /// Its scheme, given here, is neither `ws` nor `wss`.
    Scheme(String),
    /// It has no host, or a port that is not from 1 to 65535.
    Host,
    /// It has a fragment: RFC 6455, section 3, allows none.
    Fragment,
    /// It has a user or a password in it: those belong into
    /// [`ClientBuilder::credentials`](super::ClientBuilder::credentials).
    UserInfo,
    /// It asks for TLS, and the library was built without its feature `tls`.
    WithoutTls,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => {
                f.write_str("URL is malformed: spaces and the like have to be percent-encoded")
            }
            Self::Scheme(scheme) if scheme.is_empty() => {
                f.write_str("URL has no scheme; begin it with ws:// or wss://")
            }
            Self::Scheme(scheme) => {
                write!(f, "scheme of the URL is `{scheme}`; begin it with ws:// or wss://")
            }
            Self::Host => f.write_str("URL has no host, or a port that is not from 1 to 65535"),
            Self::Fragment => f.write_str("URL has a fragment (#); leave it out"),
            Self::UserInfo => f.write_str("URL has a user or password; give credentials apart"),
            Self::WithoutTls => f.write_str("wss:// needs the library's feature `tls`"),
        }
    }
}

impl Error for UrlError {}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Of a URL to connect to.
    fn parse(scheme: &str) -> Result<Self, UrlError> {
        match scheme.to_ascii_lowercase().as_str() {
            "ws" => Ok(Self::Ws),
            "wss" if cfg!(feature = "tls") => Ok(Self::Wss),
            "wss" => Err(UrlError::WithoutTls),
            _ => Err(UrlError::Scheme(scheme.to_owned())),
        }
    }

    /// Of the target of a redirection, where HTTP's schemes stand for those of WebSocket.
    fn parse_location(scheme: &str) -> Result<Self, UrlError> {
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Self::parse("ws"),
            "https" => Self::parse("wss"),
            _ => Self::parse(scheme),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

impl FromStr for WebSocketUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        // `Uri` drops fragments without a word.
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, _) = text.split_once("://").ok_or(UrlError::Scheme(String::new()))?;
        let scheme = Scheme::parse(scheme)?;
        Self::from_parts(scheme, &text.parse().map_err(|_| UrlError::Malformed)?)
    }
}

impl WebSocketUrl {
    fn from_parts(scheme: Scheme, uri: &Uri) -> Result<Self, UrlError> {
        let authority = uri.authority().ok_or(UrlError::Host)?;
        let path_and_query = match uri.path_and_query() {
            // It shows the slash that it lacks.
            Some(target) if !target.as_str().starts_with('/') => {
                target.to_string().parse().map_err(|_| UrlError::Malformed)?
            }
            Some(target) => target.clone(),
            None => PathAndQuery::from_static("/"),
        };
        let (host, port) = host_and_port(authority, scheme.default_port())?;
        Ok(Self { scheme, host, port, path_and_query })
    }

    /// The URL of a SockJS service: also in the schemes of HTTP, and without slashes at the end of its path.
    pub(crate) fn parse_service(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, _) = text.split_once("://").ok_or(UrlError::Scheme(String::new()))?;
        let scheme = Scheme::parse_location(scheme)?;
        let url = Self::from_parts(scheme, &text.parse().map_err(|_| UrlError::Malformed)?)?;
        url.with_path(url.path_and_query.path().trim_end_matches('/'))
    }

    /// The service at `reference`, as seen from here.
    pub(crate) fn join_service(&self, reference: &str) -> Result<Self, UrlError> {
        let url = self.join(reference)?;
        url.with_path(url.path_and_query.path().trim_end_matches('/'))
    }

    /// The same URL, with the query of another if it has none.
    pub(crate) fn or_query_of(self, other: &Self) -> Result<Self, UrlError> {
        let (None, Some(query)) = (self.path_and_query.query(), other.path_and_query.query())
        else {
            return Ok(self);
        };
        let target = format!("{}?{query}", self.path_and_query.path());
        let path_and_query = target.parse().map_err(|_| UrlError::Malformed)?;
        Ok(Self { path_and_query, ..self })
    }

    /// What lies beneath the path, with the same query.
    pub(crate) fn beneath(&self, path: &str) -> Result<Self, UrlError> {
        self.with_path(&format!("{}{path}", self.path_and_query.path().trim_end_matches('/')))
    }

    /// What lies above the path, if it ends like this.
    pub(crate) fn above(&self, suffix: &str) -> Option<Self> {
        self.with_path(self.path_and_query.path().strip_suffix(suffix)?).ok()
    }

    fn with_path(&self, path: &str) -> Result<Self, UrlError> {
        let path = if path.is_empty() { "/" } else { path };
        let query = self.path_and_query.query().map(|query| format!("?{query}"));
        let target = format!("{path}{}", query.unwrap_or_default());
        let path_and_query = target.parse().map_err(|_| UrlError::Malformed)?;
        Ok(Self { path_and_query, ..self.clone() })
    }

    /// Where a redirection leads from here: RFC 9110, section 10.2.2.
    pub(crate) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let location = location.split('#').next().unwrap_or_default();
        if let Some((scheme, _)) = location.split_once("://")
            && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric())
        {
            let scheme = Scheme::parse_location(scheme)?;
            return Self::from_parts(scheme, &location.parse().map_err(|_| UrlError::Malformed)?);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{}://{rest}", self.scheme).parse();
        }
        let path = self.path_and_query.path();
        let target = match location.chars().next() {
            None => self.path_and_query.to_string(),
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        let target: PathAndQuery = target.parse().map_err(|_| UrlError::Malformed)?;
        let path_and_query = without_dot_segments(&target)?;
        Ok(Self { path_and_query, ..self.clone() })
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name or address to look up, without brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, always with both: the target of a proxy's CONNECT.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The value of the field `Host`: the port is left out where it is the scheme's own.
    pub(crate) fn host_field(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            self.authority()
        }
    }

    pub(crate) fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// The target of an extended CONNECT: RFC 8441, section 5, in the schemes of HTTP.
    pub(crate) fn to_http_uri(&self) -> Result<Uri, UrlError> {
        let scheme = match self.scheme {
            Scheme::Ws => "http",
            Scheme::Wss => "https",
        };
        let uri = format!("{scheme}://{}{}", self.host_field(), self.path_and_query);
        uri.parse().map_err(|_| UrlError::Malformed)
    }

    pub(crate) fn has_same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// The whole URL, as the session shows it.
    pub(crate) fn to_uri(&self) -> Result<Uri, UrlError> {
        self.to_string().parse().map_err(|_| UrlError::Malformed)
    }
}

impl fmt::Display for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host_field(), self.path_and_query)
    }
}

impl fmt::Debug for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The host in lower case, and the port.
pub(super) fn host_and_port(
    authority: &Authority,
    default_port: u16,
) -> Result<(Box<str>, u16), UrlError> {
    if authority.as_str().contains('@') {
        return Err(UrlError::UserInfo);
    }
    let host = authority.host().to_ascii_lowercase().into_boxed_str();
    let after_host = authority.as_str().get(host.len()..).unwrap_or_default();
    let port = match after_host {
        "" | ":" => Some(default_port),
        _ => authority.port_u16(),
    };
    match port {
        Some(port) if port != 0 && !matches!(&*host, "" | "[]") => Ok((host, port)),
        _ => Err(UrlError::Host),
    }
}

/// Resolves `.` and `..`: RFC 3986, section 5.2.4.
fn without_dot_segments(target: &PathAndQuery) -> Result<PathAndQuery, UrlError> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = target.path().split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let path = kept.join("/");
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{path}{query}").parse().map_err(|_| UrlError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> WebSocketUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_falls_into_what_the_handshake_needs() {
        let cases = [
            ("ws://example.org", "example.org", 80, "example.org", "/"),
            ("WS://Example.org:80/a?b=c", "example.org", 80, "example.org", "/a?b=c"),
            ("ws://example.org:8080?q", "example.org", 8080, "example.org:8080", "/?q"),
            ("ws://[::1]:9001/a%20b", "::1", 9001, "[::1]:9001", "/a%20b"),
            ("ws://127.0.0.1:/x", "127.0.0.1", 80, "127.0.0.1", "/x"),
        ];
        for (text, host, port, host_field, target) in cases {
            let url = url(text);
            assert_eq!(url.host(), host, "{text}");
            assert_eq!(url.port(), port, "{text}");
            assert_eq!(url.host_field(), host_field, "{text}");
            assert_eq!(url.path_and_query().as_str(), target, "{text}");
        }
    }

    #[test]
    fn what_is_no_websocket_url_is_refused_by_its_cause() {
        let cases = [
            ("http://example.org/", UrlError::Scheme("http".into())),
            ("example.org", UrlError::Scheme(String::new())),
            ("/path", UrlError::Scheme(String::new())),
            ("ws:///path", UrlError::Malformed),
            ("ws://", UrlError::Malformed),
            ("ws://:80/", UrlError::Host),
            ("ws://example.org:0/", UrlError::Host),
            ("ws://example.org:65536/", UrlError::Host),
            ("ws://example.org/#there", UrlError::Fragment),
            ("ws://user:password@example.org/", UrlError::UserInfo),
            ("ws://exa mple.org/", UrlError::Malformed),
            ("ws://example.org/\r\nX: y", UrlError::Malformed),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<WebSocketUrl>(), Err(expected), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn what_a_service_has_lies_beneath_its_url() {
        let cases = [
            ("http://example.org/echo", "ws://example.org/echo/info"),
            ("https://example.org/echo//?token=x", "wss://example.org/echo/info?token=x"),
            ("ws://example.org", "ws://example.org/info"),
        ];
        for (text, expected) in cases {
            let service = WebSocketUrl::parse_service(text).unwrap();
            let info = service.beneath("/info").unwrap();
            assert_eq!(info.to_string(), expected);
            assert_eq!(info.above("/info").unwrap(), service);
        }
        assert_eq!(url("ws://example.org/a").above("/info"), None);
        for (text, error) in [
            ("ftp://example.org/", UrlError::Scheme("ftp".into())),
            ("example.org/echo", UrlError::Scheme(String::new())),
            ("http://example.org/#x", UrlError::Fragment),
        ] {
            assert_eq!(WebSocketUrl::parse_service(text), Err(error), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn the_schemes_of_http_mean_those_of_websocket_in_a_redirection() {
        let from = url("ws://example.org/a/b?q");
        let cases = [
            ("http://other/x", "ws://other/x"),
            ("https://other:8443/x", "wss://other:8443/x"),
            ("wss://other", "wss://other/"),
            ("//other/x", "ws://other/x"),
            ("/x?y#z", "ws://example.org/x?y"),
            ("x", "ws://example.org/a/x"),
            ("../x/./y/..", "ws://example.org/x/"),
            ("../../../x", "ws://example.org/x"),
            ("?y", "ws://example.org/a/b?y"),
            ("", "ws://example.org/a/b?q"),
        ];
        for (location, expected) in cases {
            assert_eq!(from.join(location).unwrap().to_string(), expected, "{location}");
        }
        assert_eq!(from.join("ftp://other/"), Err(UrlError::Scheme("ftp".into())));
    }
}
