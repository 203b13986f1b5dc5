//! The opening handshake as a server sees it.

use http::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{Method, StatusCode, Version};
use tidings_websocket::handshake::server::accept;

use super::http_head::{fields, write_lines};
use crate::random::Random;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "handshake_server",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"\r\n",
        b"connection: upgrade\r\n",
        b"upgrade: websocket\r\n",
        b"sec-websocket-version: 13\r\n",
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"sec-websocket-protocol: chat\r\n",
        b"sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
        b", ",
        b"\"",
        b"=",
        b"\t",
        b"\xff",
    ],
};

fn check(input: &[u8]) {
    let Some((control, block)) = input.split_first() else { return };
    let method = if control & 1 == 0 { Method::GET } else { Method::POST };
    let version = if control & 2 == 0 { Version::HTTP_11 } else { Version::HTTP_10 };
    let Some(headers) = fields(block) else { return };
    let accepted = match accept(&method, version, &headers) {
        Ok(accepted) => accepted,
        Err(error) => {
            let response = error.response();
            assert!(response.status().is_client_error());
            assert!(response.body().contains(&error.to_string()));
            return;
        }
    };
    assert_eq!((method, version), (Method::GET, Version::HTTP_11));
    assert_eq!(headers.get_all(SEC_WEBSOCKET_KEY).iter().count(), 1);
    assert_eq!(headers[SEC_WEBSOCKET_KEY].as_bytes().trim_ascii().len(), 24);
    assert_eq!(headers[SEC_WEBSOCKET_VERSION].as_bytes().trim_ascii(), b"13");
    assert_eq!(accepted.accept_key().map(str::len), Some(28));
    assert_eq!(accepted.response(None).status(), StatusCode::SWITCHING_PROTOCOLS);
    for subprotocol in accepted.subprotocols() {
        let response = accepted.response(Some(subprotocol));
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], subprotocol.as_str());
    }
    let response = accepted.response(Some("not offered"));
    assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = vec![if random.one_in(8) { random.octet() } else { 0 }];
    let lines = [
        random.pick(&["connection: Upgrade", "connection: keep-alive, upgrade", "connection: ,"]),
        random.pick(&["upgrade: websocket", "upgrade: h2c, WebSocket", "upgrade: h2c"]),
        random.pick(&["sec-websocket-version: 13", "sec-websocket-version: 8"]),
        random.pick(&[
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
            "sec-websocket-key: AAAA",
        ]),
        random.pick(&["sec-websocket-protocol: chat", "sec-websocket-protocol: a, b, c", "x: y"]),
        random.pick(&["sec-websocket-extensions: permessage-deflate", "origin: http://a", "x:"]),
    ];
    write_lines(&lines, random, &mut out);
    out
}
