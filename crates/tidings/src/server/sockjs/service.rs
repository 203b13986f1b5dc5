use std::sync::Arc;
use std::time::SystemTime;

use bytes::Buf;
use http::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::ext::Protocol;
use tidings_sockjs::{Cors, IframePage, Route, Transport, TransportKind, TransportType};
use tidings_sockjs::{headers, hixie76, refusal, route};

use super::SockJsOptions;
use super::pages::{greeting, iframe, info};
use super::session::response_terms;
use super::table::SessionTable;
use super::transports::begin;
use crate::endpoint::{BoxError, PathParams};
use crate::net::{Framing, Terms};
use crate::server::deployment::Deployment;
use crate::server::hixie76::open_hixie76;
use crate::server::websocket::{WebSocketDoor, forbidden_origin};
use crate::server::{AllowedOrigins, Body};

/// One SockJS service: everything beneath its prefix.
pub(crate) struct SockJsService {
    prefix: Box<str>,
    pub(super) options: SockJsOptions,
    page: Option<IframePage>,
    /// Takes `prefix/server/session/websocket`, and lets sessions of the other transports in.
    pub(super) framed: WebSocketDoor,
    /// Takes `prefix/websocket`.
    raw: WebSocketDoor,
    /// Takes an upgrade of the prefix itself.
    upgrade: Option<WebSocketDoor>,
    pub(super) sessions: Arc<SessionTable>,
    pub(super) response_terms: Arc<Terms>,
    /// How much a client may send until it is known who it is, where that is asked.
    pub(super) stranger_octets_max: Option<usize>,
}

impl SockJsService {
    /// A service whose sessions are those of `framed`'s endpoint. `upgrade` takes upgrades of the
    /// prefix itself, which SockJS leaves unused.
    pub(crate) fn new(
        prefix: &str,
        options: SockJsOptions,
        framed: WebSocketDoor,
        upgrade: Option<WebSocketDoor>,
    ) -> Self {
        let raw = WebSocketDoor { framing: Framing::WebSocket, ..framed.clone() };
        let heartbeat_delay = Some(options.heartbeat_delay).filter(|delay| !delay.is_zero());
        let framed = WebSocketDoor { heartbeat_delay, framing: Framing::SockJs, ..framed };
        // A URL that makes no page has kept the application from being built.
        let page = options.page().ok().flatten();
        let sessions = Arc::default();
        let response_terms = response_terms(framed.terms.send_timeout);
        Self {
            prefix: prefix.into(),
            options,
            page,
            framed,
            raw,
            upgrade,
            sessions,
            response_terms,
            stranger_octets_max: None,
        }
    }

    /// Has sessions begin with no more than that, until they say that it is known who their client is.
    pub(crate) fn limit_strangers(mut self, octets_max: usize) -> Self {
        self.stranger_octets_max = Some(octets_max);
        self
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether its sessions are those of STOMP, which an upgrade of the prefix opens too.
    pub(crate) fn is_stomp(&self) -> bool {
        self.upgrade.is_some()
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.framed.deployment
    }

    /// The path after the prefix, if `path` is one of this service's.
    pub(crate) fn strip_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&*self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request to `rest`, the path after the prefix. `origins` are those of the application.
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
        let origins = self.options.allowed_origins.as_ref().unwrap_or(origins);
        let (mut parts, body) = request.into_parts();
        let route = route(rest);
        if let Some(Route::Iframe) = route
            && let Some(page) = &self.page
        {
            return iframe(&parts, page, origins);
        }
        if !origins.allow(&parts.headers) {
            return self.framed.refuse(&parts, forbidden_origin());
        }
        match route {
            Some(Route::Greeting) => match &self.upgrade {
                Some(door) if is_extended_connect(&parts) || is_upgrade(&parts) => {
                    door.open(&mut parts, PathParams::default(), origins).await
                }
                _ => greeting(&parts.method),
            },
            Some(Route::Info) => match parts.method {
                Method::OPTIONS => self.preflight(&parts, "OPTIONS, GET"),
                Method::GET => info(&parts, &self.options),
                _ => refusal::method_not_allowed("OPTIONS, GET").map(Body::from),
            },
            Some(Route::RawWebSocket) if self.allows(TransportType::RawWebSocket) => {
                self.websocket(&self.raw, &mut parts, origins).await
            }
            Some(Route::Session { session_id, transport, .. })
                if self.options.transports.allow_row(transport) =>
            {
                self.session_request(parts, body, session_id, transport, origins).await
            }
            _ => refusal::not_found().map(Body::from),
        }
    }

