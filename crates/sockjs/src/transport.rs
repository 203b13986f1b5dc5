use std::fmt;

use http::{Method, StatusCode};

use crate::receive::{
    EVENTSOURCE_RECEIVE, HTMLFILE_RECEIVE, JSONP_RECEIVE, XHR_RECEIVE, XHR_STREAMING_RECEIVE,
};
use crate::{Receive, SendBodyError, parse_jsonp_send, parse_send};

/// One kind of URL that messages travel by: a row in the table [`TRANSPORTS`].
pub struct Transport {
    /// The last segment of its URLs.
    pub path: &'static str,
    /// What it is a part of, for those who allow only some of them.
    pub part_of: &'static [TransportType],
    /// The method that its requests have.
    pub method: Method,
    /// Every method that is answered, as a list for `Allow` and `Access-Control-Allow-Methods`.
    pub allow: &'static str,
    /// Whether scripts of other origins may read its answers.
    pub cors: Cors,
    /// What its requests are for.
    pub kind: TransportKind,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&self.path).finish()
    }
}

impl Transport {
    /// How its responses bring frames, if they do.
    pub fn receive(&self) -> Option<&'static Receive> {
        match self.kind {
            TransportKind::Receive(receive) => Some(receive),
            TransportKind::Send(_) | TransportKind::WebSocket => None,
        }
    }
}

/// What the requests of a transport are for.
#[derive(Clone, Copy, Debug)]
pub enum TransportKind {
    /// The response brings frames.
    Receive(&'static Receive),
    /// The body brings messages.
    Send(&'static SendRequests),
    /// The connection becomes a WebSocket, a session by itself.
    WebSocket,
}

/// [`parse_send`] or [`parse_jsonp_send`].
pub type ParseMessages = fn(
    content_type: Option<&[u8]>,
    body: &[u8],
    messages_max: usize,
) -> Result<Vec<String>, SendBodyError>;

/// How requests that bring messages are read and answered.
pub struct SendRequests {
    /// The messages in a body of that `Content-Type`.
    pub parse: ParseMessages,
    /// The status of the answer when all went well.
    pub status: StatusCode,
    /// Its body, which is plain text.
    pub answer: &'static str,
}

impl fmt::Debug for SendRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRequests").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Whether responses carry the header fields of [`headers::cors`](crate::headers::cors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cors {
    /// They do, and `OPTIONS` requests are answered.
    Applies,
    /// They do, but no request of a script needs a preflight, and the origin `null` is anybody.
    WithoutPreflight,
    /// They have no use for them.
    Omitted,
}

/// The ways that messages travel, as clients name them and applications allow them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportType {
    /// Frames in the messages of a WebSocket.
    WebSocket,
    /// A WebSocket without the framing of SockJS.
    RawWebSocket,
    /// Lines in a response that stays open.
    XhrStreaming,
    /// Server-sent events.
    EventSource,
    /// Scripts in a page that never ends to load.
    HtmlFile,
    /// One line for each request.
    XhrPolling,
    /// One script for each request.
    JsonpPolling,
}

impl TransportType {
    /// All of them, in the order that clients try them.
    pub const ALL: [Self; 7] = [
        Self::WebSocket,
        Self::RawWebSocket,
        Self::XhrStreaming,
        Self::EventSource,
        Self::HtmlFile,
        Self::XhrPolling,
        Self::JsonpPolling,
    ];

    /// The name that clients know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::RawWebSocket => "websocket-raw",
            Self::XhrStreaming => "xhr-streaming",
            Self::EventSource => "eventsource",
            Self::HtmlFile => "htmlfile",
            Self::XhrPolling => "xhr-polling",
            Self::JsonpPolling => "jsonp-polling",
        }
    }
}

impl fmt::Display for TransportType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some of the transports. The default is all of them.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::{TransportType, Transports};
///
/// let transports = Transports::default().without(TransportType::JsonpPolling);
/// assert!(transports.allow(TransportType::XhrPolling));
/// assert!(!transports.allow(TransportType::JsonpPolling));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    /// Those, and no others.
    pub fn only(types: impl IntoIterator<Item = TransportType>) -> Self {
        Self(types.into_iter().fold(0, |bits, it| bits | Self::bit(it)))
    }

    /// The same without that one.
    #[must_use]
    pub fn without(self, transport: TransportType) -> Self {
        Self(self.0 & !Self::bit(transport))
    }

    /// Whether this one is among them.
    pub fn allow(self, transport: TransportType) -> bool {
        self.0 & Self::bit(transport) != 0
    }

    /// Whether the URLs of a row of the table are of use to any of them.
    pub fn allow_row(self, row: &Transport) -> bool {
        row.part_of.iter().any(|it| self.allow(*it))
    }

    /// Those that are among them, in the order that clients try them.
    pub fn iter(self) -> impl Iterator<Item = TransportType> {
        TransportType::ALL.into_iter().filter(move |it| self.allow(*it))
    }

    fn bit(transport: TransportType) -> u8 {
        1 << transport as u8
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self::only(TransportType::ALL)
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Every transport that a session can be reached by, except for the raw WebSocket, which has no
/// session. A new one is a new row.
pub static TRANSPORTS: &[&Transport] =
    &[&WEBSOCKET, &XHR_STREAMING, &EVENTSOURCE, &HTMLFILE, &XHR, &JSONP, &XHR_SEND, &JSONP_SEND];

/// The transport of a URL that ends with the segment `path`.
pub fn transport(path: &str) -> Option<&'static Transport> {
    TRANSPORTS.iter().copied().find(|transport| transport.path == path)
}

