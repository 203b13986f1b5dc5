use std::time::Duration;

use tidings_sockjs::{IframePage, SessionOptions, SockJsUrlError, StickyCookie, Transports};

use super::SessionBinding;
use crate::endpoint::EndpointConfig;
use crate::server::AllowedOrigins;

/// How a SockJS service works.
///
/// ```
/// use std::time::Duration;
/// use tidings::server::{SockJsOptions, StickyCookie, TransportType, Transports};
///
/// let options = SockJsOptions {
///     heartbeat_delay: Duration::from_secs(10),
///     transports: Transports::default().without(TransportType::JsonpPolling),
///     cookie: Some(StickyCookie::jsessionid()),
///     ..SockJsOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct SockJsOptions {
    /// How often a client hears a heartbeat, so that proxies keep the connection. Default: 25 s. Zero stands
    /// for never. Our clients give a server up after 50 s of silence, once they have heard a heartbeat, unless
    /// they are told to wait longer.
    pub heartbeat_delay: Duration,
    /// How long a session waits for its client's next request, before it is closed. Default: 5 s.
    pub disconnect_delay: Duration,
    /// Octets after which a streaming response ends, and the client asks for another. Default: 131,072.
    pub response_limit: usize,
    /// Messages that may wait for the client's next request. Default: 4,096. Zero is one.
    pub queue_messages_max: usize,
    /// Octets of messages that may wait for the client's next request. Default: 1 MiB. One message may go
    /// beyond it.
    pub queue_octets_max: usize,
    /// Octets of one request that brings messages; a larger one is answered with status 413. Default:
    /// 16 MiB.
    pub body_octets_max: usize,
    /// Messages that one request, or one message of a WebSocket, may bring; a request with more is answered
    /// with status 413. Default: 65,536.
    pub body_messages_max: usize,
    /// Which transports there are; the URLs of the others are answered with status 404. Default: all.
    pub transports: Transports,
    /// The cookie by which a load balancer knows the server that has a client's sessions. Default: none.
    /// Clients that are told of it use only transports that can send it.
    pub cookie: Option<StickyCookie>,
    /// The URL of the client's script, `sockjs.js`, which the pages in iframes load. It begins with `/` or
    /// `http`, and has to be of the same version as the script of the pages around them. Default: none,
    /// and no such pages: only browsers of old need them, and whoever serves the script acts in the name of
    /// this server.
    pub sockjs_url: Option<String>,
    /// Where clients find the transports, if not where they found this service. Default: none.
    pub base_url: Option<String>,
    /// Which origins may come, instead of those of the
    /// [application](crate::AppBuilder::allowed_origins). Default: none.
    pub allowed_origins: Option<AllowedOrigins>,
    /// Whose requests belong to a session. Default: [`SessionBinding::Automatic`].
    pub session_binding: SessionBinding,
    /// Who is let in, and limits of connections that are WebSockets, instead of what the endpoint itself says.
    /// Subprotocols do not count: SockJS has none. Default: none.
    pub endpoint: Option<EndpointConfig>,
}

impl Default for SockJsOptions {
    fn default() -> Self {
        let session = SessionOptions::default();
        Self {
            heartbeat_delay: session.heartbeat_delay,
            disconnect_delay: session.disconnect_delay,
            response_limit: session.response_limit,
            queue_messages_max: session.queue_messages_max,
            queue_octets_max: session.queue_octets_max,
            body_octets_max: 16 * 1024 * 1024,
            body_messages_max: tidings_sockjs::MESSAGES_MAX,
            transports: Transports::default(),
            cookie: None,
            sockjs_url: None,
            base_url: None,
            allowed_origins: None,
            session_binding: SessionBinding::default(),
            endpoint: None,
        }
    }
}

impl SockJsOptions {
    /// The page for iframes, if there is one.
    pub(crate) fn page(&self) -> Result<Option<IframePage>, SockJsUrlError> {
        self.sockjs_url.as_deref().map(IframePage::new).transpose()
    }

    pub(super) fn session(&self) -> SessionOptions {
        SessionOptions {
            heartbeat_delay: self.heartbeat_delay,
            disconnect_delay: self.disconnect_delay,
            response_limit: self.response_limit,
            queue_messages_max: self.queue_messages_max,
            queue_octets_max: self.queue_octets_max,
        }
    }
}
