//! STOMP frames as messages of their doors.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use tidings_websocket::Message;

use crate::endpoint::Session;
use crate::hub::stomp_message;

/// The header by which text says that its body is base64: that of RFC 2045, section 6.
const TRANSFER_ENCODING: &str = "content-transfer-encoding:base64";

/// A frame as a message for this session: binary if that is what its client sends, text otherwise if it
/// can be text, and over SockJS text in any case.
pub(crate) fn message_for(session: &Session, frame: Bytes) -> Message {
    if session.transport().is_some() {
        return Message::Text(text_of(&frame).into_owned());
    }
    match session.link().websocket() {
        Some(outbox) if outbox.wants_binary() => Message::Binary(frame),
        _ => stomp_message(frame),
    }
}

/// A frame as text. One that is none has its body in base64, which a header says. A header whose octets
/// are no text cannot be told at all; another names it.
pub(crate) fn text_of(frame: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(frame) {
        return Cow::Borrowed(text);
    }
    let end = frame.windows(2).position(|octets| octets == b"\n\n").unwrap_or(frame.len());
    let (head, rest) = frame.split_at(end);
    let body = rest.strip_prefix(b"\n\n").unwrap_or(rest);
    let body = body.strip_suffix(b"\0").unwrap_or(body);
    let as_text = str::from_utf8(body);
    let mut lines = Vec::new();
    let mut left_out = Vec::new();
    for line in head.split(|octet| *octet == b'\n') {
        match str::from_utf8(line) {
            // They are about the body that is not text. Of a repeated header the first would hold.
            Ok(line) if as_text.is_err() && is_of_body(line) => {}
            Ok(line) => lines.push(Cow::Borrowed(line)),
            Err(_) => {
                let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
                left_out.push(String::from_utf8_lossy(name));
            }
        }
    }
    if !left_out.is_empty() {
        lines.push(format!("left-out-headers:{}", left_out.join(",")).into());
    }
    let body = as_text.map_or_else(|_| BASE64_STANDARD.encode(body).into(), Cow::Borrowed);
    if as_text.is_err() {
        lines.push(TRANSFER_ENCODING.into());
        lines.push(format!("content-length:{}", body.len()).into());
    }
    Cow::Owned(format!("{}\n\n{body}\0", lines.join("\n")))
}

fn is_of_body(line: &str) -> bool {
    line.starts_with("content-length:") || line.starts_with("content-transfer-encoding:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_it_is() {
        let frame = "MESSAGE\nmessage-id:1\n\nä\0";
        assert!(matches!(text_of(frame.as_bytes()), Cow::Borrowed(text) if text == frame));
    }

    #[test]
    fn a_body_that_is_no_text_becomes_base64_and_a_header_says_so() {
        assert_eq!(
            text_of(b"MESSAGE\nmessage-id:1\ncontent-length:4\n\n\xff\n\n\0\0"),
            "MESSAGE\nmessage-id:1\ncontent-transfer-encoding:base64\ncontent-length:8\n\n\
             /woKAA==\0"
        );
    }

    #[test]
    fn base64_is_told_though_the_sender_has_told_another_encoding() {
        let frame = b"MESSAGE\ncontent-transfer-encoding:8bit\ncontent-length:1\n\n\xff\0";
        let expected = "MESSAGE\ncontent-transfer-encoding:base64\ncontent-length:4\n\n/w==\0";
        assert_eq!(text_of(frame), expected);
        let text = "MESSAGE\ncontent-transfer-encoding:8bit\na:";
        let frame = [text.as_bytes(), b"\xff\n\nhi\0"].concat();
        assert!(text_of(&frame).contains("content-transfer-encoding:8bit\n"), "it is text");
    }

    #[test]
    fn a_header_that_is_no_text_is_left_out_and_named() {
        assert_eq!(
            text_of(b"MESSAGE\na:\xff\nb:2\ncontent-length:2\n\nhi\0"),
            "MESSAGE\nb:2\ncontent-length:2\nleft-out-headers:a\n\nhi\0"
        );
    }
}
