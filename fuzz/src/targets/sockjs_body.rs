//! The body of an `xhr_send` or `jsonp_send` request, and a message of the `websocket` transport.

use tidings_sockjs::{
    Frame, MESSAGES_MAX, decode_websocket_text, encode_array, parse_jsonp_send, parse_send,
};

use crate::random::Random;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "sockjs_body",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"[",
        b"]",
        b"[[[[[[[[",
        b"\"",
        b"\\u",
        b"\\ud83d\\ude00",
        b"\\udc00",
        b"\",\"",
        b"{\"a\":",
        b"null",
        b"d=",
        b"%5B%22",
        b"&",
        b"1e9",
        b"\xff",
    ],
};

/// What one octet that is not UTF-8 becomes.
const REPLACEMENT_OCTETS: usize = 3;

fn check(input: &[u8]) {
    if let Ok(messages) = parse_send(Some(b"text/plain"), input, MESSAGES_MAX) {
        check_messages(&messages, input.len());
    }
    let form = Some(&b"application/x-www-form-urlencoded"[..]);
    if let Ok(messages) = parse_jsonp_send(form, input, MESSAGES_MAX) {
        check_messages(&messages, input.len());
    }
    let text = String::from_utf8_lossy(input);
    if let Ok(messages) = decode_websocket_text(&text) {
        check_messages(&messages, input.len());
    }
    if let Ok(frame) = Frame::decode(&text) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        let out = String::from_utf8(out).expect("frames are text");
        assert_eq!(Frame::decode(&out), Ok(frame));
    }
}

fn check_messages(messages: &[String], octets: usize) {
    assert!(messages.len() <= MESSAGES_MAX);
    let decoded: usize = messages.iter().map(String::len).sum();
    assert!(decoded <= REPLACEMENT_OCTETS * octets, "{decoded} octets came of {octets}");
    let mut out = Vec::new();
    encode_array(messages, &mut out);
    let out = String::from_utf8(out).expect("frames are text");
    assert_eq!(Frame::decode(&out), Ok(Frame::Array(messages.to_vec())));
}

fn sample(random: &mut Random) -> Vec<u8> {
    let elements = ["\"a\"", "\"\\u20ac\"", "\"\\ud83d\\ude00\"", "\"\\n\"", "{\"a\":[1]}", "-1e5"];
    let mut out = b"[".to_vec();
    for index in 0..random.below(6) {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(random.pick(&elements).as_bytes());
    }
    out.push(b']');
    out
}
