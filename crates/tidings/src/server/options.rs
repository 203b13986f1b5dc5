use std::time::Duration;

#[cfg(doc)]
use crate::App;

/// How a [`Server`](super::Server) treats connections before they are sessions, and HTTP requests.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidings::server::ServerOptions;
///
/// let options = ServerOptions {
///     head_read_timeout: Duration::from_secs(5),
///     connections_per_addr_max: Some(100),
///     ..ServerOptions::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// How long a client may take for the handshake of TLS. Default: 10 s.
    pub tls_handshake_timeout: Duration,

    /// How long a client may take to send the head of a request, an opening handshake for example.
    /// Default: 10 s.
    pub head_read_timeout: Duration,

    /// Octets that the head of a request may have; more is answered with status 431. Default: 64 KiB,
    /// and 16 KiB in HTTP/2.
    pub head_octets_max: usize,

    /// How long a client may take nothing of an answer. Default: 20 s.
    pub send_timeout: Duration,

    /// Requests and WebSockets at a time of one HTTP/2 connection. Default: 100.
    pub http2_streams_max: u32,

    /// Connections at a time from one address, or for IPv6 from one network of 64 bits. More are closed
    /// as soon as they are accepted. Default: `None`, any number, since many users may share an address.
    pub connections_per_addr_max: Option<usize>,

    /// Further names by which pages may call the server, in `Host`, without a port: that of a proxy in front, for
    /// example. `localhost` and addresses always will do; by any other name the doors of the application answer
    /// with status 421, because whoever owns a name can have it mean this machine, and their page would be of the same
    /// origin. They hold at every address and Unix socket. Default: none, and then a server that listens at an
    /// address other than loopback, or at a Unix socket, may be called by any name.
    pub hosts: Vec<String>,

    /// How long [`Server::run_until`](super::Server::run_until) waits for open sessions to end.
    /// Default: 3 s.
    pub shutdown_timeout: Duration,

    /// How often the [statistics](App::stats) are logged, at the level INFO; zero for never. Default: 30 min.
    pub stats_interval: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            tls_handshake_timeout: Duration::from_secs(10),
            head_read_timeout: Duration::from_secs(10),
            head_octets_max: 64 * 1024,
            send_timeout: Duration::from_secs(20),
            http2_streams_max: 100,
            connections_per_addr_max: None,
            hosts: Vec::new(),
            shutdown_timeout: Duration::from_secs(3),
            stats_interval: Duration::from_mins(30),
        }
    }
}
