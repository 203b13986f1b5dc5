use crate::scan::position;

/// How deep arrays and objects may be nested in one message.
const NESTING_MAX: usize = 128;

/// Reads JSON (RFC 8259) from its beginning, one piece after the other.
///
/// Unlike a parser for general use it builds nothing but the strings it is asked for, so that what
/// it costs is in proportion to the text, and it lets unpaired surrogates pass: `sockjs-client`
/// sends them.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

/// What is at `offset`, in octets, is not what JSON has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    /// What the next value or punctuation begins with.
    pub(crate) fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    /// Takes one mark of punctuation.
    pub(crate) fn punctuation(&mut self, mark: char) -> Result<(), SyntaxError> {
        self.peek();
        self.rest = self.rest.strip_prefix(mark).ok_or(self.error())?;
        Ok(())
    }

    /// Takes the separator between two elements, or the mark that ends them. Says whether another
    /// element follows.
    pub(crate) fn more(&mut self, end: char) -> Result<bool, SyntaxError> {
        if self.peek() == Some(',') {
            return self.punctuation(',').map(|()| true);
        }
        self.punctuation(end).map(|()| false)
    }

    /// Takes a string. An unpaired surrogate becomes U+FFFD.
    pub(crate) fn string(&mut self) -> Result<String, SyntaxError> {
        self.punctuation('"')?;
        let mut string = String::new();
        loop {
            let special = |octet| matches!(octet, b'"' | b'\\' | ..0x20);
            let Some(run) = position(self.rest.as_bytes(), special) else {
                self.rest = "";
                return Err(self.error());
            };
            let (run, rest) = self.rest.split_at(run);
            string.push_str(run);
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix('"') {
                self.rest = rest;
                return Ok(string);
            }
            string.push(self.escape()?);
        }
    }

    /// Takes any value, and gives the text of it.
    pub(crate) fn value(&mut self) -> Result<&'a str, SyntaxError> {
        self.peek();
        let from = self.rest;
        self.skip_value(0)?;
        Ok(&from[..from.len() - self.rest.len()])
    }

    /// Nothing but white space may be left.
    pub(crate) fn finish(mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error()),
        }
    }

    fn skip_value(&mut self, depth: usize) -> Result<(), SyntaxError> {
        match self.peek() {
            Some('"') => self.string().map(drop),
            Some('[' | '{') if depth == NESTING_MAX => Err(self.error()),
            Some('[') => self.skip_elements('[', ']', |reader| reader.skip_value(depth + 1)),
            Some('{') => self.skip_elements('{', '}', |reader| {
                reader.string()?;
                reader.punctuation(':')?;
                reader.skip_value(depth + 1)
            }),
            Some('t') => self.literal("true"),
            Some('f') => self.literal("false"),
            Some('n') => self.literal("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_elements(
        &mut self,
        begin: char,
        end: char,
        mut element: impl FnMut(&mut Self) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        self.punctuation(begin)?;
        if self.peek() == Some(end) {
            return self.punctuation(end);
        }
        element(self)?;
        while self.more(end)? {
            element(self)?;
        }
        Ok(())
    }

    fn literal(&mut self, literal: &str) -> Result<(), SyntaxError> {
        self.rest = self.rest.strip_prefix(literal).ok_or(self.error())?;
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), SyntaxError> {
        self.skip_one_of(&['-']);
        if !self.skip_one_of(&['0']) {
            self.skip_digits()?;
        }
        if self.skip_one_of(&['.']) {
            self.skip_digits()?;
        }
        if self.skip_one_of(&['e', 'E']) {
            self.skip_one_of(&['+', '-']);
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_one_of(&mut self, marks: &[char]) -> bool {
        let rest = self.rest.strip_prefix(marks);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_digits(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest.trim_start_matches(|char: char| char.is_ascii_digit());
        if rest.len() == self.rest.len() {
            return Err(self.error());
        }
        self.rest = rest;
        Ok(())
    }

    /// Takes an escape, and after the first half of a surrogate pair the second one too.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        let mut chars = self.rest.chars();
        if chars.next() != Some('\\') {
            return Err(self.error());
        }
        let char = match chars.next() {
            Some(char @ ('"' | '\\' | '/')) => char,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(),
            _ => return Err(self.error()),
        };
        self.rest = chars.as_str();
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let (first, rest) = code_unit(self.rest).ok_or(self.error())?;
        self.rest = rest;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        if let (0xd800..0xdc00, Some((second @ 0xdc00..0xe000, rest))) = (first, code_unit(rest)) {
            self.rest = rest;
            let code_point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code_point).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn error(&self) -> SyntaxError {
        SyntaxError { offset: self.text.len() - self.rest.len() }
    }
}

/// The UTF-16 code unit of the escape at the beginning of `text`, and the rest of it.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    let mut unit = 0;
    for digit in digits.chars() {
        unit = unit << 4 | digit.to_digit(16)?;
    }
    Some((unit, rest))
}

/// Where a string literal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// A text of its own.
    Text,
    /// An element of a page, which `</script>` would end.
    Script,
}

/// Appends UTF-8 text as a string literal of JSON and of JavaScript. What line ends JavaScript has beyond
/// those of JSON must be escaped in the text already.
pub(crate) fn write_literal(text: &[u8], inside: Inside, out: &mut Vec<u8>) {
    let suspect = |octet: &u8| match octet {
        b'"' | b'\\' | ..0x20 => true,
        b'<' => inside == Inside::Script,
        _ => false,
    };
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(suspect) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            octet @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', octet]),
            octet => out.extend_from_slice(format!("\\u{octet:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<&str, SyntaxError> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
        reader.finish().map(|()| value)
    }

    fn string(text: &str) -> Result<String, SyntaxError> {
        let mut reader = Reader::new(text);
        let string = reader.string()?;
        reader.finish().map(|()| string)
    }

    #[test]
    fn values_keep_their_text() {
        for text in [
            "0",
            "-0",
            "12",
            "-1.50e+3",
            "1E9",
            "true",
            "false",
            "null",
            "\"a\"",
            "[]",
            "[ ]",
            "[1, [2] ,{}]",
            "{}",
            "{ \"a\" : [1 ,\n2] , \"b\" : null }",
        ] {
            assert_eq!(value(&format!(" \t\r\n{text} ")), Ok(text));
        }
    }

    #[test]
    fn what_is_not_json_is_found_where_it_is() {
        for (text, offset) in [
            ("", 0),
            ("  ", 2),
            ("[", 1),
            ("]", 0),
            ("[1", 2),
            ("[1,", 3),
            ("[1,]", 3),
            ("[,1]", 1),
            ("[1 2]", 3),
            ("{", 1),
            ("{1:2}", 1),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("01", 1),
            ("+1", 0),
            (".5", 0),
            ("1.", 2),
            ("1e", 2),
            ("-", 1),
            ("nul", 0),
            ("True", 0),
            ("\"", 1),
            ("\"a", 2),
            ("\"\n\"", 1),
            ("\"\\", 1),
            ("\"\\x\"", 1),
            ("\"\\u12g4\"", 1),
            ("\"\\u+123\"", 1),
            ("\"\\u12", 1),
            ("\"\\u00é\"", 1),
            ("1 1", 2),
            ("\u{feff}1", 0),
            ("'a'", 0),
            ("[1\u{a0}]", 2),
        ] {
            assert_eq!(value(text), Err(SyntaxError { offset }), "{text:?}");
        }
    }

    #[test]
    fn all_escapes_are_read() {
        let text = r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00 /é€😀""#;
        assert_eq!(string(text).unwrap(), "\"\\/\u{8}\u{c}\n\r\tAé€😀 /é€😀");
    }

    #[test]
    fn unpaired_surrogates_become_replacement_characters() {
        assert_eq!(string(r#""\ud800""#).unwrap(), "\u{fffd}");
        assert_eq!(string(r#""\ude00\ud83d""#).unwrap(), "\u{fffd}\u{fffd}");
        assert_eq!(string(r#""\ud83d\ud83d\ude00""#).unwrap(), "\u{fffd}😀");
        assert_eq!(string(r#""\ud83dx\n""#).unwrap(), "\u{fffd}x\n");
        assert_eq!(string(r#""\ud83d\u12""#), Err(SyntaxError { offset: 7 }));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(value(&nested(NESTING_MAX)).is_ok());
        assert_eq!(value(&nested(NESTING_MAX + 1)), Err(SyntaxError { offset: NESTING_MAX }));
        assert!(value(&"[{\"a\":".repeat(1_000_000)).is_err());
    }
}
