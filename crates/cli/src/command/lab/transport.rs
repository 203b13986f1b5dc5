use tidings::client::sockjs::ClientTransport;

use super::Target;

/// One way for messages to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A request at an interval, whether or not there is something.
    Polling,
    /// A request that is answered when there is something.
    LongPolling,
    /// One answer that goes on.
    Streaming,
    SockJs(ClientTransport),
    WebSocket,
}

impl Transport {
    const ALL: [Self; 8] = [
        Self::Polling,
        Self::LongPolling,
        Self::Streaming,
        Self::SockJs(ClientTransport::XhrPolling),
        Self::SockJs(ClientTransport::EventSource),
        Self::SockJs(ClientTransport::XhrStreaming),
        Self::SockJs(ClientTransport::WebSocket),
        Self::WebSocket,
    ];

    /// Those that can be measured, from the oldest to the newest.
    pub(super) fn of(target: &Target) -> impl Iterator<Item = Self> {
        let has_plain_ones = target.has_lab();
        Self::ALL.into_iter().filter(move |transport| has_plain_ones || !transport.is_plain())
    }

    /// Whether it is HTTP, and nothing else.
    fn is_plain(self) -> bool {
        matches!(self, Self::Polling | Self::LongPolling | Self::Streaming)
    }

    /// What it is called, here and as the row of a run.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::LongPolling => "long-polling",
            Self::Streaming => "streaming",
            Self::SockJs(ClientTransport::XhrPolling) => "sockjs-xhr-polling",
            Self::SockJs(ClientTransport::EventSource) => "sockjs-eventsource",
            Self::SockJs(ClientTransport::XhrStreaming) => "sockjs-xhr-streaming",
            Self::SockJs(ClientTransport::WebSocket) => "sockjs-websocket",
            Self::WebSocket => "websocket",
        }
    }
}
