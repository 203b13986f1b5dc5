use super::StompConnectError;
use crate::client::url::WebSocketUrl;

/// The port of STOMP over TCP.
const PORT: u16 = 61613;

/// The port of STOMP over TLS, as RabbitMQ has it.
const TLS_PORT: u16 = 61614;

/// Where a STOMP server is, and by which door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StompUrl {
    /// Bare octets over TCP, or over TLS where the URL is one of `wss`.
    Octets(WebSocketUrl),
    WebSocket(String),
    SockJs(String),
}

impl StompUrl {
    pub(super) fn parse(text: &str) -> Result<Self, StompConnectError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => return Err(StompConnectError::Scheme(String::new())),
        };
        match scheme.as_str() {
            "stomp" | "tcp" => octets("ws", rest, PORT),
            "stomp+ssl" | "stomp+tls" | "stomps" | "tls" | "ssl" => octets("wss", rest, TLS_PORT),
            "ws" | "wss" => {
                text.parse::<WebSocketUrl>()?;
                Ok(Self::WebSocket(text.to_owned()))
            }
            "http" | "https" => {
                WebSocketUrl::parse_service(text)?;
                Ok(Self::SockJs(text.to_owned()))
            }
            _ => Err(StompConnectError::Scheme(scheme)),
        }
    }
}

/// Only host and port mean something; what follows them would be passed over in silence.
fn octets(scheme: &str, rest: &str, default_port: u16) -> Result<StompUrl, StompConnectError> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?']) {
        return Err(crate::client::UrlError::Malformed.into());
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let url = match has_port {
        true => format!("{scheme}://{authority}/"),
        false => format!("{scheme}://{authority}:{default_port}/"),
    };
    Ok(StompUrl::Octets(url.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match StompUrl::parse(text) {
            Ok(StompUrl::Octets(url)) => format!("octets {}", url.authority()),
            Ok(StompUrl::WebSocket(url)) => format!("websocket {url}"),
            Ok(StompUrl::SockJs(url)) => format!("sockjs {url}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_scheme_says_which_door() {
        let check = |text, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("stomp://broker", "octets broker:61613");
        check("tcp://127.0.0.1:1234/", "octets 127.0.0.1:1234");
        check("TCP://[::1]", "octets [::1]:61613");
        check("stomp://[::1]:7", "octets [::1]:7");
        check("ws://host/stomp", "websocket ws://host/stomp");
        check("http://host/stomp", "sockjs http://host/stomp");
        #[cfg(feature = "tls")]
        {
            check("stomp+ssl://broker", "octets broker:61614");
            check("tls://broker:7", "octets broker:7");
            check("https://host/stomp", "sockjs https://host/stomp");
        }
    }

    #[test]
    fn what_cannot_be_connected_to_is_told() {
        let check = |text, expected: &str| {
            assert!(shown(text).contains(expected), "{text}: {}", shown(text));
        };
        check("localhost:61613", "has no scheme; begin it with stomp://");
        check("ftp://host", "scheme of the URL is `ftp`; begin it with stomp://");
        check("stomp://host/queue/a", "malformed");
        check("stomp://user:secret@host", "credentials apart");
        check("stomp://host:99999", "port");
        check("stomp://", "no host");
        check("ws://host/#x", "fragment");
    }
}
