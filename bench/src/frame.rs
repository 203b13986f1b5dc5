//! As much of RFC 6455 as a client needs that sends octets made beforehand.

use std::error::Error;
use std::fmt;

/// What the key of [`request`] has to be answered with.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASKING_KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Whether messages are offered and sent compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Off,
    Deflate,
}

/// The opening handshake's request, with the offer that browsers make.
pub(crate) fn request(address: &str, compression: Compression) -> String {
    let extensions = match compression {
        Compression::Off => "",
        Compression::Deflate => {
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        }
    };
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {extensions}\r\n"
    )
}

/// Whether a server has taken [`request`] up as it stands.
///
/// # Errors
///
/// The first line of another answer, or what is missing from this one.
pub(crate) fn check_response(head: &[u8], compression: Compression) -> Result<(), String> {
    let head = String::from_utf8_lossy(head);
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(format!("no upgrade: {}", head.lines().next().unwrap_or_default()));
    }
    if !head.contains(ACCEPT) {
        return Err("Sec-WebSocket-Accept is wrong".to_owned());
    }
    let deflates = head.contains("permessage-deflate");
    match compression {
        Compression::Deflate if !deflates => Err("permessage-deflate was not agreed to".to_owned()),
        Compression::Off if deflates => Err("permessage-deflate was not asked for".to_owned()),
        _ => Ok(()),
    }
}

/// The two first octets of a frame that is a whole text message.
const TEXT: u8 = 0x81;

/// RSV1: the payload is compressed.
const COMPRESSED: u8 = 0x40;

/// Appends a masked frame that holds a whole text message, compressed already or not at all.
pub(crate) fn encode(payload: &[u8], compression: Compression, out: &mut Vec<u8>) {
    out.push(match compression {
        Compression::Off => TEXT,
        Compression::Deflate => TEXT | COMPRESSED,
    });
    if let Ok(len @ ..126) = u8::try_from(payload.len()) {
        out.push(0x80 | len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(0x80 | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&MASKING_KEY);
    out.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(octet, key)| octet ^ key));
}

/// The octets that a server's frame has for `payload` octets: no mask.
pub(crate) fn reply_octets(payload: usize) -> usize {
    payload
        + match payload {
            ..126 => 2,
            126..65_536 => 4,
            _ => 10,
        }
}

/// Counts the messages in what a server sends, and sees to it that they are messages.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    header: [u8; HEADER_OCTETS_MAX],
    header_len: usize,
    payload_left: u64,
    frame: FrameKind,
    /// Octets of the message under way, headers excluded.
    message_octets: u64,
}

const HEADER_OCTETS_MAX: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FrameKind {
    /// More of the message follows.
    #[default]
    Part,
    /// The message ends with this frame.
    Last,
    /// A ping or a pong.
    Control,
}

/// What a server sent instead of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadReply {
    /// A close frame.
    Closed,
    /// Octets that are no frame of a server's.
    NotAFrame([u8; 2]),
    /// A message of another length than what was sent.
    WrongLength(u64),
}

impl Replies {
    /// Takes octets in; returns how many messages they complete. `len` is how long each has to be.
    ///
    /// # Errors
    ///
    /// [`BadReply`], after which there is no sense in going on.
    pub(crate) fn take(&mut self, mut octets: &[u8], len: Option<u64>) -> Result<u64, BadReply> {
        let mut messages = 0;
        while !octets.is_empty() {
            if self.payload_left == 0 {
                octets = self.take_header(octets)?;
            }
            let available = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            let taken = self.payload_left.min(available);
            self.payload_left -= taken;
            octets = &octets[usize::try_from(taken).unwrap_or(octets.len())..];
            if self.payload_left == 0 && self.header_len == 0 && self.frame == FrameKind::Last {
                self.frame = FrameKind::Part;
                let message_octets = std::mem::take(&mut self.message_octets);
                if len.is_some_and(|len| len != message_octets) {
                    return Err(BadReply::WrongLength(message_octets));
                }
                messages += 1;
            }
        }
        Ok(messages)
    }

