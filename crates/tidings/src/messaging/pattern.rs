use std::cmp::Ordering;

use crate::endpoint::PathParams;

/// The destinations that a mapping handles: segments between slashes, of which some may be
/// variables (`{name}`), `*` for any one, or `**` at the end for any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Box<[Segment]>,
}

/// In the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Variable(Box<str>),
    AnyOne,
    AnyNumber,
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Variable(_) => 1,
            Self::AnyOne => 2,
            Self::AnyNumber => 3,
        }
    }
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
                Segment::Literal(literal) if **literal != *value => return None,
                Segment::Variable(_) if value.is_empty() => return None,
                Segment::Variable(name) => variables.push((name.clone(), value)),
                _ => {}
            }
        }
        rest.next().is_none().then(|| variables.into_iter().collect())
    }

    /// Sorts the most specific first: literal before variable before wildcard, left to right.
    pub(super) fn compare_specificity(&self, other: &Self) -> Ordering {
        let ranks = |pattern: &Self| pattern.segments.iter().map(Segment::rank).collect::<Vec<_>>();
        ranks(self).cmp(&ranks(other))
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
        sorted.sort_by(|a, b| Pattern::new(a).compare_specificity(&Pattern::new(b)));
        sorted.into_iter().find(|pattern| Pattern::new(pattern).matches(destination).is_some())
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let patterns = ["/**", "/rooms/*", "/rooms/{id}", "/rooms/lobby", "/rooms/{id}/say"];
        assert_eq!(winner(&patterns, "/rooms/lobby"), Some("/rooms/lobby"));
        assert_eq!(winner(&patterns, "/rooms/7"), Some("/rooms/{id}"));
        assert_eq!(winner(&patterns, "/rooms/7/say"), Some("/rooms/{id}/say"));
        assert_eq!(winner(&patterns, "/rooms/7/sing"), Some("/**"));
        assert_eq!(winner(&["/rooms/{id}"], "/rooms/"), None);
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
