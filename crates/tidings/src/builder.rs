mod mistakes;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tidings_broker::{self as broker, BrokerOptions, DestinationPattern, DestinationPolicy};

use self::mistakes::{
    mistakes_of_broker, mistakes_of_handlers, mistakes_of_sockjs, mistakes_of_streams,
};
use crate::app::{App, Inner, TrailingSlash};
use crate::asyncapi::{AsyncApi, DocumentDoor};
use crate::build_error::{BuildError, Mistake};
use crate::endpoint::{
    Endpoint, EndpointConfig, Handshake, PathTemplate, ServerEndpoint, SharedEndpoint,
};
use crate::endpoints::{Endpoints, Extent, TakenPaths};
use crate::ground::Ground;
use crate::hub::{Hub, HubOptions};
use crate::messaging::{
    AnyAuthenticator, AnyInterceptor, AnySessionListener, ApplicationNames, Authenticator,
    Controller, Controllers, Csrf, Interceptor, Interceptors, Logins, Rulebook, Rules, Separator,
    SessionListener, Turns,
};
use crate::net::{ConnectionOptions, Framing, Terms, door_connection_options};
use crate::routes::Routes;
use crate::server::event_stream::EventStreamDoor;
use crate::server::sockjs::SockJsService;
use crate::server::stomp::{SUBPROTOCOLS, Service, StompDoor};
use crate::server::{
    Admission, AllowedOrigins, Deployment, EventSourceOptions, SockJsOptions, StompOptions,
    WebSocketDoor,
};
use crate::socket::{SocketOutcome, WebSocket};
use crate::store::Store;

/// How long a sender waits for room in a queue: 30 s.
pub(crate) const PUBLISH_WAIT_MAX: Duration = Duration::from_secs(30);

/// Puts an [`App`] together. Made by [`App::builder`].
///
/// Mistakes are gathered, and told all at once by [`build`](Self::build).
pub struct AppBuilder {
    endpoints: Endpoints,
    sockjs: Vec<(String, WebSocketDoor, SockJsOptions)>,
    stomp_paths: Vec<(String, SockJsOptions)>,
    event_sources: Vec<(String, EventSourceOptions)>,
    documents: Vec<DocumentDoor>,
    beside: Vec<App>,
    controllers: Controllers,
    listeners: Vec<Arc<dyn AnySessionListener>>,
    authenticator: Option<Arc<dyn AnyAuthenticator>>,
    rules: Option<Rules>,
    interceptors: Vec<Arc<dyn AnyInterceptor>>,
    csrf: Option<Csrf>,
    stomp_options: StompOptions,
    application: ApplicationNames,
    origins: AllowedOrigins,
    trailing_slash: TrailingSlash,
    state_values: Extensions,
    store: Option<Box<dyn Store>>,
    broker: BrokerOptions,
    publish_wait_max: Duration,
    mistakes: Vec<Mistake>,
}

impl App {
    /// Starts with nothing deployed, the application prefix `/app`, the user prefix `/user`, the broker
    /// prefixes `/topic` and `/queue`, and only the same origin allowed.
    pub fn builder() -> AppBuilder {
        AppBuilder {
            endpoints: Endpoints::new(Ground::new()),
            sockjs: Vec::new(),
            stomp_paths: Vec::new(),
            event_sources: Vec::new(),
            documents: Vec::new(),
            beside: Vec::new(),
            controllers: Controllers::default(),
            listeners: Vec::new(),
            authenticator: None,
            rules: None,
            interceptors: Vec::new(),
            csrf: None,
            stomp_options: StompOptions::default(),
            application: ApplicationNames::new(["/app"]),
            origins: AllowedOrigins::SameOrigin,
            trailing_slash: TrailingSlash::default(),
            state_values: Extensions::new(),
            store: None,
            broker: BrokerOptions::default(),
            publish_wait_max: PUBLISH_WAIT_MAX,
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
        self.endpoints = self.endpoints.endpoint(factory);
        self
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
        self.endpoints = self.endpoints.endpoint_with(config, factory);
        self
    }

    /// Deploys an annotated endpoint that is `shared` at its own path: one value for all sessions.
    #[must_use]
    pub fn shared_endpoint<E>(mut self, endpoint: impl Into<Arc<E>>) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        self.endpoints = self.endpoints.shared_endpoint(endpoint);
        self
    }

