use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use tidings_websocket::{Connection, Encoder};
use tokio::task::JoinHandle;

use super::builder::OpeningOptions;
use super::error::ConnectError;
use super::masking::masking_key;
use super::opening::Opening;
use crate::WebSocket;
use crate::endpoint::{
    self, CloseInfo, ConnectionOptions, Deployed, Endpoint, EndpointConfig, Handshake, PathParams,
    Session,
};
use crate::net::{
    Framing, Link, Observed, Outbox, Source, Stream, Terms, WebSocketSource, in_turns,
};

/// Connects to WebSocket servers: Jakarta WebSocket's `WebSocketContainer`.
///
/// Cheap to clone; all clones are the same client. What it connects lives on without it.
///
/// # Examples
///
/// With an endpoint, whose methods are called in a task of their own:
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::client::Client;
/// use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
///
/// struct Print;
///
/// impl Endpoint for Print {
///     async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
///         println!("{message:?}");
///         Ok(())
///     }
/// }
///
/// let client = Client::builder().subprotocols(["chat.v2", "chat.v1"]).build();
/// let session = client.connect("wss://example.org/chat", Print).await?;
/// session.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// Or without one:
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let mut socket = tidings::client::Client::default().open("ws://localhost:8080/echo").await?;
/// socket.send("hello").await?;
/// while let Some(message) = socket.next().await {
///     println!("{message:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    opening: OpeningOptions,
    terms: Arc<Terms>,
    deployed: Arc<Deployed>,
}

impl Client {
    pub(super) fn from_options(
        opening: OpeningOptions,
        connection: ConnectionOptions,
        config: EndpointConfig,
    ) -> Self {
        let deployed = Arc::new(Deployed { config, ..Deployed::default() });
        Self(Arc::new(Inner { opening, terms: Terms::new(connection), deployed }))
    }

    /// Connects to a `ws` or `wss` URL, and serves the session with `endpoint` in a task of its own.
    ///
    /// Of the session's [`Handshake`], the URI is the one that the connection came about with, and the
    /// headers are those of the server's answer. Its peers are the open sessions of this client.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what did not go well, with the server's answer if there was one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves no connection.
    pub async fn connect<E: Endpoint>(
        &self,
        url: &str,
        endpoint: E,
    ) -> Result<Session, ConnectError> {
        let (session, _driver) = self.connect_and_watch(url, endpoint).await?;
        Ok(session)
    }

    /// Connects to a `ws` or `wss` URL, for a loop that takes one message after the other.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves no connection.
    pub async fn open(&self, url: &str) -> Result<WebSocket, ConnectError> {
        let (endpoint, socket_of) = WebSocket::endpoint();
        Ok(socket_of(self.connect(url, endpoint).await?))
    }

    /// As [`connect`](Self::connect), with the task that ends with the session.
    pub(super) async fn connect_and_watch<E: Endpoint>(
        &self,
        url: &str,
        endpoint: E,
    ) -> Result<(Session, JoinHandle<CloseInfo>), ConnectError> {
        let opening = self.0.opening.open(url, endpoint.subprotocols()).await?;
        Ok(self.start(opening, endpoint))
    }

    /// Turns an open connection into a running session.
    fn start<E: Endpoint>(
        &self,
        opening: Opening,
        endpoint: E,
    ) -> (Session, JoinHandle<CloseInfo>) {
        let Established { handshake, outbox, source } = self.establish(opening);
        let link = Link::Stream { outbox, framing: Framing::WebSocket };
        self.run(handshake, link, source, endpoint)
    }

    /// Turns an open connection into a door.
    pub(super) fn establish(&self, opening: Opening) -> Established {
        let Opening { wire, early, uri, response, opened } = opening;
        let Inner { opening: opening_options, terms, .. } = &*self.0;
        let mut handshake = handshake(&uri, response.headers(), wire.remote_addr());
        if let Some(subprotocol) = opened.subprotocol() {
            handshake.set_subprotocol(subprotocol);
        }
        if let Some(deflate) = opened.deflate() {
            handshake.set_deflate(*deflate);
        }
        let terms = Arc::clone(terms);
        let mut encoder = Encoder::new_client(masking_key);
        let mut connection = Connection::new_client(terms.limits(), masking_key);
        if let (Some(options), Some(agreed)) = (&terms.deflate, opened.deflate()) {
            encoder = encoder.with_deflate(options, agreed);
            connection = connection.with_deflate(agreed);
        }
        let (stream, outbox) = match &opening_options.observer {
            None => wire.into_stream(Arc::clone(&terms), Some(encoder)),
            Some(observer) => {
                let observed = Observed::new(wire, observer.clone(), &early);
                Stream::other(observed, Arc::clone(&terms), Some(encoder))
            }
        };
        outbox.keep();
        let (framing, kept) = (Framing::WebSocket, Arc::clone(&outbox));
        let source = WebSocketSource::new(stream, kept, connection, framing, &early);
        Established { handshake, outbox, source }
    }

    /// Serves a session in a task of its own.
    pub(super) fn run<E: Endpoint>(
        &self,
        handshake: Handshake,
        link: Link,
        source: impl Source + 'static,
        endpoint: E,
    ) -> (Session, JoinHandle<CloseInfo>) {
        let session = Session::new(handshake, link, Arc::clone(&self.0.deployed));
        let run = endpoint::run(endpoint, session.clone(), source);
        (session, tokio::spawn(in_turns(run)))
    }

    pub(super) fn opening_options(&self) -> &OpeningOptions {
        &self.0.opening
    }

    pub(super) fn terms(&self) -> &Arc<Terms> {
        &self.0.terms
    }
}

/// An open connection as a door, and what the session needs besides.
pub(super) struct Established {
    pub(super) handshake: Handshake,
    pub(super) outbox: Arc<Outbox>,
    pub(super) source: WebSocketSource,
}

/// What a client knows of its session: the URI that it came about with, and the header fields of the answer.
pub(super) fn handshake(
    uri: &Uri,
    headers: &HeaderMap,
    remote_addr: Option<SocketAddr>,
) -> Handshake {
    let mut handshake = Handshake::new(uri, headers, PathParams::default(), remote_addr);
    if uri.scheme_str() == Some("wss") {
        handshake.set_secure();
    }
    handshake
}

/// A client with the defaults of [`Client::builder`].
impl Default for Client {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