    /// Returns what is left of `octets`; `header_len` is 0 once the header is complete.
    fn take_header<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], BadReply> {
        let mut rest = octets;
        loop {
            let needed = match (self.header_len, self.header[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => HEADER_OCTETS_MAX,
                _ => 2,
            };
            if self.header_len == needed {
                break;
            }
            let Some((&first, others)) = rest.split_first() else { return Ok(rest) };
            self.header[self.header_len] = first;
            self.header_len += 1;
            rest = others;
        }
        self.header_len = 0;
        let [first, second, extended @ ..] = self.header;
        let [high, low, ..] = extended;
        self.payload_left = match second {
            len @ ..126 => u64::from(len),
            126 => u64::from(u16::from_be_bytes([high, low])),
            127 => u64::from_be_bytes(extended),
            _ => return Err(BadReply::NotAFrame([first, second])),
        };
        self.frame = match (first & 0x0f, first & 0x80) {
            (0..=2, 0x80) => FrameKind::Last,
            (0..=2, _) => FrameKind::Part,
            (8, 0x80) => return Err(BadReply::Closed),
            (9 | 10, 0x80) => FrameKind::Control,
            _ => return Err(BadReply::NotAFrame([first, second])),
        };
        if self.frame != FrameKind::Control {
            self.message_octets += self.payload_left;
        }
        Ok(rest)
    }
}

impl fmt::Display for BadReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed a connection"),
            Self::NotAFrame([first, second]) => {
                write!(f, "the server sent {first:02x} {second:02x}, which begins no frame")
            }
            Self::WrongLength(octets) => write!(f, "the server sent a message of {octets} octets"),
        }
    }
}

impl Error for BadReply {}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(payloads: &[usize]) -> Vec<u8> {
        let mut octets = Vec::new();
        for &len in payloads {
            octets.push(TEXT);
            match len {
                ..126 => octets.push(len as u8),
                126..65_536 => {
                    octets.push(126);
                    octets.extend_from_slice(&(len as u16).to_be_bytes());
                }
                _ => {
                    octets.push(127);
                    octets.extend_from_slice(&(len as u64).to_be_bytes());
                }
            }
            octets.resize(octets.len() + len, b'x');
        }
        octets
    }

    #[test]
    fn messages_are_counted_however_they_are_split() {
        let octets = unmasked(&[0, 5, 125, 126, 65_535, 65_536, 0]);
        for size in [1, 2, 3, 7, 4096, octets.len()] {
            let mut replies = Replies::default();
            let counts = octets.chunks(size).map(|chunk| replies.take(chunk, None).unwrap());
            assert_eq!(counts.sum::<u64>(), 7, "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_has_as_many_octets_as_is_said() {
        for len in [0, 125, 126, 65_535, 65_536] {
            assert_eq!(unmasked(&[len]).len(), reply_octets(len));
            let mut masked = Vec::new();
            encode(&vec![b'x'; len], Compression::Off, &mut masked);
            assert_eq!(masked.len(), reply_octets(len) + MASKING_KEY.len());
        }
    }

    #[test]
    fn fragments_make_one_message_and_control_frames_none() {
        let mut replies = Replies::default();
        let octets = [0x01, 2, b'a', b'b', 0x89, 1, b'p', 0x80, 1, b'c'];
        assert_eq!(replies.take(&octets, Some(3)), Ok(1));
    }

    #[test]
    fn what_is_no_message_of_the_right_length_is_told() {
        let take = |octets: &[u8]| Replies::default().take(octets, Some(3));
        assert_eq!(take(&[0x88, 2, 3, 0xe8]), Err(BadReply::Closed));
        assert_eq!(take(b"HT"), Err(BadReply::NotAFrame(*b"HT")));
        assert_eq!(take(&[0x81, 0x81]), Err(BadReply::NotAFrame([0x81, 0x81])));
        assert_eq!(take(&[0x81, 1, b'x']), Err(BadReply::WrongLength(1)));
    }

    #[test]
    fn an_answer_has_to_take_up_what_was_asked_for() {
        let head =
            format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n");
        assert_eq!(check_response(head.as_bytes(), Compression::Off), Ok(()));
        assert!(check_response(head.as_bytes(), Compression::Deflate).is_err());
        let deflate = format!("{head}Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert_eq!(check_response(deflate.as_bytes(), Compression::Deflate), Ok(()));
        assert!(check_response(deflate.as_bytes(), Compression::Off).is_err());
        assert!(check_response(b"HTTP/1.1 404 Not Found\r\n", Compression::Off).is_err());
    }
}
