use super::CONTENT_LENGTH;
use super::escaping::Escaping;
use crate::{Command, Frame, Headers, Version};

/// Appends a frame to `out`, its headers escaped as a receiver of this version reads them.
///
/// A body is announced by `content-length`, whatever the frame's own header of that name says, so
/// it may contain NULs. Nothing follows the frame's NUL.
///
/// What a version cannot express is left out or replaced by a blank: in header values line ends
/// (STOMP 1.0, and CONNECT and CONNECTED in every version), carriage returns (1.1) and NULs; and
/// headers whose name is empty or holds such octets.
///
/// # Examples
///
/// ```
/// use tidings_stomp::{Command, Frame, Version, encode};
///
/// let mut frame = Frame::new(Command::Receipt);
/// frame.headers.push("receipt-id", "a:1");
/// let mut out = Vec::new();
/// encode(&frame, Version::V1_2, &mut out);
/// assert_eq!(out, b"RECEIPT\nreceipt-id:a\\c1\n\n\0");
/// ```
pub fn encode(frame: &Frame, version: Version, out: &mut Vec<u8>) {
    let Frame { command, headers, body } = frame;
    let escaping = Escaping::of(*command, Some(version));
    out.reserve(OVERHEAD_OCTETS + headers.line_octets() + body.len());
    out.extend_from_slice(command.as_str().as_bytes());
    out.push(b'\n');
    let is_own = |(name, _): &(&[u8], &[u8])| *name != CONTENT_LENGTH.as_bytes();
    for (name, value) in headers.iter_octets().filter(is_own) {
        escaping.write_header(name, value, out);
    }
    write_body(body, out);
}

/// What a MESSAGE frame is made of: STOMP 1.2, "MESSAGE".
#[derive(Clone, Copy, Debug)]
pub struct MessageParts<'a> {
    /// Where the message was sent to.
    pub destination: &'a str,
    /// The id of the message.
    pub message_id: &'a str,
    /// The id of the subscription, unless it is one of STOMP 1.0 that has none:
    /// [`SubscriptionId::on_wire`](crate::SubscriptionId::on_wire).
    pub subscription: Option<&'a str>,
    /// What ACK and NACK of STOMP 1.2 name, if the message is to be acknowledged.
    pub ack: Option<&'a str>,
    /// Whether the message was delivered before. If so, the frame says `redelivered:true`.
    pub redelivered: bool,
    /// The headers that the sender gave. Those that are the server's to give are left out.
    pub headers: &'a Headers,
    /// The body.
    pub body: &'a [u8],
}

/// Appends a MESSAGE frame to `out`, as [`encode`] would.
///
/// The octets depend on nothing but the arguments, so they serve every subscriber for whom these
/// are the same.
///
/// # Examples
///
/// ```
/// use tidings_stomp::{Headers, MessageParts, Version, encode_message};
///
/// let parts = MessageParts {
///     destination: "/topic/a",
///     message_id: "7",
///     subscription: Some("sub-0"),
///     ack: None,
///     redelivered: false,
///     headers: &Headers::from([("content-type", "text/plain")]),
///     body: b"hello",
/// };
/// let mut out = Vec::new();
/// encode_message(&parts, Version::V1_2, &mut out);
/// assert_eq!(
///     out,
///     b"MESSAGE\ndestination:/topic/a\nmessage-id:7\nsubscription:sub-0\n\
///       content-type:text/plain\ncontent-length:5\n\nhello\0"
/// );
/// ```
pub fn encode_message(parts: &MessageParts<'_>, version: Version, out: &mut Vec<u8>) {
    let MessageParts { destination, message_id, subscription, ack, redelivered, headers, body } =
        *parts;
    let escaping = Escaping::of(Command::Message, Some(version));
    let ids = [subscription, ack].map(Option::unwrap_or_default);
    let values = [destination, message_id].into_iter().chain(ids).map(str::len).sum::<usize>();
    out.reserve(OWN_OVERHEAD_OCTETS + values + headers.line_octets() + body.len());
    out.extend_from_slice(b"MESSAGE\n");
    escaping.write_known("destination", destination, out);
    escaping.write_known("message-id", message_id, out);
    if let Some(id) = subscription {
        escaping.write_known("subscription", id, out);
    }
    if let Some(id) = ack {
        escaping.write_known("ack", id, out);
    }
    if redelivered {
        escaping.write_known("redelivered", "true", out);
    }
    let is_passed_on = |(name, _): &(&[u8], &[u8])| !is_reserved(name);
    for (name, value) in headers.iter_octets().filter(is_passed_on) {
        escaping.write_header(name, value, out);
    }
    write_body(body, out);
}

