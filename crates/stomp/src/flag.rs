use std::error::Error;
use std::fmt;

/// Reads the value of a header that is `true` or `false`, in any case as clients write them, or `1` or `0`; blanks around
/// it do not count. One that is empty says nothing, as if there were none. Clients in PHP write `true` as `1`, and `false`
/// as nothing.
///
/// # Errors
///
/// [`NotAFlag`] for any other value: whoever mistypes it would not get what is asked for.
pub fn parse_flag(value: &str) -> Result<Option<bool>, NotAFlag> {
    match value.trim() {
        "" => Ok(None),
        value if value == "1" || value.eq_ignore_ascii_case("true") => Ok(Some(true)),
        value if value == "0" || value.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(NotAFlag),
    }
}

/// The value of a header is neither `true` nor `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAFlag;

impl NotAFlag {
    /// What the value should be.
    pub const EXPECTED: &'static str = "true or false";
}

impl fmt::Display for NotAFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither true nor false")
    }
}

impl Error for NotAFlag {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_true_or_false_as_clients_write_them() {
        for text in ["true", "True", "TRUE", " true ", "1"] {
            assert_eq!(parse_flag(text), Ok(Some(true)), "{text}");
        }
        for text in ["false", "False", "\tfalse", "0"] {
            assert_eq!(parse_flag(text), Ok(Some(false)), "{text}");
        }
        assert_eq!(parse_flag(" "), Ok(None));
        for text in ["maybe", "2", "yes", "tru", "true,false"] {
            assert_eq!(parse_flag(text), Err(NotAFlag), "{text}");
        }
    }
}
