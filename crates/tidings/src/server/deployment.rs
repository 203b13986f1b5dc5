use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use super::event_stream::EventStreamSource;
use super::sockjs::HttpSource;
use crate::endpoint::{self, Deployed, Endpoint, EndpointError, Handshake, OpenSessions, Session};
use crate::net::{OctetSource, WebSocketSource, in_turns};

/// The address of the peer, as an extension of its request.
///
/// [`Server`](super::Server) sets it. Whoever mounts the application elsewhere may set it too.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddr(pub SocketAddr);

/// The address that a request came to, as an extension of it.
///
/// [`Server`](super::Server) sets it. Whoever mounts the application elsewhere may set it too. Cheap to
/// clone: the connections of one listener share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddr(Arc<SocketAddr>);

impl LocalAddr {
    /// This address.
    pub fn new(addr: SocketAddr) -> Self {
        Self(Arc::new(addr))
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        *self.0
    }
}

/// The certificates by which a client made itself known to TLS, its own first, as an extension of its
/// request.
///
/// [`Server`](super::Server) sets it, where its TLS asks clients for certificates. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates(Arc<[Bytes]>);

impl ClientCertificates {
    /// These certificates, each in DER.
    pub fn new(certificates: impl IntoIterator<Item = Bytes>) -> Self {
        Self(certificates.into_iter().collect())
    }

    /// Each certificate in DER.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Marks a request that came over TLS, as an extension of it.
///
/// [`Server`](super::Server) sets it. Whoever mounts the application elsewhere may set it too, behind a
/// proxy that ends TLS for example.
#[derive(Clone, Copy, Debug)]
pub struct Secure;

/// An endpoint in service: makes a new value for each session, and knows the open ones.
#[derive(Clone)]
pub(crate) struct Deployment {
    start: Arc<dyn Fn(Session, Door) + Send + Sync>,
    deployed: Arc<Deployed>,
}

/// The way a session came in.
pub(crate) enum Door {
    WebSocket(WebSocketSource),
    Http(HttpSource),
    Octets(OctetSource),
    Events(EventStreamSource),
}

/// Stands in for an endpoint whose factory has panicked.
struct NotMade(Option<EndpointError>);

impl Endpoint for NotMade {
    async fn on_open(&mut self, _: &Session) -> Result<(), EndpointError> {
        self.0.take().map_or(Ok(()), Err)
    }
}

/// Serves a session in a task of its own.
type Serve<E> = fn(&TaskTracker, E, Session, Door);

/// Serves what comes by the doors that an application has for its endpoints. All that serves an endpoint is compiled
/// for each of its doors: those of the library's own endpoints alone would take as much again.
fn serve_own_doors<E: Endpoint>(tasks: &TaskTracker, endpoint: E, session: Session, door: Door) {
    let task = match door {
        Door::WebSocket(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
        Door::Http(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
        Door::Octets(_) | Door::Events(_) => {
            let failure = EndpointError::from_handler("no such door leads to an endpoint");
            return serve_every_door(tasks, NotMade(Some(failure)), session, door);
        }
    };
    // It goes on by itself.
    drop(task);
}

/// Each door's future has its own size; none pays for the largest.
fn serve_every_door<E: Endpoint>(tasks: &TaskTracker, endpoint: E, session: Session, door: Door) {
    match door {
        Door::WebSocket(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
        Door::Http(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
        Door::Octets(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
        Door::Events(source) => tasks.spawn(in_turns(endpoint::run(endpoint, session, source))),
    };
}

impl Deployment {
    /// An endpoint of the application, behind WebSocket and SockJS.
    pub(crate) fn new<E: Endpoint>(
        tasks: &TaskTracker,
        deployed: Deployed,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        Self::served_by(serve_own_doors, tasks, deployed, factory)
    }

    /// An endpoint of the library, behind whatever door leads to it.
    pub(crate) fn behind_every_door<E: Endpoint>(
        tasks: &TaskTracker,
        deployed: Deployed,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        Self::served_by(serve_every_door, tasks, deployed, factory)
    }

    fn served_by<E: Endpoint>(
        serve: Serve<E>,
        tasks: &TaskTracker,
        deployed: Deployed,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        let tasks = tasks.clone();
        let start = move |session: Session, door| {
            // A session that is known by its id must end however it begins.
            match catch_unwind(AssertUnwindSafe(|| factory(session.handshake()))) {
                Ok(endpoint) => serve(&tasks, endpoint, session, door),
                Err(panic) => {
                    let failure = EndpointError::of_panic(&*panic);
                    serve_every_door(&tasks, NotMade(Some(failure)), session, door);
                }
            }
        };
        Self { start: Arc::new(start), deployed: Arc::new(deployed) }
    }

    /// Serves the session, in a task of its own, with a new endpoint. A factory that panics ends it with 1011.
    pub(crate) fn start(&self, session: Session, door: Door) {
        (self.start)(session, door);
    }

    pub(crate) fn open_sessions(&self) -> &Arc<OpenSessions> {
        &self.deployed.open_sessions
    }

    /// What all its sessions share.
    pub(crate) fn deployed(&self) -> &Arc<Deployed> {
        &self.deployed
    }
}
