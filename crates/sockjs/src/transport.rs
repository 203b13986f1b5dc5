use std::fmt;

use http::Method;

/// One way that messages travel: a row in the table [`TRANSPORTS`].
///
/// The fields from `content_type` on are about responses, and mean nothing for
/// [`TransportKind::WebSocket`]; those from `prelude` on are about the frames inside them, and mean
/// something for [`TransportKind::Receive`] only.
pub struct Transport {
    /// The last segment of its URLs.
    pub path: &'static str,
    /// What clients call it, `info` lists it as, and an application may show.
    pub name: &'static str,
    /// What a request is for.
    pub kind: TransportKind,
    /// The method that its requests have.
    pub method: Method,
    /// Every method that is answered, as a list for `Allow` and `Access-Control-Allow-Methods`.
    pub allow: &'static str,
    /// Whether scripts of other origins may use it, and so its `OPTIONS` requests are answered.
    pub cors: Cors,
    /// The `Content-Type` of its responses.
    pub content_type: &'static str,
    /// What a response begins with, as a chunk of its own. Nothing is sent for nothing.
    pub prelude: &'static [u8],
    /// When a response ends.
    pub ends: ResponseEnds,
    /// Appends a frame as the chunk that it is in this transport.
    pub write_frame: fn(frame: &[u8], chunk: &mut Vec<u8>),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&self.path).finish()
    }
}

/// What the requests of a transport are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// The response brings frames.
    Receive,
    /// The body brings messages.
    Send,
    /// The connection becomes a WebSocket, a session by itself.
    WebSocket,
}

/// Whether responses carry the header fields of [`headers::cors`](crate::headers::cors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cors {
    /// They do.
    Applies,
    /// They have no use for them.
    Omitted,
}

/// When the server ends a response that brings frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseEnds {
    /// After one frame: polling.
    AfterOneFrame,
    /// Once it holds [`response_limit`](crate::SessionOptions::response_limit) octets: streaming.
    AtResponseLimit,
}

/// Every transport that a session can be reached by, except for the raw WebSocket, which has no
/// session. A new one is a new row.
pub static TRANSPORTS: &[&Transport] = &[&WEBSOCKET, &XHR_STREAMING, &XHR, &XHR_SEND];

/// The transport of a URL that ends with the segment `path`.
pub fn transport(path: &str) -> Option<&'static Transport> {
    TRANSPORTS.iter().copied().find(|transport| transport.path == path)
}

/// `websocket`: each frame is a text message of a WebSocket.
pub static WEBSOCKET: Transport = Transport {
    path: "websocket",
    name: "websocket",
    kind: TransportKind::WebSocket,
    method: Method::GET,
    allow: "GET",
    cors: Cors::Omitted,
    content_type: "",
    prelude: b"",
    ends: ResponseEnds::AtResponseLimit,
    write_frame: |frame, message| message.extend_from_slice(frame),
};

/// `xhr_streaming`: a line for each frame, in a response that stays open.
pub static XHR_STREAMING: Transport = Transport {
    path: "xhr_streaming",
    name: "xhr-streaming",
    kind: TransportKind::Receive,
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    content_type: "application/javascript; charset=UTF-8",
    prelude: &XHR_STREAMING_PRELUDE,
    ends: ResponseEnds::AtResponseLimit,
    write_frame: write_line,
};

/// `xhr`: one frame, as a line, for each request.
pub static XHR: Transport = Transport {
    path: "xhr",
    name: "xhr-polling",
    kind: TransportKind::Receive,
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    content_type: "application/javascript; charset=UTF-8",
    prelude: b"",
    ends: ResponseEnds::AfterOneFrame,
    write_frame: write_line,
};

/// `xhr_send`: brings the messages of a client whose frames go by another HTTP transport.
pub static XHR_SEND: Transport = Transport {
    path: "xhr_send",
    name: "xhr-send",
    kind: TransportKind::Send,
    method: Method::POST,
    allow: "OPTIONS, POST",
    cors: Cors::Applies,
    content_type: "text/plain; charset=UTF-8",
    prelude: b"",
    ends: ResponseEnds::AfterOneFrame,
    write_frame: write_line,
};

/// Makes browsers hand out what follows at once: some hold back the first 2 KiB of a response.
static XHR_STREAMING_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

fn write_line(frame: &[u8], chunk: &mut Vec<u8>) {
    chunk.reserve_exact(frame.len() + 1);
    chunk.extend_from_slice(frame);
    chunk.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(transport: &Transport) -> String {
        let mut chunk = Vec::new();
        (transport.write_frame)(b"a[\"x\"]", &mut chunk);
        String::from_utf8(chunk).unwrap()
    }

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
                Cors::Omitted => assert_eq!(methods, [method], "{row:?}"),
            }
        }
    }

    #[test]
    fn frames_of_xhr_are_lines() {
        assert_eq!(chunk(&XHR), "a[\"x\"]\n");
        assert_eq!(chunk(&XHR_STREAMING), "a[\"x\"]\n");
    }

    #[test]
    fn streaming_begins_with_2048_letters_and_a_line_feed() {
        let prelude = str::from_utf8(XHR_STREAMING.prelude).unwrap();
        assert_eq!(prelude, "h".repeat(2048) + "\n");
        assert_eq!(XHR.prelude, b"");
    }

    #[test]
    fn frames_of_a_websocket_are_messages_as_they_are() {
        assert_eq!(chunk(&WEBSOCKET), "a[\"x\"]");
    }
}
