//! The little of JSON that the broker writes: RFC 8259.

use std::fmt::Write;

/// Appends a string, with its quotes.
pub(crate) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_string_is_escaped() {
        let mut json = String::new();
        push_string(&mut json, "a\"b\\c\nd\re\tf\0g\u{7f}ö");
        assert_eq!(json, r#""a\"b\\c\nd\re\tf\u0000g\u007fö""#);
    }
}
