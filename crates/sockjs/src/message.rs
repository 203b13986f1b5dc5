use std::error::Error;
use std::fmt;

use crate::json::{Reader, SyntaxError};
use crate::scan::position;

/// The most messages that one frame or WebSocket message may hold, and by default one body: 65,536.
///
/// A few octets make a message on the wire, and many more in memory.
pub const MESSAGES_MAX: usize = 65_536;

/// Octets of room that a decoded message may have to spare. With more of it the message is moved.
const SPARE_OCTETS_MAX: usize = 256;

/// Appends `text` as the JSON string that is one element of an array frame.
///
/// What some client would misread is escaped, always as `\u` and four lower-case digits: the code
/// points from U+200C to U+200F, U+2028 to U+202F, U+2060 to U+206F and U+FFF0 to U+FFFF, and all
/// beyond U+FFFF as pairs of surrogates. The string is the same for every session, so a broadcast
/// encodes it once.
///
/// # Examples
///
/// ```
/// let mut element = Vec::new();
/// tidings_sockjs::encode_message("say \"hi\"\n😀", &mut element);
/// assert_eq!(element, br#""say \"hi\"\n\ud83d\ude00""#);
/// ```
pub fn encode_message(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some((at, char)) = find_escaped(rest) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        escape(char, out);
        rest = &rest[at + char.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// The messages of a JSON array, as a client sends it: no more than `messages_max`.
///
/// Octets that are not UTF-8, and surrogates without their other half, become U+FFFD. An element
/// that is not a string becomes its JSON text.
///
/// # Errors
///
/// [`DecodeError`]; `json` is read as a whole before it is said to be no array.
///
/// # Examples
///
/// ```
/// let messages = tidings_sockjs::decode_messages(br#"["a", "\u0062", {"c": 1}]"#, 3);
/// assert_eq!(messages.unwrap(), ["a", "b", r#"{"c": 1}"#]);
/// ```
pub fn decode_messages(json: &[u8], messages_max: usize) -> Result<Vec<String>, DecodeError> {
    let text = String::from_utf8_lossy(json);
    let mut reader = Reader::new(&text);
    if reader.peek() == Some('[') {
        let messages = elements(&mut reader, messages_max)?;
        reader.finish()?;
        return Ok(messages);
    }
    reader.value()?;
    reader.finish()?;
    Err(DecodeError::NotAnArray)
}

/// The messages of a text message that came by the `websocket` transport.
///
/// An array holds messages as for [`decode_messages`], any other value is one, and an empty text
/// is none.
///
/// # Errors
///
/// [`DecodeError`], except for [`DecodeError::NotAnArray`]. The connection is then to be closed
/// without a close frame of SockJS.
pub fn decode_websocket_text(text: &str) -> Result<Vec<String>, DecodeError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(text);
    let messages = match reader.peek() {
        Some('[') => elements(&mut reader, MESSAGES_MAX)?,
        _ => vec![element(&mut reader)?],
    };
    reader.finish()?;
    Ok(messages)
}

/// Why a text holds no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not JSON, or nested too deeply.
    Syntax {
        /// Where reading stopped, in octets.
        offset: usize,
    },
    /// It is JSON, but not an array.
    NotAnArray,
    /// The array has more elements than it may.
    TooManyMessages,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { offset } => write!(f, "broken JSON at octet {offset}"),
            Self::NotAnArray => f.write_str("not a JSON array"),
            Self::TooManyMessages => f.write_str("too many messages in one array"),
        }
    }
}

impl Error for DecodeError {}

impl From<SyntaxError> for DecodeError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax { offset: error.offset }
    }
}

fn elements(reader: &mut Reader<'_>, messages_max: usize) -> Result<Vec<String>, DecodeError> {
    let mut messages = Vec::new();
    reader.punctuation('[')?;
    if reader.peek() == Some(']') {
        reader.punctuation(']')?;
        return Ok(messages);
    }
    loop {
        if messages.len() == messages_max {
            return Err(DecodeError::TooManyMessages);
        }
        messages.push(element(reader)?);
        if !reader.more(']')? {
            return Ok(messages);
        }
    }
}

fn element(reader: &mut Reader<'_>) -> Result<String, SyntaxError> {
    if reader.peek() != Some('"') {
        return reader.value().map(str::to_owned);
    }
    let mut message = reader.string()?;
    // Whoever takes the message may keep it.
    if message.capacity() - message.len() > SPARE_OCTETS_MAX {
        message.shrink_to_fit();
    }
    Ok(message)
}

/// The first character that has to be escaped, and where it is.
fn find_escaped(text: &str) -> Option<(usize, char)> {
    // Characters to be escaped begin with these octets, though others do too.
    let suspect = |octet| matches!(octet, ..0x20 | b'"' | b'\\' | 0xe2 | 0xef..);
    let mut at = 0;
    loop {
        at += position(&text.as_bytes()[at..], suspect)?;
        let char = text[at..].chars().next()?;
        if is_escaped(char) {
            return Some((at, char));
        }
        at += char.len_utf8();
    }
}

fn is_escaped(char: char) -> bool {
    matches!(
        char,
        ..'\u{20}'
            | '"'
            | '\\'
            | '\u{200c}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..
    )
}

