use std::error::Error;
use std::fmt;

use http::{Request, Response};
use tidings_websocket::handshake::server::HandshakeError;

use super::{Body, WebSocketDoor};
use crate::App;
use crate::endpoint::{Endpoint, EndpointConfig, Handshake, MissingState, PathParams};

/// Upgrades requests that somebody else's routes have found, with path parameters that they have found too:
/// Jakarta WebSocket's `upgradeHttpToWebSocket`.
///
/// Its endpoint has no path of its own, but everything else of the application: what it allows, its state,
/// its shutdown. The sessions of one `DirectUpgrade` are each other's peers. Cheap to clone.
///
/// ```
/// use axum::extract::{Path, Request, State};
/// use axum::response::IntoResponse;
/// use axum::routing::any;
/// use tidings::App;
/// use tidings::endpoint::{Endpoint, EndpointConfig, PathParams};
/// use tidings::server::DirectUpgrade;
///
/// struct Chat;
/// impl Endpoint for Chat {}
///
/// async fn chat(
///     State(upgrade): State<DirectUpgrade>,
///     Path(room): Path<String>,
///     request: Request,
/// ) -> impl IntoResponse {
///     let path_params = PathParams::from_iter([("room", room)]);
///     match upgrade.upgrade(request, path_params).await {
///         Ok(response) => response.map(axum::body::Body::new),
///         Err(no_handshake) => no_handshake.to_response().map(axum::body::Body::new),
///     }
/// }
///
/// let app = App::builder().build()?;
/// let upgrade = DirectUpgrade::new(&app, EndpointConfig::new(), |_| Chat)?;
/// let router = axum::Router::new().route("/rooms/{room}", any(chat)).with_state(upgrade);
/// # let _: axum::Router = router;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DirectUpgrade {
    app: App,
    door: WebSocketDoor,
}

impl DirectUpgrade {
    /// Upgrades to the endpoints that `factory` makes, one for each session, whose handshake it knows. The own
    /// path of an annotated endpoint does not count; `config` is best
    /// [theirs](crate::endpoint::ServerEndpoint::config).
    ///
    /// # Errors
    ///
    /// When the application was not given the state that an annotated endpoint asks for.
    pub fn new<E: Endpoint>(
        app: &App,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Result<Self, MissingState> {
        let admission = E::admission();
        (admission.check_state)(&app.0.ground.state)?;
        let door = app.0.ground.door(config, admission, factory);
        Ok(Self { app: app.clone(), door })
    }

    /// Answers an opening handshake, and starts the session once the response is written. A client that is
    /// refused, for its origin for example, gets its response too.
    ///
    /// # Errors
    ///
    /// [`NoHandshake`], with the request, when it is no opening handshake, or its connection cannot be
    /// upgraded. Nothing was answered then.
    pub async fn upgrade<B>(
        &self,
        request: Request<B>,
        path_params: PathParams,
    ) -> Result<Response<Body>, NoHandshake<B>> {
        let (mut parts, body) = request.into_parts();
        if let Err(reason) = WebSocketDoor::check(&parts) {
            return Err(NoHandshake { request: Request::from_parts(parts, body), reason });
        }
        Ok(self.door.open(&mut parts, path_params, &self.app.0.origins).await)
    }
}

impl fmt::Debug for DirectUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectUpgrade").finish_non_exhaustive()
    }
}

/// A request that cannot be upgraded.
#[derive(Debug)]
pub struct NoHandshake<B> {
    request: Request<B>,
    reason: NotUpgradable,
}

/// Why a request cannot be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotUpgradable {
    Handshake(HandshakeError),
    /// Whoever serves the connection gives it to nobody.
    Connection,
}

impl<B> NoHandshake<B> {
    /// The request, as it came.
    pub fn into_request(self) -> Request<B> {
        self.request
    }

    /// The answer that the protocol has for it: status 400, 405 or 426, with the headers that belong to it.
    pub fn to_response(&self) -> Response<Body> {
        WebSocketDoor::refusal(self.reason, self.request.version())
    }
}

impl<B> fmt::Display for NoHandshake<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            NotUpgradable::Handshake(error) => error.fmt(f),
            NotUpgradable::Connection => f.write_str("connection cannot be upgraded"),
        }
    }
}

impl<B: fmt::Debug> Error for NoHandshake<B> {}
