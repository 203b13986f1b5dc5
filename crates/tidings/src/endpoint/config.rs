use std::fmt;
use std::sync::{Arc, OnceLock};

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, StatusCode};

use super::configurator::AnyConfigurator;
use super::{
    CloseReason, Configurator, DefaultConfigurator, Handshake, Message, MissingState, OpenSessions,
    Session, SubprotocolPolicy, UserProperties,
};
use crate::app::{App, WeakApp};
use crate::net::ConnectionOptions;
use crate::stats::Counters;

/// How an endpoint is deployed: Jakarta WebSocket's `ServerEndpointConfig`.
///
/// Cheap to clone.
///
/// ```
/// use tidings::endpoint::{ConnectionOptions, EndpointConfig, SubprotocolPolicy};
///
/// let config = EndpointConfig::new()
///     .subprotocols(["chat.v2", "chat.v1"])
///     .subprotocol_policy(SubprotocolPolicy::ServerOrder)
///     .connection_options(ConnectionOptions { keepalive: None, ..Default::default() });
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct EndpointConfig(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    subprotocols: Vec<String>,
    subprotocol_policy: SubprotocolPolicy,
    configurator: Arc<dyn AnyConfigurator>,
    connection_options: Option<ConnectionOptions>,
    text_octets_max: Option<usize>,
    binary_octets_max: Option<usize>,
    user_properties: UserProperties,
    security: Security,
    required_roles: Vec<Box<str>>,
    challenge: HeaderValue,
    sessions_max: Option<usize>,
    farewell: Option<Farewell>,
}

/// What a client is told, beside the reason, when its time is over; found out when it is.
#[derive(Clone)]
pub(crate) struct Farewell(Arc<Telling>);

type Telling = dyn Fn(&Session, &CloseReason) -> Option<Message> + Send + Sync;

impl Farewell {
    pub(crate) fn new(
        farewell: impl Fn(&Session, &CloseReason) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(farewell))
    }

    pub(super) fn to(&self, session: &Session, reason: &CloseReason) -> Option<Message> {
        (self.0)(session, reason)
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}

/// Which connections may reach an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Security {
    #[default]
    Any,
    Tls,
}

