use std::time::Duration;

use tidings_websocket::{DeflateOptions, Limits};

/// How connections are treated: what they may hold, how long they may take.
///
/// # Examples
///
/// ```
/// use tidings::endpoint::{ConnectionOptions, Limits, OverflowPolicy};
///
/// let options = ConnectionOptions {
///     limits: Limits { message_octets_max: 64 * 1024, ..Limits::default() },
///     overflow: OverflowPolicy::KeepLatest,
///     ..ConnectionOptions::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// What a peer may send. Default: messages of 1 MiB at endpoints, of 16 MiB at the doors of STOMP
    /// and SockJS.
    pub limits: Limits,

    /// Octets that may wait to be written, before `overflow` says what happens. One message may go
    /// beyond it, and over TLS, Unix sockets and HTTP/2 as much again until it is first offered to the stream.
    /// Default: 1 MiB.
    pub outbox_octets_max: usize,

    /// What happens to a message for which the outbox has no room. Default: the sender waits.
    pub overflow: OverflowPolicy,

    /// Whether and how messages are compressed: RFC 7692. Compression costs time and memory, and
    /// together with secrets in messages that others can influence it may leak them. Default: `None`, not
    /// at all.
    pub deflate: Option<DeflateOptions>,

    /// How long the stream may take none of what is offered to it, and how long a send waits for room,
    /// before the peer is given up; zero is for ever. Default: 20 s.
    pub send_timeout: Duration,

    /// How long the peer may take to answer a close frame, and to read what was sent before it.
    /// Default: 3 s.
    pub close_timeout: Duration,

    /// How long nothing may be sent or received, pings and pongs included, before the session is
    /// closed: the peer sees 1001, `on_close` 1006. Default: `None`, for ever.
    pub idle_timeout: Option<Duration>,

    /// Whether and when the server makes sure that a silent peer is still there. Default: a ping after
    /// 25 s of silence, and the peer is given up 20 s later.
    pub keepalive: Option<KeepAlive>,

    /// Pings and pongs that a peer may send in a second, on average over ten seconds; beyond that the
    /// connection fails with 1008. Default: 1,000.
    pub control_frames_per_second_max: u32,
}

/// Octets of one message at the SockJS and STOMP doors: 16 MiB. At endpoints it is 1 MiB.
const DOOR_MESSAGE_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// What connections of the SockJS and STOMP doors may take unless somebody says otherwise.
pub(crate) fn door_connection_options() -> ConnectionOptions {
    let limits = Limits { message_octets_max: DOOR_MESSAGE_OCTETS_MAX, ..Limits::default() };
    ConnectionOptions { limits, ..ConnectionOptions::default() }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            outbox_octets_max: 1024 * 1024,
            overflow: OverflowPolicy::Wait,
            deflate: None,
            send_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(3),
            idle_timeout: None,
            keepalive: Some(KeepAlive::default()),
            control_frames_per_second_max: 1_000,
        }
    }
}

/// What happens to a message when the outbox of its session is full: the peer reads more slowly than it
/// is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// `send` waits for room. Who cannot wait is refused; a broadcast, which goes to others too, closes
    /// the session with 1013.
    #[default]
    Wait,
    /// The oldest messages that have not begun to be written make room.
    DropOldest,
    /// All messages that have not begun to be written make room: for states of which only the latest
    /// counts.
    KeepLatest,
    /// The session is closed with 1013.
    Close,
}

/// Pings that find out whether a silent peer is still there: RFC 6455, section 5.5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long nothing is received before a ping is sent. Default: 25 s.
    pub every: Duration,
    /// How long nothing is received after the ping before the peer is given up. Default: 20 s.
    pub timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { every: Duration::from_secs(25), timeout: Duration::from_secs(20) }
    }
}
