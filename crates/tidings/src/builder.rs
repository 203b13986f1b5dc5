use std::any::type_name;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::Extensions;
use tidings_websocket::Limits;
use tokio_util::task::TaskTracker;

use crate::app::{App, EndpointRoute, Inner, TrailingSlash};
use crate::endpoint::{
    AppState, Deployed, Endpoint, EndpointConfig, Handshake, MissingState, PathTemplate,
    PathTemplateError, ServerEndpoint, Shared, SharedEndpoint,
};
use crate::hub::Hub;
use crate::messaging::{
    AmbiguousMapping, AnySessionListener, Controller, Controllers, Dispatcher, SessionListener,
};
use crate::net::{ConnectionOptions, Framing, Terms};
use crate::server::sockjs::SockJsService;
use crate::server::stomp::{SUBPROTOCOLS, StompDoor};
use crate::server::{Admission, AllowedOrigins, Deployment, SockJsOptions, WebSocketDoor};
use crate::socket::{SocketHandler, SocketOutcome, WebSocket};

/// Octets of one message at the SockJS and STOMP doors: 16 MiB. At endpoints it is 1 MiB.
const DOOR_MESSAGE_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Puts an [`App`] together. Made by [`App::builder`].
///
/// Mistakes are gathered, and told all at once by [`build`](Self::build).
pub struct AppBuilder {
    endpoints: Vec<Candidate>,
    sockjs: Vec<(String, Deployment, SockJsOptions)>,
    stomp_paths: Vec<String>,
    controllers: Controllers,
    listeners: Vec<Arc<dyn AnySessionListener>>,
    application_prefix: String,
    origins: AllowedOrigins,
    /// Of the endpoints that are deployed next.
    terms: Arc<Terms>,
    trailing_slash: TrailingSlash,
    state: AppState,
    state_values: Extensions,
    tasks: TaskTracker,
    mistakes: Vec<Mistake>,
}

/// An endpoint that will be deployed if nothing speaks against it.
struct Candidate {
    path: String,
    /// The name of the endpoint's type.
    type_name: &'static str,
    check_state: fn(&AppState) -> Result<(), MissingState>,
    route: EndpointRoute,
}

impl App {
    /// Starts with nothing deployed, the application prefix `/app`, the broker prefixes `/topic` and
    /// `/queue`, and only the same origin allowed.
    pub fn builder() -> AppBuilder {
        AppBuilder {
            endpoints: Vec::new(),
            sockjs: Vec::new(),
            stomp_paths: Vec::new(),
            controllers: Controllers::default(),
            listeners: Vec::new(),
            application_prefix: "/app".to_owned(),
            origins: AllowedOrigins::SameOrigin,
            terms: Terms::new(ConnectionOptions::default()),
            trailing_slash: TrailingSlash::default(),
            state: AppState::default(),
            state_values: Extensions::new(),
            tasks: TaskTracker::new(),
            mistakes: Vec::new(),
        }
    }
}

impl AppBuilder {
    /// Deploys an annotated endpoint at its own path. `factory` makes one for each session.
    #[must_use]
    pub fn endpoint<E: ServerEndpoint + Endpoint>(
        self,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.endpoint_with(E::config(), move |_| factory())
    }

    /// Deploys an annotated endpoint at its own path, with a configuration of its own: best one that
    /// begins with [`ServerEndpoint::config`]. `factory` makes an endpoint for each session, and knows its
    /// handshake.
    ///
    /// ```
    /// use tidings::App;
    /// use tidings::endpoint::{Configurator, Handshake, Origin, ServerEndpoint};
    /// use tidings::server_endpoint;
    ///
    /// struct Chat {
    ///     language: String,
    /// }
    ///
    /// #[server_endpoint("/chat")]
    /// impl Chat {
    ///     #[on_open]
    ///     fn opened(&self) -> String {
    ///         self.language.clone()
    ///     }
    /// }
    ///
    /// struct OnlyBrowsers;
    ///
    /// impl Configurator for OnlyBrowsers {
    ///     fn check_origin(&self, origin: Origin<'_>, _: &Handshake) -> bool {
    ///         origin.value().is_some() && origin.is_allowed()
    ///     }
    /// }
    ///
    /// let app = App::builder()
    ///     .endpoint_with(Chat::config().configurator(OnlyBrowsers), |handshake| Chat {
    ///         language: handshake.language().unwrap_or("en").to_owned(),
    ///     })
    ///     .build()?;
    /// # let _ = app;
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[must_use]
    pub fn endpoint_with<E: ServerEndpoint + Endpoint>(
        mut self,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        self.deploy(E::PATH, config, Manners::of::<E>(), factory);
        self
    }

