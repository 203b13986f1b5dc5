use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Empty;

use super::auth::{Answer, ChallengedRequest, Dialogue};
use super::error::ProxyError;
use super::exchange::{Reply, exchange};
use super::url::host_and_port;
use super::{Credentials, UrlError};
use crate::net::Wire;

/// An HTTP proxy that connects to servers in a client's stead: CONNECT of RFC 9110, section 9.3.6.
///
/// # Examples
///
/// ```
/// use tidings::client::{Credentials, Proxy};
///
/// let proxy = Proxy::new("http://proxy.example.org:3128")?
///     .credentials(Credentials::new("user", "password"));
/// # Ok::<(), tidings::client::UrlError>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    /// With the brackets of an IPv6 address.
    host: Box<str>,
    port: u16,
    credentials: Option<Credentials>,
}

impl Proxy {
    /// The proxy at an `http://` URL. The connection to the proxy itself is not secured; one to a
    /// `wss://` server goes through it secured from end to end.
    ///
    /// # Errors
    ///
    /// When the URL is malformed, its scheme is not `http`, or it has a path.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        match uri.scheme_str() {
            Some("http") => {}
            scheme => return Err(UrlError::Scheme(scheme.unwrap_or_default().to_owned())),
        }
        let (host, port) = host_and_port(uri.authority().ok_or(UrlError::Host)?, 80)?;
        match uri.path_and_query() {
            Some(target) if target != "/" => Err(UrlError::Malformed),
            _ => Ok(Self { host, port, credentials: None }),
        }
    }

    /// Answers the proxy when it asks who is there.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// A connection to `target`, a host and a port, through the proxy.
    pub(super) async fn connect(
        &self,
        target: &str,
        local_addr: Option<SocketAddr>,
        head_octets_max: usize,
    ) -> Result<Wire, ProxyError> {
        let mut dialogue = Dialogue::default();
        loop {
            let wire = self.reach(local_addr).await?;
            let request = connect_request(target, &dialogue);
            match exchange(wire, request, head_octets_max).await? {
                Reply::Switched { wire, early, .. } if early.is_empty() => return Ok(wire),
                Reply::Switched { .. } => {
                    let text = "octets follow the proxy's answer";
                    return Err(ProxyError::InvalidResponse(text.into()));
                }
                Reply::Other(response) => {
                    if dialogue.advance(self.answer(&response, target)).is_err() {
                        return Err(ProxyError::Http(Box::new(response)));
                    }
                }
            }
        }
    }

    async fn reach(&self, local_addr: Option<SocketAddr>) -> Result<Wire, ProxyError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let addrs = tokio::net::lookup_host((host, self.port))
            .await
            .map_err(|source| ProxyError::Dns { host: host.to_owned(), source })?;
        let addrs: Vec<_> = addrs.collect();
        Wire::tcp(&addrs, local_addr).await.map_err(ProxyError::Io)
    }

    fn answer(&self, response: &Response<Bytes>, target: &str) -> Option<Answer> {
        if response.status() != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return None;
        }
        let request = ChallengedRequest { method: "CONNECT", target };
        self.credentials.as_ref()?.answer(response.headers(), PROXY_AUTHENTICATE, &request)
    }
}

fn connect_request(target: &str, dialogue: &Dialogue) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    // The target is the authority of a URL that was parsed before.
    *request.uri_mut() = target.parse().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(target) {
        request.headers_mut().insert(HOST, host);
    }
    if let Some(value) = dialogue.value() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
    }
    request
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy(http://{}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_origin() {
        let shown = |url| Proxy::new(url).map(|proxy| format!("{proxy:?}"));
        assert_eq!(shown("http://proxy:3128").unwrap(), "Proxy(http://proxy:3128)");
        assert_eq!(shown("http://[::1]/").unwrap(), "Proxy(http://[::1]:80)");
        let cases = [
            ("https://proxy:3128", UrlError::Scheme("https".into())),
            ("proxy:3128", UrlError::Scheme(String::new())),
            ("http://user@proxy/", UrlError::UserInfo),
            ("http://proxy/path", UrlError::Malformed),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), Err(expected), "{url}");
        }
    }
}
