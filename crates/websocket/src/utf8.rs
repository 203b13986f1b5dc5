//! Text whose octets arrive in parts, cut anywhere.

use simdutf8::compat::from_utf8;

use crate::ProtocolError;

/// Checks text while it arrives, and fails at the first octet that no continuation can make good.
#[derive(Debug, Default)]
pub(crate) struct TextAssembly {
    text: String,
    cut: CutCharacter,
}

impl TextAssembly {
    /// Octets taken in so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.cut.len
    }

    pub(crate) fn reserve(&mut self, octets: usize) {
        self.text.reserve(octets);
    }

    pub(crate) fn push(&mut self, mut octets: &[u8]) -> Result<(), ProtocolError> {
        while self.cut.len > 0 {
            let [first, rest @ ..] = octets else { return Ok(()) };
            octets = rest;
            if let Some(character) = self.cut.push(*first)? {
                self.text.push(character);
            }
        }
        match from_utf8(octets) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(ProtocolError::InvalidUtf8),
            Err(error) => self.push_cut(octets, error.valid_up_to())?,
        }
        Ok(())
    }

    /// The characters that are complete; the text goes on after them.
    pub(crate) fn take_characters(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The text, if it does not end within a character.
    pub(crate) fn finish(self) -> Result<String, ProtocolError> {
        if self.cut.len > 0 { Err(ProtocolError::InvalidUtf8) } else { Ok(self.text) }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Takes in octets of which the last character, from `valid_up_to`, is not complete.
    fn push_cut(&mut self, octets: &[u8], valid_up_to: usize) -> Result<(), ProtocolError> {
        let invalid = |_| ProtocolError::InvalidUtf8;
        let (valid, cut) =
            octets.split_at_checked(valid_up_to).ok_or(ProtocolError::InvalidUtf8)?;
        self.text.push_str(from_utf8(valid).map_err(invalid)?);
        for &octet in cut {
            self.cut.push(octet)?;
        }
        Ok(())
    }
}

/// The first octets of a character. Invariant: `len < 4`, and some continuation is valid.
#[derive(Debug, Default)]
struct CutCharacter {
    octets: [u8; 4],
    len: usize,
}

impl CutCharacter {
    /// The character, once `octet` completes it.
    fn push(&mut self, octet: u8) -> Result<Option<char>, ProtocolError> {
        let slot = self.octets.get_mut(self.len).ok_or(ProtocolError::InvalidUtf8)?;
        *slot = octet;
        self.len += 1;
        let octets = self.octets.get(..self.len).unwrap_or_default();
        match std::str::from_utf8(octets) {
            Ok(text) => {
                self.len = 0;
                Ok(text.chars().next())
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(ProtocolError::InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(octets: &[u8], part_len: usize) -> Result<String, ProtocolError> {
        let mut text = TextAssembly::default();
        for part in octets.chunks(part_len) {
            text.push(part)?;
        }
        assert_eq!(text.len(), octets.len());
        text.finish()
    }

    #[test]
    fn text_may_be_cut_within_characters() {
        let text = "κόσμε, \u{10ffff}, \u{d7ff}, € and 🦀";
        for part_len in 1..=text.len() {
            assert_eq!(assemble(text.as_bytes(), part_len).as_deref(), Ok(text));
        }
    }

    #[test]
    fn invalid_octets_are_found_however_they_are_cut() {
        let cases: [&[u8]; 9] = [
            b"\x80",
            b"abc\xff",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80",
            b"\xe2\x82",
            b"\xe2\x82a",
            b"\xf0\x9f\xa6\xe2\x82\xac",
        ];
        for octets in cases {
            for part_len in 1..=octets.len() {
                assert_eq!(assemble(octets, part_len), Err(ProtocolError::InvalidUtf8));
            }
        }
    }

    #[test]
    fn a_wrong_octet_fails_before_the_character_is_complete() {
        let mut text = TextAssembly::default();
        assert_eq!(text.push(b"\xf4"), Ok(()));
        assert_eq!(text.push(b"\x90"), Err(ProtocolError::InvalidUtf8));
    }
}
