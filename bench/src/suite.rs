//! What is compared: each suite has its rows and its contestants.

use crate::contestant::{self, Contestant};
use crate::row::{self, Table};
use crate::stomp;

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    WebSocket,
    SockJs,
    Stomp,
}

impl Suite {
    pub(crate) const ALL: [Self; 3] = [Self::WebSocket, Self::SockJs, Self::Stomp];

    /// What it is asked for by, and the name of its results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SockJs => "sockjs",
            Self::Stomp => "stomp",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::SockJs => "SockJS",
            Self::Stomp => "STOMP",
        }
    }

    pub(crate) fn tables(self) -> &'static [Table] {
        match self {
            Self::WebSocket => row::WEBSOCKET,
            Self::SockJs => row::SOCKJS,
            Self::Stomp => stomp::TABLES,
        }
    }

    /// In the order of the tables.
    pub(crate) fn contestants(self) -> &'static [Contestant] {
        match self {
            Self::WebSocket => contestant::WEBSOCKET,
            Self::SockJs => contestant::SOCKJS,
            Self::Stomp => contestant::STOMP,
        }
    }

    /// Whether its tables have the limit, which ratios refer to.
    pub(crate) fn has_limit(self) -> bool {
        self.contestants().iter().any(|contestant| contestant.name == contestant::LIMIT)
    }

    /// What to know of its figures.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Self::WebSocket => {
                "\
`limit` is a program on epoll that moves the same octets
with one recv and one send for each batch it reads, and knows no protocol. The Rust servers use tokio, jemalloc and one
release profile; ours are `examples/echo.rs` and `examples/broadcast.rs`. yawc, which compresses too, is
left out for its licence (MPL-2.0)."
            }
            Self::SockJs => {
                "\
`limit` is a program on epoll, one thread, that answers the same requests with the same octets: it finds
the end of a head, the session and the length, copies arrays from one connection to the other and knows neither JSON
nor time. Its answers are one write each, so polling costs two requests, two reads and two writes a
message, streaming one request, one read and two writes. Ours is `examples/sockjs.rs`. Each session has a connection to
receive and one to send, as a browser does; messages in flight are sent in one array, as sockjs-client does."
            }
            Self::Stomp => {
                "\
Ours is `examples/broker.rs`, with its queues on disk where they are durable; the peers are
Debian's packages, with as little switched on as the work needs. NATS is core NATS, spoken to in its own protocol: it
has no durable queues, so it has no part in those rows. The peers have other doors for browsers, or none.

Topics: one client publishes and keeps 1,024 messages in flight to one subscriber, 64 to 100, 16 to 1,000, half of which
it sends at a time; a message counts for every subscriber that got it. Queues: four producers on as many connections, each
with at most 256 messages without a receipt, and four consumers that acknowledge each message by itself and may hold 256;
a message counts once it is confirmed and consumed. Where consumers keep up, a message may be consumed before it is
on disk, and the broker may then spare itself the writing. Where messages are stored before they are consumed, all have
their receipts before the first consumer comes; the figures are for both halves together. Clients connect as the usual
clients do: they wait for CONNECTED and then subscribe, with a receipt. The clients are one thread of the comparison's,
which is told of how much of its core it takes."
            }
        }
    }
}
