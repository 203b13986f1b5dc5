//! The WebSocket doors: opening handshake, upgrade, session.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tidings_sockjs::Frame;
use tidings_websocket::handshake::server::{
    Accepted, HandshakeError, accept, accept_extended_connect,
};
use tidings_websocket::{Connection, Encoder, PerMessageDeflate};

use super::deployment::{Deployment, Door};
use super::direct_upgrade::NotUpgradable;
use super::{Admission, AllowedOrigins, Body, Counted, upgrade};
use crate::endpoint::{
    EndpointConfig, EndpointError, Handshake, HandshakeResponse, OnHandshake, Origin, PathParams,
    Principal, Reject, Session, SubprotocolOffer, UserProperties,
};
use crate::net::{Framing, Link, Terms, WebSocketSource, sockjs_frame};

/// How one path takes WebSockets.
#[derive(Clone)]
pub(crate) struct WebSocketDoor {
    pub(crate) deployment: Deployment,
    pub(crate) framing: Framing,
    pub(crate) config: EndpointConfig,
    pub(crate) admission: Admission,
    pub(crate) terms: Arc<Terms>,
    /// Of SockJS: how long the server may be silent.
    pub(crate) heartbeat_delay: Option<Duration>,
}

impl WebSocketDoor {
    /// Answers an opening handshake, and starts the session once the connection is taken over.
    pub(crate) async fn open(
        &self,
        request: &mut Parts,
        path_params: PathParams,
        origins: &AllowedOrigins,
    ) -> Response<Body> {
        name_host(request);
        match accept_request(request) {
            Ok(accepted) => {
                let opened = self.open_accepted(request, &accepted, path_params, origins).await;
                opened.unwrap_or_else(|refusal| self.refuse(request, *refusal))
            }
            Err(error) => Self::refusal(NotUpgradable::Handshake(error), request.version),
        }
    }

    /// Completes the answer to a client that is not let in.
    pub(super) fn refuse(&self, request: &Parts, mut refusal: Response<Body>) -> Response<Body> {
        self.config.add_challenge(refusal.status(), refusal.headers_mut());
        log_refusal(request, refusal.status());
        refusal
    }

    /// Tells whether a request can be upgraded, whatever the application says to it.
    pub(crate) fn check(request: &Parts) -> Result<(), NotUpgradable> {
        accept_request(request).map_err(NotUpgradable::Handshake)?;
        let upgrade = request.extensions.get::<OnUpgrade>();
        upgrade.map(drop).ok_or(NotUpgradable::Connection)
    }

    /// The answer to a request that cannot be upgraded.
    pub(crate) fn refusal(reason: NotUpgradable, version: Version) -> Response<Body> {
        let error = match reason {
            NotUpgradable::Handshake(error) => error,
            NotUpgradable::Connection => {
                let text = "This connection cannot be upgraded to a WebSocket.\n";
                return plain(StatusCode::UPGRADE_REQUIRED, text);
            }
        };
        let mut response = error.response();
        if version >= Version::HTTP_2 {
            // They are about one connection of HTTP/1: RFC 9113, section 8.2.2.
            response.headers_mut().remove(http::header::CONNECTION);
            response.headers_mut().remove(http::header::UPGRADE);
        }
        response.map(Body::from)
    }

