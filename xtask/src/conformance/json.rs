//! As much of JSON as reports are written in.

use std::fmt;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is spelled.
    Number(String),
    String(String),
    Array(Vec<Value>),
    /// Members in the order of the text.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a whole text.
    ///
    /// # Errors
    ///
    /// Where the text is not JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value()?;
        parser.skip_white_space();
        if parser.at == text.len() { Ok(value) } else { Err(parser.complaint("the end")) }
    }

    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The member of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members of an object; of anything else none.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::String(text) => write_string(text, f),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write_string(name, f)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_string(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\u{0}'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(character))?,
            _ => write!(f, "{character}")?,
        }
    }
    f.write_str("\"")
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value, String> {
        self.skip_white_space();
        match self.rest().chars().next() {
            Some('{') => self.object(),
            Some('[') => self.array(),
            Some('"') => self.string().map(Value::String),
            Some('-' | '0'..='9') => Ok(self.number()),
            _ => {
                let words = [("null", Value::Null), ("true", Value::Bool(true))];
                let mut words = words.into_iter().chain([("false", Value::Bool(false))]);
                words
                    .find_map(|(word, value)| self.take(word).then_some(value))
                    .ok_or_else(|| self.complaint("a value"))
            }
        }
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut members = Vec::new();
        self.expect("{")?;
        if self.take("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_white_space();
            let name = self.string()?;
            self.expect(":")?;
            members.push((name, self.value()?));
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut elements = Vec::new();
        self.expect("[")?;
        if self.take("]") {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            if !self.take(",") {
                self.expect("]")?;
                return Ok(Value::Array(elements));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let character = self.character()?;
            match character {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                _ => text.push(character),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        Ok(match self.character()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits = self.rest().get(..4).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16);
                let code = code.map_err(|_| self.complaint("four hexadecimal digits"))?;
                self.at += 4;
                // Halves of a pair stand in no report.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        })
    }

    fn number(&mut self) -> Value {
        let rest = self.rest();
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !"+-.".contains(it));
        let digits = rest[..end.unwrap_or(rest.len())].to_owned();
        self.at += digits.len();
        Value::Number(digits)
    }

    fn character(&mut self) -> Result<char, String> {
        let character = self.rest().chars().next().ok_or_else(|| self.complaint("more text"))?;
        self.at += character.len_utf8();
        Ok(character)
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_white_space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.complaint(token)) }
    }

    fn skip_white_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn complaint(&self, wanted: &str) -> String {
        format!("not JSON: octet {} should be {wanted}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = r#"{"a": {"1.1": {"behavior": "OK", "duration": 2, "code": null}}, "b": []}"#;
        let report = Value::parse(text).unwrap();
        let case = report.member("a").and_then(|agent| agent.member("1.1")).unwrap();
        assert_eq!(case.member("behavior").and_then(Value::as_str), Some("OK"));
        assert_eq!(case.member("code"), Some(&Value::Null));
        assert_eq!(report.to_string(), text);
    }

    #[test]
    fn strings_are_escaped_and_back() {
        let value = Value::string("a \"b\" \\ \n €");
        assert_eq!(Value::parse(&value.to_string()), Ok(value));
        assert_eq!(Value::parse(r#""\u0041\t""#), Ok(Value::string("A\t")));
    }

    #[test]
    fn what_is_not_json_is_told() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "\"a", "1 2", "nothing", "\"\\u00\""] {
            assert!(Value::parse(text).is_err(), "{text}");
        }
    }
}
