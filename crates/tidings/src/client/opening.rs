//! The way to an open connection: redirections and challenges, until a server agrees or does not.

use bytes::Bytes;
use http::{Method, Request, Response, Uri, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use tidings_websocket::handshake::client::{Opened, OpeningHandshake};

use super::builder::{HttpVersion, OpeningOptions};
use super::course::Course;
use super::error::ConnectError;
use super::exchange::{Reply, exchange};
use super::extended_connect;
use super::url::{Scheme, WebSocketUrl};
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
        let opening = self.open_on(Course::new(self, url, None), subprotocols);
        let timeout = self.connect_timeout;
        let opened = tokio::time::timeout(timeout, opening).await;
        opened.unwrap_or(Err(ConnectError::Timeout(timeout)))
    }

    /// Follows `course` to an open connection, however long it takes.
    pub(super) async fn open_on(
        &self,
        course: Course<'_>,
        subprotocols: Vec<String>,
    ) -> Result<Opening, ConnectError> {
        Attempt { options: self, subprotocols, course, version: self.http_version }.run().await
    }
}

/// One call of `connect`.
struct Attempt<'a> {
    options: &'a OpeningOptions,
    subprotocols: Vec<String>,
    course: Course<'a>,
    version: HttpVersion,
}

impl Attempt<'_> {
    async fn run(mut self) -> Result<Opening, ConnectError> {
        loop {
            let mut nonce = [0; 16];
            getrandom::fill(&mut nonce).expect("the operating system provides randomness");
            let opening = OpeningHandshake::new(nonce, self.subprotocols.clone())?
                .with_deflate(self.options.deflate);
            let (reply, version) = self.exchange(&opening).await?;
            match reply {
                Reply::Switched { response, wire, early } => {
                    self.course.tell(&response);
                    let (status, headers) = (response.status(), response.headers());
                    let opened = match version {
                        HttpVersion::Http1 => opening.verify(status, headers),
                        HttpVersion::Http2 => opening.verify_extended_connect(status, headers),
                    }?;
                    let uri = self.course.url().to_uri()?;
                    return Ok(Opening { wire, early, uri, response, opened });
                }
                Reply::Other(response) => {
                    let (head, body) = response.into_parts();
                    let response = Response::from_parts(head, ());
                    self.course.tell(&response);
                    self.course.go_on(&method(version), response.map(|()| body))?;
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
        let wire = self.course.connect(self.version).await?;
        let is_secure = self.course.url().scheme() == Scheme::Wss;
        if self.version == HttpVersion::Http2 && (wire.is_http_2() || !is_secure) {
            let request = self.extended_connect_request(opening)?;
            let reply = extended_connect::exchange(wire, request, head_octets_max).await?;
            if let Some(reply) = reply {
                return Ok((reply, HttpVersion::Http2));
            }
            self.version = HttpVersion::Http1;
            let wire = self.course.connect(self.version).await?;
            let request = self.request(opening);
            return Ok((exchange(wire, request, head_octets_max).await?, HttpVersion::Http1));
        }
        // What the server has chosen holds for the answers to its challenges too.
        self.version = HttpVersion::Http1;
        let request = self.request(opening);
        Ok((exchange(wire, request, head_octets_max).await?, HttpVersion::Http1))
    }

    /// The opening handshake of RFC 6455.
    fn request(&self, opening: &OpeningHandshake) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(self.course.url().path_and_query().clone());
        *request.headers_mut() = self.course.headers_with_host(&opening.headers());
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
        *request.uri_mut() = self.course.url().to_http_uri()?;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        *request.headers_mut() = self.course.headers(&opening.extended_connect_headers());
        Ok(request)
    }
}

/// Of the opening handshake.
fn method(version: HttpVersion) -> Method {
    match version {
        HttpVersion::Http1 => Method::GET,
        HttpVersion::Http2 => Method::CONNECT,
    }
}
