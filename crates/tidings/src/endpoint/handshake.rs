use std::net::SocketAddr;

use http::{HeaderMap, Uri};

use super::PathParams;

/// What the opening handshake of a session told: Jakarta WebSocket's `HandshakeRequest`.
///
/// Kept for the whole session, so headers are held in one compact block instead of a map.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    uri: Box<str>,
    headers: Box<[u8]>,
    path_params: PathParams,
    subprotocol: Option<Box<str>>,
    remote_addr: Option<SocketAddr>,
}

impl Handshake {
    pub(crate) fn new(
        uri: &Uri,
        headers: &HeaderMap,
        path_params: PathParams,
        remote_addr: Option<SocketAddr>,
    ) -> Self {
        Self {
            uri: uri.to_string().into(),
            headers: pack(headers),
            path_params,
            subprotocol: None,
            remote_addr,
        }
    }

    /// The handshake of a connection that has no HTTP request: STOMP over TCP.
    pub(crate) fn without_request(remote_addr: Option<SocketAddr>) -> Self {
        Self { remote_addr, ..Self::default() }
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: &str) {
        self.subprotocol = Some(subprotocol.into());
    }

    /// The request target, with its query. Empty for a connection without HTTP request.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The query of the request target, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.uri.split_once('?').map(|(_, query)| query)
    }

    /// The first header of this name, in any case, if its value is visible ASCII or UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Every header of the request: its lower-case name and the octets of its value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.split(|octet| *octet == b'\n').filter_map(|line| {
            let colon = line.iter().position(|octet| *octet == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, &line[colon + 1..]))
        })
    }

    /// The variables of the endpoint's path template.
    pub fn path_params(&self) -> &PathParams {
        &self.path_params
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The address of the peer, where the transport has one.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote_addr
    }
}

/// `name:value\n` for each header; neither can hold a line feed.
fn pack(headers: &HeaderMap) -> Box<[u8]> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.extend_from_slice(name.as_str().as_bytes());
        block.push(b':');
        block.extend_from_slice(value.as_bytes());
        block.push(b'\n');
    }
    block.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_found_in_any_case_and_keep_any_octet() {
        let mut headers = HeaderMap::new();
        headers.insert("x-token", HeaderValue::from_static("a:b"));
        headers.append("x-odd", HeaderValue::from_bytes(&[0xff, b':']).unwrap());
        let uri = "/chat?room=1".parse().unwrap();
        let handshake = Handshake::new(&uri, &headers, PathParams::default(), None);

        assert_eq!(handshake.header("X-Token"), Some("a:b"));
        assert_eq!(handshake.header("x-odd"), None);
        assert_eq!(handshake.headers().nth(1), Some(("x-odd", &[0xff, b':'][..])));
        assert_eq!(handshake.query(), Some("room=1"));
    }
}
