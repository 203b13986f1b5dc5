use std::error::Error;
use std::fmt;

use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

use crate::handshake::list::token;

/// Extensions that one handshake may offer.
const EXTENSIONS_MAX: usize = 32;

/// Parameters that one extension may have.
const PARAMS_MAX: usize = 16;

/// An extension as it is offered or accepted: RFC 6455, section 9.1.
///
/// # Examples
///
/// ```
/// # use tidings_websocket::Extension;
///
/// let offered = Extension::parse_list("permessage-deflate; server_max_window_bits=10, x-other")?;
/// assert_eq!(offered[0].name(), "permessage-deflate");
/// assert_eq!(offered[0].params().next(), Some(("server_max_window_bits", Some("10"))));
/// assert_eq!(offered[1].to_string(), "x-other");
/// # Ok::<(), tidings_websocket::InvalidExtension>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
    params: Vec<(String, Option<String>)>,
}

impl Extension {
    /// An extension without parameters. The name is a token of RFC 9110.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), params: Vec::new() }
    }

    pub(crate) fn with_param(mut self, name: &str) -> Self {
        self.params.push((name.to_owned(), None));
        self
    }

    pub(crate) fn with_value(mut self, name: &str, value: u8) -> Self {
        self.params.push((name.to_owned(), Some(value.to_string())));
        self
    }

    /// The registered name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in their order, each with its value if it has one.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Parses the value of a field `Sec-WebSocket-Extensions`.
    ///
    /// # Errors
    ///
    /// [`InvalidExtension`] when the value breaks the grammar, or lists more than 32 extensions or one
    /// with more than 16 parameters.
    pub fn parse_list(value: &str) -> Result<Vec<Self>, InvalidExtension> {
        let mut extensions = Vec::new();
        for element in split_outside_quotes(value, ',') {
            let element = element.trim_matches([' ', '\t']);
            if element.is_empty() {
                continue;
            }
            if extensions.len() == EXTENSIONS_MAX {
                return Err(InvalidExtension);
            }
            extensions.push(parse_extension(element)?);
        }
        Ok(extensions)
    }

    /// Those in all fields `Sec-WebSocket-Extensions`, in their order.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Vec<Self>, InvalidExtension> {
        let mut extensions = Vec::new();
        for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| InvalidExtension)?;
            extensions.extend(Self::parse_list(value)?);
            if extensions.len() > EXTENSIONS_MAX {
                return Err(InvalidExtension);
            }
        }
        Ok(extensions)
    }
}

fn parse_extension(text: &str) -> Result<Extension, InvalidExtension> {
    let mut parts = split_outside_quotes(text, ';').map(|part| part.trim_matches([' ', '\t']));
    let name = parts.next().filter(|name| is_token(name)).ok_or(InvalidExtension)?;
    let mut extension = Extension::new(name);
    for part in parts {
        let (name, value) = match part.split_once('=') {
            None => (part, None),
            Some((name, value)) => {
                let value = value.trim_matches([' ', '\t']);
                (name.trim_matches([' ', '\t']), Some(unquote(value).ok_or(InvalidExtension)?))
            }
        };
        if !is_token(name) || extension.params.len() == PARAMS_MAX {
            return Err(InvalidExtension);
        }
        extension.params.push((name.to_owned(), value));
    }
    Ok(extension)
}

/// The token that is written plainly or as a quoted string.
fn unquote(value: &str) -> Option<String> {
    let token = match value.strip_prefix('"') {
        None => value.to_owned(),
        Some(rest) => {
            let mut token = String::new();
            let mut octets = rest.strip_suffix('"')?.chars();
            while let Some(c) = octets.next() {
                match c {
                    '\\' => token.push(octets.next()?),
                    '"' => return None,
                    c => token.push(c),
                }
            }
            token
        }
    };
    is_token(&token).then_some(token)
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => return c == separator && !quoted,
        }
        false
    })
}

fn is_token(text: &str) -> bool {
    token(text.as_bytes()).is_some()
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// The field `Sec-WebSocket-Extensions` breaks the grammar of RFC 6455, section 9.1, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidExtension;

impl fmt::Display for InvalidExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field Sec-WebSocket-Extensions must list extensions")
    }
}

impl Error for InvalidExtension {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[&str]) {
        let extensions = Extension::parse_list(value).unwrap();
        let shown: Vec<String> = extensions.iter().map(Extension::to_string).collect();
        assert_eq!(shown, expected, "{value}");
    }

    #[test]
    fn a_list_is_parsed_with_its_parameters() {
        check("", &[]);
        check("a , , b;c", &["a", "b; c"]);
        check("a;x=1; y = \"2\";z", &["a; x=1; y=2; z"]);
        check("a;x=\"1\\0\"", &["a; x=10"]);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        let values = [
            "a b",
            ";x",
            "a;",
            "a;=1",
            "a;x=",
            "a;x=\"1",
            "a;x=\"1,2\"",
            "a;x=\"\"",
            "é",
            "a;x=\"a\"b",
        ];
        for value in values {
            assert_eq!(Extension::parse_list(value), Err(InvalidExtension), "{value}");
        }
    }

    #[test]
    fn a_list_is_limited() {
        let many = vec!["a"; EXTENSIONS_MAX].join(",");
        assert_eq!(Extension::parse_list(&many).unwrap().len(), EXTENSIONS_MAX);
        assert!(Extension::parse_list(&format!("{many},a")).is_err());
        let params = format!("a{}", ";x".repeat(PARAMS_MAX));
        assert!(Extension::parse_list(&params).is_ok());
        assert!(Extension::parse_list(&format!("{params};x")).is_err());
    }
}