    /// Deploys an annotated endpoint that is `shared` at its own path: one value for all sessions.
    #[must_use]
    pub fn shared_endpoint<E>(self, endpoint: impl Into<Arc<E>>) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        self.shared_endpoint_with(E::config(), endpoint)
    }

    /// Deploys an annotated endpoint that is `shared`, with a configuration of its own, as
    /// [`endpoint_with`](Self::endpoint_with).
    #[must_use]
    pub fn shared_endpoint_with<E>(
        self,
        config: EndpointConfig,
        endpoint: impl Into<Arc<E>>,
    ) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        let shared = Shared::new(endpoint);
        self.endpoint_with(config, move |_| shared.clone())
    }

    /// Deploys a programmatic endpoint at `path`, a template such as `/chat/{room}`.
    #[must_use]
    pub fn endpoint_at<E: Endpoint>(
        self,
        path: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.endpoint_at_with(path, EndpointConfig::new(), move |_| factory())
    }

    /// Deploys a programmatic endpoint at `path`, with a configuration. `factory` makes an endpoint for
    /// each session, and knows its handshake.
    #[must_use]
    pub fn endpoint_at_with<E: Endpoint>(
        mut self,
        path: &str,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        self.deploy(path, config, Manners::programmatic::<E>(), factory);
        self
    }

    /// Serves `path`, a template such as `/chat/{room}`, with a function of the [`WebSocket`]: the
    /// plain style, without endpoint. The session ends when the function returns and the socket is
    /// dropped.
    #[must_use]
    pub fn socket<F>(
        self,
        path: &str,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: SocketOutcome> + Send + 'static,
    {
        self.socket_with(path, EndpointConfig::new(), handler)
    }

    /// Serves `path` in the plain style, with a configuration.
    #[must_use]
    pub fn socket_with<F>(
        mut self,
        path: &str,
        config: EndpointConfig,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: SocketOutcome> + Send + 'static,
    {
        let (handler, tasks) = (Arc::new(handler), self.tasks.clone());
        let factory = move |_: &_| SocketHandler::new(Arc::clone(&handler), tasks.clone());
        self.deploy(path, config, Manners::programmatic::<F>(), factory);
        self
    }

    fn deploy<E: Endpoint>(
        &mut self,
        path: &str,
        config: EndpointConfig,
        manners: Manners,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) {
        let template = match PathTemplate::parse(path) {
            Ok(template) => template,
            Err(error) => return self.mistakes.push(Mistake::Path(error)),
        };
        let terms = match config.own_connection_options() {
            None => Arc::clone(&self.terms),
            Some(options) => Terms::new(options.clone()),
        };
        let state = self.state.clone();
        let deployed = Deployed { config: config.clone(), state, ..Deployed::default() };
        let door = WebSocketDoor {
            deployment: Deployment::new(&self.tasks, deployed, factory),
            framing: Framing::WebSocket,
            config,
            admission: manners.admission,
            terms,
            heartbeat_delay: None,
        };
        self.endpoints.push(Candidate {
            path: path.to_owned(),
            type_name: manners.type_name,
            check_state: manners.check_state,
            route: EndpointRoute { template, door },
        });
    }

    /// Deploys a SockJS service beneath `prefix`; its sessions are served by the endpoints that
    /// `factory` makes, whichever transport they use.
    #[must_use]
    pub fn sockjs<E: Endpoint>(
        self,
        prefix: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.sockjs_with_options(prefix, SockJsOptions::default(), factory)
    }

    /// As [`sockjs`](Self::sockjs), with delays and limits other than the defaults.
    #[must_use]
    pub fn sockjs_with_options<E: Endpoint>(
        mut self,
        prefix: &str,
        options: SockJsOptions,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        let deployed = Deployed { state: self.state.clone(), ..Deployed::default() };
        let deployment = Deployment::new(&self.tasks, deployed, move |_| factory());
        let add = |builder: &mut Self, prefix| builder.sockjs.push((prefix, deployment, options));
        self.add_prefix(prefix, add);
        self
    }

    /// Opens a STOMP door at `path`: an upgrade of the path itself is STOMP over WebSocket, and
    /// beneath it is STOMP over SockJS.
    #[must_use]
    pub fn stomp(mut self, path: &str) -> Self {
        self.add_prefix(path, |builder, path| builder.stomp_paths.push(path));
        self
    }

    fn add_prefix(&mut self, prefix: &str, add: impl FnOnce(&mut Self, String)) {
        match prefix.strip_suffix('/').unwrap_or(prefix) {
            "" => add(self, String::new()),
            prefix => match PathTemplate::parse(prefix) {
                Ok(_) => add(self, prefix.to_owned()),
                Err(error) => self.mistakes.push(Mistake::Path(error)),
            },
        }
    }

    /// Adds a controller, whose handlers get the messages sent to the application prefix.
    #[must_use]
    pub fn controller<C: Controller>(mut self, controller: C) -> Self {
        self.controllers.add(controller);
        self
    }

    /// Adds a listener, told when STOMP sessions connect, subscribe, unsubscribe and disconnect.
    #[must_use]
    pub fn session_listener(mut self, listener: impl SessionListener) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Sets the prefix of the destinations that controllers handle. Default `/app`.
    #[must_use]
    pub fn application_prefix(mut self, prefix: &str) -> Self {
        self.application_prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// Sets which origins may connect, at every door. Default: the same origin only.
    #[must_use]
    pub fn allowed_origins(mut self, origins: AllowedOrigins) -> Self {
        self.origins = origins;
        self
    }

    /// Takes requests whose path ends in `/` for requests without it. By default they are for another
    /// path, as Jakarta WebSocket 3.1.1 has it.
    #[must_use]
    pub fn ignore_trailing_slash(mut self) -> Self {
        self.trailing_slash = TrailingSlash::Ignored;
        self
    }

    /// Gives the endpoints a value, for arguments of the type [`State<S>`](crate::endpoint::State). Of
    /// each type there is one.
    #[must_use]
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, value: S) -> Self {
        self.state_values.insert(value);
        self
    }

    /// Sets the limits and timeouts of the endpoints that are deployed after this.
    #[must_use]
    pub fn connection_options(mut self, options: ConnectionOptions) -> Self {
        self.terms = Terms::new(options);
        self
    }

    /// Puts the application together.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every mistake: malformed paths, paths taken twice, state that endpoints ask for
    /// and were not given, ambiguous mappings.
    pub fn build(mut self) -> Result<App, BuildError> {
        self.state.fill(std::mem::take(&mut self.state_values));
        self.find_conflicts();
        self.find_missing_state();
        let controllers = match std::mem::take(&mut self.controllers).build() {
            Ok(controllers) => Arc::new(controllers),
            Err(ambiguities) => {
                self.mistakes.extend(ambiguities.into_iter().map(Mistake::Mapping));
                Arc::default()
            }
        };
        if !self.mistakes.is_empty() {
            return Err(BuildError { mistakes: self.mistakes });
        }
        Ok(self.assemble(controllers))
    }

    fn find_conflicts(&mut self) {
        let mut taken = HashMap::new();
        let endpoints = self.endpoints.iter().map(|candidate| {
            let place = format!("`{}` ({})", candidate.path, candidate.type_name);
            (candidate.route.template.shape(), place)
        });
        let sockjs = self.sockjs.iter().map(|(prefix, ..)| (prefix, "SockJS"));
        let stomp = self.stomp_paths.iter().map(|path| (path, "STOMP"));
        let prefixes = sockjs.chain(stomp);
        let prefixes = prefixes.map(|(path, what)| (path.clone(), format!("`{path}` ({what})")));
        for (shape, place) in endpoints.chain(prefixes) {
            if let Some(first) = taken.insert(shape, place.clone()) {
                self.mistakes.push(Mistake::Conflict { first, second: place });
            }
        }
    }

    fn find_missing_state(&mut self) {
        for Candidate { type_name, check_state, .. } in &self.endpoints {
            if let Err(missing) = check_state(&self.state) {
                self.mistakes.push(Mistake::State { endpoint: type_name, missing });
            }
        }
    }

    fn assemble(self, controllers: Arc<Dispatcher>) -> App {
        let hub = Hub::new();
        let stomp = StompDoor::new(
            &self.tasks,
            hub,
            controllers,
            self.listeners.into(),
            self.application_prefix.into(),
        );
        let plain_sockjs = self.sockjs.into_iter().map(|(prefix, deployment, options)| {
            SockJsService::new(&prefix, options, sockjs_door(deployment), None)
        });
        let stomp_sockjs = self.stomp_paths.iter().map(|path| {
            let upgrade = WebSocketDoor {
                framing: Framing::WebSocket,
                config: EndpointConfig::new().subprotocols(SUBPROTOCOLS.iter().copied()),
                ..sockjs_door(stomp.deployment().clone())
            };
            SockJsService::new(
                path,
                SockJsOptions::default(),
                sockjs_door(stomp.deployment().clone()),
                Some(upgrade),
            )
        });
        let sockjs: Vec<_> = plain_sockjs.chain(stomp_sockjs).collect();
        let mut endpoints: Vec<_> = self.endpoints.into_iter().map(|it| it.route).collect();
        endpoints.sort_by_key(|route| route.template.precedence());

        let deployments = endpoints
            .iter()
            .map(|route| &route.door.deployment)
            .chain(sockjs.iter().map(SockJsService::deployment))
            .chain([stomp.deployment()]);
        let open_sessions =
            deployments.map(|deployment| Arc::clone(deployment.open_sessions())).collect();
        App(Arc::new(Inner {
            endpoints,
            sockjs,
            messenger: stomp.messenger().clone(),
            stomp,
            origins: self.origins,
            trailing_slash: self.trailing_slash,
            open_sessions,
            tasks: self.tasks,
        }))
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").finish_non_exhaustive()
    }
}

fn sockjs_door(deployment: Deployment) -> WebSocketDoor {
    let limits = Limits { message_octets_max: DOOR_MESSAGE_OCTETS_MAX, ..Limits::default() };
    let terms = Terms::new(ConnectionOptions { limits, ..ConnectionOptions::default() });
    WebSocketDoor {
        deployment,
        framing: Framing::SockJs,
        config: EndpointConfig::new(),
        admission: Admission::default(),
        terms,
        heartbeat_delay: None,
    }
}

/// What is to be known of an endpoint's type.
struct Manners {
    type_name: &'static str,
    admission: Admission,
    check_state: fn(&AppState) -> Result<(), MissingState>,
}

impl Manners {
    fn of<E: ServerEndpoint>() -> Self {
        let admission = Admission::of::<E>();
        Self { type_name: type_name::<E>(), admission, check_state: E::check_state }
    }

    fn programmatic<E>() -> Self {
        let admission = Admission::default();
        Self { type_name: type_name::<E>(), admission, check_state: |_| Ok(()) }
    }
}

/// Every mistake in the making of an [`App`].
#[derive(Debug)]
pub struct BuildError {
    mistakes: Vec<Mistake>,
}

#[derive(Debug)]
enum Mistake {
    Path(PathTemplateError),
    Conflict { first: String, second: String },
    State { endpoint: &'static str, missing: MissingState },
    Mapping(AmbiguousMapping),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("application cannot be built")?;
        for mistake in &self.mistakes {
            match mistake {
                Mistake::Path(error) => write!(f, "; {error}")?,
                Mistake::Conflict { first, second } => {
                    write!(f, "; {first} and {second} match the same paths")?;
                }
                Mistake::State { endpoint, missing } => write!(f, "; {endpoint}: {missing}")?,
                Mistake::Mapping(error) => write!(f, "; {error}")?,
            }
        }
        Ok(())
    }
}

impl Error for BuildError {}
