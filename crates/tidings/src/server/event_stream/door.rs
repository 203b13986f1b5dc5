use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tidings_broker::{self as broker, Beginning, EncodingClass, SubscribeError};
use tidings_sockjs::{Cors, headers};
use tidings_stomp::{AckMode, Headers, SubscriptionId};

use super::EventSourceOptions;
use super::event::{Positions, first_lines, recovered};
use super::request::{self, Problem, StreamRequest};
use super::stream::{EventStream, EventStreamBody, EventStreamSource, StreamTerms};
use crate::clock;
use crate::endpoint::{CloseInfo, Endpoint, Handshake, PathParams, Session};
use crate::ground::Ground;
use crate::hub::Hub;
use crate::messaging::{Authentication, Login, NotAuthenticated, Rulebook, Subject};
use crate::net::Link;
use crate::server::deployment::Door;
use crate::server::websocket::{WebSocketDoor, add_headers, forbidden_origin, name_host};
use crate::server::{Admission, AllowedOrigins, Body};

/// Where event streams are asked for: one path.
pub(crate) struct EventStreamDoor {
    path: Box<str>,
    options: EventSourceOptions,
    hub: Arc<Hub>,
    /// Lets clients in.
    door: WebSocketDoor,
    /// Says who they are; they are whoever the door says without it.
    authentication: Option<Authentication>,
    /// Says what they may have; they may have anything without them.
    rules: Option<Arc<Rulebook>>,
}

/// The endpoint of an event stream, which has nothing to do but to end.
struct Subscriber(Arc<Hub>);

impl Endpoint for Subscriber {
    async fn on_close(&mut self, session: &Session, _: &CloseInfo) {
        if let Link::Events(stream) = session.link() {
            let key = stream.key();
            self.0.deliver(|broker, sink| broker.disconnect(clock::now(), key, sink));
        }
    }
}

impl EventStreamDoor {
    pub(crate) fn new(
        path: &str,
        options: EventSourceOptions,
        ground: &Ground,
        hub: Arc<Hub>,
        authentication: Option<Authentication>,
        rules: Option<Arc<Rulebook>>,
    ) -> Self {
        let of_endpoint = Arc::clone(&hub);
        let factory = move |_: &Handshake| Subscriber(Arc::clone(&of_endpoint));
        let config = options.endpoint.clone();
        let deployment = ground.deployment_behind_every_door(config.clone(), factory);
        let door = ground.door_to(deployment, config, Admission::default());
        Self { path: path.into(), options, hub, door, authentication, rules }
    }

