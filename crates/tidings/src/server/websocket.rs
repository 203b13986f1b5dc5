//! The WebSocket doors: opening handshake, upgrade, session.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tidings_sockjs::Frame;
use tidings_websocket::handshake::server::{
    Accepted, HandshakeError, accept, accept_extended_connect,
};
use tidings_websocket::{Connection, Encoder, PerMessageDeflate};

use super::deployment::{Deployment, Door, RemoteAddr};
use super::{AllowedOrigins, Body, Counted, upgrade};
use crate::endpoint::{Handshake, PathParams, Session};
use crate::net::{Framing, Link, Terms, WebSocketSource, sockjs_frame};

/// How one path takes WebSockets.
#[derive(Clone)]
pub(crate) struct WebSocketDoor {
    pub(crate) deployment: Deployment,
    pub(crate) framing: Framing,
    pub(crate) subprotocols: &'static [&'static str],
    pub(crate) terms: Arc<Terms>,
    /// Of SockJS: how long the server may be silent.
    pub(crate) heartbeat_delay: Option<Duration>,
}

impl WebSocketDoor {
    /// Answers an opening handshake, and starts the session once the connection is taken over.
    pub(crate) fn open(
        &self,
        request: &mut Parts,
        path_params: PathParams,
        origins: &AllowedOrigins,
    ) -> Response<Body> {
        name_host(request);
        let protocol = request.extensions.get::<Protocol>();
        let accepted = match protocol.filter(|_| request.method == Method::CONNECT) {
            Some(protocol) => accept_extended_connect(protocol.as_str(), &request.headers),
            None => accept(&request.method, request.version, &request.headers),
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return refusal(&error, request.version),
        };
        if !origins.allow(&request.headers) {
            return forbidden_origin();
        }
        let Some(upgrade) = request.extensions.remove::<OnUpgrade>() else {
            let text = "This connection cannot be upgraded to a WebSocket.\n";
            return plain(StatusCode::UPGRADE_REQUIRED, text);
        };
        let subprotocol = self.choose_subprotocol(&accepted);
        let deflate = self.terms.deflate.and_then(|options| options.accept(accepted.extensions()));
        let (deflate, answer) = deflate.unzip();
        let remote_addr = request.extensions.get::<RemoteAddr>().map(|addr| addr.0);
        let mut handshake =
            Handshake::new(&request.uri, &request.headers, path_params, remote_addr);
        if let Some(subprotocol) = subprotocol {
            handshake.set_subprotocol(subprotocol);
        }
        let counted = request.extensions.remove::<Arc<Counted>>();
        self.start(upgrade, handshake, deflate, counted);
        let mut response = accepted.response(subprotocol).map(|()| Body::empty());
        if let Some(answer) = answer {
            let answer = HeaderValue::from_str(&answer.to_string())
                .expect("tokens and numbers are a valid header value");
            response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, answer);
        }
        response
    }

    /// The first of the client's list that the endpoint speaks.
    fn choose_subprotocol(&self, accepted: &Accepted) -> Option<&'static str> {
        let offered = accepted.subprotocols();
        offered
            .iter()
            .find_map(|offer| self.subprotocols.iter().copied().find(|ours| ours == offer))
    }

    fn start(
        &self,
        upgrade: OnUpgrade,
        handshake: Handshake,
        deflate: Option<PerMessageDeflate>,
        counted: Option<Arc<Counted>>,
    ) {
        let door = self.clone();
        // The 101 is written only after this request is answered, so the upgrade is waited for in a
        // task of its own, which ends as soon as the session's long-lived one has begun.
        tokio::spawn(async move {
            let encoder = door
                .terms
                .deflate
                .zip(deflate)
                .map(|(options, agreed)| Encoder::new_server().with_deflate(&options, &agreed));
            let taken = upgrade::take_over(upgrade, Arc::clone(&door.terms), encoder).await;
            let Some((stream, outbox, early)) = taken else { return };
            let mut connection = Connection::new_server(door.terms.limits);
            if let Some(agreed) = &deflate {
                connection = connection.with_deflate(agreed);
            }
            let framing = door.framing;
            if framing == Framing::SockJs {
                outbox.push_control(&sockjs_frame(&Frame::Open));
            }
            outbox.keep();
            let source =
                WebSocketSource::new(stream, Arc::clone(&outbox), connection, framing, &early)
                    .counted(counted);
            let link = Link::Stream { outbox, framing };
            let peers = Arc::clone(door.deployment.open_sessions());
            let session = Session::new(handshake, link, peers);
            if let Some(delay) = door.heartbeat_delay {
                session.vitals().set_heartbeat_delay(delay);
            }
            door.deployment.start(session, Door::WebSocket(source));
        });
    }
}

/// Over HTTP/2 the host is in the request target. Puts it where it is in HTTP/1, for whoever looks for it:
/// RFC 9113, section 8.3.1.
fn name_host(request: &mut Parts) {
    if !request.headers.contains_key(http::header::HOST)
        && let Some(authority) = request.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers.insert(http::header::HOST, host);
    }
}

/// The answer to a handshake that cannot be accepted.
fn refusal(error: &HandshakeError, version: Version) -> Response<Body> {
    let mut response = error.response();
    if version >= Version::HTTP_2 {
        // They are about one connection of HTTP/1: RFC 9113, section 8.2.2.
        response.headers_mut().remove(http::header::CONNECTION);
        response.headers_mut().remove(http::header::UPGRADE);
    }
    response.map(Body::from)
}

pub(crate) fn forbidden_origin() -> Response<Body> {
    plain(StatusCode::FORBIDDEN, "This origin may not connect here.\n")
}

/// A short text as answer.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