    /// Deploys an annotated endpoint that is `shared`, with a configuration of its own, as
    /// [`endpoint_with`](Self::endpoint_with).
    #[must_use]
    pub fn shared_endpoint_with<E>(
        mut self,
        config: EndpointConfig,
        endpoint: impl Into<Arc<E>>,
    ) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        self.endpoints = self.endpoints.shared_endpoint_with(config, endpoint);
        self
    }

    /// Deploys a programmatic endpoint at `path`, a template such as `/chat/{room}`.
    #[must_use]
    pub fn endpoint_at<E: Endpoint>(
        mut self,
        path: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.endpoints = self.endpoints.endpoint_at(path, factory);
        self
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
        self.endpoints = self.endpoints.endpoint_at_with(path, config, factory);
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
        self.endpoints = self.endpoints.socket(path, handler);
        self
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
        self.endpoints = self.endpoints.socket_with(path, config, handler);
        self
    }

    /// Deploys a SockJS service beneath `prefix`; its sessions are served by the endpoints that
    /// `factory` makes, whichever transport they use.
    ///
    /// The prefix has no path parameters: a client says in a query or in its first message what it is about.
    /// Everything beneath the prefix is the service's; `prefix/websocket` is for clients that speak plain WebSocket.
    #[must_use]
    pub fn sockjs<E: Endpoint>(
        self,
        prefix: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.sockjs_with_options(prefix, SockJsOptions::default(), factory)
    }

    /// As [`sockjs`](Self::sockjs), with options.
    #[must_use]
    pub fn sockjs_with_options<E: Endpoint>(
        mut self,
        prefix: &str,
        options: SockJsOptions,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        let ground = &self.endpoints.ground;
        let admission = E::admission();
        let config = options.endpoint.clone().unwrap_or_else(admission.config);
        let deployment = ground.deployment(config.clone(), move |_| factory());
        let door = WebSocketDoor {
            admission,
            ..sockjs_door(deployment, config, &door_connection_options())
        };
        let add = |builder: &mut Self, prefix| builder.sockjs.push((prefix, door, options));
        self.add_prefix(prefix, add);
        self
    }

    /// Opens a STOMP door at `path`: an upgrade of the path itself is STOMP over WebSocket, and
    /// beneath it is STOMP over SockJS.
    #[doc(alias = "addEndpoint")]
    #[doc(alias = "withSockJS")]
    #[must_use]
    pub fn stomp(self, path: &str) -> Self {
        self.stomp_with_options(path, SockJsOptions::default())
    }

    /// As [`stomp`](Self::stomp), with options of the SockJS service. Upgrades of the path itself are let in
    /// by the same rules.
    #[must_use]
    pub fn stomp_with_options(mut self, path: &str, options: SockJsOptions) -> Self {
        self.add_prefix(path, |builder, path| builder.stomp_paths.push((path, options)));
        self
    }

    /// Streams destinations at `path` to browsers' `EventSource`, and to whoever else reads
    /// `text/event-stream`: `GET PATH?destination=/topic/NAME`. A client that comes back gets what it has
    /// missed, where the topic has a [history](DestinationPolicy::history), or is told that something is
    /// missing. `docs/event-source.md` has the details.
    ///
    /// ```
    /// use tidings::App;
    ///
    /// let app = App::builder().event_source("/api/subscribe").build()?;
    /// # let _ = app;
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[must_use]
    pub fn event_source(self, path: &str) -> Self {
        self.event_source_with_options(path, EventSourceOptions::default())
    }

    /// As [`event_source`](Self::event_source), with options.
    #[must_use]
    pub fn event_source_with_options(mut self, path: &str, options: EventSourceOptions) -> Self {
        self.add_prefix(path, |builder, path| builder.event_sources.push((path, options)));
        self
    }

    /// Serves the [AsyncAPI document](App::async_api) of the application at `path`, as JSON.
    ///
    /// ```
    /// use tidings::App;
    /// use tidings::asyncapi::AsyncApi;
    ///
    /// let info = AsyncApi::new("Chat", "1.4.0");
    /// let app = App::builder().stomp("/stomp").async_api("/asyncapi.json", info).build()?;
    /// # let _ = app;
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[must_use]
    pub fn async_api(mut self, path: &str, info: AsyncApi) -> Self {
        self.add_prefix(path, |it, path| it.documents.push(DocumentDoor { path, info }));
        self
    }

    fn add_prefix(&mut self, prefix: &str, add: impl FnOnce(&mut Self, String)) {
        match prefix.strip_suffix('/').unwrap_or(prefix) {
            "" => add(self, String::new()),
            prefix => match PathTemplate::parse(prefix) {
                Ok(_) if prefix.contains('{') => {
                    self.mistakes.push(Mistake::VariablePrefix(prefix.to_owned()));
                }
                Ok(_) => add(self, prefix.to_owned()),
                Err(error) => self.mistakes.push(Mistake::Path(error)),
            },
        }
    }

    /// Serves another application beside this one: it gets the requests to paths that are none of this one's. Each has a
    /// broker, users, rules and settings of its own, and neither knows of the other. It is
    /// [shut down](App::shut_down) with this one. Its paths must not be beneath a SockJS service or STOMP door of this one, which
    /// answer everything there.
    ///
    /// STOMP over TCP names no path: [`Server::stomp_listen_app`](crate::server::Server::stomp_listen_app) gives the other
    /// application a port of its own.
    ///
    /// ```
    /// use tidings::App;
    ///
    /// let admin = App::builder().stomp("/admin/stomp").broker_limits(Default::default()).build()?;
    /// let app = App::builder().stomp("/stomp").beside(admin.clone()).build()?;
    /// assert_eq!(app.users().count() + admin.users().count(), 0);
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[must_use]
    pub fn beside(mut self, other: App) -> Self {
        self.beside.push(other);
        self
    }

    /// Adds a controller, whose handlers get the messages sent to the application prefix.
    #[must_use]
    pub fn controller<C: Controller>(mut self, controller: C) -> Self {
        self.controllers.add(controller);
        self
    }

    /// Adds a controller whose [exception handlers](macro@crate::controller) are for the errors of all controllers that
    /// have none for them: Spring's `@ControllerAdvice`. Of several the first that takes an error is called.
    ///
    /// ```
    /// use tidings::messaging::HandlerError;
    /// use tidings::{App, controller};
    ///
    /// struct Errors;
    ///
    /// #[controller]
    /// impl Errors {
    ///     // To the client that the error is about, by `/user/queue/errors`.
    ///     #[message_exception_handler]
    ///     fn any(&self, error: &HandlerError) -> String {
    ///         if error.is_fault_of_client() { error.to_string() } else { "it failed".to_owned() }
    ///     }
    /// }
    ///
    /// let app = App::builder().stomp("/stomp").controller_advice(Errors).build()?;
    /// # let _ = app;
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[doc(alias = "ControllerAdvice")]
    #[must_use]
    pub fn controller_advice<C: Controller>(mut self, controller: C) -> Self {
        self.controllers.add_advice(controller);
        self
    }

    /// Adds a listener, told when STOMP sessions connect, subscribe, unsubscribe, fall behind and disconnect.
    #[doc(alias = "ApplicationListener")]
    #[must_use]
    pub fn session_listener(mut self, listener: impl SessionListener) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Sets who may open STOMP sessions, whichever door they come through, and event streams. Default:
    /// anybody, and everybody is who they say they are.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Sets who may connect, subscribe and send, whichever door they come through, event streams included. What no
    /// rule is about is denied then. Default: everybody may do everything.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Adds an interceptor, which sees the frames of STOMP's clients before anything is done of them, and the messages to
    /// them and to event streams, if it wants to.
    #[doc(alias = "ChannelInterceptor")]
    #[doc(alias = "configureClientInboundChannel")]
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Asks for a token in CONNECT that only pages of the application know. Default: it is not asked for.
    #[must_use]
    pub fn csrf(mut self, csrf: Csrf) -> Self {
        self.csrf = Some(csrf);
        self
    }

    /// Sets limits, timeouts and strictness of STOMP sessions, whichever door they come through.
    #[must_use]
    pub fn stomp_options(mut self, options: StompOptions) -> Self {
        self.stomp_options = options;
        self
    }

    /// Keeps durable queues and subscriptions, with their persistent messages, in a store. Without one
    /// they are in memory, and end with the application.
    ///
    /// [`build`](Self::build) then recovers what is there, which blocks.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Sets how destinations behave whose names match `pattern`, in which `*` stands for one word, and `**`
    /// or `#` for any number, as does a final `>`. A name without a slash at its start is that of a queue, as in
    /// SEND. Of several policies the first one that matches a destination is its policy.
    #[must_use]
    pub fn destination_policy(mut self, pattern: &str, policy: DestinationPolicy) -> Self {
        match DestinationPattern::parse(pattern) {
            Ok(pattern) => self.broker.policies.push(pattern, policy),
            Err(error) => {
                self.mistakes.push(Mistake::Policy { pattern: pattern.to_owned(), error });
            }
        }
        self
    }

    /// Sets how much the broker holds.
    #[must_use]
    pub fn broker_limits(mut self, limits: broker::Limits) -> Self {
        self.broker.limits = limits;
        self
    }

    /// Sets how long a sender waits while a queue has no room, before its message is refused; zero is not at
    /// all. Meanwhile nothing more is read from its connection, not even ACK: so a client that is to
    /// make the room itself, on the same connection, gets ERROR then. Default: 30 s.
    #[must_use]
    pub fn publish_wait_max(mut self, publish_wait_max: Duration) -> Self {
        self.publish_wait_max = publish_wait_max;
        self
    }

    /// Sets what the names of topics start with. Default `/topic/`.
    #[doc(alias = "enableSimpleBroker")]
    #[must_use]
    pub fn topic_prefixes<'p>(mut self, prefixes: impl IntoIterator<Item = &'p str>) -> Self {
        self.broker.topic_prefixes = prefixes.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets what the names of queues start with. Default `/queue/`.
    #[must_use]
    pub fn queue_prefixes<'p>(mut self, prefixes: impl IntoIterator<Item = &'p str>) -> Self {
        self.broker.queue_prefixes = prefixes.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets the prefix of the destinations of users, or with an empty one that there are none. Default `/user`:
    /// a client subscribes to `/user/queue/NAME`, and gets what is sent to `/user/bob/queue/NAME` if it is Bob's.
    /// `docs/users.md` has the details.
    #[doc(alias = "setUserDestinationPrefix")]
    #[must_use]
    pub fn user_prefix(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        self.broker.user_prefix =
            if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        self
    }

    /// Sets the prefix of the destinations that controllers handle, with a slash at its start. Default `/app`. What begins
    /// with it never reaches the broker.
    #[doc(alias = "setApplicationDestinationPrefixes")]
    #[must_use]
    pub fn application_prefix(self, prefix: &str) -> Self {
        self.application_prefixes([prefix])
    }

    /// Sets several prefixes, of which any may stand before what controllers handle, and of which none may begin as another
    /// does. [`Rules`] with one of them hold for all of them.
    ///
    /// ```
    /// use tidings::App;
    /// use tidings::messaging::Separator;
    ///
    /// // `/app/rooms.lobby.say` and `/api/rooms.lobby.say` are for `#[message_mapping("/rooms/{room}/say")]`.
    /// let app = App::builder().application_prefixes(["/app", "/api"]).separator(Separator::Dot).build()?;
    /// # let _ = app;
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[doc(alias = "setApplicationDestinationPrefixes")]
    #[must_use]
    pub fn application_prefixes<'p>(mut self, prefixes: impl IntoIterator<Item = &'p str>) -> Self {
        self.application = self.application.with_prefixes(prefixes);
        self
    }

    /// Sets what stands between the segments of the destinations that controllers handle. Default: a slash. Mappings have slashes
    /// in any case, and with [`Separator::Dot`] no dots, which nothing could match.
    #[doc(alias = "setPathMatcher")]
    #[must_use]
    pub fn separator(mut self, separator: Separator) -> Self {
        self.application.separator = separator;
        self
    }

    /// Sets which origins may connect, at every door. Default: the same origin only.
    #[doc(alias = "setAllowedOrigins")]
    #[doc(alias = "setAllowedOriginPatterns")]
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

    /// Gives the endpoints and controllers a value, for arguments of the type [`State<S>`](crate::endpoint::State). Of
    /// each type there is one.
    #[must_use]
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, value: S) -> Self {
        self.state_values.insert(value);
        self
    }

    /// Sets the limits and timeouts of the endpoints that are deployed after this.
    #[must_use]
    pub fn connection_options(mut self, options: ConnectionOptions) -> Self {
        self.endpoints = self.endpoints.connection_options(options);
        self
    }

    /// Puts the application together.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every mistake: malformed paths, paths taken twice, allowed origins that no browser
    /// sends, patterns of policies that are none or match nothing that there can be, places of dead letters that are no
    /// destinations, state that endpoints and controllers ask for and were not given, mappings that are ambiguous or, between
    /// dots, have some themselves, controllers without a prefix of the application, prefixes of it without a slash at their start,
    /// replies that go to no destination, defaults of headers that do not convert, rules and policies whose patterns are misspelt,
    /// rules whose patterns are none or are about nothing that a client can name, or that let nobody connect, and paths of
    /// applications [beside](Self::beside) this one that this one answers itself.
    /// Also a store that cannot be read, or that holds more queues than
    /// [`destinations_max`](tidings_broker::Limits::destinations_max); nothing in it is changed.
    pub fn build(self) -> Result<App, BuildError> {
        let Self { endpoints, sockjs, stomp_paths, event_sources, documents, .. } = self;
        let (mut controllers, mut broker, mut mistakes) =
            (self.controllers, self.broker, self.mistakes);
        let ground = endpoints.ground.clone();
        ground.state.fill(self.state_values);
        let mut taken = TakenPaths::default();
        let (routes, of_endpoints) = endpoints.check(&mut taken);
        mistakes.extend(of_endpoints);
        mistakes.extend(mistakes_of_sockjs(&sockjs, &stomp_paths, &ground));
        mistakes.extend(self.origins.unmatchable().map(Mistake::Origin));
        mistakes.extend(mistakes_of_streams(&event_sources));
        let services = services(&sockjs, &stomp_paths, &event_sources, &documents);
        let prefixes = claim_prefixes(&mut taken, services, &self.beside, &mut mistakes);
        mistakes.extend(controllers.check(&ground.state).into_iter().map(Mistake::Handler));
        broker.other_prefixes = self.application.prefixes().map(|it| format!("{it}/")).collect();
        mistakes.extend(mistakes_of_handlers(&controllers, &self.application, &broker));
        let handlers = controllers.take_handlers();
        let controllers = controllers.build(self.application.separator).unwrap_or_else(|wrong| {
            mistakes.extend(wrong.into_iter().map(Mistake::Mapping));
            Default::default()
        });
        let rules = self.rules.map(|it| Rulebook::new(it, &broker, self.application.clone()));
        let rules = rules.and_then(|it| {
            it.map_err(|wrong| mistakes.extend(wrong.into_iter().map(Mistake::Rules))).ok()
        });
        mistakes.extend(mistakes_of_broker(&broker));
        BuildError::check(mistakes)?;

        let interceptors = Interceptors::new(self.interceptors);
        let options = HubOptions {
            broker,
            publish_wait_max: self.publish_wait_max,
            listeners: self.listeners.into(),
            outbound: interceptors.outbound(),
            errors: interceptors.errors(),
        };
        let (hub, recovery) = Hub::open(options, self.store).map_err(BuildError::of)?;
        let logins = Logins::new(self.authenticator, self.stomp_options.authentication_timeout);
        let connection = self.stomp_options.connection.clone();
        let service = Service {
            hub,
            dispatcher: Arc::new(controllers),
            application: self.application.clone(),
            authentication: logins.taken_in(self.stomp_options.turns()),
            rules: rules.clone(),
            interceptors,
            csrf: self.csrf,
            options: self.stomp_options,
        };
        let stomp = StompDoor::new(&ground, service);
        let event_streams = event_streams(event_sources, &ground, &stomp, &logins, rules.as_ref());
        let sockjs = sockjs_services(sockjs, stomp_paths, &stomp, &connection);
        Ok(App::new(Inner {
            routes: Routes::new(routes),
            prefixes,
            sockjs,
            event_streams,
            documents,
            beside: self.beside,
            handlers,
            application: self.application,
            messenger: stomp.messenger().clone(),
            stomp,
            origins: self.origins,
            trailing_slash: self.trailing_slash,
            ground,
            recovery,
        }))
    }
}