fn escape(char: char, out: &mut Vec<u8>) {
    const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match char {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        _ => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| HEX_DIGITS[usize::from(*unit >> shift & 0xf)];
                out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut element = Vec::new();
        encode_message(text, &mut element);
        String::from_utf8(element).unwrap()
    }

    #[test]
    fn short_escapes_are_used_where_json_has_them() {
        assert_eq!(encoded("\u{8}\t\n\u{c}\r\"\\"), r#""\b\t\n\f\r\"\\""#);
    }

    #[test]
    fn other_controls_are_escaped_with_four_lower_case_digits() {
        assert_eq!(encoded("\0\u{b}\u{1f}"), r#""\u0000\u000b\u001f""#);
    }

    #[test]
    fn exactly_the_code_points_that_clients_misread_are_escaped() {
        let escaped = [0x200c..=0x200f, 0x2028..=0x202f, 0x2060..=0x206f, 0xfff0..=0xffff];
        for code_point in (0x7f..=0xffff).filter(|it| !(0xd800..0xe000).contains(it)) {
            let char = char::from_u32(code_point).unwrap();
            let expected = if escaped.iter().any(|range| range.contains(&code_point)) {
                format!("\"\\u{code_point:04x}\"")
            } else {
                format!("\"{char}\"")
            };
            assert_eq!(encoded(&char.to_string()), expected);
        }
    }

    #[test]
    fn astral_characters_become_surrogate_pairs() {
        assert_eq!(encoded("\u{10000}😀\u{10ffff}"), r#""\ud800\udc00\ud83d\ude00\udbff\udfff""#);
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let text = "a/b </script> \u{7f} é € 中";
        assert_eq!(encoded(text), format!("\"{text}\""));
    }

    #[test]
    fn elements_are_messages_in_their_order() {
        assert_eq!(decode_messages(b"[]", MESSAGES_MAX), Ok(vec![]));
        assert_eq!(decode_messages(br#" [ "a" , "b" ] "#, MESSAGES_MAX).unwrap(), ["a", "b"]);
    }

    #[test]
    fn elements_that_are_not_strings_become_their_json_text() {
        let messages = decode_messages(br#"[1,null,true,{"a":"b"},["c"]]"#, MESSAGES_MAX).unwrap();
        assert_eq!(messages, ["1", "null", "true", r#"{"a":"b"}"#, r#"["c"]"#]);
    }

    #[test]
    fn invalid_utf8_and_lone_surrogates_become_replacement_characters() {
        assert_eq!(decode_messages(b"[\"a\xff\"]", MESSAGES_MAX).unwrap(), ["a\u{fffd}"]);
        assert_eq!(decode_messages(br#"["\udc00"]"#, MESSAGES_MAX).unwrap(), ["\u{fffd}"]);
    }

    #[test]
    fn noncharacters_are_messages_too() {
        assert_eq!(
            decode_messages(br#"["\ufffe\uffff"]"#, MESSAGES_MAX).unwrap(),
            ["\u{fffe}\u{ffff}"]
        );
    }

    #[test]
    fn only_whole_json_is_told_to_be_no_array() {
        for json in [&b"{}"[..], b"\"a\"", b"null", b"1"] {
            assert_eq!(decode_messages(json, MESSAGES_MAX), Err(DecodeError::NotAnArray));
        }
        assert_eq!(decode_messages(b"{\"a", MESSAGES_MAX), Err(DecodeError::Syntax { offset: 3 }));
        assert_eq!(
            decode_messages(b"null null", MESSAGES_MAX),
            Err(DecodeError::Syntax { offset: 5 })
        );
        assert_eq!(decode_messages(b"[\"a", MESSAGES_MAX), Err(DecodeError::Syntax { offset: 3 }));
    }

    #[test]
    fn an_array_holds_no_more_messages_than_the_limit() {
        let array = |len| format!("[{}0]", "0,".repeat(len - 1));
        assert_eq!(decode_messages(array(4).as_bytes(), 4).unwrap().len(), 4);
        let excess = decode_messages(array(5).as_bytes(), 4);
        assert_eq!(excess, Err(DecodeError::TooManyMessages));
        let excess = array(MESSAGES_MAX + 1);
        assert_eq!(decode_websocket_text(&excess), Err(DecodeError::TooManyMessages));
    }

    #[test]
    fn a_websocket_text_is_nothing_or_an_array_or_one_message() {
        assert_eq!(decode_websocket_text(""), Ok(vec![]));
        assert_eq!(decode_websocket_text("[]"), Ok(vec![]));
        assert_eq!(decode_websocket_text(r#" ["a","b"]"#).unwrap(), ["a", "b"]);
        assert_eq!(decode_websocket_text(r#""a""#).unwrap(), ["a"]);
        assert_eq!(decode_websocket_text("{\"a\":1} ").unwrap(), ["{\"a\":1}"]);
        assert_eq!(decode_websocket_text("[\"a"), Err(DecodeError::Syntax { offset: 3 }));
        assert_eq!(decode_websocket_text("a"), Err(DecodeError::Syntax { offset: 0 }));
        assert_eq!(decode_websocket_text(" "), Err(DecodeError::Syntax { offset: 1 }));
    }

    #[test]
    fn a_message_with_escapes_has_little_room_to_spare() {
        for lines in 1..200 {
            let line = "x".repeat(100) + r"\n";
            let text = format!("[\"{}\"]", line.repeat(lines));
            let messages = decode_messages(text.as_bytes(), 1).unwrap();
            let [message] = &messages[..] else { panic!("{messages:?}") };
            assert_eq!(message.len(), lines * 101);
            assert!(
                message.capacity() <= message.len() + SPARE_OCTETS_MAX,
                "{}",
                message.capacity()
            );
        }
    }
}
