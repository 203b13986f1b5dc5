use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Buf;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use tidings_websocket::{CloseCode, CloseReason};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::asyncapi::{AsyncApi, DocumentDoor, Handler, Parts};
use crate::build_error::BuildError;
use crate::endpoint::{BoxError, Peers, without_dot_segments};
use crate::endpoints::{EndpointRoute, Endpoints, TakenPaths};
use crate::ground::Ground;
use crate::hub::Recovery;
use crate::messaging::{ApplicationNames, Messenger, Users};
use crate::queues::Queues;
use crate::routes::{Matched, Routes};
use crate::server::event_stream::EventStreamDoor;
use crate::server::sockjs::SockJsService;
use crate::server::stomp::StompDoor;
use crate::server::{AllowedOrigins, Body, Caller, KnownHosts, plain};
use crate::stats::Stats;

/// A messaging application: its endpoints, its SockJS services, its STOMP broker and handlers.
///
/// Made by [`App::builder`]. Serve it with [`Server`](crate::server::Server), or mount it as a tower
/// [`Service`] anywhere that speaks HTTP through hyper: an axum router takes it as fallback service.
/// Cheap to clone; all clones are the same application.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

/// An application that may be gone: its sessions do not keep it.
#[derive(Clone)]
pub(crate) struct WeakApp(Weak<Inner>);

pub(crate) struct Inner {
    pub(crate) routes: Routes,
    /// The paths that are taken by services.
    pub(crate) prefixes: TakenPaths,
    pub(crate) sockjs: Vec<SockJsService>,
    pub(crate) event_streams: Vec<EventStreamDoor>,
    pub(crate) documents: Vec<DocumentDoor>,
    /// Other applications, for what is none of this one's.
    pub(crate) beside: Vec<App>,
    /// The handlers of controllers, and what stands before their destinations.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) application: ApplicationNames,
    pub(crate) stomp: StompDoor,
    pub(crate) messenger: Messenger,
    pub(crate) origins: AllowedOrigins,
    pub(crate) trailing_slash: TrailingSlash,
    pub(crate) ground: Ground,
    pub(crate) recovery: Recovery,
}

/// Whether `/` at the end of a request's path makes it another path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TrailingSlash {
    #[default]
    Significant,
    Ignored,
}