    async fn open_accepted(
        &self,
        request: &mut Parts,
        accepted: &Accepted,
        path_params: PathParams,
        origins: &AllowedOrigins,
    ) -> Result<Response<Body>, Box<Response<Body>>> {
        let mut handshake = Handshake::of_request(request, path_params);
        self.check_request(request, &handshake, origins)?;
        let Some(upgrade) = request.extensions.remove::<OnUpgrade>() else {
            return Err(Box::new(Self::refusal(NotUpgradable::Connection, request.version)));
        };
        let (supported, policy) = self.config.subprotocol_list();
        let requested = accepted.subprotocols();
        let offer = SubprotocolOffer::new(supported, requested, policy);
        let subprotocol = self.config.any_configurator().subprotocol(&offer);
        let subprotocol = subprotocol.filter(|it| requested.iter().any(|known| known == it));
        if let Some(subprotocol) = subprotocol {
            handshake.set_subprotocol(subprotocol);
        }
        let (deflate, answer) = self.agree_on_extensions(accepted, &mut handshake);
        let (headers, user_properties) = self.admit(&mut handshake).await?;

        let counted = request.extensions.remove::<Arc<Counted>>();
        let mut response = accepted.response(subprotocol);
        add_headers(response.headers_mut(), headers);
        if let Some(answer) = answer {
            response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, answer);
        }
        self.start(upgrade, Opening { handshake, deflate, user_properties, counted });
        Ok(response.map(|()| Body::empty()))
    }

    /// Whether a request is let in, as far as that is simple to tell.
    pub(super) fn check_request(
        &self,
        request: &Parts,
        handshake: &Handshake,
        origins: &AllowedOrigins,
    ) -> Result<(), Box<Response<Body>>> {
        let verdict = origins.verdict(&request.headers);
        let origin = Origin::new(handshake.header("origin"), verdict);
        if !self.config.any_configurator().check_origin(origin, handshake) {
            return Err(Box::new(forbidden_origin()));
        }
        if !self.config.allows_connection(handshake) {
            let text = "Only connections over TLS may come here.\n";
            return Err(Box::new(plain(StatusCode::FORBIDDEN, text)));
        }
        if self.deployment.open_sessions().are_ended() {
            let text = "This endpoint is out of service.\n";
            return Err(Box::new(plain(StatusCode::SERVICE_UNAVAILABLE, text)));
        }
        if !self.config.has_room_beside(self.deployment.open_sessions().len()) {
            let text = "There are too many sessions; try again later.\n";
            return Err(Box::new(plain(StatusCode::SERVICE_UNAVAILABLE, text)));
        }
        (self.admission.check_handshake)(handshake).map_err(|error| Box::new(bad_request(&error)))
    }

    /// Chooses among the extensions of both sides: what the connection does, and what the client is told.
    fn agree_on_extensions(
        &self,
        accepted: &Accepted,
        handshake: &mut Handshake,
    ) -> (Option<PerMessageDeflate>, Option<HeaderValue>) {
        let Some(options) = self.terms.deflate else { return (None, None) };
        let configurator = self.config.any_configurator();
        let wanted = configurator.extensions(&[PERMESSAGE_DEFLATE], accepted.extensions());
        let Some((agreed, answer)) = options.accept(&wanted) else { return (None, None) };
        handshake.set_deflate(agreed);
        let answer = HeaderValue::from_str(&answer.to_string());
        (Some(agreed), Some(answer.expect("tokens and numbers are a valid header value")))
    }

    /// Has the application decide whether the client is let in.
    pub(super) async fn admit(
        &self,
        handshake: &mut Handshake,
    ) -> Result<(HeaderMap, UserProperties), Box<Response<Body>>> {
        let user_properties = self.config.user_properties().to_copy();
        let mut response = HandshakeResponse::new(user_properties);
        let refuse = |reject: Reject| Box::new(reject.into_response().map(Body::from));
        let configurator = self.config.any_configurator();
        configurator.handshake(handshake, &mut response).await.map_err(refuse)?;
        if let Some(principal) = response.principal() {
            handshake.set_principal(principal.clone());
        }
        if let Some(on_handshake) = self.admission.on_handshake {
            let state = &self.deployment.deployed().state;
            let call = OnHandshake::new(handshake, &self.config, state);
            on_handshake(call, &mut response).await.map_err(refuse)?;
        }
        let (headers, user_properties, principal) = response.into_parts();
        if let Some(principal) = principal {
            handshake.set_principal(principal);
        }
        if handshake.principal().is_some_and(Principal::has_expired) {
            return Err(Box::new(plain(StatusCode::UNAUTHORIZED, "Your login has expired.\n")));
        }
        if !self.config.allows_user(handshake) {
            return Err(Box::new(match handshake.principal() {
                None => plain(StatusCode::UNAUTHORIZED, "Who are you?\n"),
                Some(_) => plain(StatusCode::FORBIDDEN, "You may not come here.\n"),
            }));
        }
        Ok((headers, user_properties))
    }

    fn start(&self, upgrade: OnUpgrade, opening: Opening) {
        let Opening { handshake, deflate, user_properties, counted } = opening;
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
            let mut connection = Connection::new_server(door.terms.limits());
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
            let session = Session::new(handshake, link, Arc::clone(door.deployment.deployed()));
            if !user_properties.is_empty() {
                session.set_user_properties(user_properties);
            }
            if let Some(delay) = door.heartbeat_delay {
                session.vitals().set_heartbeat_delay(delay);
            }
            door.deployment.start(session, Door::WebSocket(source));
        });
    }
}

/// The only extension that there is: RFC 7692.
const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

/// What comes of an opening handshake.
struct Opening {
    handshake: Handshake,
    deflate: Option<PerMessageDeflate>,
    user_properties: UserProperties,
    counted: Option<Arc<Counted>>,
}

/// Checks that a request is an opening handshake.
fn accept_request(request: &Parts) -> Result<Accepted, HandshakeError> {
    let protocol = request.extensions.get::<Protocol>();
    match protocol.filter(|_| request.method == Method::CONNECT) {
        Some(protocol) => accept_extended_connect(protocol.as_str(), &request.headers),
        None => accept(&request.method, request.version, &request.headers),
    }
}

/// Tells developers what a browser keeps from their pages. Without the query, which may hold a secret.
fn log_refusal(request: &Parts, status: StatusCode) {
    let origin = request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let path = request.uri.path();
    tracing::info!(status = status.as_u16(), path, origin, "handshake refused");
}

/// Adds the application's headers to a response, but for those of the handshake itself.
pub(super) fn add_headers(response: &mut HeaderMap, headers: HeaderMap) {
    let mut name = None;
    for (next, value) in headers {
        name = next.or(name);
        let Some(name) = &name else { continue };
        let is_of_handshake =
            matches!(*name, CONNECTION | UPGRADE) || name.as_str().starts_with("sec-websocket-");
        if !is_of_handshake {
            response.append(name.clone(), value);
        }
    }
}

/// Over HTTP/2 the host is in the request target. Puts it where it is in HTTP/1, for whoever looks for it:
/// RFC 9113, section 8.3.1.
pub(super) fn name_host(request: &mut Parts) {
    if !request.headers.contains_key(http::header::HOST)
        && let Some(authority) = request.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers.insert(http::header::HOST, host);
    }
}

pub(crate) fn forbidden_origin() -> Response<Body> {
    let text = "This origin may not connect here: it is not among the allowed_origins.\n";
    plain(StatusCode::FORBIDDEN, text)
}

/// The answer to a handshake that lacks what the endpoint asks for.
fn bad_request(error: &EndpointError) -> Response<Body> {
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let mut response = plain(StatusCode::BAD_REQUEST, "");
    *response.body_mut() = Body::from(format!("{reason}\n"));
    response
}

/// A short text as answer.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
