use std::fmt;
use std::str::FromStr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::Uri;
use tidings_sockjs::TransportType;
use tidings_stomp::SubscriptionId;
use tidings_websocket::{CloseCode, CloseReason, Extension, MessageKind};

use super::seldom::Seldom;
use super::{
    Deployed, EndpointConfig, Expiry, Handshake, PathParams, Peers, Principal, RenewError,
    UserProperties, Vitals,
};
use crate::App;
use crate::net::Link;

/// A handle to one open connection, whichever door it came through: Jakarta WebSocket's `Session`.
///
/// Cheap to clone, and usable from any task. The handle does not keep the connection open. What the
/// opening handshake told can also be asked for when the session is closed.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: SessionId,
    handshake: Handshake,
    link: Link,
    deployed: Arc<Deployed>,
    /// Among the open sessions; theirs to know.
    position: AtomicUsize,
    /// Made by the first who needs it.
    seldom: OnceLock<Box<Seldom>>,
}

impl Session {
    pub(crate) fn new(handshake: Handshake, link: Link, deployed: Arc<Deployed>) -> Self {
        let (position, seldom) = (AtomicUsize::default(), OnceLock::new());
        Self(Arc::new(Inner {
            id: SessionId::random(),
            handshake,
            link,
            deployed,
            position,
            seldom,
        }))
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

    /// What the opening handshake told. A SockJS session over HTTP goes on by many requests, of which this is the
    /// first; only [`transport`](Self::transport) follows the latest.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// The variables of the endpoint's path template.
    pub fn path_params(&self) -> &PathParams {
        self.0.handshake.path_params()
    }

    /// The value of one variable of the endpoint's path template.
    pub fn path_param(&self, name: &str) -> Option<&str> {
        self.path_params().get(name)
    }

    /// The whole URI of the request that the session came about with, with the scheme `ws` or `wss`;
    /// `None` if there was no request. A router that nests the application may have taken a prefix off it.
    pub fn uri(&self) -> Option<Uri> {
        self.0.handshake.full_uri()
    }

    /// The query of that request, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.0.handshake.query()
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.0.handshake.is_secure()
    }

    /// The version of the WebSocket protocol, that of RFC 6455, which SockJS imitates.
    pub fn protocol_version(&self) -> u8 {
        13
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.handshake.subprotocol()
    }

    /// How messages travel, where that is by SockJS: over HTTP, by the latest request for them. `None` for
    /// a WebSocket without SockJS's framing, and for STOMP over TCP.
    pub fn transport(&self) -> Option<TransportType> {
        self.0.link.sockjs_transport()
    }

    /// The extensions that were agreed on, with the parameters that limit something.
    pub fn extensions(&self) -> Vec<Extension> {
        self.0.handshake.extensions()
    }

    /// Who the peer is, as the handshake found out, or a protocol inside the session: the CONNECT frame
    /// of STOMP.
    pub fn principal(&self) -> Option<Principal> {
        let own = self.existing_seldom().and_then(Seldom::principal);
        own.or_else(|| self.0.handshake.principal().cloned())
    }

    /// The name of the principal, as others are told it. An empty one names nobody.
    pub(crate) fn user_name(&self) -> Option<Box<str>> {
        let name: Option<Box<str>> = self.principal().map(|principal| principal.name().into());
        name.filter(|name| !name.is_empty())
    }

    /// Says who the peer is, from now on.
    pub(crate) fn set_principal(&self, principal: Principal) {
        self.seldom().set_principal(principal);
    }

    /// What the application keeps with this session, until `#[on_close]` has returned.
    pub fn user_properties(&self) -> &UserProperties {
        self.seldom().user_properties(self.config().user_properties())
    }

    pub(super) fn existing_user_properties(&self) -> Option<&UserProperties> {
        self.existing_seldom()?.existing_user_properties()
    }

    pub(crate) fn set_user_properties(&self, properties: UserProperties) {
        self.seldom().set_user_properties(properties);
    }

    /// How the endpoint is deployed.
    pub fn config(&self) -> &EndpointConfig {
        &self.0.deployed.config
    }

    /// Whether messages can be sent: false from the moment that either side closes.
    pub fn is_open(&self) -> bool {
        self.0.link.is_open()
    }