impl EndpointConfig {
    /// No subprotocols, and the defaults of the application.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            subprotocols: Vec::new(),
            subprotocol_policy: SubprotocolPolicy::default(),
            configurator: Arc::new(DefaultConfigurator),
            connection_options: None,
            text_octets_max: None,
            binary_octets_max: None,
            user_properties: UserProperties::default(),
            security: Security::Any,
            required_roles: Vec::new(),
            challenge: HeaderValue::from_static("Bearer"),
            sessions_max: None,
            farewell: None,
        }))
    }

    /// The subprotocols that the endpoint speaks, its favourite first.
    #[must_use]
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.inner().subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Whose order counts when there are several subprotocols in common. Default: the client's.
    #[must_use]
    pub fn subprotocol_policy(mut self, policy: SubprotocolPolicy) -> Self {
        self.inner().subprotocol_policy = policy;
        self
    }

    /// Who has a say in the opening handshakes.
    #[must_use]
    pub fn configurator(mut self, configurator: impl Configurator) -> Self {
        self.inner().configurator = Arc::new(configurator);
        self
    }

    /// The limits and timeouts of the connections, instead of those of the
    /// [application](crate::AppBuilder::connection_options).
    #[must_use]
    pub fn connection_options(mut self, options: ConnectionOptions) -> Self {
        self.inner().connection_options = Some(options);
        self
    }

    /// How clients are told that their login is over, where the reason that the session is closed for is not all.
    pub(crate) fn farewell(
        mut self,
        farewell: impl Fn(&Session, &CloseReason) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        self.inner().farewell = Some(Farewell::new(farewell));
        self
    }

    /// What a client is told before its session is closed.
    pub(super) fn farewell_to(&self, session: &Session, reason: &CloseReason) -> Option<Message> {
        self.0.farewell.as_ref().and_then(|farewell| farewell.to(session, reason))
    }

    /// Octets of the longest text message, instead of what the connection options say. A longer one
    /// closes the session with 1009.
    #[must_use]
    pub fn text_octets_max(mut self, octets_max: usize) -> Self {
        self.inner().text_octets_max = Some(octets_max);
        self
    }

    /// Octets of the longest binary message, instead of what the connection options say. A longer one
    /// closes the session with 1009.
    #[must_use]
    pub fn binary_octets_max(mut self, octets_max: usize) -> Self {
        self.inner().binary_octets_max = Some(octets_max);
        self
    }

    /// Lets in only clients that come over TLS; others are answered with status 403. Behind a proxy that ends
    /// TLS, see [`Secure`](crate::server::Secure).
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.inner().security = Security::Tls;
        self
    }

    /// Lets in only users who have one of these roles. Nobody known is answered with status 401, somebody
    /// else with 403.
    ///
    /// Who the user is, a layer may have said, the [configurator](Configurator::handshake), or
    /// `#[on_handshake]` by returning a [`Principal`](super::Principal).
    #[must_use]
    pub fn require_roles<R: Into<Box<str>>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.inner().required_roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// What a client that is answered with status 401 is asked for, in `WWW-Authenticate`, unless a
    /// [`Reject`](super::Reject) says something else: RFC 9110, section 11.6.1. Default: `Bearer`.
    ///
    /// A browser asks its user for a name and a password when it is challenged by `Basic` or `Digest`.
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.inner().challenge = challenge;
        self
    }

    /// How many sessions there may be at a time. Further clients are answered with status 503, and those
    /// who come at the same moment are closed with 1013. A session whose client has gone counts until what that has
    /// sent is handled. Default: any number.
    #[must_use]
    pub fn sessions_max(mut self, sessions_max: usize) -> Self {
        self.inner().sessions_max = Some(sessions_max);
        self
    }

    /// Keeps a value that each session has a copy of in its [user properties](UserProperties).
    #[must_use]
    pub fn property<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        let user_properties = self.0.user_properties.to_copy();
        user_properties.insert(value);
        self.inner().user_properties = user_properties;
        self
    }

    /// What each session's user properties begin with.
    pub fn user_properties(&self) -> &UserProperties {
        &self.0.user_properties
    }

    /// Whether a client may come by such a connection.
    pub(crate) fn allows_connection(&self, handshake: &Handshake) -> bool {
        self.0.security == Security::Any || handshake.is_secure()
    }

    /// Whether the user may come in.
    pub(crate) fn allows_user(&self, handshake: &Handshake) -> bool {
        let roles = &self.0.required_roles;
        roles.is_empty() || roles.iter().any(|role| handshake.is_user_in_role(role))
    }

    /// Has a refusal say how the client can make itself known, where that is what it lacks.
    pub(crate) fn add_challenge(&self, status: StatusCode, headers: &mut HeaderMap) {
        if status == StatusCode::UNAUTHORIZED {
            headers.entry(WWW_AUTHENTICATE).or_insert_with(|| self.0.challenge.clone());
        }
    }

    /// Whether there may be more sessions than so many.
    pub(crate) fn has_room_beside(&self, sessions: usize) -> bool {
        self.0.sessions_max.is_none_or(|max| sessions < max)
    }

    pub(crate) fn subprotocol_list(&self) -> (&[String], SubprotocolPolicy) {
        (&self.0.subprotocols, self.0.subprotocol_policy)
    }

    pub(crate) fn any_configurator(&self) -> &dyn AnyConfigurator {
        &*self.0.configurator
    }

    pub(crate) fn own_connection_options(&self) -> Option<&ConnectionOptions> {
        self.0.connection_options.as_ref()
    }

    pub(crate) fn octets_max(&self, kind: tidings_websocket::MessageKind) -> Option<usize> {
        match kind {
            tidings_websocket::MessageKind::Text => self.0.text_octets_max,
            tidings_websocket::MessageKind::Binary => self.0.binary_octets_max,
        }
    }

    /// The clones that there are go on with what they have.
    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What the application gave its endpoints, once it is built: values that are found by their type.
#[derive(Clone, Debug, Default)]
pub struct AppState(Arc<Given>);

#[derive(Debug, Default)]
struct Given {
    values: OnceLock<Extensions>,
    app: OnceLock<WeakApp>,
}

impl AppState {
    pub(crate) fn fill(&self, values: Extensions) {
        // Filled once, by the builder that made it.
        let _ = self.0.values.set(values);
    }

    pub(crate) fn belongs_to(&self, app: &App) {
        // Built once, too.
        let _ = self.0.app.set(app.downgrade());
    }

    /// The application, while it is there; none of a client.
    pub(crate) fn app(&self) -> Option<App> {
        self.0.app.get()?.upgrade()
    }

    /// The value of this type.
    ///
    /// # Errors
    ///
    /// [`MissingState`] when the application was given none.
    pub fn get<S: Clone + Send + Sync + 'static>(&self) -> Result<S, MissingState> {
        let value = self.0.values.get().and_then(Extensions::get::<S>);
        value.cloned().ok_or_else(MissingState::of::<S>)
    }
}

/// What all sessions of one endpoint share.
#[derive(Debug, Default)]
pub(crate) struct Deployed {
    pub(crate) open_sessions: Arc<OpenSessions>,
    pub(crate) config: EndpointConfig,
    pub(crate) state: AppState,
    /// Those of the application.
    pub(crate) counters: Arc<Counters>,
}
