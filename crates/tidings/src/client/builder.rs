use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::{Client, Credentials, ObservedFrame, Proxy};
use crate::endpoint::{ConnectionOptions, DeflateOptions, EndpointConfig, Limits};
use crate::net::FrameObserver;
#[cfg(feature = "tls")]
use crate::net::TlsClient;
use crate::server::InProcess;

type BeforeRequest = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;
type AfterResponse = Arc<dyn Fn(&Response<()>) + Send + Sync>;

/// Puts a [`Client`] together. Made by [`Client::builder`].
#[must_use = "nothing happens until a client is built and connects"]
pub struct ClientBuilder {
    opening: OpeningOptions,
    connection: ConnectionOptions,
    config: EndpointConfig,
}

/// What a client does until its connection is open.
pub(super) struct OpeningOptions {
    pub(super) subprotocols: Vec<String>,
    pub(super) deflate: Option<DeflateOptions>,
    pub(super) headers: HeaderMap,
    pub(super) before_request: Option<BeforeRequest>,
    pub(super) after_response: Option<AfterResponse>,
    pub(super) connect_timeout: Duration,
    pub(super) response_head_octets_max: usize,
    pub(super) redirects_max: u32,
    pub(super) credentials: Option<Credentials>,
    pub(super) http_version: HttpVersion,
    pub(super) way: Way,
    pub(super) local_addr: Option<SocketAddr>,
    #[cfg(feature = "tls")]
    pub(super) tls: TlsClient,
    pub(super) observer: Option<FrameObserver>,
}

/// Which HTTP the opening handshake is made in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1, as in RFC 6455.
    #[default]
    Http1,
    /// HTTP/2, as in RFC 8441, on a connection of its own for each session. A `wss` server that prefers
    /// HTTP/1.1, and any that does not know extended CONNECT within a second, is spoken to in HTTP/1.1.
    /// A `ws` server has to know HTTP/2 without being asked first.
    Http2,
}

/// How servers are reached.
pub(super) enum Way {
    Direct,
    Proxy(Proxy),
    UnixSocket(PathBuf),
    InProcess(InProcess),
}

impl Default for OpeningOptions {
    fn default() -> Self {
        Self {
            subprotocols: Vec::new(),
            deflate: None,
            headers: HeaderMap::new(),
            before_request: None,
            after_response: None,
            connect_timeout: Duration::from_secs(10),
            response_head_octets_max: 16 * 1024,
            redirects_max: 5,
            credentials: None,
            http_version: HttpVersion::Http1,
            way: Way::Direct,
            local_addr: None,
            #[cfg(feature = "tls")]
            tls: TlsClient::with_webpki_roots(),
            observer: None,
        }
    }
}

impl Client {
    /// Starts with the defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            opening: OpeningOptions::default(),
            connection: ConnectionOptions::default(),
            config: EndpointConfig::default(),
        }
    }
}

