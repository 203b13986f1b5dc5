//! Counts messages in what a broker sends. This is most of what the clients do, so it looks at as little as it
//! can: bodies hold no octet that ends a frame.

use std::error::Error;

use super::{Dialect, Door};
use crate::frame::Replies;

/// Counts the messages of one connection.
#[derive(Debug)]
pub(super) enum Scanner {
    /// Each ends with a NUL.
    Nul,
    /// Each has as many octets, of which some of the last one are still to come.
    Nats { delivery_octets: usize, missing: usize, line: Vec<u8> },
    /// Each is a WebSocket message.
    WebSocket(Replies),
    /// Each ends with the escape sequence of NUL, of which so many octets have come.
    EscapedNul { matched: usize },
}

const ESCAPED_NUL: &[u8] = b"\\u0000";

impl Scanner {
    pub(super) fn new(dialect: Dialect, door: Door, octets: usize) -> Self {
        match (dialect, door) {
            (Dialect::Nats, _) => Self::Nats {
                delivery_octets: dialect.delivery_octets(octets),
                missing: 0,
                line: Vec::new(),
            },
            (Dialect::Stomp, Door::Tcp) => Self::Nul,
            (Dialect::Stomp, Door::WebSocket) => Self::WebSocket(Replies::default()),
            (Dialect::Stomp, Door::SockJsWebSocket | Door::XhrStreaming) => {
                Self::EscapedNul { matched: 0 }
            }
        }
    }

    /// Takes octets in; returns how many messages end in them.
    ///
    /// # Errors
    ///
    /// What came instead of messages.
    pub(super) fn take(&mut self, octets: &[u8]) -> Result<u64, Box<dyn Error>> {
        match self {
            Self::Nul => {
                if octets.starts_with(b"ERROR\n") {
                    return Err(String::from_utf8_lossy(octets).into_owned().into());
                }
                Ok(memchr::memchr_iter(0, octets).count().try_into()?)
            }
            Self::Nats { delivery_octets, missing, line } => {
                take_nats(octets, *delivery_octets, missing, line)
            }
            Self::WebSocket(replies) => Ok(replies.take(octets, None)?),
            Self::EscapedNul { matched } => Ok(take_escaped(octets, matched)),
        }
    }
}

fn take_nats(
    mut octets: &[u8],
    delivery_octets: usize,
    missing: &mut usize,
    line: &mut Vec<u8>,
) -> Result<u64, Box<dyn Error>> {
    let mut messages = 0;
    while let Some(&first) = octets.first() {
        if *missing == 0 && line.is_empty() && first == b'M' {
            *missing = delivery_octets;
        }
        if *missing > 0 {
            let taken = octets.len().min(*missing);
            *missing -= taken;
            octets = &octets[taken..];
            messages += u64::from(*missing == 0);
            continue;
        }
        // A ping now and then, which nobody minds if it is not answered for some minutes.
        let end = memchr::memchr(b'\n', octets).map_or(octets.len(), |end| end + 1);
        line.extend_from_slice(&octets[..end]);
        octets = &octets[end..];
        if line.ends_with(b"\n") {
            if line.starts_with(b"-ERR") {
                return Err(String::from_utf8_lossy(line).into_owned().into());
            }
            line.clear();
        }
    }
    Ok(messages)
}

fn take_escaped(mut octets: &[u8], matched: &mut usize) -> u64 {
    let mut messages = 0;
    while !octets.is_empty() {
        if *matched == 0 {
            let Some(at) = memchr::memchr(ESCAPED_NUL[0], octets) else { break };
            octets = &octets[at..];
        }
        if octets[0] == ESCAPED_NUL[*matched] {
            *matched += 1;
            octets = &octets[1..];
        } else {
            // The needle begins with the only octet that can begin it again.
            *matched = 0;
        }
        if *matched == ESCAPED_NUL.len() {
            *matched = 0;
            messages += 1;
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the octets are cut, they hold as many messages.
    fn check(dialect: Dialect, door: Door, octets: &[u8], expected: u64) {
        for piece in 1..=octets.len() {
            let mut scanner = Scanner::new(dialect, door, 3);
            let pieces = octets.chunks(piece).map(|piece| scanner.take(piece).unwrap());
            assert_eq!(pieces.sum::<u64>(), expected, "{dialect:?} {door:?} in {piece}s");
        }
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        check(Dialect::Stomp, Door::Tcp, b"MESSAGE\n\nabc\0\nMESSAGE\n\nabc\0", 2);
        check(
            Dialect::Nats,
            Door::Tcp,
            b"MSG bench 1 3\r\nabc\r\nPING\r\nMSG bench 1 3\r\nabc\r\n",
            2,
        );
        check(Dialect::Stomp, Door::WebSocket, b"\x81\x03ab\0\x81\x02c\0", 2);
        let array = br#"a["MESSAGE\n\u00\n\nabc\u0000","MESSAGE\n\nabc\\u0000"]"#;
        check(Dialect::Stomp, Door::XhrStreaming, array, 2);
    }

    #[test]
    fn complaints_are_told() {
        let complaint = |dialect, octets: &[u8]| {
            Scanner::new(dialect, Door::Tcp, 3).take(octets).unwrap_err().to_string()
        };
        assert!(complaint(Dialect::Stomp, b"ERROR\nmessage:no\n\n\0").contains("message:no"));
        assert!(complaint(Dialect::Nats, b"-ERR 'Slow Consumer'\r\n").contains("Slow"));
    }
}