    fn allows(&self, transport: TransportType) -> bool {
        self.options.transports.allow(transport)
    }

    async fn session_request<B>(
        &self,
        mut parts: Parts,
        body: B,
        session_id: &str,
        transport: &'static Transport,
        origins: &AllowedOrigins,
    ) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let mut response = match transport.kind {
            TransportKind::WebSocket => {
                return match hixie76::Hixie76::of_request(&parts.headers) {
                    Some(handshake) if parts.method == Method::GET => {
                        open_hixie76(&mut parts, handshake)
                    }
                    _ => self.websocket(&self.framed, &mut parts, origins).await,
                };
            }
            _ if parts.method == Method::OPTIONS && transport.cors == Cors::Applies => {
                return self.preflight(&parts, transport.allow);
            }
            _ if parts.method != transport.method => {
                return refusal::method_not_allowed(transport.allow).map(Body::from);
            }
            TransportKind::Receive(receive) => {
                // With a body on its way, the connection cannot go on before hyper has read it.
                let handover = parts.extensions.remove().filter(|_| body.is_end_stream());
                match self.receive(&mut parts, session_id, receive, origins).await {
                    Ok(mut response) => {
                        self.add_fields(transport, &parts.headers, response.headers_mut());
                        return begin(receive.ends, response, handover).await;
                    }
                    Err(refusal) => refusal,
                }
            }
            TransportKind::Send(send) => self.send(&parts, session_id, send, body).await,
        };
        self.add_fields(transport, &parts.headers, response.headers_mut());
        response
    }

    /// What all answers of a transport have in common.
    fn add_fields(&self, transport: &Transport, request: &HeaderMap, response: &mut HeaderMap) {
        headers::no_cache(response);
        headers::cors(transport.cors, request, response);
        self.add_cookie(request, response);
    }

    async fn websocket(
        &self,
        door: &WebSocketDoor,
        parts: &mut Parts,
        origins: &AllowedOrigins,
    ) -> Response<Body> {
        if !is_extended_connect(parts) {
            if parts.method != Method::GET {
                return refusal::method_not_allowed("GET").map(Body::from);
            }
            if !is_upgrade(parts) {
                return refusal::not_a_websocket_request().map(Body::from);
            }
        }
        door.open(parts, PathParams::default(), origins).await
    }

    fn preflight(&self, request: &Parts, allow: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        headers::preflight(&request.headers, allow, SystemTime::now(), fields);
        self.add_cookie(&request.headers, fields);
        response
    }

    fn add_cookie(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if let Some(cookie) = &self.options.cookie {
            response.append(http::header::SET_COOKIE, cookie.set_cookie(request));
        }
    }
}

/// Whether a request of HTTP/2 wants its stream to become a WebSocket: RFC 8441, section 4.
fn is_extended_connect(parts: &Parts) -> bool {
    parts.method == Method::CONNECT && parts.extensions.get::<Protocol>().is_some()
}

/// Whether a request wants its connection to become a WebSocket: RFC 6455, section 4.2.1.
fn is_upgrade(parts: &Parts) -> bool {
    let lists = |name: HeaderName, token: &str| {
        let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(token))
    };
    lists(UPGRADE, "websocket") && lists(CONNECTION, "upgrade")
}
