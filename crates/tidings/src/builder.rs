use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tidings_websocket::Limits;
use tokio_util::task::TaskTracker;

use crate::app::{App, EndpointRoute, Inner};
use crate::endpoint::{
    Endpoint, PathParamError, PathParams, PathTemplate, PathTemplateError, ServerEndpoint, Shared,
    SharedEndpoint,
};
use crate::hub::Hub;
use crate::messaging::{
    AmbiguousMapping, AnySessionListener, Controller, Controllers, Dispatcher, SessionListener,
};
use crate::net::{ConnectionOptions, Framing, Terms};
use crate::server::sockjs::SockJsService;
use crate::server::stomp::{SUBPROTOCOLS, StompDoor};
use crate::server::{AllowedOrigins, Deployment, SockJsOptions, WebSocketDoor};
use crate::socket::{SocketHandler, SocketOutcome, WebSocket};

/// Octets of one message at the SockJS and STOMP doors: 16 MiB. At endpoints it is 1 MiB.
const DOOR_MESSAGE_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Puts an [`App`] together. Made by [`App::builder`].
///
/// Mistakes are gathered, and told all at once by [`build`](Self::build).
pub struct AppBuilder {
    endpoints: Vec<(String, EndpointRoute)>,
    sockjs: Vec<(String, Deployment, SockJsOptions)>,
    stomp_paths: Vec<String>,
    controllers: Controllers,
    listeners: Vec<Arc<dyn AnySessionListener>>,
    application_prefix: String,
    origins: AllowedOrigins,
    /// Of the endpoints that are deployed next.
    terms: Arc<Terms>,
    tasks: TaskTracker,
    mistakes: Vec<Mistake>,
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
            tasks: TaskTracker::new(),
            mistakes: Vec::new(),
        }
    }
}

impl AppBuilder {
    /// Deploys an annotated endpoint at its own path. `factory` makes one for each session.
    #[must_use]
    pub fn endpoint<E: ServerEndpoint + Endpoint>(
        mut self,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        let deployment = Deployment::new(&self.tasks, factory);
        self.deploy(E::PATH, E::SUBPROTOCOLS, E::check_path_params, deployment);
        self
    }

    /// Deploys an annotated endpoint that is `shared` at its own path: one value for all sessions.
    #[must_use]
    pub fn shared_endpoint<E>(self, endpoint: impl Into<Arc<E>>) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        let shared = Shared::new(endpoint);
        self.endpoint(move || shared.clone())
    }

    /// Deploys a programmatic endpoint at `path`, a template such as `/chat/{room}`.
    #[must_use]
    pub fn endpoint_at<E: Endpoint>(
        mut self,
        path: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        let deployment = Deployment::new(&self.tasks, factory);
        self.deploy(path, &[], |_| Ok(()), deployment);
        self
    }

    /// Serves `path`, a template such as `/chat/{room}`, with a function of the [`WebSocket`]: the
    /// plain style, without endpoint. The session ends when the function returns and the socket is
    /// dropped.
    #[must_use]
    pub fn socket<F>(
        mut self,
        path: &str,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: SocketOutcome> + Send + 'static,
    {
        let (handler, tasks) = (Arc::new(handler), self.tasks.clone());
        let factory = move || SocketHandler::new(Arc::clone(&handler), tasks.clone());
        let deployment = Deployment::new(&self.tasks, factory);
        self.deploy(path, &[], |_| Ok(()), deployment);
        self
    }

    fn deploy(
        &mut self,
        path: &str,
        subprotocols: &'static [&'static str],
        check_path_params: fn(&PathParams) -> Result<(), PathParamError>,
        deployment: Deployment,
    ) {
        match PathTemplate::parse(path) {
            Ok(template) => {
                let door = WebSocketDoor {
                    deployment,
                    framing: Framing::WebSocket,
                    subprotocols,
                    terms: Arc::clone(&self.terms),
                    heartbeat_delay: None,
                };
                let route = EndpointRoute { template, check_path_params, door };
                self.endpoints.push((path.to_owned(), route));
            }
            Err(error) => self.mistakes.push(Mistake::Path(error)),
        }
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
        let deployment = Deployment::new(&self.tasks, factory);
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
    /// [`BuildError`] with every mistake: malformed paths, paths taken twice, ambiguous mappings.
    pub fn build(mut self) -> Result<App, BuildError> {
        self.find_conflicts();
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
        let endpoints =
            self.endpoints.iter().map(|(path, route)| (route.template.shape(), path.clone()));
        let prefixes = self.sockjs.iter().map(|(prefix, ..)| prefix).chain(&self.stomp_paths);
        let prefixes = prefixes.map(|prefix| (prefix.clone(), prefix.clone()));
        for (shape, path) in endpoints.chain(prefixes) {
            if let Some(first) = taken.insert(shape, path.clone()) {
                self.mistakes.push(Mistake::Conflict { first, second: path });
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
                subprotocols: SUBPROTOCOLS,
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
        let mut endpoints: Vec<_> = self.endpoints.into_iter().map(|(_, route)| route).collect();
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
    let framing = Framing::SockJs;
    WebSocketDoor { deployment, framing, subprotocols: &[], terms, heartbeat_delay: None }
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
    Mapping(AmbiguousMapping),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("application cannot be built")?;
        for mistake in &self.mistakes {
            match mistake {
                Mistake::Path(error) => write!(f, "; {error}")?,
                Mistake::Conflict { first, second } => {
                    write!(f, "; `{first}` and `{second}` match the same paths")?;
                }
                Mistake::Mapping(error) => write!(f, "; {error}")?,
            }
        }
        Ok(())
    }
}

impl Error for BuildError {}
