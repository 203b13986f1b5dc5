//! The requests of a session's HTTP transports.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings_sockjs::{Callback, Receive, ResponseEnds, SendRequests, callback, refusal};

use super::binding::Owner;
use super::receiver::ReceiverBody;
use super::service::SockJsService;
use super::session::{HttpSession, HttpSource, Opening, Undelivered};
use crate::endpoint::{BoxError, Handshake, PathParams, Session};
use crate::net::Link;
use crate::server::deployment::Door;
use crate::server::handover::{Handover, ResponseHead};
use crate::server::websocket::{add_headers, forbidden_origin, plain};
use crate::server::{AllowedOrigins, Body};

/// Begins a response that brings frames, which may have its connection. That to a poll begins with its frame.
pub(super) async fn begin(
    ends: ResponseEnds,
    response: Response<ReceiverBody>,
    handover: Option<Handover>,
) -> Response<Body> {
    let (head, mut body) = response.into_parts();
    let handover = handover.filter(|_| ResponseHead::suits(&head.headers));
    match ends {
        ResponseEnds::AfterOneFrame => body.first_chunk(handover, &head).await,
        ResponseEnds::AtResponseLimit => body.set_handover(handover),
    }
    Response::from_parts(head, Body::stream(body))
}

/// How long the body of one request may take to arrive: 20 s.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a second receiver waits for the first one's disconnection to be noticed, before it is
/// told that there is another: a client that reconnects at once must not be refused.
const RECONNECT_GRACE: Duration = Duration::from_millis(100);

/// Octets of a body that is read for a session that there is not: 8 KiB.
const UNKNOWN_SESSION_OCTETS_MAX: usize = 8 * 1024;

impl SockJsService {
    /// Opens or continues a session, whose frames are the body of the response. The error is any other one.
    pub(super) async fn receive(
        &self,
        parts: &mut Parts,
        session_id: &str,
        receive: &'static Receive,
        origins: &AllowedOrigins,
    ) -> Result<Response<ReceiverBody>, Response<Body>> {
        let callback = match receive.callback {
            Callback::Unused => String::new(),
            // Scripts and frames of other pages come without an origin.
            Callback::Required { .. } if !origins.allow_loading(&parts.headers) => {
                return Err(self.framed.refuse(parts, forbidden_origin()));
            }
            Callback::Required { octets_max } => match callback(parts.uri.query(), octets_max) {
                Ok(callback) => callback,
                Err(error) => return Err(refusal::callback(error).map(Body::from)),
            },
        };
        let mut headers = HeaderMap::new();
        let owner = Owner::of_request(parts, self.options.session_binding);
        let session = match self.sessions.find(session_id) {
            Some(session) if !session.admits(&owner) => {
                return Err(refusal::not_found().map(Body::from));
            }
            Some(session) => {
                session.wait_for_receiver_to_leave(RECONNECT_GRACE).await;
                session
            }
            None => match self.open(parts, session_id, owner, origins).await {
                Ok((session, added)) => {
                    headers = added;
                    session
                }
                Err(refusal) => return Err(self.framed.refuse(parts, *refusal)),
            },
        };
        let mut response = Response::new(session.attach(receive, &callback));
        if let Some(opening) = session.take_opening() {
            self.start(session, session_id, opening);
        }
        let fields = response.headers_mut();
        add_headers(fields, headers);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(receive.content_type));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // nginx would gather frames otherwise.
        fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Lets a client in that there is no session for, or finds the one that another request of it has
    /// opened meanwhile.
    async fn open(
        &self,
        parts: &mut Parts,
        session_id: &str,
        owner: Owner,
        origins: &AllowedOrigins,
    ) -> Result<(Arc<HttpSession>, HeaderMap), Box<Response<Body>>> {
        let mut handshake = Handshake::of_request(parts, PathParams::default());
        self.framed.check_request(parts, &handshake, origins)?;
        let (headers, user_properties) = self.framed.admit(&mut handshake).await?;
        let opening = Opening { handshake, user_properties };
        let terms = Arc::clone(&self.response_terms);
        let strangers = self.stranger_octets_max;
        let new = HttpSession::new(&self.options, terms, owner.clone(), strangers, opening);
        let session = self.sessions.find_or_insert(session_id, new);
        if !session.admits(&owner) {
            return Err(Box::new(refusal::not_found().map(Body::from)));
        }
        Ok((session, headers))
    }

    fn start(&self, session: Arc<HttpSession>, session_id: &str, opening: Opening) {
        let Opening { handshake, user_properties } = opening;
        let link = Link::Http(Arc::clone(&session));
        let deployed = Arc::clone(self.deployment().deployed());
        let source = HttpSource::new(session, session_id.into(), Arc::clone(&self.sessions));
        let session = Session::new(handshake, link, deployed);
        if !user_properties.is_empty() {
            session.set_user_properties(user_properties);
        }
        self.deployment().start(session, Door::Http(source));
    }

    /// Takes the messages that a request brings.
    pub(super) async fn send<B>(
        &self,
        parts: &Parts,
        session_id: &str,
        send: &'static SendRequests,
        body: B,
    ) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let owner = Owner::of_request(parts, self.options.session_binding);
        let session = self.sessions.find(session_id);
        let session = session.filter(|session| session.admits(&owner));
        let octets_max = match &session {
            Some(session) => session.body_octets_max(),
            None => self.options.body_octets_max.min(UNKNOWN_SESSION_OCTETS_MAX),
        };
        let body = match read_body(body, octets_max).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let messages = match (send.parse)(content_type, &body, self.options.body_messages_max) {
            Ok(messages) => messages,
            Err(error) => return refusal::send_body(&error).map(Body::from),
        };
        let Some(session) = session else { return refusal::not_found().map(Body::from) };
        match session.deliver(messages).await {
            Ok(()) => plain(send.status, send.answer),
            Err(Undelivered::Forgotten) => refusal::not_found().map(Body::from),
            Err(Undelivered::TooMuch { octets_max }) => {
                let text = format!(
                    "Before login no more than {octets_max} octets may wait here. Wait for its answer.\n"
                );
                plain(StatusCode::PAYLOAD_TOO_LARGE, "").map(|_| Body::from(text))
            }
        }
    }
}

async fn read_body<B>(body: B, octets_max: usize) -> Result<Bytes, Response<Body>>
where
    B: http_body::Body + Send,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let collected = Limited::new(body, octets_max).collect();
    match tokio::time::timeout(BODY_READ_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("The body is larger than {octets_max} octets.\n");
            Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "").map(|_| Body::from(text)))
        }
        Ok(Err(_)) => Err(plain(StatusCode::BAD_REQUEST, "The body did not arrive as a whole.\n")),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in 20 s.\n")),
    }
}