impl ClientBuilder {
    /// Offers subprotocols, the favourite first. Default: those of the
    /// [endpoint](crate::endpoint::Endpoint::subprotocols).
    ///
    /// A server that speaks none of them may agree to the connection all the same (RFC 6455, section 4.1):
    /// [`Session::subprotocol`](crate::endpoint::Session::subprotocol) is `None` then. Browsers give up
    /// such a connection.
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.opening.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a header field to the request. Those of the handshake itself cannot be changed.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.opening.headers.append(name, value);
        self
    }

    /// Names the origin that the client connects for, as browsers do. Default: none.
    pub fn origin(mut self, origin: HeaderValue) -> Self {
        self.opening.headers.insert(ORIGIN, origin);
        self
    }

    /// Calls `hook` with the header fields of each request before it is sent: more than one if there
    /// are redirections or challenges. Those of the handshake itself cannot be changed, and `Authorization`,
    /// `Cookie` and `Proxy-Authorization` do not go along to another origin.
    pub fn before_request(mut self, hook: impl Fn(&mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.opening.before_request = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with the head of each answer of a server, whatever it says.
    pub fn after_response(mut self, hook: impl Fn(&Response<()>) + Send + Sync + 'static) -> Self {
        self.opening.after_response = Some(Arc::new(hook));
        self
    }

    /// How long connecting may take, from looking up the name to the end of the handshake, with all
    /// redirections and challenges. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.opening.connect_timeout = timeout;
        self
    }

    /// How many octets the head of an answer may have; at least 8 KiB. Default: 16 KiB.
    pub fn response_head_octets_max(mut self, octets: usize) -> Self {
        self.opening.response_head_octets_max = octets;
        self
    }

    /// How many redirections in a row are followed; 0 for none. Default: 5.
    ///
    /// `http` and `https` in a redirection stand for `ws` and `wss`. Credentials, cookies and
    /// `Authorization` do not go along to another origin, but other [header fields](Self::header) do; none
    /// leads from `wss` to `ws`.
    pub fn redirects_max(mut self, max: u32) -> Self {
        self.opening.redirects_max = max;
        self
    }

    /// Which HTTP the opening handshake is made in. Default: HTTP/1.1.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.opening.http_version = version;
        self
    }

    /// Answers a server that asks who is there. Default: it is not answered.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.opening.credentials = Some(credentials);
        self
    }

    /// Connects through a proxy. Default: directly.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.opening.way = Way::Proxy(proxy);
        self
    }

    /// Connects to a Unix socket, whatever host the URL names. Default: by TCP.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.opening.way = Way::UnixSocket(path.into());
        self
    }

    /// Connects to an application of this process, without any network, whatever host the URL names. A `wss` URL
    /// makes the connection one that the application takes for secure.
    pub(crate) fn in_process(mut self, way: InProcess) -> Self {
        self.opening.way = Way::InProcess(way);
        self
    }

    /// Connects from this address; port 0 takes a free one. Default: the system chooses.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.opening.local_addr = Some(addr);
        self
    }

    /// How servers are checked, and what they are shown: roots, client certificates, versions. What the
    /// configuration says of ALPN does not count. Default: Mozilla's roots.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: &rustls::ClientConfig) -> Self {
        self.opening.tls = TlsClient::new(config);
        self
    }

    /// Calls `observer` with each frame that is sent or received, once its last octet has passed: for
    /// tools that show what goes over a connection. Connections that are observed are somewhat slower.
    ///
    /// The observer is called while the connection writes or reads. It must not use the session, which would
    /// wait for itself; a channel hands frames to somebody who may.
    pub fn observe_frames(
        mut self,
        observer: impl Fn(&ObservedFrame) + Send + Sync + 'static,
    ) -> Self {
        self.opening.observer = Some(FrameObserver::new(observer));
        self
    }

    /// What servers may send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.connection.limits = limits;
        self
    }

    /// How long a message may be that servers send.
    pub(super) fn message_octets_max(mut self, octets: usize) -> Self {
        self.connection.limits.message_octets_max = octets;
        self
    }

    /// Offers to compress messages: RFC 7692. Default: `None`, not to.
    pub fn deflate(mut self, options: Option<DeflateOptions>) -> Self {
        self.connection.deflate = options;
        self
    }

    /// How long a session may be idle before it is closed. Default: `None`, for ever.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connection.idle_timeout = timeout;
        self
    }

    /// How open connections are treated: limits, timeouts, keepalive. In place of all that was set
    /// before by [`limits`](Self::limits) and [`idle_timeout`](Self::idle_timeout).
    pub fn connection_options(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Keeps a value that each session has a copy of in its
    /// [user properties](crate::endpoint::UserProperties).
    pub fn property<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.config = self.config.property(value);
        self
    }

    /// Puts the client together.
    pub fn build(mut self) -> Client {
        self.opening.deflate = self.connection.deflate;
        Client::from_options(self.opening, self.connection, self.config)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}
