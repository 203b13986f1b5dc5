use super::SelectorError;

/// A word of a selector, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A keyword, in capitals.
    Keyword(&'static str),
    Identifier(Box<str>),
    Text(Box<str>),
    Integer(i64),
    Decimal(f64),
    /// An operator, a parenthesis or a comma.
    Symbol(&'static str),
    End,
}

const KEYWORDS: &[&str] =
    &["AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE"];

/// The longer before those that they begin with.
const SYMBOLS: &[&str] =
    &["<>", "<=", ">=", "!=", "=", "<", ">", "+", "-", "*", "/", "(", ")", ","];

/// The words of a selector, the last of which is its end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SelectorError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text[at..].trim_start();
        at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token { at, kind: TokenKind::End });
            return Ok(tokens);
        };
        let (kind, octets) = match first {
            '\'' => quoted(rest, '\'', at).map(|(text, len)| (TokenKind::Text(text), len))?,
            '"' => quoted(rest, '"', at).map(|(text, len)| (TokenKind::Identifier(text), len))?,
            _ if is_number(rest) => number(rest, at)?,
            _ if first.is_alphabetic() || matches!(first, '_' | '$') => word(rest),
            _ => symbol(rest, at)?,
        };
        tokens.push(Token { at, kind });
        at += octets;
    }
}

/// What stands between quotes, of which two stand for one.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Box<str>, usize), SelectorError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text.into(), index + c.len_utf8()));
        }
    }
    Err(SelectorError::Unterminated { at })
}

fn is_number(rest: &str) -> bool {
    let digits = rest.strip_prefix('.').unwrap_or(rest);
    digits.starts_with(|c: char| c.is_ascii_digit())
}

fn number(rest: &str, at: usize) -> Result<(TokenKind, usize), SelectorError> {
    let octets = rest.as_bytes();
    let mut end = 0;
    while let Some(octet) = octets.get(end) {
        let is_sign =
            matches!(octet, b'+' | b'-') && end > 0 && matches!(octets[end - 1], b'e' | b'E');
        if !(octet.is_ascii_alphanumeric() || *octet == b'.' || is_sign) {
            break;
        }
        end += 1;
    }
    let text = &rest[..end];
    // As in Java: 10L is an integer, 10.0d and 10f are not.
    let plain = text.strip_suffix(['l', 'L']).unwrap_or(text);
    if let Ok(integer) = plain.parse() {
        return Ok((TokenKind::Integer(integer), end));
    }
    let plain = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match plain.parse::<f64>() {
        Ok(decimal) if decimal.is_finite() => Ok((TokenKind::Decimal(decimal), end)),
        _ => Err(SelectorError::Unexpected { at, found: text.into(), expected: "a number" }),
    }
}

fn word(rest: &str) -> (TokenKind, usize) {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let word = &rest[..end];
    let keyword = KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(word));
    let kind = keyword
        .map_or_else(|| TokenKind::Identifier(word.into()), |keyword| TokenKind::Keyword(keyword));
    (kind, end)
}

fn symbol(rest: &str, at: usize) -> Result<(TokenKind, usize), SelectorError> {
    let found = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    match found {
        Some(symbol) => Ok((TokenKind::Symbol(symbol), symbol.len())),
        None => {
            let found: String = rest.chars().take(1).collect();
            let expected = "a name, a value or an operator";
            Err(SelectorError::Unexpected { at, found: found.into(), expected })
        }
    }
}

impl TokenKind {
    /// The word as the peer may have written it.
    pub(super) fn shown(&self) -> Box<str> {
        match self {
            Self::Keyword(word) | Self::Symbol(word) => (*word).into(),
            Self::Identifier(name) => name.clone(),
            Self::Text(text) => format!("'{text}'").into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Decimal(number) => number.to_string().into(),
            Self::End => "the end".into(),
        }
    }
}
