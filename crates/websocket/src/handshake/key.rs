//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`: RFC 6455, sections 4.1 and 4.2.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What a server appends to the key, so that nothing but a WebSocket server gives the right answer.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Octets of the nonce that the key encodes.
pub(super) const NONCE_OCTETS: usize = 16;

/// A `Sec-WebSocket-Key`: 16 octets in base64.
#[derive(Clone, Debug)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn new(nonce: [u8; NONCE_OCTETS]) -> Self {
        Self(STANDARD.encode(nonce))
    }

    /// The key of a header value, unless it is something other than 16 octets in base64.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value.trim_ascii()).ok()?;
        // Room for what 24 digits can encode, which is 18 octets; more are not decoded at all.
        let mut nonce = [0; NONCE_OCTETS + 2];
        let len = STANDARD.decode_slice(value, &mut nonce).ok()?;
        (len == NONCE_OCTETS).then(|| Self(value.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The `Sec-WebSocket-Accept` that answers this key.
    pub(super) fn accept(&self) -> String {
        let hash = Sha1::new().chain_update(&self.0).chain_update(GUID).finalize();
        STANDARD.encode(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_standards_example() {
        let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_16_octets_in_base64() {
        let cases: [&[u8]; 8] = [
            b"",
            b"dGhlIHNhbXBsZSBub25j",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZWU=",
            b"dGhlIHNhbXBsZSBub25jZWVl",
            b"dGhlIHNhbXBsZSBub25jZ!==",
            b"\xff\xfe",
            &[b'A'; 4096],
        ];
        for value in cases {
            assert!(Key::parse(value).is_none(), "{:?}", String::from_utf8_lossy(value));
        }
        assert!(Key::parse(Key::new([0xff; 16]).as_str().as_bytes()).is_some());
    }
}
