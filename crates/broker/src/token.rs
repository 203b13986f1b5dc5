use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::base36;
use crate::short_text::ShortText;

/// Where the broker gets numbers that nobody can guess: it draws none itself.
#[derive(Clone, Copy)]
pub struct TokenSource(pub fn() -> u128);

/// A text that nobody can guess.
#[derive(Clone, Debug)]
pub(crate) struct Token(ShortText<{ 2 * base36::DIGITS_MAX + 1 }>);

impl TokenSource {
    pub(crate) fn next(self) -> Token {
        let number = (self.0)();
        let halves = [number >> 64, number & u128::from(u64::MAX)];
        let [high, low] = halves.map(|half| u64::try_from(half).unwrap_or(u64::MAX));
        let mut text = ShortText::new();
        base36::push(&mut text, high);
        text.push(b'-');
        base36::push(&mut text, low);
        Token(text)
    }
}

/// What keys the hash maps of the standard library, which comes from the operating system. A shell
/// that has better gives that.
impl Default for TokenSource {
    fn default() -> Self {
        Self(|| {
            let half = |salt: u8| u128::from(RandomState::new().hash_one(salt));
            half(0) << 64 | half(1)
        })
    }
}

impl PartialEq for TokenSource {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for TokenSource {}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_all_of_its_number() {
        assert_eq!(TokenSource(|| 36).next().to_string(), "0-10");
        assert_eq!(TokenSource(|| u128::MAX).next().to_string(), "3w5e11264sgsf-3w5e11264sgsf");
        let source = TokenSource::default();
        assert_ne!(source.next().to_string(), source.next().to_string());
    }
}