/// Everything that is deployed at a path and is no endpoint, with what it is and what it answers.
fn services<'s>(
    sockjs: &'s [(String, WebSocketDoor, SockJsOptions)],
    stomp_paths: &'s [(String, SockJsOptions)],
    event_sources: &'s [(String, EventSourceOptions)],
    documents: &'s [DocumentDoor],
) -> impl Iterator<Item = (&'s String, &'static str, Extent)> {
    let sockjs = sockjs.iter().map(|(prefix, ..)| (prefix, "SockJS", Extent::Beneath));
    let stomp = stomp_paths.iter().map(|(path, _)| (path, "STOMP", Extent::Beneath));
    let streams = event_sources.iter().map(|(path, _)| (path, "EventSource", Extent::Path));
    let documents = documents.iter().map(|door| (&door.path, "AsyncAPI", Extent::Path));
    sockjs.chain(stomp).chain(streams).chain(documents)
}

/// What services have their paths, and those of the applications beside this one. Whoever comes later than somebody else
/// is mistaken.
fn claim_prefixes<'s>(
    taken: &mut TakenPaths,
    services: impl Iterator<Item = (&'s String, &'static str, Extent)>,
    beside: &[App],
    mistakes: &mut Vec<Mistake>,
) -> TakenPaths {
    let mut prefixes = TakenPaths::default();
    for (prefix, service, extent) in services {
        mistakes.extend(taken.claim_service(prefix, service, extent).err());
        let _ = prefixes.claim_service(prefix, service, extent);
    }
    for other in beside {
        mistakes.extend(taken.claim_all(other.taken_paths()));
        prefixes.claim_all(other.taken_paths());
    }
    prefixes
}

