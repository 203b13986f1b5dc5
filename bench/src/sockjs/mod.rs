//! SockJS: its clients, and its limit.

mod http;
pub(crate) mod limit;
mod load;
mod session;

pub(crate) use load::Load;

/// What sessions do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SockJsWork {
    /// Each session keeps `depth` messages in flight.
    Echo { transport: Transport, sessions: usize, depth: usize, octets: usize },
    /// One session sends a message to all as soon as all have got the last one.
    FanOut { transport: Transport, sessions: usize, octets: usize },
    /// Streaming sessions are opened, and nothing else.
    Idle { sessions: usize },
}

impl SockJsWork {
    /// Of a message.
    pub(crate) fn octets(self) -> usize {
        match self {
            Self::Echo { octets, .. } | Self::FanOut { octets, .. } => octets,
            Self::Idle { .. } => 0,
        }
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    XhrStreaming,
    EventSource,
    XhrPolling,
}

impl Transport {
    /// The last segment of its URLs.
    fn path(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr",
        }
    }
}
