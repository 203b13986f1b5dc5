//! The ways into a broker: what is around the octets of STOMP.

use crate::frame::{Compression, encode};

/// How a client reaches a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp,
    WebSocket,
    /// SockJS over WebSocket.
    SockJsWebSocket,
    XhrStreaming,
}

/// Where our broker speaks STOMP to browsers.
const PATH: &str = "/stomp";

impl Door {
    /// What opens it, and what the server has said once it is open.
    pub(super) fn opening(self, address: &str, client: usize) -> Option<(String, &'static str)> {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        match self {
            Self::Tcp => None,
            Self::WebSocket => {
                let protocol = "Sec-WebSocket-Protocol: v12.stomp";
                let request = format!(
                    "GET {PATH} HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n{protocol}\r\n\r\n"
                );
                Some((request, "\r\n\r\n"))
            }
            Self::SockJsWebSocket => {
                let path = session(client);
                let request = format!(
                    "GET {path}/websocket HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n\r\n"
                );
                Some((request, "\u{1}o"))
            }
            Self::XhrStreaming => {
                let path = session(client);
                let request = format!(
                    "POST {path}/xhr_streaming HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"
                );
                Some((request, "o\n"))
            }
        }
    }

    /// What a client sends that says this, and where.
    pub(super) fn sending(self, address: &str, client: usize, text: &str) -> (Vec<u8>, Way) {
        let mut out = Vec::new();
        match self {
            Self::Tcp => out.extend_from_slice(text.as_bytes()),
            Self::WebSocket => encode(text.as_bytes(), Compression::Off, &mut out),
            Self::SockJsWebSocket => {
                encode(array(text).as_bytes(), Compression::Off, &mut out);
            }
            Self::XhrStreaming => {
                let (path, body) = (session(client), array(text));
                let length = body.len();
                let request = format!(
                    "POST {path}/xhr_send HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                );
                return (request.into_bytes(), Way::Request);
            }
        }
        (out, Way::Connection)
    }

    /// Whether a response ends here, and the next one has to be asked for.
    pub(super) fn has_ended(self, octets: &[u8]) -> bool {
        self == Self::XhrStreaming && octets.ends_with(b"0\r\n\r\n")
    }

    /// What STOMP's octets are when they come out of it.
    pub(super) fn escaped(self, text: &str) -> String {
        match self {
            Self::Tcp | Self::WebSocket => text.to_owned(),
            Self::SockJsWebSocket | Self::XhrStreaming => {
                text.replace('\n', "\\n").replace('\0', "\\u0000")
            }
        }
    }
}

/// Where something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the connection of the client.
    Connection,
    /// By a request of its own.
    Request,
}

fn session(client: usize) -> String {
    format!("{PATH}/000/bench{client}")
}

fn array(text: &str) -> String {
    serde_json::json!([text]).to_string()
}