fn event_streams(
    event_sources: Vec<(String, EventSourceOptions)>,
    ground: &Ground,
    stomp: &StompDoor,
    logins: &Logins,
    rules: Option<&Arc<Rulebook>>,
) -> Vec<EventStreamDoor> {
    let event_streams = event_sources.into_iter().map(|(path, options)| {
        let turns = Turns {
            at_a_time: options.authentications_max,
            waiting_max: options.authentications_waiting_max,
        };
        let (hub, authentication) = (Arc::clone(stomp.hub()), logins.taken_in(turns));
        EventStreamDoor::new(&path, options, ground, hub, authentication, rules.cloned())
    });
    event_streams.collect()
}

fn sockjs_services(
    plain: Vec<(String, WebSocketDoor, SockJsOptions)>,
    stomp_paths: Vec<(String, SockJsOptions)>,
    stomp: &StompDoor,
    of_stomp: &ConnectionOptions,
) -> Vec<SockJsService> {
    let plain = plain
        .into_iter()
        .map(|(prefix, door, options)| SockJsService::new(&prefix, options, door, None));
    let doors_to_stomp = stomp_paths.into_iter().map(|(path, mut options)| {
        options.session_binding = options.session_binding.or(stomp.session_binding());
        let door = |config| sockjs_door(stomp.deployment().clone(), config, of_stomp);
        let subprotocols = SUBPROTOCOLS.iter().copied();
        let config = options.endpoint.clone().unwrap_or_default();
        let upgrade = WebSocketDoor {
            framing: Framing::WebSocket,
            ..door(config.clone().subprotocols(subprotocols))
        };
        let framed = door(config);
        SockJsService::new(&path, options, framed, Some(upgrade))
            .limit_strangers(stomp.stranger_octets_max())
    });
    plain.chain(doors_to_stomp).collect()
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").finish_non_exhaustive()
    }
}

/// A door with connection options of its own, or with these.
fn sockjs_door(
    deployment: Deployment,
    config: EndpointConfig,
    options: &ConnectionOptions,
) -> WebSocketDoor {
    let terms = Terms::new(config.own_connection_options().unwrap_or(options).clone());
    WebSocketDoor {
        deployment,
        framing: Framing::SockJs,
        config,
        admission: Admission::default(),
        terms,
        heartbeat_delay: None,
    }
}
