use std::time::Duration;

use crate::endpoint::EndpointConfig;
use crate::server::AllowedOrigins;

/// How destinations are streamed to browsers' `EventSource`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidings::App;
/// use tidings::server::EventSourceOptions;
///
/// let options = EventSourceOptions { retry: Duration::from_secs(5), ..Default::default() };
/// let app = App::builder().event_source_with_options("/api/subscribe", options).build()?;
/// # let _ = app;
/// # Ok::<(), tidings::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventSourceOptions {
    /// How long the server may be silent before it sends a comment, so that proxies keep the connection.
    /// Default: 15 s.
    pub heartbeat_delay: Duration,
    /// How long a browser waits before it reconnects. Default: 2 s.
    pub retry: Duration,
    /// Octets that may wait to be read, before the stream ends: its client comes back and recovers. One message
    /// may go beyond it. Default: 1 MiB.
    pub outbox_octets_max: usize,
    /// How long the client may read nothing of what waits for it, before the stream ends. Default: 20 s.
    pub send_timeout: Duration,
    /// How many destinations one stream may have. Default: 16.
    pub destinations_max: usize,
    /// How many clients an [authenticator](crate::AppBuilder::authenticator) is asked about at a time, for streams
    /// of this path. At least one. Default: 64.
    pub authentications_max: usize,
    /// How many clients may wait until the authenticator is asked about them; more are answered with status 503 at
    /// once, after which a browser's `EventSource` does not come back by itself. Default: 1,024.
    pub authentications_waiting_max: usize,
    /// Which origins may read, if not those of the application.
    pub allowed_origins: Option<AllowedOrigins>,
    /// Who is let in, and how many: by its configurator, `require_tls`, `require_roles` and `sessions_max`.
    /// Default: everybody.
    pub endpoint: EndpointConfig,
}

impl Default for EventSourceOptions {
    fn default() -> Self {
        Self {
            heartbeat_delay: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            outbox_octets_max: 1024 * 1024,
            send_timeout: Duration::from_secs(20),
            destinations_max: 16,
            authentications_max: 64,
            authentications_waiting_max: 1024,
            allowed_origins: None,
            endpoint: EndpointConfig::new(),
        }
    }
}