enum Route<'a> {
    Endpoint(Matched),
    SockJs(&'a SockJsService, String),
    EventStream(&'a EventStreamDoor),
    Document(&'a DocumentDoor),
}

impl App {
    pub(crate) fn new(inner: Inner) -> Self {
        let app = Self(Arc::new(inner));
        app.0.ground.state.belongs_to(&app);
        app
    }

    /// A handle that sends to the application's destinations from anywhere.
    pub fn messenger(&self) -> &Messenger {
        &self.0.messenger
    }

    /// Who is online: the users of STOMP sessions.
    #[must_use]
    pub fn users(&self) -> Users {
        self.0.messenger.users()
    }

    /// What has come of the sessions of all doors, and how many there are of each kind. It looks at each that is open, which
    /// is fast enough to be asked every few seconds.
    ///
    /// ```
    /// let app = tidings::App::builder().stomp("/stomp").build()?;
    /// let stats = app.stats();
    /// assert_eq!((stats.sessions.open(), stats.stomp.connected), (0, 0));
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Ground { sessions, counters, .. } = &self.0.ground;
        let open = sessions.snapshots();
        counters.stats(open.iter().flat_map(Peers::iter), self.users().count())
    }

    /// What an operator sees of the application's queues, and does to them.
    #[must_use]
    pub fn queues(&self) -> Queues {
        Queues::new(Arc::clone(self.0.stomp.hub()))
    }

    /// The application in the words of [AsyncAPI 3](https://www.asyncapi.com): its endpoints, SockJS services and STOMP
    /// doors, and the destinations of its controllers with what goes there. Schemas of JSON are there where a type
    /// derives `schemars::JsonSchema`, and the feature `schemars` is on. `docs/asyncapi.md` has the details.
    #[must_use]
    pub fn async_api(&self, info: &AsyncApi) -> serde_json::Value {
        info.document(&self.described(), None)
    }

    pub(crate) fn described(&self) -> Parts<'_> {
        let (stomp, sockjs): (Vec<_>, Vec<_>) =
            self.0.sockjs.iter().partition(|service| service.is_stomp());
        Parts {
            endpoints: self.0.routes.map(EndpointRoute::described),
            sockjs: sockjs.into_iter().map(SockJsService::prefix).collect(),
            stomp: stomp.into_iter().map(SockJsService::prefix).collect(),
            handlers: &self.0.handlers,
            application: &self.0.application,
            user_prefix: self.0.stomp.hub().user_prefix(),
        }
    }

    /// Answers a request, or gives it back if its path is none of the application's.
    ///
    /// # Errors
    ///
    /// The request itself, untouched.
    pub async fn respond<B>(&self, request: Request<B>) -> Result<Response<Body>, Request<B>>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let origins = &self.0.origins;
        self.tell_time();
        let route = self.route(request.uri().path());
        if route.is_some()
            && let Some(refusal) = KnownHosts::refusal(&request)
        {
            return Ok(refusal);
        }
        match route {
            None => Box::pin(self.respond_beside(request)).await,
            Some(Route::Endpoint(Matched::InvalidPathParam)) => {
                let text = "A path parameter is not UTF-8.\n";
                Ok(plain(StatusCode::BAD_REQUEST, text))
            }
            Some(Route::Endpoint(Matched::Endpoint(route, params))) => {
                let (mut parts, _) = request.into_parts();
                Ok(route.door.open(&mut parts, params, origins).await)
            }
            Some(Route::SockJs(service, rest)) => {
                Ok(service.respond(request, &rest, origins).await)
            }
            Some(Route::EventStream(door)) => Ok(door.respond(request, origins).await),
            Some(Route::Document(door)) => Ok(door.respond(&request.into_parts().0, self)),
        }
    }

    /// Has the applications beside this one answer.
    async fn respond_beside<B>(&self, mut request: Request<B>) -> Result<Response<Body>, Request<B>>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        for app in &self.0.beside {
            match app.respond(request).await {
                Ok(response) => return Ok(response),
                Err(unanswered) => request = unanswered,
            }
        }
        Err(request)
    }

    /// The paths that are taken in this application, and in those beside it.
    pub(crate) fn taken_paths(&self) -> TakenPaths {
        let mut taken = self.0.prefixes.clone();
        for (shape, owner) in self.0.routes.map(|it| (it.template.shape(), it.owner())) {
            // They had no conflict when they were deployed.
            let _ = taken.claim(shape, owner);
        }
        taken
    }

    /// Deploys more endpoints while the application is in service: all of them, or on a mistake none. An
    /// annotated endpoint that is deployed already stays as it is.
    ///
    /// ```
    /// use tidings::endpoint::Endpoint;
    /// use tidings::App;
    ///
    /// struct News;
    /// impl Endpoint for News {}
    ///
    /// let app = App::builder().build()?;
    /// app.deploy(|endpoints| endpoints.endpoint_at("/news/{topic}", || News))?;
    /// assert!(app.undeploy("/news/{topic}"));
    /// # Ok::<(), tidings::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every mistake, as from [`AppBuilder::build`](crate::AppBuilder::build).
    pub fn deploy(&self, endpoints: impl FnOnce(Endpoints) -> Endpoints) -> Result<(), BuildError> {
        let more = endpoints(Endpoints::new(self.0.ground.clone()));
        self.0.routes.change(|routes| {
            let mut taken = self.0.prefixes.clone();
            for route in &*routes {
                // They had no conflict when they were deployed.
                let _ = taken.claim(route.template.shape(), route.owner());
            }
            let (more, mistakes) = more.check(&mut taken);
            BuildError::check(mistakes)?;
            routes.extend(more.into_iter().map(Arc::new));
            Ok(())
        })
    }

    /// Takes the endpoint at this template out of service, and closes its sessions with 1001. Returns
    /// whether there was one.
    pub fn undeploy(&self, path: &str) -> bool {
        let route = self.0.routes.change(|routes| {
            let index = routes.iter().position(|route| route.path == path)?;
            Some(routes.remove(index))
        });
        let Some(route) = route else { return false };
        route.door.deployment.open_sessions().end(&going_away("endpoint is out of service"));
        true
    }

    /// Has messages expire, and so on, also before there is a session.
    fn tell_time(&self) {
        self.0.stomp.hub().tell_time();
        self.0.beside.iter().for_each(Self::tell_time);
    }

    /// The same, on the runtime of a server of the application.
    pub(crate) fn tell_time_here(&self) {
        self.0.stomp.hub().tell_time_here();
        self.0.beside.iter().for_each(Self::tell_time_here);
    }

    /// Adds this application and those beside it to those that were found, unless they are there.
    pub(crate) fn add_with_those_beside(&self, found: &mut Vec<Self>) {
        if !found.iter().any(|other| Arc::ptr_eq(&self.0, &other.0)) {
            found.push(self.clone());
            self.0.beside.iter().for_each(|other| other.add_with_those_beside(found));
        }
    }

    pub(crate) fn downgrade(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
    }

    fn route(&self, path: &str) -> Option<Route<'_>> {
        let normal = without_dot_segments(path);
        let endpoint_path = match self.0.trailing_slash {
            TrailingSlash::Ignored if normal.len() > 1 => {
                normal.strip_suffix('/').unwrap_or(&normal)
            }
            _ => &normal,
        };
        if let Some(matched) = self.0.routes.find(endpoint_path) {
            return Some(Route::Endpoint(matched));
        }
        if let Some(door) = self.0.event_streams.iter().find(|door| door.is_at(endpoint_path)) {
            return Some(Route::EventStream(door));
        }
        if let Some(door) = self.0.documents.iter().find(|door| door.path == endpoint_path) {
            return Some(Route::Document(door));
        }
        self.0.sockjs.iter().find_map(|service| {
            let rest = service.strip_prefix(path)?;
            Some(Route::SockJs(service, rest.to_owned()))
        })
    }

    /// Serves a STOMP client over a bare TCP connection, in a task of its own.
    pub(crate) fn serve_stomp(&self, stream: TcpStream, caller: Caller) {
        self.0.stomp.serve_tcp(stream, caller);
    }

    /// As [`serve_stomp`](Self::serve_stomp), over any other stream.
    pub(crate) fn serve_stomp_stream(
        &self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
        caller: Caller,
    ) {
        self.0.stomp.serve_stream(stream, caller);
    }

    /// Closes every session with 1001, and waits until all have ended. Clients that come later are answered with
    /// status 503; an application that was shut down stays so.
    ///
    /// [`Server`](crate::server::Server) does it when it stops. Whoever serves the application otherwise, in
    /// an axum router for example, does it beside the shutdown of that server, which does not wait for
    /// connections that have become WebSockets:
    ///
    /// ```no_run
    /// # async fn serve(
    /// #     app: tidings::App,
    /// #     listener: tokio::net::TcpListener,
    /// #     router: axum::Router,
    /// # ) -> std::io::Result<()> {
    /// axum::serve(listener, router)
    ///     .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or(()) })
    ///     .await?;
    /// app.shut_down().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// A dropped future has told every session; only nobody waits for them.
    pub async fn shut_down(&self) {
        let Ground { tasks, sessions, .. } = &self.0.ground;
        tasks.close();
        let hub = Arc::clone(self.0.stomp.hub());
        sessions.end(&going_away("server is shutting down"));
        hub.end_waiting();
        let beside = join_all(self.0.beside.iter().map(|app| Box::pin(app.shut_down())));
        tokio::join!(tasks.wait(), beside);
        // What is left is stored even if nobody waits for it.
        let _: Result<(), _> = tokio::task::spawn_blocking(move || hub.end()).await;
    }

    /// What was found in the [store](crate::AppBuilder::store) when the application was built.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.0.recovery
    }
}

fn going_away(reason: &str) -> CloseReason {
    CloseReason::truncated(CloseCode::GOING_AWAY, reason)
}

impl<B> Service<Request<B>> for App
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers 404 to what is none of the application's.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move {
            let not_found = |_| plain(StatusCode::NOT_FOUND, "Nothing is here.\n");
            Ok(app.respond(request).await.unwrap_or_else(not_found))
        })
    }
}

impl WeakApp {
    pub(crate) fn upgrade(&self) -> Option<App> {
        self.0.upgrade().map(App)
    }
}

impl fmt::Debug for WeakApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakApp")
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("endpoints", &self.0.routes.len())
            .field("sockjs", &self.0.sockjs.len())
            .finish_non_exhaustive()
    }
}
