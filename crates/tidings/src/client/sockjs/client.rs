use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_sockjs::client::{ClientTransport, Watchdog};
use tokio::task::JoinHandle;

use super::super::builder::ClientBuilder;
use super::super::connecting::Client;
use super::super::error::ConnectError;
use super::super::reconnecting::{Dialer, ReconnectBuilder};
use super::SockJs;
use super::opening;
use crate::WebSocket;
use crate::endpoint::{CloseInfo, Endpoint, Session};

/// Connects to SockJS servers: asks what they can, and takes the first transport that works.
///
/// Cheap to clone; all clones are the same client. What it connects lives on without it.
///
/// # Examples
///
/// With an endpoint, which may be the same as for a WebSocket:
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::client::sockjs::SockJsClient;
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
/// let session = SockJsClient::default().connect("https://example.org/chat", Print).await?;
/// println!("by {:?}", session.transport());
/// session.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// Or without one:
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::client::sockjs::SockJsClient;
///
/// let mut socket = SockJsClient::default().open("http://localhost:8080/echo").await?;
/// socket.send("hello").await?;
/// while let Some(message) = socket.next().await {
///     println!("{message}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SockJsClient {
    client: Client,
    options: Arc<SockJsClientOptions>,
}

/// What a client does beyond what one for WebSockets does.
pub(super) struct SockJsClientOptions {
    pub(super) transports: Vec<ClientTransport>,
    pub(super) transport_timeout_min: Duration,
    pub(super) watchdog: Watchdog,
    pub(super) frame_octets_max: usize,
}

impl SockJsClient {
    /// Starts with the defaults. To begin with what is to be said of connections, use [`ClientBuilder::sockjs`].
    pub fn builder() -> SockJsClientBuilder {
        Client::builder().sockjs()
    }

    /// Connects to the service at an `http`, `https`, `ws` or `wss` URL, and serves the session with
    /// `endpoint` in a task of its own. A query of the URL goes with every request.
    ///
    /// Of the session's [`Handshake`](crate::endpoint::Handshake), the URI is that of the transport's first
    /// request, and the headers are those of its answer. Its peers are the open sessions of this client.
    /// Messages are texts; a binary message that is not UTF-8 is refused with
    /// [`SendError::NotText`](crate::endpoint::SendError::NotText).
    /// Closing sends what is left to be sent; over HTTP the server is not told of code and reason.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what did not go well, of all transports that were tried.
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

    /// Connects to the service at a URL, for a loop that takes one message after the other.
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
    pub async fn open(&self, url: &str) -> Result<SockJs, ConnectError> {
        let (endpoint, socket_of) = WebSocket::endpoint();
        Ok(SockJs::new(socket_of(self.connect(url, endpoint).await?)))
    }

    /// Keeps a session with the service at a URL, with a new endpoint of `factory` for each: as
    /// [`Client::reconnecting`].
    pub fn reconnecting<E, F>(&self, url: impl Into<String>, factory: F) -> ReconnectBuilder<F>
    where
        E: Endpoint,
        F: FnMut() -> E + Send + 'static,
    {
        ReconnectBuilder::new(Dialer::SockJs(self.clone()), url.into(), factory)
    }

    /// As [`connect`](Self::connect), with the task that ends with the session.
    pub(in super::super) async fn connect_and_watch<E: Endpoint>(
        &self,
        url: &str,
        endpoint: E,
    ) -> Result<(Session, JoinHandle<CloseInfo>), ConnectError> {
        let opened = opening::open(&self.client, &self.options, url).await?;
        Ok(self.client.run(opened.handshake, opened.link, opened.source, endpoint))
    }
}

/// A client with the defaults of [`SockJsClient::builder`].
impl Default for SockJsClient {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for SockJsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transports = &self.options.transports;
        f.debug_struct("SockJsClient").field("transports", transports).finish_non_exhaustive()
    }
}

/// Puts a [`SockJsClient`] together. Made by [`SockJsClient::builder`] and [`ClientBuilder::sockjs`].
#[must_use = "nothing happens until a client is built and connects"]
#[derive(Debug)]
pub struct SockJsClientBuilder {
    client: ClientBuilder,
    transports: Vec<ClientTransport>,
    transport_timeout_min: Duration,
    watchdog: Watchdog,
    frame_octets_max: usize,
}

impl ClientBuilder {
    /// A client of SockJS servers that is connected like this one: header fields, credentials, TLS, proxies and
    /// Unix sockets are those of every request, and [`connect_timeout`](Self::connect_timeout) is how long
    /// `/info` may take. Over HTTP, transports and `/info` use HTTP/1.1, and frames are
    /// [observed](Self::observe_frames) only of WebSockets.
    pub fn sockjs(self) -> SockJsClientBuilder {
        SockJsClientBuilder {
            client: self,
            transports: ClientTransport::ALL.to_vec(),
            transport_timeout_min: Duration::ZERO,
            watchdog: Watchdog::default(),
            frame_octets_max: 16 * 1024 * 1024,
        }
    }
}

impl SockJsClientBuilder {
    /// Which transports are tried, in this order. Default: [all](ClientTransport::ALL), the best first.
    pub fn transports(mut self, transports: impl IntoIterator<Item = ClientTransport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// How long each transport may take at least until the session is open. Default, and least: 5 s; with a
    /// server that is far away, eight times what `/info` took.
    pub fn transport_timeout_min(mut self, timeout: Duration) -> Self {
        self.transport_timeout_min = timeout;
        self
    }

    /// How long the server may be silent. Default: 50 s, once it has sent a heartbeat.
    pub fn watchdog(mut self, watchdog: Watchdog) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// Octets of the longest frame that is taken, which may have many messages in it. Default: 16 MiB.
    pub fn frame_octets_max(mut self, octets: usize) -> Self {
        self.frame_octets_max = octets;
        self
    }

    /// Puts the client together.
    pub fn build(self) -> SockJsClient {
        let Self { client, transports, transport_timeout_min, watchdog, frame_octets_max } = self;
        let client = client.message_octets_max(frame_octets_max).build();
        let options =
            SockJsClientOptions { transports, transport_timeout_min, watchdog, frame_octets_max };
        SockJsClient { client, options: Arc::new(options) }
    }
}