    /// Whether a path is the one.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        *self.path == *path
    }

    /// Answers a request. `origins` are those of the application.
    pub(crate) async fn respond<B>(
        &self,
        request: Request<B>,
        origins: &AllowedOrigins,
    ) -> Response<Body> {
        let origins = self.options.allowed_origins.as_ref().unwrap_or(origins);
        let (mut parts, _) = request.into_parts();
        name_host(&mut parts);
        // A request of a page without CORS has no origin, and could read nothing.
        let is_allowed = origins.allow(&parts.headers)
            && (parts.headers.contains_key(ORIGIN) || origins.allow_loading(&parts.headers));
        if !is_allowed {
            return self.door.refuse(&parts, forbidden_origin());
        }
        let mut response = match parts.method {
            Method::OPTIONS => return preflight(&parts),
            Method::GET | Method::HEAD => {
                self.stream(&mut parts, origins).await.unwrap_or_else(|refusal| *refusal)
            }
            _ => {
                let text = format!("Only {} are understood here.", request::ALLOW);
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &text);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(request::ALLOW));
                response
            }
        };
        let is_busy = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        let fields = response.headers_mut();
        if is_busy {
            fields.insert(RETRY_AFTER, self.options.retry.as_secs().max(1).into());
        }
        headers::no_cache(fields);
        headers::cors(Cors::Applies, &parts.headers, fields);
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // nginx would gather events otherwise.
        fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    async fn stream(
        &self,
        parts: &mut Parts,
        origins: &AllowedOrigins,
    ) -> Result<Response<Body>, Box<Response<Body>>> {
        let refuse = |Problem { status, text }: Problem| Box::new(problem(status, &text));
        let mut handshake = Handshake::of_request(parts, PathParams::default());
        let checked = self.door.check_request(parts, &handshake, origins);
        checked.map_err(|refusal| Box::new(self.door.refuse(parts, *refusal)))?;
        let asked = StreamRequest::parse(&handshake, &parts.headers, self.options.destinations_max);
        let asked = asked.map_err(refuse)?;
        asked.check(&self.hub).map_err(refuse)?;
        let admitted = self.door.admit(&mut handshake).await;
        let (added, user_properties) =
            admitted.map_err(|refusal| Box::new(self.door.refuse(parts, *refusal)))?;
        let authenticated = self.authenticate(&mut handshake).await;
        authenticated.map_err(|refusal| Box::new(self.door.refuse(parts, *refuse(refusal))))?;
        let permitted = self.check_rules(&handshake, &asked);
        permitted.map_err(|refusal| Box::new(self.door.refuse(parts, *refuse(refusal))))?;
        let body = if request::begins_stream(&parts.method) {
            let (session, stream) = self.subscribe(handshake, &asked).map_err(refuse)?;
            if !user_properties.is_empty() {
                session.set_user_properties(user_properties);
            }
            let source = EventStreamSource::new(Arc::clone(&stream));
            self.door.deployment.start(session, Door::Events(source));
            Body::stream(EventStreamBody(stream))
        } else {
            Body::empty()
        };
        let mut response = Response::new(body);
        add_headers(response.headers_mut(), added);
        let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// Asks who the client is, as CONNECT does for STOMP.
    async fn authenticate(&self, handshake: &mut Handshake) -> Result<(), Problem> {
        let Some(authentication) = &self.authentication else { return Ok(()) };
        let answer = authentication.authenticate(Login::of_handshake(handshake)).await;
        let principal = answer.map_err(|error| {
            let status = match &error {
                NotAuthenticated::Denied(_) | NotAuthenticated::Expired => StatusCode::UNAUTHORIZED,
                NotAuthenticated::TookTooLong | NotAuthenticated::TooMany => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                NotAuthenticated::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Problem { status, text: format!("The stream was refused: {error}") }
        })?;
        // A session without user goes by its id, under which nobody else may get what is sent to it.
        if self.hub.online().has_session(principal.name()) {
            let text = "The stream was refused: its login is the id of a session.".to_owned();
            return Err(Problem { status: StatusCode::UNAUTHORIZED, text });
        }
        handshake.set_principal(principal);
        Ok(())
    }

    /// Asks whether the client may do what CONNECT and SUBSCRIBE do for STOMP.
    fn check_rules(&self, handshake: &Handshake, asked: &StreamRequest) -> Result<(), Problem> {
        let Some(rules) = &self.rules else { return Ok(()) };
        let principal = Login::of_handshake(handshake).verified();
        let (principal, headers) = (principal.as_ref(), &Headers::default());
        let subject = Subject { principal, handshake, headers };
        let subscribed = || {
            let mut each = asked.destinations.iter();
            each.try_for_each(|destination| rules.check_stream(&self.hub, &subject, destination))
        };
        rules.check_connect(&subject).and_then(|()| subscribed()).map_err(|refusal| Problem {
            status: StatusCode::FORBIDDEN,
            text: format!("The stream was refused: {refusal}."),
        })
    }

    /// Subscribes to all destinations, or to none.
    fn subscribe(
        &self,
        handshake: Handshake,
        asked: &StreamRequest,
    ) -> Result<(Session, Arc<EventStream>), Problem> {
        let key = self.hub.session_key();
        let destinations = asked.destinations.len();
        let positions = asked.last.clone().unwrap_or_else(|| Positions::none(destinations));
        let terms = StreamTerms {
            heartbeat_delay: self.options.heartbeat_delay,
            outbox_octets_max: self.options.outbox_octets_max,
            send_timeout: self.options.send_timeout,
        };
        let stream = EventStream::new(key, asked.format, positions, terms);
        let deployed = Arc::clone(self.door.deployment.deployed());
        let session = Session::new(handshake, Link::Events(Arc::clone(&stream)), deployed);
        for (at, destination) in asked.destinations.iter().enumerate() {
            let id = SubscriptionId::from(at.to_string().as_str());
            let mut options = asked.options(at);
            options.member.get_or_insert_default().user = session.user_name();
            options.user = session.user_name().map(Arc::from);
            let request = broker::Subscribe {
                session: key,
                subscriber: session.clone(),
                id,
                destination,
                ack: AckMode::Auto,
                class: EncodingClass::event_stream(),
                options,
            };
            let mut on_active = |beginning: Beginning| {
                let retry = (at == 0).then_some(self.options.retry.as_millis());
                begin(&stream, at, destination, beginning, retry);
            };
            let subscribed = self.hub.deliver(|broker, sink| {
                broker.subscribe(clock::now(), request, &mut on_active, sink)
            });
            if let Err(error) = subscribed {
                self.hub.deliver(|broker, sink| broker.disconnect(clock::now(), key, sink));
                return Err(refused(&error));
            }
        }
        Ok((session, stream))
    }
}

/// Tells where a destination's stream begins. `retry` is told once.
fn begin(
    stream: &EventStream,
    at: usize,
    destination: &str,
    beginning: Beginning,
    retry: Option<u128>,
) {
    let Beginning { position, recovery, .. } = beginning;
    stream.begin_at(at, position);
    let positions = stream.positions();
    match retry {
        Some(retry) => stream.push_lines(first_lines(retry, &positions)),
        None => stream.push_lines(format!("{positions}\n")),
    }
    if let Some(event) = recovered(destination, recovery) {
        stream.push_lines(event);
    }
}

fn refused(error: &SubscribeError) -> Problem {
    let status = match error {
        SubscribeError::TooManyDestinations { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem { status, text: format!("The stream was refused: {error}.") }
}

fn preflight(request: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields: &mut HeaderMap = response.headers_mut();
    headers::preflight(&request.headers, request::ALLOW, SystemTime::now(), fields);
    fields.insert(ALLOW, HeaderValue::from_static(request::ALLOW));
    response
}

/// A refusal that tells a person what was wrong.
fn problem(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
