use std::borrow::Cow;

use super::DecodeError;
use crate::{Command, Version};

/// How names and values of headers are written: STOMP 1.2, "Value Encoding".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// As they are: STOMP 1.0, and the frames that open a session in every version.
    Verbatim,
    /// STOMP 1.1, which has no way to write a carriage return.
    V1_1,
    /// STOMP 1.2.
    V1_2,
}

impl Escaping {
    /// How headers of `command` are written. Before a version is agreed on, as in STOMP 1.0.
    pub(super) fn of(command: Command, version: Option<Version>) -> Self {
        match version {
            _ if command.opens_session() => Self::Verbatim,
            None | Some(Version::V1_0) => Self::Verbatim,
            Some(Version::V1_1) => Self::V1_1,
            Some(Version::V1_2) => Self::V1_2,
        }
    }

    /// Reads a name or value.
    pub(super) fn unescape(self, text: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
        if self == Self::Verbatim {
            return Ok(Cow::Borrowed(text));
        }
        let Some(first) = memchr::memchr(b'\\', text) else { return Ok(Cow::Borrowed(text)) };
        let (plain, mut rest) = text.split_at(first);
        let mut unescaped = Vec::with_capacity(text.len());
        unescaped.extend_from_slice(plain);
        while let [b'\\', sequence @ ..] = rest {
            unescaped.push(match (sequence.first(), self) {
                (Some(b'n'), _) => b'\n',
                (Some(b'c'), _) => b':',
                (Some(b'\\'), _) => b'\\',
                (Some(b'r'), Self::V1_2) => b'\r',
                // "Undefined escape sequences such as \t MUST be treated as fatal protocol errors."
                _ => return Err(DecodeError::UndefinedEscape),
            });
            let after = &sequence[1..];
            let (plain, next) = after.split_at(memchr::memchr(b'\\', after).unwrap_or(after.len()));
            unescaped.extend_from_slice(plain);
            rest = next;
        }
        Ok(Cow::Owned(unescaped))
    }

    /// Writes a header line whose name every version writes as it is.
    pub(super) fn write_known(self, name: &'static str, value: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        self.write_value(value.as_bytes(), out);
        out.push(b'\n');
    }

    /// Writes a header line, or nothing if there is no way to write the name.
    ///
    /// A value is changed where it cannot be written: a line end becomes a blank, or in STOMP 1.1 a
    /// carriage return is left out. A NUL, at which many clients would end the frame, becomes a
    /// blank.
    pub(super) fn write_header(self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if !self.can_write_name(name) {
            return;
        }
        self.write(name, out);
        out.push(b':');
        self.write_value(value, out);
        out.push(b'\n');
    }

    fn write_value(self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Verbatim => {
                let blank_out =
                    |octet| if matches!(octet, b'\n' | b'\r' | 0) { b' ' } else { octet };
                out.extend(value.iter().copied().map(blank_out));
            }
            Self::V1_1 | Self::V1_2 => self.write(value, out),
        }
    }

    fn can_write_name(self, name: &[u8]) -> bool {
        let is_unwritable = |octet: &u8| match self {
            Self::Verbatim => matches!(octet, b':' | b'\n' | b'\r' | 0),
            Self::V1_1 => matches!(octet, b'\r' | 0),
            Self::V1_2 => *octet == 0,
        };
        !name.is_empty() && !name.iter().any(is_unwritable)
    }

    fn write(self, text: &[u8], out: &mut Vec<u8>) {
        if self == Self::Verbatim || !may_have_special(text) {
            return out.extend_from_slice(text);
        }
        let mut rest = text;
        while let Some(at) = rest.iter().position(|octet| is_special(*octet)) {
            let (plain, special) = rest.split_at(at);
            out.extend_from_slice(plain);
            out.extend_from_slice(match special[0] {
                b'\n' => b"\\n",
                b':' => b"\\c",
                b'\\' => b"\\\\",
                b'\r' if self == Self::V1_2 => b"\\r",
                b'\r' => b"",
                _ => b" ",
            });
            rest = &special[1..];
        }
        out.extend_from_slice(rest);
    }
}

/// Whether an octet of the text is special, or a control character. Eight are looked at together, since nearly no
/// text has one.
fn may_have_special(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else { return text.iter().any(|octet| is_special(*octet)) };
    let (words, _) = text.as_chunks();
    words.iter().chain([last]).any(|word| may_word_have_special(u64::from_ne_bytes(*word)))
}

