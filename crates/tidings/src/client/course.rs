//! Where requests go, and what goes along: redirections, challenges, credentials.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{Method, Response, StatusCode};

use super::auth::{ChallengedRequest, Dialogue};
use super::builder::{HttpVersion, OpeningOptions, Way};
use super::cookies::CookieJar;
use super::error::ConnectError;
use super::url::{Scheme, WebSocketUrl};
#[cfg(feature = "tls")]
use crate::net::Alpn;
use crate::net::Wire;
use crate::server::Secure;

/// One request on its way to whoever answers it: where it has been, and what it has answered there.
pub(super) struct Course<'a> {
    options: &'a OpeningOptions,
    first: WebSocketUrl,
    /// The last is where it is going now.
    redirections: Vec<WebSocketUrl>,
    dialogue: Dialogue,
    /// Of the session that the request is one of.
    cookies: Option<&'a CookieJar>,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        options: &'a OpeningOptions,
        url: WebSocketUrl,
        cookies: Option<&'a CookieJar>,
    ) -> Self {
        let (redirections, dialogue) = (Vec::new(), Dialogue::default());
        Self { options, first: url, redirections, dialogue, cookies }
    }

    /// Sends it elsewhere, as a redirection would.
    pub(super) fn turn_to(mut self, url: WebSocketUrl) -> Self {
        self.redirections.push(url);
        self
    }

    /// Answers as before, without being asked.
    pub(super) fn answering(mut self, answer: Option<HeaderValue>) -> Self {
        self.dialogue = answer.map_or_else(Dialogue::default, Dialogue::Answered);
        self
    }

    /// What was answered, if that holds for other requests too: in Basic, RFC 7617, section 2.2.
    pub(super) fn lasting_answer(&self) -> Option<&HeaderValue> {
        self.dialogue.value().filter(|value| value.as_bytes().starts_with(b"Basic "))
    }

    /// Where it is going now.
    pub(super) fn url(&self) -> &WebSocketUrl {
        self.redirections.last().unwrap_or(&self.first)
    }

    /// Takes in the head of an answer.
    pub(super) fn tell(&self, response: &Response<()>) {
        if let Some(hook) = &self.options.after_response {
            hook(response);
        }
        if let Some(cookies) = self.cookies {
            cookies.take_from(response.headers(), self.url());
        }
    }

    /// Connects to the server, securely if the URL says so.
    pub(super) async fn connect(&self, version: HttpVersion) -> Result<Wire, ConnectError> {
        self.connect_for(Some(version)).await
    }

    /// As [`connect`](Self::connect), for something else than HTTP.
    pub(super) async fn connect_without_http(self) -> Result<Wire, ConnectError> {
        self.connect_for(None).await
    }

    async fn connect_for(&self, version: Option<HttpVersion>) -> Result<Wire, ConnectError> {
        let (options, url) = (self.options, self.url());
        let wire = match &options.way {
            Way::InProcess(way) => {
                let secure = (url.scheme() == Scheme::Wss).then_some(Secure);
                let stream = match version {
                    Some(_) => way.http(secure),
                    None => way.stomp(secure),
                };
                return Ok(Wire::InProcess(stream));
            }
            Way::UnixSocket(path) => Wire::unix(path).await.map_err(ConnectError::Io)?,
            Way::Proxy(proxy) => {
                let head_octets_max = options.response_head_octets_max;
                proxy.connect(&url.authority(), options.local_addr, head_octets_max).await?
            }
            Way::Direct => {
                let addrs = look_up(url).await?;
                Wire::tcp(&addrs, options.local_addr).await.map_err(ConnectError::Io)?
            }
        };
        match url.scheme() {
            Scheme::Ws => Ok(wire),
            #[cfg(feature = "tls")]
            Scheme::Wss => {
                let alpn = match version {
                    None => Alpn::None,
                    Some(HttpVersion::Http1) => Alpn::Http1,
                    Some(HttpVersion::Http2) => Alpn::Http2,
                };
                options.tls.secure(url.host(), alpn, wire).await.map_err(ConnectError::Tls)
            }
            #[cfg(not(feature = "tls"))]
            Scheme::Wss => {
                let _ = version;
                Err(super::UrlError::WithoutTls.into())
            }
        }
    }

    /// What the client was told to send, with the `required` fields.
    pub(super) fn headers(&self, required: &HeaderMap) -> HeaderMap {
        let mut headers = self.options.headers.clone();
        if self.is_elsewhere() {
            remove_secrets(&mut headers);
        }
        if let Some(value) = self.dialogue.value() {
            headers.insert(AUTHORIZATION, value.clone());
        }
        replace(&mut headers, required);
        if let Some(hook) = &self.options.before_request {
            hook(&mut headers);
            if self.is_elsewhere() {
                remove_secrets(&mut headers);
            }
            replace(&mut headers, required);
        }
        if let Some(cookies) = self.cookies {
            cookies.add_to(&mut headers, self.url());
        }
        headers
    }

    /// As [`headers`](Self::headers), with the field `Host` of HTTP/1.1.
    pub(super) fn headers_with_host(&self, required: &HeaderMap) -> HeaderMap {
        let mut required = required.clone();
        if let Ok(host) = HeaderValue::from_str(&self.url().host_field()) {
            required.insert(HOST, host);
        }
        self.headers(&required)
    }

    /// Whether a redirection has led to another origin.
    fn is_elsewhere(&self) -> bool {
        self.redirections.iter().any(|url| !url.has_same_origin(&self.first))
    }

    /// Turns to where the answer sends the client, or to what it asks for. The error is the answer
    /// where it does neither.
    pub(super) fn go_on(
        &mut self,
        method: &Method,
        response: Response<Bytes>,
    ) -> Result<(), ConnectError> {
        match response.status() {
            StatusCode::UNAUTHORIZED => self.answer(method, response),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => self.follow(response),
            _ => Err(ConnectError::Http(Box::new(response))),
        }
    }

    fn answer(&mut self, method: &Method, response: Response<Bytes>) -> Result<(), ConnectError> {
        let credentials = self.options.credentials.as_ref().filter(|_| !self.is_elsewhere());
        let target = self.url().path_and_query().as_str();
        let request = ChallengedRequest { method: method.as_str(), target };
        let answer =
            credentials.and_then(|it| it.answer(response.headers(), WWW_AUTHENTICATE, &request));
        match self.dialogue.advance(answer) {
            Ok(()) => Ok(()),
            Err(_) => Err(ConnectError::Http(Box::new(response))),
        }
    }

    fn follow(&mut self, response: Response<Bytes>) -> Result<(), ConnectError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|_| self.options.redirects_max > 0) else {
            return Err(ConnectError::Http(Box::new(response)));
        };
        let url = self.url().join(location)?;
        if (self.url().scheme(), url.scheme()) == (Scheme::Wss, Scheme::Ws) {
            return Err(ConnectError::InsecureRedirect(url.to_string()));
        }
        if url == self.first || self.redirections.contains(&url) {
            return Err(ConnectError::RedirectLoop(url.to_string()));
        }
        let max = self.options.redirects_max;
        if u32::try_from(self.redirections.len()).is_ok_and(|followed| followed >= max) {
            return Err(ConnectError::TooManyRedirects { max });
        }
        self.redirections.push(url);
        self.dialogue = Dialogue::default();
        Ok(())
    }
}

fn is_of_handshake(name: &HeaderName) -> bool {
    matches!(*name, CONNECTION | UPGRADE | HOST | TRANSFER_ENCODING | CONTENT_LENGTH)
        || name.as_str().starts_with("sec-websocket-")
}

async fn look_up(url: &WebSocketUrl) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = tokio::net::lookup_host((url.host(), url.port())).await;
    let found =
        found.map_err(|source| ConnectError::Dns { host: url.host().to_owned(), source })?;
    Ok(found.collect())
}

/// What is meant for one origin does not go to another.
fn remove_secrets(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
}

/// Sets each of the `required` fields, which are the only ones of the handshake.
fn replace(headers: &mut HeaderMap, required: &HeaderMap) {
    let of_handshake: Vec<_> =
        headers.keys().filter(|name| is_of_handshake(name)).cloned().collect();
    for name in of_handshake {
        headers.remove(name);
    }
    for (name, value) in required {
        headers.insert(name.clone(), value.clone());
    }
}
