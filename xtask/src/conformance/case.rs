//! The numbers of test cases, and patterns of them.

use std::fmt;

use super::json::Value;

/// The number of a case, such as 6.12.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case(Vec<u32>);

impl Case {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// Which cases are to run, in the suite's own patterns: `6.12.1`, `6.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Selection {
    /// Every case there is.
    pub(crate) fn all() -> Self {
        Self { included: vec!["*".to_owned()], excluded: Vec::new() }
    }

    /// The cases that need no compression, which take seconds rather than minutes.
    pub(crate) fn uncompressed() -> Self {
        Self { excluded: vec!["12.*".to_owned(), "13.*".to_owned()], ..Self::all() }
    }

    /// Patterns with commas between them.
    pub(crate) fn parse(patterns: &str) -> Option<Self> {
        let included: Vec<String> = patterns.split(',').map(|it| it.trim().to_owned()).collect();
        let is_valid = |pattern: &String| {
            let number = pattern.strip_suffix(".*").unwrap_or(pattern);
            pattern == "*" || Case::parse(number).is_some()
        };
        included.iter().all(is_valid).then_some(Self { included, excluded: Vec::new() })
    }

    pub(crate) fn is_all(&self) -> bool {
        *self == Self::all()
    }

    pub(crate) fn contains(&self, case: &Case) -> bool {
        let case = case.to_string();
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => case.starts_with(prefix),
            None => case == *pattern,
        };
        self.included.iter().any(matches) && !self.excluded.iter().any(matches)
    }

    /// Whether any of the cases negotiates compression.
    pub(crate) fn needs_deflate(&self) -> bool {
        let compresses = |it: &String| it == "*" || it.starts_with("12.") || it.starts_with("13.");
        self.excluded.is_empty() && self.included.iter().any(compresses)
    }

    /// The two fields of a specification file, included and excluded.
    pub(crate) fn to_json(&self) -> [Value; 2] {
        let list = |patterns: &[String]| {
            Value::Array(patterns.iter().cloned().map(Value::String).collect())
        };
        [list(&self.included), list(&self.excluded)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str) -> Case {
        Case::parse(text).unwrap()
    }

    #[test]
    fn cases_are_in_the_order_of_their_numbers() {
        assert!(case("1.1.2") < case("1.1.10") && case("2.11") < case("10.1.1"));
        assert_eq!(case("6.12.1").to_string(), "6.12.1");
        assert_eq!(Case::parse("6.x"), None);
    }

    #[test]
    fn patterns_select_whole_numbers() {
        let selection = Selection::parse("1.*, 6.12.1").unwrap();
        assert!(selection.contains(&case("1.1.8")) && selection.contains(&case("6.12.1")));
        assert!(!selection.contains(&case("10.1.1")) && !selection.contains(&case("6.12.10")));
        assert_eq!(Selection::parse("everything"), None);
    }

    #[test]
    fn compression_is_tested_by_groups_12_and_13() {
        let selection = Selection::uncompressed();
        assert!(selection.contains(&case("1.1.1")) && !selection.contains(&case("12.1.1")));
        assert!(Selection::all().contains(&case("13.7.18")));
        assert!(Selection::all().needs_deflate() && !selection.needs_deflate());
        assert!(Selection::parse("1.*,13.7.18").unwrap().needs_deflate());
    }
}