fn may_word_have_special(word: u64) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    // An octet that is too small for the subtraction gets its highest bit from it.
    let below = |word: u64, least: u8| word.wrapping_sub(EACH * u64::from(least)) & !word;
    let found = below(word, b' ')
        | below(word ^ (EACH * u64::from(b':')), 1)
        | below(word ^ (EACH * u64::from(b'\\')), 1);
    found & HIGHEST_BITS != 0
}

const fn is_special(octet: u8) -> bool {
    matches!(octet, b'\n' | b'\r' | b':' | b'\\' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(escaping: Escaping, name: &str, value: &str) -> String {
        let mut out = Vec::new();
        escaping.write_header(name.as_bytes(), value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sequences_are_read_as_the_version_defines_them() {
        let check = |text: &str, expected: [Result<&str, DecodeError>; 3]| {
            for (escaping, expected) in
                [Escaping::Verbatim, Escaping::V1_1, Escaping::V1_2].into_iter().zip(expected)
            {
                let unescaped = escaping.unescape(text.as_bytes()).map(Cow::into_owned);
                assert_eq!(unescaped, expected.map(|text| text.as_bytes().to_vec()), "{text:?}");
            }
        };
        let undefined = Err(DecodeError::UndefinedEscape);
        check("plain", [Ok("plain"), Ok("plain"), Ok("plain")]);
        check(r"a\nb\cc\\d", [Ok(r"a\nb\cc\\d"), Ok("a\nb:c\\d"), Ok("a\nb:c\\d")]);
        check(r"\\n", [Ok(r"\\n"), Ok(r"\n"), Ok(r"\n")]);
        check(r"a\rb", [Ok(r"a\rb"), undefined, Ok("a\rb")]);
        check(r"a\tb", [Ok(r"a\tb"), undefined, undefined]);
        check("a\\\u{e9}", [Ok("a\\\u{e9}"), undefined, undefined]);
        check("lone\\", [Ok("lone\\"), undefined, undefined]);
    }

    #[test]
    fn values_are_written_as_the_receivers_version_reads_them() {
        let value = "a:b\\c\nd\re\0f";
        assert_eq!(written(Escaping::Verbatim, "n", value), "n:a:b\\c d e f\n");
        assert_eq!(written(Escaping::V1_1, "n", value), "n:a\\cb\\\\c\\nde f\n");
        assert_eq!(written(Escaping::V1_2, "n", value), "n:a\\cb\\\\c\\nd\\re f\n");
    }

    #[test]
    fn a_special_octet_is_found_wherever_it_is() {
        for len in 1..=17 {
            for at in 0..len {
                for octet in 0..=u8::MAX {
                    let mut text = vec![b'x'; len];
                    text[at] = octet;
                    let mut out = Vec::new();
                    Escaping::V1_2.write(&text, &mut out);
                    let is_changed = matches!(octet, b'\n' | b'\r' | b':' | b'\\' | 0);
                    assert_eq!(out != text, is_changed, "{octet} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_header_whose_name_cannot_be_written_is_left_out() {
        for name in ["", "a:b", "a\nb", "a\rb", "a\0b"] {
            assert_eq!(written(Escaping::Verbatim, name, "v"), "", "{name:?}");
        }
        assert_eq!(written(Escaping::V1_1, "a\rb", "v"), "");
        assert_eq!(written(Escaping::V1_1, "a:b", "v"), "a\\cb:v\n");
        assert_eq!(written(Escaping::V1_2, "a\rb", "v"), "a\\rb:v\n");
        assert_eq!(written(Escaping::V1_2, "a\0b", "v"), "");
    }

    #[test]
    fn frames_that_open_a_session_are_never_escaped() {
        for command in [Command::Connect, Command::Stomp, Command::Connected] {
            assert_eq!(Escaping::of(command, Some(Version::V1_2)), Escaping::Verbatim);
        }
        assert_eq!(Escaping::of(Command::Send, Some(Version::V1_0)), Escaping::Verbatim);
        assert_eq!(Escaping::of(Command::Send, Some(Version::V1_1)), Escaping::V1_1);
        assert_eq!(Escaping::of(Command::Error, None), Escaping::Verbatim);
    }
}
