use std::future::Future;
use std::sync::Arc;

use super::{
    AppState, CloseInfo, Endpoint, EndpointConfig, EndpointError, Flow, Handshake,
    HandshakeResponse, MissingState, OnHandshake, Payload, Receptions, Reject, ServerEndpoint,
    Session,
};
use crate::server::Admission;

/// An endpoint of which one value serves all connections, at the same time: what
/// `#[server_endpoint("/path", shared)]` generates from methods that take `&self`.
///
/// The calls for one session come one at a time and in order, as those of an [`Endpoint`]; those for
/// different sessions come together.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint of which one value serves all connections",
    note = "write `#[server_endpoint(\"/path\", shared)]` above its `impl`, with methods that take `&self`"
)]
pub trait SharedEndpoint: Send + Sync + 'static {
    /// As [`Endpoint::receptions`].
    fn receptions(&self) -> Receptions {
        Receptions::default()
    }

    /// As [`Endpoint::on_open`].
    ///
    /// # Errors
    ///
    /// An error goes to [`on_error`](Self::on_error); then the session is closed with 1011.
    fn on_open(&self, session: &Session) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = session;
        async { Ok(()) }
    }

    /// As [`Endpoint::on_payload`]: whole messages, parts, streams and pongs alike.
    ///
    /// # Errors
    ///
    /// An error goes to [`on_error`](Self::on_error), which decides whether the session stays open.
    fn on_payload(
        &self,
        session: &Session,
        payload: Payload,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, payload);
        async { Ok(()) }
    }

    /// As [`Endpoint::on_close`].
    fn on_close(&self, session: &Session, info: &CloseInfo) -> impl Future<Output = ()> + Send {
        let _ = (session, info);
        async {}
    }

    /// As [`Endpoint::on_error`].
    fn on_error(
        &self,
        session: &Session,
        error: EndpointError,
    ) -> impl Future<Output = Flow> + Send {
        error.log(session);
        async { Flow::Continue }
    }

    /// What an annotated endpoint asks of a handshake, wherever it is deployed.
    #[doc(hidden)]
    fn admission() -> Admission {
        Admission::default()
    }
}

/// One connection's part of a [`SharedEndpoint`].
#[derive(Debug)]
pub struct Shared<E>(Arc<E>);

impl<E> Shared<E> {
    /// Shares an endpoint.
    pub fn new(endpoint: impl Into<Arc<E>>) -> Self {
        Self(endpoint.into())
    }
}

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: SharedEndpoint> Endpoint for Shared<E> {
    fn receptions(&self) -> Receptions {
        self.0.receptions()
    }

    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.on_open(session).await
    }

    async fn on_payload(
        &mut self,
        session: &Session,
        payload: Payload,
    ) -> Result<(), EndpointError> {
        self.0.on_payload(session, payload).await
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        self.0.on_close(session, info).await;
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        self.0.on_error(session, error).await
    }

    fn admission() -> Admission {
        E::admission()
    }
}

impl<E: SharedEndpoint + ServerEndpoint> ServerEndpoint for Shared<E> {
    const PATH: &'static str = E::PATH;

    fn config() -> EndpointConfig {
        E::config()
    }

    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        E::check_handshake(handshake)
    }

    fn check_state(state: &AppState) -> Result<(), MissingState> {
        E::check_state(state)
    }

    async fn on_handshake(
        call: OnHandshake<'_>,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        E::on_handshake(call, response).await
    }
}
