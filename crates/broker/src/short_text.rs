use std::fmt;
use std::hash::{Hash, Hasher};

/// A short text of ASCII characters, which takes no memory beside itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortText<const OCTETS: usize> {
    /// The text, and zeros behind it.
    octets: [u8; OCTETS],
    len: u8,
}

impl<const OCTETS: usize> ShortText<OCTETS> {
    pub(crate) fn new() -> Self {
        Self { octets: [0; OCTETS], len: 0 }
    }

    /// Appends a character.
    ///
    /// # Panics
    ///
    /// If there is no room for it, or it is not ASCII.
    pub(crate) fn push(&mut self, character: u8) {
        assert!(character.is_ascii(), "the text consists of ASCII characters");
        self.octets[usize::from(self.len)] = character;
        self.len += 1;
    }

    /// Appends a text.
    ///
    /// # Panics
    ///
    /// As for [`push`](Self::push).
    pub(crate) fn push_ascii(&mut self, text: &[u8]) {
        assert!(text.is_ascii(), "the text consists of ASCII characters");
        self.octets[usize::from(self.len)..][..text.len()].copy_from_slice(text);
        self.len += u8::try_from(text.len()).expect("it is as short as the octets");
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = &self.octets[..usize::from(self.len)];
        str::from_utf8(text).expect("the text consists of ASCII characters")
    }
}

impl<const OCTETS: usize> Hash for ShortText<OCTETS> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<const OCTETS: usize> fmt::Debug for ShortText<OCTETS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_back_up_to_its_capacity() {
        let mut text = ShortText::<4>::new();
        assert_eq!(text.as_str(), "");
        text.push_ascii(b"ab-");
        text.push(b'1');
        assert_eq!(text.as_str(), "ab-1");
    }
}