    /// Starts the closing handshake. Later calls do nothing: the first reason holds.
    ///
    /// What was sent before still goes out; sends fail from now on. Of a code that must not be sent
    /// ([`CloseCode::is_sendable`](super::CloseCode::is_sendable): 1005, 1006, 1015, and those that nobody has defined) the
    /// peer hears nothing, nor of its reason.
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

    /// How many octets a text message may have; a longer one closes the session with 1009.
    ///
    /// What an `#[on_message(max_size = …)]` says holds until [`set_text_octets_max`](Self::set_text_octets_max)
    /// says something else.
    pub fn text_octets_max(&self) -> usize {
        self.octets_max(MessageKind::Text)
    }

    /// Changes how many octets a text message may have, from the next one on. Does nothing where messages
    /// are not delivered whole.
    pub fn set_text_octets_max(&self, octets_max: usize) {
        self.seldom().set_octets_max(MessageKind::Text, octets_max);
    }

    /// How many octets a binary message may have, as [`text_octets_max`](Self::text_octets_max).
    pub fn binary_octets_max(&self) -> usize {
        self.octets_max(MessageKind::Binary)
    }

    /// Changes how many octets a binary message may have, as
    /// [`set_text_octets_max`](Self::set_text_octets_max).
    pub fn set_binary_octets_max(&self, octets_max: usize) {
        self.seldom().set_octets_max(MessageKind::Binary, octets_max);
    }

    /// Limits what a peer can make its door hold that is not known yet: octets of a message, whatever else
    /// says how long messages may be. `None` once it is known.
    pub(crate) fn set_stranger_octets_max(&self, octets_max: Option<usize>) {
        self.seldom().set_stranger_octets_max(octets_max);
        // At once: requests do not wait for the endpoint's task to look.
        self.link().set_stranger_octets_max(octets_max);
    }

    pub(super) fn stranger_octets_max(&self) -> Option<usize> {
        self.existing_seldom()?.stranger_octets_max()
    }

    fn octets_max(&self, kind: MessageKind) -> usize {
        let own = self.existing_seldom().and_then(|seldom| seldom.octets_max(kind));
        own.or(self.config().octets_max(kind)).unwrap_or_else(|| self.0.link.message_octets_max())
    }

    /// Closes the session with 1008 at that moment, unless it ends before: the user's login is over then.
    /// Another call moves the moment, as it does that of the [principal](Principal::expiring_at).
    pub fn expire_at(&self, at: Instant) {
        let reason = CloseReason::truncated(CloseCode::POLICY_VIOLATION, "login has expired");
        self.vitals().set_expiry(Some(Expiry { at, farewell: None, reason }));
        self.0.link.wake();
    }

    /// Prolongs the login of the session, or changes the roles of its user: the principal takes the place of the one that
    /// it had, and the session ends when [that one expires](Principal::expiring_at), or not at all. What the
    /// [handshake](Self::handshake) told stays as it was.
    ///
    /// Clients of STOMP do the same by themselves: they send a new token to
    /// [`Login::RENEWAL_DESTINATION`](crate::messaging::Login::RENEWAL_DESTINATION). A STOMP session with a subscription that the
    /// [rules](crate::AppBuilder::rules) do not allow the new principal is ended.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use tidings::endpoint::{Principal, RenewError, Session};
    ///
    /// fn prolong(session: &Session) -> Result<(), RenewError> {
    ///     let Some(principal) = session.principal() else { return Ok(()) };
    ///     session.renew(principal.expiring_at(Instant::now() + Duration::from_secs(3600)))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RenewError`] if the session has no principal, or one of another name. Nothing has changed then.
    pub fn renew(&self, principal: Principal) -> Result<(), RenewError> {
        if self.principal().is_none_or(|known| known.name() != principal.name()) {
            return Err(RenewError(()));
        }
        match principal.expires_at() {
            Some(at) => self.expire_at(at),
            None => self.vitals().drop_end_of_login(),
        }
        self.set_principal(principal);
        if let Some(after_renewal) = self.existing_seldom().and_then(Seldom::after_renewal) {
            after_renewal(self);
        }
        Ok(())
    }