/// Whether a header of MESSAGE is the server's to give, so that the sender's is not passed on.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    matches!(
        name,
        b"destination"
            | b"message-id"
            | b"subscription"
            | b"ack"
            | b"redelivered"
            | b"receipt"
            | b"transaction"
            | b"content-length"
    )
}

/// Room for the command, `content-length` and the ends of the headers and the body.
const OVERHEAD_OCTETS: usize = 64;

/// The same, and the names of what is the server's to give in MESSAGE.
const OWN_OVERHEAD_OCTETS: usize = OVERHEAD_OCTETS + 64;

fn write_body(body: &[u8], out: &mut Vec<u8>) {
    if !body.is_empty() {
        out.extend_from_slice(CONTENT_LENGTH.as_bytes());
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(body);
    out.push(0);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn parts<'a>(headers: &'a Headers, body: &'a [u8]) -> MessageParts<'a> {
        MessageParts {
            destination: "/queue/a",
            message_id: "m1",
            subscription: None,
            ack: None,
            redelivered: false,
            headers,
            body,
        }
    }

    #[test]
    fn content_length_is_the_encoders() {
        let mut frame = Frame::new(Command::Send);
        frame.headers.push("content-length", "99");
        let mut out = Vec::new();
        encode(&frame, Version::V1_2, &mut out);
        assert_eq!(out, b"SEND\n\n\0");

        frame.body = Bytes::from_static(b"a\0b");
        out.clear();
        encode(&frame, Version::V1_0, &mut out);
        assert_eq!(out, b"SEND\ncontent-length:3\n\na\0b\0");
    }

    #[test]
    fn a_sender_cannot_forge_the_servers_headers_of_a_message() {
        let forged: Vec<(&str, &str)> = [
            "destination",
            "message-id",
            "subscription",
            "ack",
            "redelivered",
            "receipt",
            "transaction",
            "content-length",
        ]
        .map(|name| (name, "forged"))
        .into();
        let mut headers: Headers = forged.into_iter().collect();
        headers.push("colour", "red");
        let mut out = Vec::new();
        encode_message(&parts(&headers, b""), Version::V1_2, &mut out);
        assert_eq!(out, b"MESSAGE\ndestination:/queue/a\nmessage-id:m1\ncolour:red\n\n\0");
    }

    #[test]
    fn a_message_says_what_the_subscriber_needs_for_its_ack() {
        let headers = Headers::default();
        let parts = MessageParts {
            subscription: Some("s"),
            ack: Some("k"),
            redelivered: true,
            ..parts(&headers, b"hi")
        };
        let mut out = Vec::new();
        encode_message(&parts, Version::V1_2, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "MESSAGE\ndestination:/queue/a\nmessage-id:m1\nsubscription:s\nack:k\n\
             redelivered:true\ncontent-length:2\n\nhi\0"
        );
    }

    #[test]
    fn octets_that_are_no_text_are_passed_on() {
        let mut headers = Headers::default();
        headers.push_octets(b"x", b"\xff:\xfe");
        let mut out = Vec::new();
        encode_message(&parts(&headers, b""), Version::V1_2, &mut out);
        assert!(out.ends_with(b"\nx:\xff\\c\xfe\n\n\0"), "{out:?}");
    }

    #[test]
    fn one_message_is_escaped_differently_for_each_version() {
        let headers = Headers::from([("time", "12:30\r\n"), ("a:b", "\\")]);
        let check = |version, expected: &str| {
            let mut out = Vec::new();
            encode_message(&parts(&headers, b""), version, &mut out);
            let out = String::from_utf8(out).unwrap();
            let user = out.strip_prefix("MESSAGE\ndestination:/queue/a\nmessage-id:m1\n");
            assert_eq!(user, Some(expected));
        };
        check(Version::V1_0, "time:12:30  \n\n\0");
        check(Version::V1_1, "time:12\\c30\\n\na\\cb:\\\\\n\n\0");
        check(Version::V1_2, "time:12\\c30\\r\\n\na\\cb:\\\\\n\n\0");
    }
}
