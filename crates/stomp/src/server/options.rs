use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Frame, HeartBeat, Limits, LineEnds};

/// How a [`Server`](super::Server) behaves. One value serves all sessions of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// What a client may make the session hold.
    pub limits: Limits,

    /// How often the server can send heart-beats, and how often it wants to receive them. Zero
    /// switches a direction off. Default: 10 s each.
    ///
    /// CONNECTED gives whole milliseconds. Never announce what the transport cannot do.
    pub heart_beat: (Duration, Duration),

    /// The shortest interval of heart-beats, in either direction: what is shorter in
    /// [`heart_beat`](Self::heart_beat) counts as this, so that no client gets heart-beats more often,
    /// whatever it asks for. Default: 1 s.
    pub heart_beat_min: Duration,

    /// How long a client may be silent, in percent of the interval that it promised. Default: 200.
    pub heart_beat_margin_percent: u32,

    /// The `server` header of CONNECTED, a name and a version such as `tidings/0.1.0`. Empty for
    /// none. Default: none.
    pub server_name: String,

    /// How long a client has until its CONNECT frame is complete. Default: 10 s.
    pub connect_timeout: Duration,

    /// The virtual hosts that clients may name in CONNECT. A client that names none, or `/` as
    /// RabbitMQ's do, is let in anyway. Empty for any host. Default: any.
    pub hosts: Vec<String>,

    /// Refuses what is against the specification and does no harm: CONNECT of version 1.1 or 1.2
    /// without `host`, a body on other frames than SEND, and in version 1.2 ACK and NACK that name
    /// their message as version 1.1 does. What does not exist, such as the subscription of an
    /// UNSUBSCRIBE, then ends the session instead of being answered with ERROR only. Default: false.
    pub strict: bool,

    /// Whether a session goes on after ERROR, where a frame was understood and could not be done, or has
    /// an unknown command, as it does with RabbitMQ and ActiveMQ. By default ERROR ends the session, as STOMP 1.2 wants it.
    pub error_keeps_connection: bool,

    /// What ends a line outside of bodies. Default: LF, or CR and LF.
    pub line_ends: LineEnds,

    /// What clients are told by ERROR. Default: what the session says.
    pub errors: ErrorFrames,
}

/// Who has the last word on what clients are told by ERROR. What an error ends stays the same.
///
/// Equal is only what was cloned from the same.
#[derive(Clone, Default)]
pub struct ErrorFrames(Option<Arc<Change>>);

type Change = dyn Fn(&mut Error) + Send + Sync;

impl ErrorFrames {
    /// Each error is as `change` leaves it.
    pub fn changed_by(change: impl Fn(&mut Error) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(change)))
    }

    /// The frame of an error.
    pub fn frame(&self, error: &Error) -> Frame {
        let Some(change) = &self.0 else { return error.to_frame() };
        let mut error = error.clone();
        change(&mut error);
        error.to_frame()
    }
}

impl PartialEq for ErrorFrames {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for ErrorFrames {}

impl fmt::Debug for ErrorFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "changed" } else { "as they are" })
    }
}

impl ServerOptions {
    /// What the server says about heart-beats.
    pub(super) fn announced_heart_beat(&self) -> (Duration, Duration) {
        let at_least = |interval: Duration| {
            if interval.is_zero() { interval } else { interval.max(self.heart_beat_min) }
        };
        (at_least(self.heart_beat.0), at_least(self.heart_beat.1))
    }

    /// Whether clients may name this host.
    pub(super) fn knows_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || host == "/" || self.hosts.iter().any(|known| known == host)
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        let ten_seconds = Duration::from_secs(10);
        Self {
            limits: Limits::default(),
            heart_beat: (ten_seconds, ten_seconds),
            heart_beat_min: Duration::from_secs(1),
            heart_beat_margin_percent: HeartBeat::MARGIN_PERCENT_DEFAULT,
            server_name: String::new(),
            connect_timeout: ten_seconds,
            hosts: Vec::new(),
            strict: false,
            error_keeps_connection: false,
            line_ends: LineEnds::Standard,
            errors: ErrorFrames::default(),
        }
    }
}