    /// Has something done whenever the session has a new login.
    pub(crate) fn after_renewal(&self, act: impl Fn(&Self) + Send + Sync + 'static) {
        self.seldom().set_after_renewal(Box::new(act));
    }

    /// The application that the session is one of: Jakarta WebSocket's `getContainer`. `None` for the session
    /// of a client, and when nobody holds the application any more.
    pub fn app(&self) -> Option<App> {
        self.deployed().state.app()
    }

    /// The open sessions of the same endpoint, whatever the values of their path parameters;
    /// [`Peers::filter`] leaves those of one room. This one is among them, but no longer when `#[on_close]`
    /// is called.
    pub fn peers(&self) -> Peers {
        self.0.deployed.open_sessions.peers_of(self)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    pub(crate) fn deployed(&self) -> &Arc<Deployed> {
        &self.0.deployed
    }

    pub(super) fn position(&self) -> &AtomicUsize {
        &self.0.position
    }

    /// The session is over: lets go of what serves it, and of what the application kept with it, which may
    /// hold the session itself.
    pub(super) fn release(&self) {
        if let Some(seldom) = self.existing_seldom() {
            self.drop_codec();
            seldom.drop_handlers();
            seldom.drop_user_properties();
        }
    }

    /// Heart-beat and expiry, for the few sessions that have either.
    pub(crate) fn vitals(&self) -> &Vitals {
        self.seldom().vitals()
    }

    pub(crate) fn existing_vitals(&self) -> Option<&Vitals> {
        self.existing_seldom().map(Seldom::vitals)
    }

    /// The broker has ended a subscription of the session.
    pub(crate) fn note_cancelled(&self, id: SubscriptionId) {
        self.seldom().note_cancelled(id);
    }

    /// Whether the broker has ended a subscription of which the session has not taken note yet.
    pub(crate) fn has_cancelled(&self, id: &SubscriptionId) -> bool {
        self.existing_seldom().is_some_and(|seldom| seldom.has_cancelled(id))
    }

    /// The subscriptions that the broker has ended since the last time.
    #[inline]
    pub(crate) fn take_cancelled(&self) -> Vec<SubscriptionId> {
        self.existing_seldom().map_or_else(Vec::new, Seldom::take_cancelled)
    }

    pub(super) fn seldom(&self) -> &Seldom {
        self.0.seldom.get_or_init(Box::default)
    }

    #[inline]
    pub(super) fn existing_seldom(&self) -> Option<&Seldom> {
        self.0.seldom.get().map(AsRef::as_ref)
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

/// Identifies a [`Session`]: 128 random bits, shown as 32 hexadecimal digits, and parsed from them.
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

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    /// Takes the text of an id, in exactly the form in which it is shown.
    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let is_form = text.len() == 32
            && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        let id = u128::from_str_radix(text, 16).ok().filter(|_| is_form);
        id.map(Self).ok_or(InvalidSessionId)
    }
}

/// A text is no [`SessionId`], which has 32 hexadecimal digits, letters in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSessionId;

impl fmt::Display for InvalidSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session id has 32 hexadecimal digits, letters in lower case")
    }
}

impl std::error::Error for InvalidSessionId {}

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

/// A session for tests, with what drives it and its peer: octets over memory.
#[cfg(test)]
pub(crate) fn in_memory(
    options: super::ConnectionOptions,
) -> (Session, crate::net::Stream, tokio::io::DuplexStream) {
    use crate::net::{Framing, Stream, Terms};
    let (peer, stream) = tokio::io::duplex(1024);
    let (stream, outbox) = Stream::other(stream, Terms::new(options), None);
    let link = Link::Stream { outbox, framing: Framing::Octets };
    (Session::new(Handshake::default(), link, Arc::new(Deployed::default())), stream, peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_in_the_form_in_which_it_is_shown() {
        for id in [SessionId(0), SessionId(0xab), SessionId(u128::MAX), SessionId::random()] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(digits.parse::<SessionId>().is_ok());
        let others = [
            String::new(),
            digits.to_uppercase(),
            digits[1..].to_owned(),
            format!("0{digits}"),
            format!("+{}", &digits[1..]),
            format!(" {}", &digits[1..]),
        ];
        for other in others {
            assert_eq!(other.parse::<SessionId>(), Err(InvalidSessionId), "{other}");
        }
    }
}
