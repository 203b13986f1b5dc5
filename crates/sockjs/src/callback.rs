use std::error::Error;
use std::fmt;

/// The name of the function that a request by `htmlfile` or `jsonp` wants to have called: the parameter
/// `c` of the query, or `callback`. It has at most `octets_max` octets.
///
/// # Errors
///
/// [`CallbackError`]; the request is answered with 500 and the error as text, and touches no session.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::{CallbackError, callback};
///
/// assert_eq!(callback(Some("t=1&c=_jp.a1b2"), 32).as_deref(), Ok("_jp.a1b2"));
/// assert_eq!(callback(Some("c=alert(1)"), 32), Err(CallbackError::Invalid));
/// assert_eq!(callback(None, 32), Err(CallbackError::Required));
/// ```
pub fn callback(query: Option<&str>, octets_max: usize) -> Result<String, CallbackError> {
    let value = |name| {
        let fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut values = fields.filter(|(field, _)| field == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(CallbackError::Invalid),
            (value, _) => Ok(value.filter(|value| !value.is_empty())),
        }
    };
    let name = match value("c")? {
        Some(name) => name,
        None => value("callback")?.ok_or(CallbackError::Required)?,
    };
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    if name.len() > octets_max || !name.bytes().all(is_allowed) {
        return Err(CallbackError::Invalid);
    }
    Ok(name.into_owned())
}

/// Why a request cannot be answered by calling a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackError {
    /// It names none.
    Required,
    /// The name is too long, or has other characters than letters, digits, `-`, `_` and `.`, or there are
    /// several.
    Invalid,
}

impl CallbackError {
    /// The body of the answer; clients and the test suite of SockJS know these texts.
    pub fn text(self) -> &'static str {
        match self {
            Self::Required => "\"callback\" parameter required",
            Self::Invalid => "invalid \"callback\" parameter",
        }
    }
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for CallbackError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_comes_before_callback() {
        for (query, name) in [
            ("c=a", "a"),
            ("callback=_jp.a-1", "_jp.a-1"),
            ("callback=b&c=a", "a"),
            ("c=&callback=b", "b"),
            ("c=%61%2E", "a."),
        ] {
            assert_eq!(callback(Some(query), 32).as_deref(), Ok(name), "{query}");
        }
    }

    #[test]
    fn what_could_be_more_than_a_name_is_refused() {
        for query in ["c=a%20b", "c=a+b", "c=%3Cscript%3E", "c=a;b", "c=%ff", "c=\u{e9}", "c=a&c=b"]
        {
            assert_eq!(callback(Some(query), 32), Err(CallbackError::Invalid), "{query}");
        }
    }

    #[test]
    fn nothing_is_no_name() {
        for query in [None, Some(""), Some("c"), Some("c="), Some("C=a"), Some("c=&callback=")] {
            assert_eq!(callback(query, 32), Err(CallbackError::Required), "{query:?}");
        }
    }

    #[test]
    fn a_name_has_a_longest_length() {
        let query = format!("c={}", "a".repeat(32));
        assert!(callback(Some(&query), 32).is_ok());
        assert_eq!(callback(Some(&query), 31), Err(CallbackError::Invalid));
    }
}
