//! The way to an open connection: redirections and challenges, until a server agrees or does not.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use tidings_websocket::handshake::client::{Opened, OpeningHandshake};

use super::auth::{ChallengedRequest, Dialogue};
use super::builder::{HttpVersion, OpeningOptions, Way};
use super::error::ConnectError;
use super::exchange::{Reply, exchange};
use super::extended_connect;
use super::url::{Scheme, WebSocketUrl};
#[cfg(feature = "tls")]
use crate::net::Alpn;
use crate::net::Wire;

/// A connection whose handshake is done.
pub(super) struct Opening {
    pub(super) wire: Wire,
    /// Octets that came with the answer.
    pub(super) early: Bytes,
    pub(super) uri: Uri,
    pub(super) response: Response<()>,
    pub(super) opened: Opened,
}

impl OpeningOptions {
    /// Connects to `url`, within the timeout. The subprotocols of the endpoint are offered unless there are
    /// others.
    pub(super) async fn open(
        &self,
        url: &str,
        of_endpoint: &[&str],
    ) -> Result<Opening, ConnectError> {
        let url: WebSocketUrl = url.parse()?;
        let subprotocols = match &*self.subprotocols {
            [] => of_endpoint.iter().copied().map(str::to_owned).collect(),
            subprotocols => subprotocols.to_vec(),
        };
        let opening = Attempt::new(self, url, subprotocols).run();
        let timeout = self.connect_timeout;
        let opened = tokio::time::timeout(timeout, opening).await;
        opened.unwrap_or(Err(ConnectError::Timeout(timeout)))
    }
}

/// One call of `connect`: where it has been, and what it has answered.
struct Attempt<'a> {
    options: &'a OpeningOptions,
    subprotocols: Vec<String>,
    first: WebSocketUrl,
    /// The last is where it is going now.
    redirections: Vec<WebSocketUrl>,
    dialogue: Dialogue,
    version: HttpVersion,
}

impl<'a> Attempt<'a> {
    fn new(options: &'a OpeningOptions, url: WebSocketUrl, subprotocols: Vec<String>) -> Self {
        let (redirections, dialogue) = (Vec::new(), Dialogue::default());
        Self {
            options,
            subprotocols,
            first: url,
            redirections,
            dialogue,
            version: options.http_version,
        }
    }

    fn url(&self) -> &WebSocketUrl {
        self.redirections.last().unwrap_or(&self.first)
    }

    async fn run(mut self) -> Result<Opening, ConnectError> {
        loop {
            let mut nonce = [0; 16];
            getrandom::fill(&mut nonce).expect("the operating system provides randomness");
            let opening = OpeningHandshake::new(nonce, self.subprotocols.clone())?
                .with_deflate(self.options.deflate);
            let (reply, version) = self.exchange(&opening).await?;
            match reply {
                Reply::Switched { response, wire, early } => {
                    self.tell(&response);
                    let (status, headers) = (response.status(), response.headers());
                    let opened = match version {
                        HttpVersion::Http1 => opening.verify(status, headers),
                        HttpVersion::Http2 => opening.verify_extended_connect(status, headers),
                    }?;
                    let uri = self.url().to_uri()?;
                    return Ok(Opening { wire, early, uri, response, opened });
                }
                Reply::Other(response) => {
                    let (head, body) = response.into_parts();
                    let response = Response::from_parts(head, ());
                    self.tell(&response);
                    self.go_on(response.map(|()| body))?;
                }
            }
        }
    }

    /// Asks the server, in the version that it knows.
    async fn exchange(
        &mut self,
        opening: &OpeningHandshake,
    ) -> Result<(Reply, HttpVersion), ConnectError> {
        let head_octets_max = self.options.response_head_octets_max;
        let wire = self.connect().await?;
        let is_secure = self.url().scheme() == Scheme::Wss;
        if self.version == HttpVersion::Http2 && (wire.is_http_2() || !is_secure) {
            let request = self.extended_connect_request(opening)?;
            let reply = extended_connect::exchange(wire, request, head_octets_max).await?;
            if let Some(reply) = reply {
                return Ok((reply, HttpVersion::Http2));
            }
            self.version = HttpVersion::Http1;
            let wire = self.connect().await?;
            let request = self.request(opening);
            return Ok((exchange(wire, request, head_octets_max).await?, HttpVersion::Http1));
        }
        // What the server has chosen holds for the answers to its challenges too.
        self.version = HttpVersion::Http1;
        let request = self.request(opening);
        Ok((exchange(wire, request, head_octets_max).await?, HttpVersion::Http1))
    }

    fn tell(&self, response: &Response<()>) {
        if let Some(hook) = &self.options.after_response {
            hook(response);
        }
    }

    /// Connects to the server, securely if the URL says so.
    async fn connect(&self) -> Result<Wire, ConnectError> {
        let (options, url) = (self.options, self.url());
        let wire = match &options.way {
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
                let alpn = match self.version {
                    HttpVersion::Http1 => Alpn::Http1,
                    HttpVersion::Http2 => Alpn::Http2,
                };
                options.tls.secure(url.host(), alpn, wire).await.map_err(ConnectError::Tls)
            }
            #[cfg(not(feature = "tls"))]
            Scheme::Wss => Err(super::UrlError::WithoutTls.into()),
        }
    }

    /// The opening handshake of RFC 6455.
    fn request(&self, opening: &OpeningHandshake) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(self.url().path_and_query().clone());
        let mut headers = opening.headers();
        if let Ok(host) = HeaderValue::from_str(&self.url().host_field()) {
            headers.insert(HOST, host);
        }
        *request.headers_mut() = self.headers(&headers);
        request
    }

    /// The opening handshake of RFC 8441.
    fn extended_connect_request(
        &self,
        opening: &OpeningHandshake,
    ) -> Result<Request<Empty<Bytes>>, ConnectError> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.url().to_http_uri()?;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        *request.headers_mut() = self.headers(&opening.extended_connect_headers());
        Ok(request)
    }

    /// What the client was told to send, with the `required` fields.
    fn headers(&self, required: &HeaderMap) -> HeaderMap {
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
        headers
    }

    /// Whether a redirection has led to another origin.
    fn is_elsewhere(&self) -> bool {
        self.redirections.iter().any(|url| !url.has_same_origin(&self.first))
    }

    /// Turns to where the answer sends the client, or to what it asks for. The error is the answer
    /// where it does neither.
    fn go_on(&mut self, response: Response<Bytes>) -> Result<(), ConnectError> {
        match response.status() {
            StatusCode::UNAUTHORIZED => self.answer(response),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => self.follow(response),
            _ => Err(ConnectError::Http(Box::new(response))),
        }
    }

    fn answer(&mut self, response: Response<Bytes>) -> Result<(), ConnectError> {
        let credentials = self.options.credentials.as_ref().filter(|_| !self.is_elsewhere());
        let target = self.url().path_and_query().as_str();
        let method = match self.version {
            HttpVersion::Http1 => "GET",
            HttpVersion::Http2 => "CONNECT",
        };
        let request = ChallengedRequest { method, target };
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
