use std::time::Duration;

use tidings_stomp::{ErrorFrames, HeartBeat, Limits, LineEnds, ServerOptions};

use crate::messaging::Turns;
use crate::net::{ConnectionOptions, door_connection_options};

/// How STOMP sessions are served, whichever door they come through.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidings::App;
/// use tidings::server::StompOptions;
///
/// let options = StompOptions {
///     heart_beat: (Duration::from_secs(20), Duration::from_secs(20)),
///     error_keeps_connection: true,
///     ..StompOptions::default()
/// };
/// let app = App::builder().stomp("/stomp").stomp_options(options);
/// # app.build().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StompOptions {
    /// What a client may make its session hold.
    #[doc(alias = "setMessageSizeLimit")]
    pub limits: Limits,

    /// What a connection may take, and how much may wait for its client: Spring's `sendBufferSizeLimit` and `sendTimeLimit`
    /// are its [`outbox_octets_max`](ConnectionOptions::outbox_octets_max) and
    /// [`send_timeout`](ConnectionOptions::send_timeout). An endpoint's own, in the
    /// [options of a path](crate::server::SockJsOptions::endpoint), come before these. TCP has no pings, so that
    /// [`keepalive`](ConnectionOptions::keepalive) is only for the other doors. Default: messages of WebSocket and SockJS
    /// of up to 16 MiB, and the defaults of [`ConnectionOptions`].
    #[doc(alias = "setSendBufferSizeLimit")]
    #[doc(alias = "setSendTimeLimit")]
    pub connection: ConnectionOptions,

    /// How often the server can send heart-beats, and how often it wants to receive them; zero switches a
    /// direction off. The longer one of what both sides say holds. Default: 10 s each.
    #[doc(alias = "setHeartbeatValue")]
    pub heart_beat: (Duration, Duration),

    /// The shortest interval of heart-beats: what is shorter in [`heart_beat`](Self::heart_beat) counts as
    /// this, so that no client gets them more often, whatever it asks for. Default: 1 s.
    pub heart_beat_min: Duration,

    /// How long a client may be silent, in percent of the interval that it promised, before it is taken
    /// for dead. Browsers slow down the timers of hidden pages. Default: 200.
    pub heart_beat_margin_percent: u32,

    /// How long a client has until its CONNECT frame is complete. Default: 10 s.
    #[doc(alias = "setTimeToFirstMessage")]
    pub connect_timeout: Duration,

    /// How long an [`Authenticator`](crate::messaging::Authenticator) may take, waiting for others
    /// included. Default: 10 s.
    pub authentication_timeout: Duration,

    /// How many clients of STOMP an authenticator is asked about at a time. At least one. Default: 64.
    pub authentications_max: usize,

    /// How many clients of STOMP may wait until the authenticator is asked about them; more get ERROR at once, and
    /// may come back later. Each holds up to twice the
    /// [octets](tidings_stomp::Limits::before_login_octets_max) that may come before login. Default: 4,096.
    pub authentications_waiting_max: usize,

    /// How long [interceptors](crate::messaging::Interceptor::inbound) may take for one frame, all together. A frame for which they
    /// take longer is refused with ERROR `interceptor failed`. Default: 30 s.
    pub interceptor_timeout: Duration,

    /// Octets of the frames of one session, 64 for each included, that wait until what they are for is
    /// stored: receipts, and whatever comes behind them. Beyond that nothing more is taken from the
    /// client until the store is done; the receipts of one transaction may go beyond it. Without a store nothing
    /// waits. Default: 256 KiB.
    pub held_octets_max: usize,

    /// Octets that are remembered of the subscriptions of one session where there are [rules](crate::AppBuilder::rules), which
    /// are asked again when its login is another one: 256 for each, its id and its destinations, and where one of
    /// the rules is a closure, the headers of its SUBSCRIBE. A subscription beyond that is refused with ERROR. Default: 1 MiB.
    pub granted_octets_max: usize,

    /// The virtual hosts that clients may name in CONNECT. One that names none, or `/` as those of RabbitMQ
    /// do, is let in anyway. Empty for any host. Default: any.
    pub hosts: Vec<String>,

    /// Refuses what is against the specification and does no harm: CONNECT of version 1.1 or 1.2
    /// without `host`, a body on other frames than SEND, ACK and NACK of version 1.2 that name their
    /// message by its `message-id`, those of 1.0 and 1.1 by `id`. UNSUBSCRIBE, ACK and NACK of what does not
    /// exist then end the session instead of being answered with ERROR only. Default: false.
    pub strict: bool,

    /// Whether a session goes on after ERROR where a frame was understood and could not be done, as it
    /// does with RabbitMQ and ActiveMQ. Default: false, ERROR ends the session as STOMP 1.2 wants it.
    pub error_keeps_connection: bool,

    /// What a client that has asked for no receipt is told of a message that no handler takes, or whose handler
    /// fails at it, where no exception handler takes the error. Default: nothing.
    pub unhandled_errors: UnhandledErrors,

    /// Whether CR and NUL also end a line outside of bodies, for telnet clients that send them for the key
    /// Enter. Default: false.
    pub telnet: bool,
}

/// What a client is told of messages to the application that nobody has handled. One that has asked for a receipt
/// always gets ERROR, and what went wrong in the application is always logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledErrors {
    /// Nothing, as with Spring.
    #[default]
    Log,
    /// An ERROR frame, which ends the session unless [errors keep
    /// connections](StompOptions::error_keeps_connection). It says what was wrong with the message, but not why a
    /// handler has failed. That of a stream which has failed names its subscription in `subscription`, and ends only
    /// that.
    ErrorFrame,
}

impl StompOptions {
    /// Of those who log in.
    pub(crate) fn turns(&self) -> Turns {
        Turns { at_a_time: self.authentications_max, waiting_max: self.authentications_waiting_max }
    }

    pub(super) fn session_options(&self) -> ServerOptions {
        let Self { limits, heart_beat, heart_beat_min, heart_beat_margin_percent, .. } = *self;
        ServerOptions {
            limits,
            heart_beat,
            heart_beat_min,
            heart_beat_margin_percent,
            server_name: concat!("tidings/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: self.connect_timeout,
            hosts: self.hosts.clone(),
            strict: self.strict,
            error_keeps_connection: self.error_keeps_connection,
            line_ends: if self.telnet { LineEnds::Telnet } else { LineEnds::Standard },
            errors: ErrorFrames::default(),
        }
    }
}

impl Default for StompOptions {
    fn default() -> Self {
        let ServerOptions {
            limits,
            heart_beat,
            heart_beat_min,
            connect_timeout,
            hosts,
            strict,
            error_keeps_connection,
            ..
        } = ServerOptions::default();
        Self {
            limits,
            connection: door_connection_options(),
            heart_beat,
            heart_beat_min,
            heart_beat_margin_percent: HeartBeat::MARGIN_PERCENT_DEFAULT,
            connect_timeout,
            authentication_timeout: Duration::from_secs(10),
            authentications_max: 64,
            authentications_waiting_max: 4096,
            interceptor_timeout: Duration::from_secs(30),
            held_octets_max: 256 * 1024,
            granted_octets_max: 1024 * 1024,
            hosts,
            strict,
            error_keeps_connection,
            unhandled_errors: UnhandledErrors::default(),
            telnet: false,
        }
    }
}
