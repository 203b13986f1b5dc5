use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_stomp::{Error, ErrorFrames, ReceiptId, Server, ServerOptions, Version, encode};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::options::{StompOptions, UnhandledErrors};
use super::outgoing::message_for;
use super::session::StompSession;
use crate::endpoint::{self, EndpointConfig, Handshake, Session};
use crate::ground::Ground;
use crate::hub::{Hub, stomp_message};
use crate::messaging::{
    ApplicationNames, Authentication, Csrf, Dispatcher, Interceptors, Messenger, Rulebook,
};
use crate::net::{ConnectionOptions, Farewell, Framing, Link, OctetSource, Outbox, Stream, Terms};
use crate::server::{Caller, Deployment, Door, SessionBinding};

/// The subprotocols of STOMP over WebSocket, the newest first.
pub(crate) const SUBPROTOCOLS: &[&str] = &["v12.stomp", "v11.stomp", "v10.stomp"];

/// Where STOMP sessions come in. All of them share one hub.
pub(crate) struct StompDoor {
    deployment: Deployment,
    terms: Arc<Terms>,
    messenger: Messenger,
    hub: Arc<Hub>,
    stranger_octets_max: usize,
    session_binding: SessionBinding,
    /// Of connections over TCP.
    farewell: Farewell,
}

/// What STOMP sessions find at their door.
pub(crate) struct Service {
    pub(crate) hub: Arc<Hub>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) application: ApplicationNames,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) rules: Option<Arc<Rulebook>>,
    pub(crate) interceptors: Interceptors,
    pub(crate) csrf: Option<Csrf>,
    pub(crate) options: StompOptions,
}

/// What all STOMP sessions of one application share.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) messenger: Messenger,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) application: ApplicationNames,
    pub(super) options: Arc<ServerOptions>,
    pub(super) authentication: Option<Authentication>,
    /// What clients may do; anything without them.
    pub(super) rules: Option<Arc<Rulebook>>,
    pub(super) interceptors: Interceptors,
    pub(super) csrf: Option<Csrf>,
    pub(super) held_octets_max: usize,
    pub(super) granted_octets_max: usize,
    pub(super) interceptor_timeout: Duration,
    pub(super) unhandled_errors: UnhandledErrors,
    /// What is told to who sends no CONNECT.
    pub(super) connect_timed_out: endpoint::Farewell,
}

impl StompDoor {
    pub(crate) fn new(ground: &Ground, service: Service) -> Self {
        let Service {
            hub,
            dispatcher,
            application,
            authentication,
            rules,
            interceptors,
            csrf,
            options,
        } = service;
        let errors = hub.errors().clone();
        let session_options = ServerOptions { errors: errors.clone(), ..options.session_options() };
        let session_options = Arc::new(session_options);
        let of_timeout = Arc::clone(&session_options);
        let connect_timed_out = endpoint::Farewell::new(move |_, _| {
            Some(stomp_message(Server::connect_timeout_error(&of_timeout)))
        });
        let messenger = Messenger::new(Arc::clone(&hub));
        let session_binding = match &authentication {
            Some(_) => SessionBinding::PrincipalOrAddress,
            None => SessionBinding::Principal,
        };
        let stranger_octets_max = options.limits.before_login_octets_max;
        let shared = Arc::new(Shared {
            hub: Arc::clone(&hub),
            messenger: messenger.clone(),
            dispatcher,
            application,
            options: session_options,
            authentication,
            rules,
            interceptors,
            csrf,
            held_octets_max: options.held_octets_max,
            granted_octets_max: options.granted_octets_max,
            interceptor_timeout: options.interceptor_timeout,
            unhandled_errors: options.unhandled_errors,
            connect_timed_out,
        });
        let factory = move |_: &Handshake| StompSession::new(Arc::clone(&shared));
        let farewell: Farewell = Arc::new(move |reason| farewell(reason, &errors));
        let to_others = Arc::clone(&farewell);
        let config = EndpointConfig::new()
            .farewell(move |session, reason| last_frame(session, to_others(reason)));
        let deployment = ground.deployment_behind_every_door(config, factory);
        // TCP has no pings; STOMP's own heart-beats take their place.
        let terms = Terms::new(ConnectionOptions { keepalive: None, ..options.connection });
        Self { deployment, terms, messenger, hub, stranger_octets_max, session_binding, farewell }
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How much a client may send before it is logged in.
    pub(crate) fn stranger_octets_max(&self) -> usize {
        self.stranger_octets_max
    }

    /// Whose requests belong to a session of SockJS, unless its options say so: with an authenticator a login by
    /// CONNECT is that of the session, and not of whoever learns its id.
    pub(crate) fn session_binding(&self) -> SessionBinding {
        self.session_binding
    }

    pub(crate) fn messenger(&self) -> &Messenger {
        &self.messenger
    }

    /// Serves a bare TCP connection.
    pub(crate) fn serve_tcp(&self, stream: TcpStream, caller: Caller) {
        self.serve(Stream::tcp(stream, Arc::clone(&self.terms), None), caller);
    }

    /// Serves any other stream.
    pub(crate) fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        caller: Caller,
    ) {
        self.serve(Stream::other(stream, Arc::clone(&self.terms), None), caller);
    }

    fn serve(&self, (stream, outbox): (Stream, Arc<Outbox>), caller: Caller) {
        let handshake = Handshake::without_request(&caller);
        let farewell = Arc::clone(&self.farewell);
        let source = OctetSource::new(stream, Arc::clone(&outbox), farewell, caller.counted);
        let link = Link::Stream { outbox, framing: Framing::Octets };
        let session = Session::new(handshake, link, Arc::clone(self.deployment.deployed()));
        self.deployment.start(session, Door::Octets(source));
    }
}

/// Tells a client by ERROR why its session ends. Over TCP that is what its door does.
fn last_frame(session: &Session, farewell: Bytes) -> Option<Message> {
    if let Link::Stream { framing: Framing::Octets, .. } = session.link() {
        return None;
    }
    Some(message_for(session, farewell))
}

/// Tells a client over TCP why its connection ends, unless the session has said so itself.
fn farewell(reason: &CloseReason, errors: &ErrorFrames) -> Bytes {
    if matches!(reason.code(), CloseCode::NORMAL_CLOSURE | CloseCode::PROTOCOL_ERROR) {
        return Bytes::new();
    }
    let advice = match reason.code() {
        CloseCode::POLICY_VIOLATION => "The connection ends here. Log in again.",
        _ => "The connection ends here. Connect again later.",
    };
    let error = Error::new(reason.reason(), advice);
    let mut frame = Vec::new();
    encode(&errors.frame(&error), Version::V1_0, &mut frame);
    frame.into()
}

impl Shared {
    /// Whether a client is told that nobody has handled its message.
    pub(super) fn tells_unhandled(&self, receipt: Option<&ReceiptId>) -> bool {
        receipt.is_some() || self.unhandled_errors == UnhandledErrors::ErrorFrame
    }

    /// The part of an application destination that controllers match, or `None` if the destination
    /// is the broker's.
    pub(super) fn strip_application_prefix<'d>(&self, destination: &'d str) -> Option<&'d str> {
        self.application.strip_prefix(destination)
    }
}