/// `websocket`: each frame is a text message of a WebSocket.
pub static WEBSOCKET: Transport = Transport {
    path: "websocket",
    part_of: &[TransportType::WebSocket],
    method: Method::GET,
    allow: "GET",
    cors: Cors::Omitted,
    kind: TransportKind::WebSocket,
};

/// `xhr_streaming`: a line for each frame, in a response that stays open.
pub static XHR_STREAMING: Transport = Transport {
    path: "xhr_streaming",
    part_of: &[TransportType::XhrStreaming],
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    kind: TransportKind::Receive(&XHR_STREAMING_RECEIVE),
};

/// `eventsource`: an event for each frame.
pub static EVENTSOURCE: Transport = Transport {
    path: "eventsource",
    part_of: &[TransportType::EventSource],
    method: Method::GET,
    allow: "GET",
    cors: Cors::WithoutPreflight,
    kind: TransportKind::Receive(&EVENTSOURCE_RECEIVE),
};

/// `htmlfile`: a script for each frame, in a page that never ends to load.
pub static HTMLFILE: Transport = Transport {
    path: "htmlfile",
    part_of: &[TransportType::HtmlFile],
    method: Method::GET,
    allow: "GET",
    cors: Cors::Omitted,
    kind: TransportKind::Receive(&HTMLFILE_RECEIVE),
};

/// `xhr`: one frame, as a line, for each request.
pub static XHR: Transport = Transport {
    path: "xhr",
    part_of: &[TransportType::XhrPolling],
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    kind: TransportKind::Receive(&XHR_RECEIVE),
};

/// `jsonp`: one frame, as a script that calls a function with it, for each request.
pub static JSONP: Transport = Transport {
    path: "jsonp",
    part_of: &[TransportType::JsonpPolling],
    method: Method::GET,
    allow: "GET",
    cors: Cors::Omitted,
    kind: TransportKind::Receive(&JSONP_RECEIVE),
};

/// `xhr_send`: brings the messages of a client whose frames go by another HTTP transport.
pub static XHR_SEND: Transport = Transport {
    path: "xhr_send",
    part_of: &[
        TransportType::XhrStreaming,
        TransportType::EventSource,
        TransportType::HtmlFile,
        TransportType::XhrPolling,
    ],
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    kind: TransportKind::Send(&SendRequests {
        parse: parse_send,
        status: StatusCode::NO_CONTENT,
        answer: "",
    }),
};

/// `jsonp_send`: brings the messages of a client that has nothing but forms.
pub static JSONP_SEND: Transport = Transport {
    path: "jsonp_send",
    part_of: &[TransportType::JsonpPolling],
    method: Method::POST,
    allow: "POST",
    cors: Cors::Omitted,
    kind: TransportKind::Send(&SendRequests {
        parse: parse_jsonp_send,
        status: StatusCode::OK,
        answer: "ok",
    }),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_is_found_by_its_path_alone() {
        for row in TRANSPORTS {
            assert!(std::ptr::eq(transport(row.path).unwrap(), *row));
        }
        for path in ["", "xh", "XHR", "xhr/", "xhr-streaming", "websockets"] {
            assert!(transport(path).is_none(), "{path}");
        }
    }

    #[test]
    fn what_is_allowed_follows_from_method_and_cors() {
        for row in TRANSPORTS {
            let methods: Vec<_> = row.allow.split(", ").collect();
            let method = row.method.as_str();
            match row.cors {
                Cors::Applies => assert_eq!(methods, ["OPTIONS", method], "{row:?}"),
                Cors::WithoutPreflight | Cors::Omitted => assert_eq!(methods, [method], "{row:?}"),
            }
        }
    }

    #[test]
    fn messages_can_be_sent_as_long_as_something_receives() {
        let only = |transport| Transports::only([transport]);
        assert!(only(TransportType::HtmlFile).allow_row(&XHR_SEND));
        assert!(!only(TransportType::HtmlFile).allow_row(&JSONP_SEND));
        assert!(only(TransportType::JsonpPolling).allow_row(&JSONP_SEND));
        assert!(!only(TransportType::WebSocket).allow_row(&XHR_SEND));
        assert!(TRANSPORTS.iter().all(|row| Transports::default().allow_row(row)));
        assert_eq!(Transports::only([]).iter().count(), 0);
    }
}
