//! What the clients say.

use std::fmt::Write;

use zlib_rs::{Deflate, DeflateFlush};

use crate::frame::{Compression, encode};

/// Messages of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// One text of so many octets, over and over.
    Text(usize),
    /// 1 KiB of JSON, compressed: many that resemble each other, as an application's do.
    CompressedJson,
}

/// Enough different messages that a window of 32 KiB holds none of them twice.
const JSON_MESSAGES: usize = 128;

const JSON_OCTETS: usize = 1024;

impl Message {
    /// Octets of one message, uncompressed.
    pub(crate) fn octets(self) -> usize {
        match self {
            Self::Text(octets) => octets,
            Self::CompressedJson => JSON_OCTETS,
        }
    }

    pub(crate) fn compression(self) -> Compression {
        match self {
            Self::Text(_) => Compression::Off,
            Self::CompressedJson => Compression::Deflate,
        }
    }

    /// The different messages that there are.
    pub(crate) fn texts(self) -> Vec<String> {
        match self {
            Self::Text(octets) => vec!["x".repeat(octets)],
            Self::CompressedJson => (0..JSON_MESSAGES).map(json).collect(),
        }
    }

    /// The same as frames, with `batch` of them in a row from any on.
    pub(crate) fn frames(self, batch: usize) -> Frames {
        let frames: Vec<Vec<u8>> = self.texts().iter().map(|text| self.frame(text)).collect();
        let mut all = Frames { octets: Vec::new(), starts: vec![0], period: frames.len() };
        for frame in frames.iter().cycle().take(frames.len() + batch) {
            all.octets.extend_from_slice(frame);
            all.starts.push(all.octets.len());
        }
        all
    }

    fn frame(self, text: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        match self.compression() {
            Compression::Off => encode(text.as_bytes(), Compression::Off, &mut frame),
            Compression::Deflate => {
                encode(&deflate(text.as_bytes()), Compression::Deflate, &mut frame);
            }
        }
        frame
    }
}

/// Masked frames, encoded once for all connections.
#[derive(Debug)]
pub(crate) struct Frames {
    octets: Vec<u8>,
    /// Where each begins, and where the last ends.
    starts: Vec<usize>,
    /// How many are different.
    period: usize,
}

impl Frames {
    /// The `count` frames from number `first` on, and the number of the one after them; `None` when
    /// they are more than the batch that was asked for.
    pub(crate) fn batch(&self, first: usize, count: usize) -> Option<(&[u8], usize)> {
        let (start, end) = (self.starts.get(first)?, self.starts.get(first + count)?);
        Some((&self.octets[*start..*end], (first + count) % self.period))
    }

    /// How many are different.
    pub(crate) fn period(&self) -> usize {
        self.period
    }

    /// How many there may be in a batch, whichever is the first.
    pub(crate) fn batch_max(&self) -> usize {
        self.starts.len() - 1 - self.period
    }
}

/// A message as RFC 7692, section 7.2.1, wants it. It refers to nothing that was sent before, which
/// is legal whatever was negotiated, and lets it be sent in any order.
fn deflate(text: &[u8]) -> Vec<u8> {
    const LEVEL: i32 = 6;
    const WINDOW_BITS: u8 = 15;
    const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

    let mut out = vec![0; text.len() + 64];
    let mut deflate = Deflate::new(LEVEL, false, WINDOW_BITS);
    let status = deflate.compress(text, &mut out, DeflateFlush::SyncFlush);
    status.expect("a text of 1 KiB can be compressed");
    let len = usize::try_from(deflate.total_out()).expect("it fits the buffer");
    out.truncate(len);
    assert!(out.ends_with(TAIL), "the buffer was too small");
    out.truncate(len - TAIL.len());
    out
}

/// Quotes as a stock exchange might send them, the same for each `number` in every run.
fn json(number: usize) -> String {
    const SYMBOLS: [&str; 8] =
        ["ACME", "GLOBEX", "INITECH", "HOOLI", "STARK", "WAYNE", "SOYLENT", "TYRELL"];

    let mut state = 0x9e37_79b9_u32.wrapping_mul(u32::try_from(number).unwrap_or(0) + 1);
    let mut draw = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let mut text = format!("{{\"sequence\":{},\"quotes\":[", 1_000_000 + number);
    while text.len() < JSON_OCTETS - 140 {
        let symbol = SYMBOLS[draw(8) as usize];
        let (bid, cents, size) = (10 + draw(900), draw(100), 100 * (1 + draw(50)));
        let _ = write!(
            text,
            "{{\"symbol\":\"{symbol}\",\"bid\":{bid}.{cents:02},\"ask\":{}.{cents:02},\
             \"size\":{size},\"time\":\"09:{:02}:{:02}.{:03}\"}},",
            bid + 1,
            draw(60),
            draw(60),
            draw(1000)
        );
    }
    text.push_str("{}],\"note\":\"");
    while text.len() < JSON_OCTETS - 2 {
        text.push(char::from(b'a' + u8::try_from(draw(26)).unwrap_or(0)));
    }
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_json_of_one_kibibyte_and_all_different() {
        let mut texts = Message::CompressedJson.texts();
        for text in &texts {
            assert_eq!(text.len(), JSON_OCTETS, "{text}");
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), JSON_MESSAGES);
    }

    #[test]
    fn a_batch_goes_round_without_a_gap() {
        let message = Message::CompressedJson;
        let frames = message.frames(3);
        let texts = message.texts();
        let (octets, next) = frames.batch(JSON_MESSAGES - 1, 3).unwrap();
        let expected: Vec<u8> = [JSON_MESSAGES - 1, 0, 1]
            .iter()
            .flat_map(|&number| message.frame(&texts[number]))
            .collect();
        assert_eq!((octets, next), (&expected[..], 2));
    }

    #[test]
    fn one_text_is_sent_again_and_again() {
        let frames = Message::Text(32).frames(16);
        let (octets, next) = frames.batch(0, 16).unwrap();
        assert_eq!((octets.len(), next), (16 * (2 + 4 + 32), 0));
        assert_eq!(frames.batch_max(), 16);
        assert_eq!(frames.batch(0, 18), None);
    }
}
