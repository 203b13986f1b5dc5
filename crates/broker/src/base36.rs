//! Numbers in the fewest octets that need no escaping in a STOMP header.

use crate::short_text::ShortText;

/// The digits of the longest number.
pub(crate) const DIGITS_MAX: usize = 13;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Appends `number` in base 36, lower case, without leading zeros.
pub(crate) fn push<const OCTETS: usize>(text: &mut ShortText<OCTETS>, number: u64) {
    let mut digits = [0; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = DIGITS[usize::try_from(rest % 36).unwrap_or(0)];
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    text.push_ascii(&digits[start..]);
}

/// Reads back what [`push`] wrote, and nothing else: every number has exactly one spelling.
pub(crate) fn parse(text: &str) -> Option<u64> {
    if text.is_empty() || (text.starts_with('0') && text.len() > 1) {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, octet| {
        let digit = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'z' => octet - b'a' + 10,
            _ => return None,
        };
        number.checked_mul(36)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_back() {
        for number in [0, 1, 35, 36, 1295, 1296, u64::from(u32::MAX), u64::MAX] {
            let mut text = ShortText::<DIGITS_MAX>::new();
            push(&mut text, number);
            assert_eq!(parse(text.as_str()), Some(number), "{text:?}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "00", "01", "A", "+1", "-1", " 1", "1.", "3w5e11264sgsg", "zzzzzzzzzzzzzz"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
