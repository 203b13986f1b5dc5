use std::error::Error;
use std::fmt;

/// A value that travels as JSON: as an argument of a handler, as its reply, or as a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// What is wrong with a document, without what the peer wrote: that is not for logs.
#[derive(Debug)]
pub(crate) struct JsonError(pub(crate) serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        // Of the errors about data only this one does not repeat any.
        if !self.0.is_data() || text.starts_with("missing field") {
            return f.write_str(&text);
        }
        let (line, column) = (self.0.line(), self.0.column());
        write!(f, "a value of another type at line {line} column {column}")
    }
}

impl Error for JsonError {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Login {
        #[serde(rename = "user")]
        _user: u32,
    }

    fn told(document: &str) -> String {
        JsonError(serde_json::from_str::<Login>(document).unwrap_err()).to_string()
    }

    #[test]
    fn an_error_says_where_and_repeats_nothing() {
        assert_eq!(told("{}"), "missing field `user` at line 1 column 2");
        assert_eq!(told("{\"user\": secret}"), "expected value at line 1 column 10");
        let another = "a value of another type at line 1 column";
        assert_eq!(told("{\"user\":\"secret\"}"), format!("{another} 16"));
        assert!(told("{\"secret\":1}").starts_with(another));
    }
}
