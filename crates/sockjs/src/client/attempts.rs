use std::collections::VecDeque;
use std::time::Duration;

use crate::{Info, TransportType};

/// A transport that clients without a browser have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientTransport {
    /// A WebSocket.
    WebSocket,
    /// One response that stays open, with lines.
    XhrStreaming,
    /// One response that stays open, with events.
    EventSource,
    /// One request for each frame.
    XhrPolling,
}

impl ClientTransport {
    /// All of them, the best first.
    pub const ALL: [Self; 4] =
        [Self::WebSocket, Self::XhrStreaming, Self::EventSource, Self::XhrPolling];

    /// The last segment of its URLs.
    pub fn path(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr",
        }
    }

    /// What it is to those who allow only some.
    pub fn transport_type(self) -> TransportType {
        match self {
            Self::WebSocket => TransportType::WebSocket,
            Self::XhrStreaming => TransportType::XhrStreaming,
            Self::EventSource => TransportType::EventSource,
            Self::XhrPolling => TransportType::XhrPolling,
        }
    }
}

/// One try to open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// By which transport.
    pub transport: ClientTransport,
    /// How long the opening frame may take.
    pub timeout: Duration,
}

/// The transports that are left to be tried.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidings_sockjs::Info;
/// use tidings_sockjs::client::{Attempts, ClientTransport};
///
/// let info = Info { websocket: false, ..Info::default() };
/// let round_trip = Duration::from_millis(20);
/// let mut attempts = Attempts::new(&ClientTransport::ALL, &info, round_trip);
/// let first = attempts.next().unwrap();
/// assert_eq!(first.transport, ClientTransport::XhrStreaming);
/// assert_eq!(first.timeout, Attempts::TIMEOUT_MIN);
/// ```
#[derive(Clone, Debug)]
pub struct Attempts {
    left: VecDeque<ClientTransport>,
    timeout: Duration,
}

impl Attempts {
    /// The shortest time for one attempt: 5 s. The reference has none, and gives up on slow links.
    pub const TIMEOUT_MIN: Duration = Duration::from_secs(5);

    /// How many times the data of a transport go to and fro until its first frame is there.
    const ROUND_TRIPS: u32 = 2;

    /// Those of the `wanted` transports that the server has, in their order. `round_trip` is how long `/info`
    /// took.
    pub fn new(wanted: &[ClientTransport], info: &Info, round_trip: Duration) -> Self {
        let is_there = |transport: &ClientTransport| {
            let is_off = *transport == ClientTransport::WebSocket && !info.websocket;
            !is_off && info.transports.allow(transport.transport_type())
        };
        let left = wanted.iter().copied().filter(is_there).collect();
        let retransmission = match round_trip > Duration::from_millis(100) {
            true => round_trip.saturating_mul(4),
            false => round_trip + Duration::from_millis(300),
        };
        let timeout = retransmission.saturating_mul(Self::ROUND_TRIPS).max(Self::TIMEOUT_MIN);
        Self { left, timeout }
    }
}

impl Iterator for Attempts {
    type Item = Attempt;

    fn next(&mut self) -> Option<Attempt> {
        let transport = self.left.pop_front()?;
        Some(Attempt { transport, timeout: self.timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transports;

    fn transports(info: &Info, wanted: &[ClientTransport]) -> Vec<&'static str> {
        let attempts = Attempts::new(wanted, info, Duration::ZERO);
        attempts.map(|attempt| attempt.transport.path()).collect()
    }

    #[test]
    fn the_order_is_that_of_whoever_wants_them() {
        let wanted = [ClientTransport::XhrPolling, ClientTransport::WebSocket];
        assert_eq!(transports(&Info::default(), &wanted), ["xhr", "websocket"]);
        assert_eq!(transports(&Info::default(), &[]), [""; 0]);
    }

    #[test]
    fn what_the_server_has_not_is_not_tried() {
        let polling = Transports::only([TransportType::XhrPolling, TransportType::WebSocket]);
        let info = Info { websocket: false, transports: polling, ..Info::default() };
        assert_eq!(transports(&info, &ClientTransport::ALL), ["xhr"]);
    }

    #[test]
    fn a_slow_link_has_more_time() {
        let timeout = |round_trip| {
            let round_trip = Duration::from_millis(round_trip);
            let mut attempts = Attempts::new(&ClientTransport::ALL, &Info::default(), round_trip);
            attempts.next().unwrap().timeout.as_millis()
        };
        assert_eq!(timeout(0), 5_000);
        assert_eq!(timeout(600), 5_000);
        assert_eq!(timeout(1_000), 8_000);
    }
}
