use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidings_websocket::CloseReason;

use super::{Handshake, OpenSessions, PathParams, Peers, Vitals};
use crate::net::Link;

/// A handle to one open connection, whichever door it came through: Jakarta WebSocket's `Session`.
///
/// Cheap to clone, and usable from any task. The handle does not keep the connection open.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: SessionId,
    handshake: Handshake,
    link: Link,
    peers: Arc<OpenSessions>,
    vitals: OnceLock<Box<Vitals>>,
}

impl Session {
    pub(crate) fn new(handshake: Handshake, link: Link, peers: Arc<OpenSessions>) -> Self {
        let vitals = OnceLock::new();
        Self(Arc::new(Inner { id: SessionId::random(), handshake, link, peers, vitals }))
    }

    /// The id of this session: random, unique, never used again.
    ///
    /// Whoever knows it may not act on the session with it; still, do not write it to logs.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// What may stand in a log for this session: useless as an id.
    pub(crate) fn log_id(&self) -> LogId {
        LogId(self.0.id)
    }

    /// What the opening handshake told.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// The variables of the endpoint's path template.
    pub fn path_params(&self) -> &PathParams {
        self.0.handshake.path_params()
    }

    /// Whether messages can be sent: false from the moment that either side closes.
    pub fn is_open(&self) -> bool {
        self.0.link.is_open()
    }

    /// Starts the closing handshake. Later calls do nothing: the first reason holds.
    ///
    /// What was sent before still goes out; sends fail from now on.
    pub fn close(&self, reason: CloseReason) {
        self.0.link.close(reason);
    }

    /// How long the session may be idle, nothing sent and nothing received, pings and pongs included,
    /// before it is closed; `None` for ever. Over SockJS, whose heartbeats keep it alive, always `None`.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.0.link.websocket().and_then(|outbox| outbox.max_idle_timeout())
    }

    /// Changes how long the session may be idle; `None` and zero are for ever.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        if let Some(outbox) = self.0.link.websocket() {
            outbox.set_max_idle_timeout(timeout);
        }
    }

    /// The open sessions of the same endpoint, this one among them.
    pub fn peers(&self) -> Peers {
        self.0.peers.snapshot()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    /// Heart-beat and expiry, for the few sessions that have either.
    pub(crate) fn vitals(&self) -> &Vitals {
        self.0.vitals.get_or_init(Box::default)
    }

    pub(crate) fn existing_vitals(&self) -> Option<&Vitals> {
        self.0.vitals.get().map(AsRef::as_ref)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.log_id()).finish_non_exhaustive()
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Session {}

/// Identifies a [`Session`]: 128 random bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u128);

impl SessionId {
    fn random() -> Self {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).expect("the operating system provides randomness");
        Self(u128::from_ne_bytes(octets))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LogId(*self).fmt(f)
    }
}

/// The first 32 of the id's bits: enough to follow a session through a log.
pub(crate) struct LogId(SessionId);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}…", self.0.0 >> 96)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
