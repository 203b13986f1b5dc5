use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings_sockjs::{
    Info, Route, SessionOptions, Transport, TransportKind, headers, parse_send, refusal,
};

use super::session::HttpSource;
use super::table::{Found, SessionTable};
use crate::endpoint::{BoxError, Handshake, PathParams, Session};
use crate::net::{Framing, Link};
use crate::server::deployment::{Deployment, Door};
use crate::server::websocket::{WebSocketDoor, forbidden_origin, plain};
use crate::server::{AllowedOrigins, Body};

/// Octets that the body of one request may hold: 16 MiB.
pub(crate) const BODY_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// How long the body of one request may take to arrive: 20 s.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a second receiver waits for the first one's disconnection to be noticed, before it is
/// told that there is another: a client that reconnects at once must not be refused.
const RECONNECT_GRACE: Duration = Duration::from_millis(100);

/// One SockJS service: everything beneath its prefix.
pub(crate) struct SockJsService {
    prefix: Box<str>,
    options: SessionOptions,
    /// Takes `prefix/server/session/websocket`.
    framed: WebSocketDoor,
    /// Takes `prefix/websocket`.
    raw: WebSocketDoor,
    /// Takes an upgrade of the prefix itself.
    upgrade: Option<WebSocketDoor>,
    sessions: Arc<SessionTable>,
}

impl SockJsService {
    /// A service whose sessions are those of `framed`'s endpoint. `upgrade` takes upgrades of the
    /// prefix itself, which SockJS leaves unused.
    pub(crate) fn new(
        prefix: &str,
        options: SessionOptions,
        framed: WebSocketDoor,
        upgrade: Option<WebSocketDoor>,
    ) -> Self {
        let raw = WebSocketDoor { framing: Framing::WebSocket, ..framed.clone() };
        let heartbeat_delay = Some(options.heartbeat_delay).filter(|delay| !delay.is_zero());
        let framed = WebSocketDoor { heartbeat_delay, ..framed };
        let sessions = Arc::default();
        Self { prefix: prefix.into(), options, framed, raw, upgrade, sessions }
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.framed.deployment
    }

    /// The path after the prefix, if `path` is one of this service's.
    pub(crate) fn strip_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&*self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request to `rest`, the path after the prefix.
    pub(crate) async fn respond<B>(
        &self,
        request: Request<B>,
        rest: &str,
        origins: &AllowedOrigins,
    ) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        if !origins.allow(&parts.headers) {
            return forbidden_origin();
        }
        match tidings_sockjs::route(rest) {
            None => refusal::not_found().map(Body::from),
            Some(Route::Greeting) => match &self.upgrade {
                Some(door) if is_upgrade(&parts) => {
                    door.open(&mut parts, PathParams::default(), origins).await
                }
                _ => greeting(&parts.method),
            },
            Some(Route::Info) => info(&parts),
            Some(Route::RawWebSocket) => self.websocket(&self.raw, &mut parts, origins).await,
            Some(Route::Session { session_id, transport, .. }) => match transport.kind {
                TransportKind::WebSocket => self.websocket(&self.framed, &mut parts, origins).await,
                _ if parts.method == Method::OPTIONS => preflight(&parts, transport.allow),
                _ if parts.method != transport.method => {
                    refusal::method_not_allowed(transport.allow).map(Body::from)
                }
                TransportKind::Receive => self.receive(&parts, session_id, transport).await,
                TransportKind::Send => self.send(&parts, session_id, body).await,
            },
            Some(_) => refusal::not_found().map(Body::from),
        }
    }

    async fn websocket(
        &self,
        door: &WebSocketDoor,
        parts: &mut Parts,
        origins: &AllowedOrigins,
    ) -> Response<Body> {
        if parts.method != Method::GET {
            return refusal::method_not_allowed("GET").map(Body::from);
        }
        if !is_upgrade(parts) {
            return refusal::not_a_websocket_request().map(Body::from);
        }
        door.open(parts, PathParams::default(), origins).await
    }

    /// Opens or continues a session, and streams what it has to say.
    async fn receive(
        &self,
        parts: &Parts,
        session_id: &str,
        transport: &'static Transport,
    ) -> Response<Body> {
        let session = match self.sessions.find_or_create(session_id, &self.options) {
            Found::Known(session) => {
                session.wait_for_receiver_to_leave(RECONNECT_GRACE).await;
                session
            }
            Found::New(session) => session,
        };
        let body = session.attach(transport);
        if session.take_opened() {
            let handshake = Handshake::of_request(parts, PathParams::default());
            let link = Link::Http(Arc::clone(&session));
            let deployed = Arc::clone(self.deployment().deployed());
            let table = Arc::clone(&self.sessions);
            let source = HttpSource::new(session, session_id.into(), table);
            self.deployment().start(Session::new(handshake, link, deployed), Door::Http(source));
        }
        let mut response = Response::new(Body::stream(body));
        let content_type = HeaderValue::from_static(transport.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        self.finish_response(parts, response)
    }

    /// Takes the messages of a send request.
    async fn send<B>(&self, parts: &Parts, session_id: &str, body: B) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let body = match read_body(body).await {
            Ok(body) => body,
            Err(refusal) => return self.finish_response(parts, refusal),
        };
        let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let messages = match parse_send(content_type, &body) {
            Ok(messages) => messages,
            Err(error) => {
                return self.finish_response(parts, refusal::send_body(&error).map(Body::from));
            }
        };
        let Some(session) = self.sessions.find(session_id) else {
            return self.finish_response(parts, refusal::not_found().map(Body::from));
        };
        session.deliver(messages).await;
        self.finish_response(parts, plain(StatusCode::NO_CONTENT, ""))
    }

    /// The headers that every answer of an HTTP transport carries.
    fn finish_response(&self, parts: &Parts, mut response: Response<Body>) -> Response<Body> {
        headers::no_cache(response.headers_mut());
        headers::cors(&parts.headers, response.headers_mut());
        response
    }
}

async fn read_body<B>(body: B) -> Result<Bytes, Response<Body>>
where
    B: http_body::Body + Send,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let collected = Limited::new(body, BODY_OCTETS_MAX).collect();
    match tokio::time::timeout(BODY_READ_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 16 MiB.\n"))
        }
        Ok(Err(_)) => Err(plain(StatusCode::BAD_REQUEST, "The body did not arrive as a whole.\n")),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in 20 s.\n")),
    }
}

fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(http::header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn greeting(method: &Method) -> Response<Body> {
    if method == Method::GET {
        plain(StatusCode::OK, "Welcome to SockJS!\n")
    } else {
        refusal::method_not_allowed("GET").map(Body::from)
    }
}

fn info(parts: &Parts) -> Response<Body> {
    match parts.method {
        Method::OPTIONS => preflight(parts, "OPTIONS, GET"),
        Method::GET => {
            let mut entropy = [0; 4];
            getrandom::fill(&mut entropy).expect("the operating system provides randomness");
            let info = Info { entropy: u32::from_ne_bytes(entropy), ..Info::default() };
            let mut response = Response::new(Body::from(Bytes::from(info.to_json())));
            let json = HeaderValue::from_static("application/json; charset=UTF-8");
            response.headers_mut().insert(CONTENT_TYPE, json);
            headers::no_cache(response.headers_mut());
            headers::cors(&parts.headers, response.headers_mut());
            response
        }
        _ => refusal::method_not_allowed("OPTIONS, GET").map(Body::from),
    }
}

fn preflight(parts: &Parts, allow: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    headers::preflight(&parts.headers, allow, std::time::SystemTime::now(), response.headers_mut());
    response
}
