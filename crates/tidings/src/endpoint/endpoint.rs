use std::future::Future;

use bytes::Bytes;
use tidings_websocket::{CloseReason, Message, MessagePart};

use super::{
    AppState, CloseInfo, EndpointConfig, EndpointError, Handshake, HandshakeResponse,
    MessageStream, MissingState, OnHandshake, Payload, Receptions, Reject, Session,
};
use crate::asyncapi::OperationDescription;
use crate::server::Admission;

/// What an application does with one connection: the programmatic style of Jakarta WebSocket's
/// `Endpoint`.
///
/// One value serves one connection. Its methods are called one at a time, in the order of the
/// protocol: [`on_open`](Self::on_open) first, a call of [`on_message`](Self::on_message) for each
/// message in the order of arrival, [`on_close`](Self::on_close) exactly once at the end. While a
/// method awaits, the connection reads no further messages, but still answers pings.
///
/// The same type serves a plain WebSocket and every SockJS transport.
///
/// `#[server_endpoint]` and `#[client_endpoint]` generate this implementation from annotated methods.
///
/// ```
/// use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
///
/// struct Echo;
///
/// impl Endpoint for Echo {
///     async fn on_message(&mut self, session: &Session, message: Message) -> Result<(), EndpointError> {
///         session.send(message).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Endpoint: Send + 'static {
    /// How this endpoint wants its messages. Asked once, before [`on_open`](Self::on_open). Over SockJS,
    /// messages always come whole.
    fn receptions(&self) -> Receptions {
        Receptions::default()
    }

    /// The subprotocols that a client offers for this endpoint, the favourite first, unless it was
    /// [built](crate::client::ClientBuilder::subprotocols) with others. What a server speaks is in its
    /// [`EndpointConfig`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }

    /// The connection is open. No message is delivered before this returns.
    ///
    /// # Errors
    ///
    /// An error goes to [`on_error`](Self::on_error); then the session is closed with 1011.
    fn on_open(
        &mut self,
        session: &Session,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = session;
        async { Ok(()) }
    }

    /// Something has arrived: calls [`on_message`](Self::on_message), [`on_part`](Self::on_part),
    /// [`on_stream`](Self::on_stream) or [`on_pong`](Self::on_pong). Annotated endpoints take everything
    /// here.
    ///
    /// # Errors
    ///
    /// That of the method it calls.
    fn on_payload(
        &mut self,
        session: &Session,
        payload: Payload,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        async {
            match payload {
                Payload::Message(message) => self.on_message(session, message).await,
                Payload::Part(part) => self.on_part(session, part).await,
                Payload::Stream(message) => self.on_stream(session, message).await,
                Payload::Pong(pong) => self.on_pong(session, pong).await,
            }
        }
    }

    /// A whole message has arrived.
    ///
    /// # Errors
    ///
    /// An error goes to [`on_error`](Self::on_error), which decides whether the session stays open.
    fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, message);
        async { Ok(()) }
    }

    /// A part of a message has arrived, of a kind that is wanted [in parts](super::Delivery::Parts).
    ///
    /// # Errors
    ///
    /// As for [`on_message`](Self::on_message).
    fn on_part(
        &mut self,
        session: &Session,
        part: MessagePart,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, part);
        async { Ok(()) }
    }

    /// A message begins, of a kind that is wanted [as a stream](super::Delivery::Stream). It is read while this
    /// runs; what is left of it afterwards is skipped.
    ///
    /// # Errors
    ///
    /// As for [`on_message`](Self::on_message).
    fn on_stream(
        &mut self,
        session: &Session,
        message: MessageStream,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, message);
        async { Ok(()) }
    }

    /// A pong has arrived, the answer to a [ping](Session::ping) or unasked.
    ///
    /// # Errors
    ///
    /// As for [`on_message`](Self::on_message).
    fn on_pong(
        &mut self,
        session: &Session,
        pong: Pong,
    ) -> impl Future<Output = Result<(), EndpointError>> + Send {
        let _ = (session, pong);
        async { Ok(()) }
    }

    /// The session has ended, for whatever cause. Called exactly once; sending fails by now.
    fn on_close(&mut self, session: &Session, info: &CloseInfo) -> impl Future<Output = ()> + Send {
        let _ = (session, info);
        async {}
    }

    /// Another method failed or panicked, or the connection broke or its peer did something wrong, in which cases
    /// [`on_close`](Self::on_close) comes next. After a panic the session is closed with 1011 whatever
    /// this returns. The default logs the error and keeps the session open.
    fn on_error(
        &mut self,
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

/// An [`Endpoint`], or a [`SharedEndpoint`](super::SharedEndpoint), that brings its own path, as
/// `#[server_endpoint("/path/{variable}")]` makes it.
pub trait ServerEndpoint: 'static {
    /// The URI template that the endpoint is deployed at, Jakarta WebSocket 3.1.1.
    const PATH: &'static str;

    /// What its methods for messages take and return; may be empty.
    const OPERATIONS: &'static [OperationDescription] = &[];

    /// How the endpoint wants to be deployed.
    fn config() -> EndpointConfig {
        EndpointConfig::new()
    }

    /// Tells before the upgrade whether the handshake has what the methods ask for: path parameters that
    /// convert to their types, for example.
    ///
    /// # Errors
    ///
    /// The first thing that it lacks; the client is answered with status 400.
    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        let _ = handshake;
        Ok(())
    }

    /// Tells when the application is built whether it was given what the methods ask for.
    ///
    /// # Errors
    ///
    /// The first thing that was not given; the application does not build.
    fn check_state(state: &AppState) -> Result<(), MissingState> {
        let _ = state;
        Ok(())
    }

    /// Lets a client in or refuses it, after the [configurator](super::Configurator) has let it in.
    ///
    /// # Errors
    ///
    /// The answer to a client that is refused.
    fn on_handshake(
        call: OnHandshake<'_>,
        response: &mut HandshakeResponse,
    ) -> impl Future<Output = Result<(), Reject>> + Send {
        let _ = (call, response);
        async { Ok(()) }
    }
}

/// A pong: RFC 6455, section 5.5.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pong(
    /// The payload, that of the ping if the pong answers one. At most 125 octets.
    pub Bytes,
);

/// What happens to a session after [`Endpoint::on_error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The session stays open.
    Continue,
    /// The session is closed with this reason.
    Close(CloseReason),
}
