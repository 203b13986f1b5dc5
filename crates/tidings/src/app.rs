use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Request, Response, StatusCode};
use tidings_websocket::{CloseCode, CloseReason};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::endpoint::{BoxError, OpenSessions, PathParams, PathTemplate, without_dot_segments};
use crate::messaging::Messenger;
use crate::server::sockjs::SockJsService;
use crate::server::stomp::StompDoor;
use crate::server::{AllowedOrigins, Body, Caller, WebSocketDoor, plain};

/// A messaging application: its endpoints, its SockJS services, its STOMP broker and handlers.
///
/// Made by [`App::builder`]. Serve it with [`Server`](crate::server::Server), or mount it as a tower
/// [`Service`] anywhere that speaks HTTP through hyper: an axum router takes it as fallback service.
/// Cheap to clone; all clones are the same application.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// In the order of precedence: the first that matches is the one.
    pub(crate) endpoints: Vec<EndpointRoute>,
    pub(crate) sockjs: Vec<SockJsService>,
    pub(crate) stomp: StompDoor,
    pub(crate) messenger: Messenger,
    pub(crate) origins: AllowedOrigins,
    pub(crate) trailing_slash: TrailingSlash,
    pub(crate) open_sessions: Vec<Arc<OpenSessions>>,
    pub(crate) tasks: TaskTracker,
}

/// Whether `/` at the end of a request's path makes it another path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TrailingSlash {
    #[default]
    Significant,
    Ignored,
}

/// A WebSocket endpoint at its path.
pub(crate) struct EndpointRoute {
    pub(crate) template: PathTemplate,
    pub(crate) door: WebSocketDoor,
}

enum Route<'a> {
    Endpoint(&'a EndpointRoute, PathParams),
    InvalidPathParam,
    SockJs(&'a SockJsService, String),
}

impl App {
    /// A handle that sends to the application's destinations from anywhere.
    pub fn messenger(&self) -> &Messenger {
        &self.0.messenger
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
        match self.route(request.uri().path()) {
            None => Err(request),
            Some(Route::InvalidPathParam) => {
                let text = "A path parameter is not UTF-8.\n";
                Ok(plain(StatusCode::BAD_REQUEST, text))
            }
            Some(Route::Endpoint(route, params)) => {
                let (mut parts, _) = request.into_parts();
                Ok(route.door.open(&mut parts, params, origins).await)
            }
            Some(Route::SockJs(service, rest)) => {
                Ok(service.respond(request, &rest, origins).await)
            }
        }
    }

    fn route(&self, path: &str) -> Option<Route<'_>> {
        let normal = without_dot_segments(path);
        let endpoint_path = match self.0.trailing_slash {
            TrailingSlash::Ignored if normal.len() > 1 => {
                normal.strip_suffix('/').unwrap_or(&normal)
            }
            _ => &normal,
        };
        for route in &self.0.endpoints {
            match route.template.matches(endpoint_path) {
                Some(Ok(params)) => return Some(Route::Endpoint(route, params)),
                Some(Err(_)) => return Some(Route::InvalidPathParam),
                None => {}
            }
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

    /// What sessions are closed with when the server stops.
    pub(crate) fn shutdown_reason() -> CloseReason {
        CloseReason::truncated(CloseCode::GOING_AWAY, "server is shutting down")
    }

    /// Closes every session with 1001, and waits until all have ended.
    pub(crate) async fn shut_down(&self) {
        self.0.tasks.close();
        let reason = Self::shutdown_reason();
        for sessions in &self.0.open_sessions {
            sessions.snapshot().close(&reason);
        }
        self.0.tasks.wait().await;
    }
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

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("endpoints", &self.0.endpoints.len())
            .field("sockjs", &self.0.sockjs.len())
            .finish_non_exhaustive()
    }
}
