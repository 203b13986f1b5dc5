//! The handshake of draft-hixie-thewebsocketprotocol-76, from before RFC 6455.
//!
//! No browser speaks it any more, but checks of proxies do, and the test suite of SockJS plays a proxy: the
//! answer's head has to come before the last 8 octets of the request do, and then 16 more octets. There
//! are no messages: after the handshake the connection is closed, as the draft does it.

use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, ORIGIN, UPGRADE};
use http::{Response, StatusCode};
use md5::{Digest, Md5};

/// Octets of a request after its head.
pub const CHALLENGE_OCTETS: usize = 8;

/// What closes a connection.
pub const CLOSE: [u8; 2] = [0xff, 0];

/// A request for the handshake, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hixie76 {
    numbers: [u32; 2],
}

impl Hixie76 {
    /// Reads the head of a request. `None` if it asks for something else, or its keys are none.
    pub fn of_request(headers: &HeaderMap) -> Option<Self> {
        let key = |name| headers.get(name)?.to_str().ok();
        let is_newer = headers.contains_key("sec-websocket-version");
        let keys = [key("sec-websocket-key1")?, key("sec-websocket-key2")?];
        if is_newer {
            return None;
        }
        Some(Self { numbers: [number(keys[0])?, number(keys[1])?] })
    }

    /// The head of the answer to a request for `path_and_query`. The scheme is `ws` or `wss`.
    pub fn response(
        &self,
        headers: &HeaderMap,
        scheme: &str,
        path_and_query: &str,
    ) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let fields = response.headers_mut();
        fields.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(origin) = headers.get(ORIGIN) {
            fields.insert("sec-websocket-origin", origin.clone());
        }
        let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let location = [scheme.as_bytes(), b"://", host, path_and_query.as_bytes()].concat();
        if let Ok(location) = HeaderValue::from_bytes(&location) {
            fields.insert("sec-websocket-location", location);
        }
        response
    }

    /// What comes after the head, once the client has sent its challenge.
    pub fn answer(&self, challenge: [u8; CHALLENGE_OCTETS]) -> [u8; 16] {
        let [first, second] = self.numbers.map(u32::to_be_bytes);
        let hash = Md5::new().chain_update(first).chain_update(second).chain_update(challenge);
        hash.finalize().into()
    }
}

/// The digits of a key as a number, divided by how many spaces it has.
fn number(key: &str) -> Option<u32> {
    let digits = key.chars().filter_map(|char| char.to_digit(10));
    let number = digits
        .map(u64::from)
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(digit))?;
    let spaces = key.matches(' ').count() as u64;
    u32::try_from(number.checked_div(spaces)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key1: &'static str, key2: &'static str) -> HeaderMap {
        [
            (HOST, HeaderValue::from_static("example.com")),
            (ORIGIN, HeaderValue::from_static("http://example.com")),
            ("sec-websocket-key1".parse().unwrap(), HeaderValue::from_static(key1)),
            ("sec-websocket-key2".parse().unwrap(), HeaderValue::from_static(key2)),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn the_example_of_the_draft() {
        let headers = request("4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00");
        let handshake = Hixie76::of_request(&headers).unwrap();
        assert_eq!(&handshake.answer(*b"^n:ds[4U"), b"8jKS'y:G*Co,Wxa-");
        let response = handshake.response(&headers, "ws", "/demo?a");
        assert_eq!(response.headers()["sec-websocket-location"], "ws://example.com/demo?a");
        assert_eq!(response.headers()["sec-websocket-origin"], "http://example.com");
    }

    #[test]
    fn keys_without_spaces_or_with_too_great_a_number_are_none() {
        for key in ["123", "", "99999999999 9", "9999999999999999999999 "] {
            assert_eq!(Hixie76::of_request(&request(key, "1 ")), None, "{key}");
            assert_eq!(Hixie76::of_request(&request("1 ", key)), None, "{key}");
        }
    }

    #[test]
    fn newer_versions_are_something_else() {
        let mut headers = request("1 ", "1 ");
        assert!(Hixie76::of_request(&headers).is_some());
        headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
        assert_eq!(Hixie76::of_request(&headers), None);
    }
}
