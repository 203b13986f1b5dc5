use std::sync::{Arc, OnceLock};

use http::Extensions;

use super::configurator::AnyConfigurator;
use super::{
    Configurator, DefaultConfigurator, MissingState, OpenSessions, SubprotocolPolicy,
    UserProperties,
};
use crate::app::{App, WeakApp};
use crate::net::ConnectionOptions;

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
}
