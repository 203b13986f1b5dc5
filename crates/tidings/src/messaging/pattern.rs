use std::cmp::Reverse;

use crate::endpoint::PathParams;

/// The destinations that a mapping handles: segments between slashes, of which some may be
/// variables (`{name}`), `*` for any one that is not empty, or `**` at the end for any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Variable(Box<str>),
    AnyOne,
    AnyNumber,
}

/// Sorts patterns, the most specific first.
///
/// Of two that match the same destination that is the one without `**`; of two with it the longer;
/// then the one with fewer variables and wildcards; then the one whose literals come earlier.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    is_open_ended: bool,
    segments: Reverse<usize>,
    not_literal: usize,
    is_not_literal: Box<[bool]>,
}

impl Pattern {
    /// Reads a pattern that the macro has checked.
    pub(super) fn new(pattern: &str) -> Self {
        let segment = |segment: &str| match segment {
            "*" => Segment::AnyOne,
            "**" => Segment::AnyNumber,
            _ => match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => Segment::Variable(name.into()),
                None => Segment::Literal(segment.into()),
            },
        };
        Self { segments: pattern.split('/').map(segment).collect() }
    }

    /// The variables' values, if the destination matches.
    pub(super) fn matches(&self, destination: &str) -> Option<PathParams> {
        let mut rest = destination.split('/');
        let mut variables = Vec::new();
        for segment in &self.segments {
            if *segment == Segment::AnyNumber {
                return Some(variables.into_iter().collect());
            }
            let value = rest.next()?;
            match segment {
                Segment::Literal(literal) if **literal == *value => {}
                Segment::Variable(name) if !value.is_empty() => {
                    variables.push((name.clone(), value));
                }
                Segment::AnyOne if !value.is_empty() => {}
                _ => return None,
            }
        }
        rest.next().is_none().then(|| variables.into_iter().collect())
    }

    /// The only destination that the pattern matches, if it is one.
    pub(super) fn literal(&self) -> Option<String> {
        let is_literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        self.segments.iter().all(is_literal).then(|| self.shape())
    }

    pub(super) fn precedence(&self) -> Precedence {
        let is_not_literal: Box<[bool]> =
            self.segments.iter().map(|segment| !matches!(segment, Segment::Literal(_))).collect();
        Precedence {
            is_open_ended: self.segments.last() == Some(&Segment::AnyNumber),
            segments: Reverse(self.segments.len()),
            not_literal: is_not_literal.iter().filter(|not_literal| **not_literal).count(),
            is_not_literal,
        }
    }

    /// Equal for patterns that match the same destinations.
    pub(super) fn shape(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => literal,
            Segment::Variable(_) | Segment::AnyOne => "*",
            Segment::AnyNumber => "**",
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner<'a>(patterns: &[&'a str], destination: &str) -> Option<&'a str> {
        let mut sorted = patterns.to_vec();
        sorted.sort_by_key(|pattern| Pattern::new(pattern).precedence());
        sorted.into_iter().find(|pattern| Pattern::new(pattern).matches(destination).is_some())
    }

    fn check(patterns: &[&str], destination: &str, expected: Option<&str>) {
        let reversed: Vec<_> = patterns.iter().rev().copied().collect();
        assert_eq!(winner(patterns, destination), expected, "{destination}");
        assert_eq!(winner(&reversed, destination), expected, "{destination}, declared in reverse");
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let patterns = ["/**", "/rooms/{id}", "/rooms/lobby", "/rooms/{id}/say", "/rooms/**"];
        check(&patterns, "/rooms/lobby", Some("/rooms/lobby"));
        check(&patterns, "/rooms/7", Some("/rooms/{id}"));
        check(&patterns, "/rooms/7/say", Some("/rooms/{id}/say"));
        check(&patterns, "/rooms/7/sing", Some("/rooms/**"));
        check(&patterns, "/halls/7", Some("/**"));
    }

    #[test]
    fn fewer_variables_win_and_then_the_earlier_literal() {
        check(&["/a/{x}/{y}", "/{x}/b/c"], "/a/b/c", Some("/{x}/b/c"));
        check(&["/a/{x}", "/{x}/b"], "/a/b", Some("/a/{x}"));
        check(&["/a/**", "/{x}/b"], "/a/b", Some("/{x}/b"));
        check(&["/a/**", "/a/{x}/**"], "/a/b/c", Some("/a/{x}/**"));
    }

    #[test]
    fn wildcards_match_segments() {
        check(&["/a/*"], "/a/b", Some("/a/*"));
        for destination in ["/a", "/a/", "/a/b/c", "a/b", ""] {
            check(&["/a/*"], destination, None);
            check(&["/a/{x}"], destination, None);
        }
        for destination in ["/a", "/a/", "/a/b/c"] {
            check(&["/a/**"], destination, Some("/a/**"));
        }
        check(&["/a/**"], "/ab", None);
    }

    #[test]
    fn only_patterns_without_wildcards_are_literal() {
        assert_eq!(Pattern::new("/a/b").literal().as_deref(), Some("/a/b"));
        assert_eq!(Pattern::new("/a/{b}").literal(), None);
    }

    #[test]
    fn variables_have_the_values_of_their_segments() {
        let variables = Pattern::new("/rooms/{id}/say").matches("/rooms/7/say").unwrap();
        assert_eq!(variables.get("id"), Some("7"));
    }

    #[test]
    fn patterns_for_the_same_destinations_have_the_same_shape() {
        assert_eq!(Pattern::new("/a/{b}").shape(), Pattern::new("/a/*").shape());
        assert_ne!(Pattern::new("/a/{b}").shape(), Pattern::new("/a/b").shape());
    }
}
