//! The opening handshake as a client sees it.

use http::StatusCode;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS};
use tidings_websocket::handshake::client::OpeningHandshake;

use super::http_head::{fields, write_lines};
use crate::random::Random;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "handshake_client",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"\r\n",
        b"connection: upgrade\r\n",
        b"upgrade: websocket\r\n",
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        b"sec-websocket-protocol: chat\r\n",
        b"sec-websocket-extensions: permessage-deflate\r\n",
        b", ",
        b"\"",
        b"\xff",
    ],
};

/// The nonce of the example in RFC 6455, and what answers it.
const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

fn check(input: &[u8]) {
    let Some((control, block)) = input.split_first() else { return };
    let statuses = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK, StatusCode::FOUND];
    let status = statuses[usize::from(*control) % statuses.len()];
    let Some(headers) = fields(block) else { return };
    let opening = OpeningHandshake::new(NONCE, SUBPROTOCOLS).expect("these are tokens");
    match opening.verify(status, &headers) {
        Ok(opened) => {
            assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
            assert!(headers.get_all(SEC_WEBSOCKET_ACCEPT).iter().any(|accept| {
                accept.as_bytes().windows(ACCEPT.len()).any(|it| it == ACCEPT.as_bytes())
            }));
            assert!(opened.subprotocol().is_none_or(|chosen| SUBPROTOCOLS.contains(&chosen)));
            // None was offered, so none can be chosen.
            let extensions = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
            let is_blank = |octet: &u8| b", \t".contains(octet);
            assert!(extensions.iter().all(|line| line.as_bytes().iter().all(is_blank)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = vec![if random.one_in(8) { random.octet() } else { 0 }];
    let accept = format!("sec-websocket-accept: {ACCEPT}");
    let lines = [
        random.pick(&["connection: Upgrade", "connection: upgrade, close"]),
        random.pick(&["upgrade: websocket", "upgrade: WebSocket"]),
        random.pick(&[accept.as_str(), "sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
        random.pick(&["sec-websocket-protocol: chat", "sec-websocket-protocol: other", "x: y"]),
        random.pick(&["sec-websocket-extensions: permessage-deflate", "server: x", "date:"]),
    ];
    write_lines(&lines, random, &mut out);
    out
}
