//! What is compared: each suite has its rows and its contestants.

use crate::contestant::{self, Contestant};
use crate::row::{self, Table};

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    WebSocket,
    SockJs,
}

impl Suite {
    pub(crate) const ALL: [Self; 2] = [Self::WebSocket, Self::SockJs];

    /// What it is asked for by, and the name of its results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SockJs => "sockjs",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::SockJs => "SockJS",
        }
    }

    pub(crate) fn tables(self) -> &'static [Table] {
        match self {
            Self::WebSocket => row::WEBSOCKET,
            Self::SockJs => row::SOCKJS,
        }
    }

    /// In the order of the tables.
    pub(crate) fn contestants(self) -> &'static [Contestant] {
        match self {
            Self::WebSocket => contestant::WEBSOCKET,
            Self::SockJs => contestant::SOCKJS,
        }
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
        }
    }
}
