use std::borrow::Cow;
use std::sync::Arc;

use super::rule_pattern::Separators;

/// What stands between the segments of the destinations that handlers are for: Spring's `PathMatcher`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Separator {
    /// `/app/red/blue/42`.
    #[default]
    Slash,
    /// `/app/red.blue.42`, as it is usual with RabbitMQ. Patterns of mappings, and of [rules](super::Rules), are written with
    /// slashes still: `/red/blue/{number}`. A destination with a further slash is for no handler.
    Dot,
}

/// How clients call what is for handlers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ApplicationNames {
    /// Without slashes at their ends.
    prefixes: Arc<[Box<str>]>,
    pub(crate) separator: Separator,
}

impl ApplicationNames {
    pub(crate) fn new<'p>(prefixes: impl IntoIterator<Item = &'p str>) -> Self {
        let prefixes = prefixes.into_iter().map(|prefix| prefix.trim_end_matches('/').into());
        Self { prefixes: prefixes.collect(), separator: Separator::default() }
    }

    /// The same with other prefixes.
    pub(crate) fn with_prefixes<'p>(&self, prefixes: impl IntoIterator<Item = &'p str>) -> Self {
        Self { separator: self.separator, ..Self::new(prefixes) }
    }

    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// The part of a destination that handlers are for, with the slash at its beginning; `None` if it is somebody
    /// else's.
    pub(crate) fn strip_prefix<'d>(&self, destination: &'d str) -> Option<&'d str> {
        let mut rests = self.prefixes().filter_map(|prefix| destination.strip_prefix(prefix));
        rests.find(|rest| rest.starts_with('/'))
    }

    /// The prefixes that no destination could begin with.
    pub(crate) fn unusable_prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes().filter(|prefix| !prefix.is_empty() && !prefix.starts_with('/'))
    }

    /// The pattern of a mapping as clients write it, without a prefix.
    pub(crate) fn written(&self, pattern: &str) -> String {
        match self.separator {
            Separator::Slash => pattern.to_owned(),
            Separator::Dot => format!("/{}", pattern.trim_start_matches('/').replace('/', ".")),
        }
    }

    /// What ends the words of such names.
    pub(super) fn separators(&self) -> Separators {
        match self.separator {
            Separator::Slash => Separators::Slashes,
            Separator::Dot => Separators::DotsAndSlashes,
        }
    }
}

impl Separator {
    /// What mappings are compared with: the part behind the prefix, with slashes between its segments. `None` if it has
    /// slashes where only dots should be.
    pub(super) fn path(self, rest: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Slash => Some(Cow::Borrowed(rest)),
            Self::Dot if rest.get(1..).is_some_and(|rest| rest.contains('/')) => None,
            Self::Dot => Some(Cow::Owned(rest.replace('.', "/"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_prefixes_may_stand_before_the_path() {
        let names = ApplicationNames::new(["/app", "/api/"]);
        assert_eq!(names.unusable_prefixes().next(), None);
        for (destination, rest) in [
            ("/app/a", Some("/a")),
            ("/api/a/b", Some("/a/b")),
            ("/app", None),
            ("/apps/a", None),
            ("/topic/app/a", None),
        ] {
            assert_eq!(names.strip_prefix(destination), rest, "{destination}");
        }
    }

    #[test]
    fn a_prefix_begins_with_a_slash() {
        let names = ApplicationNames::new(["/app", "api", "v2/", "/"]);
        assert_eq!(names.unusable_prefixes().collect::<Vec<_>>(), ["api", "v2"]);
    }

    #[test]
    fn between_dots_a_slash_is_in_no_segment() {
        assert_eq!(Separator::Dot.path("/red.blue.42").as_deref(), Some("/red/blue/42"));
        assert_eq!(Separator::Dot.path("/red/blue.42"), None);
        let dotted =
            ApplicationNames { separator: Separator::Dot, ..ApplicationNames::new(["/app"]) };
        assert_eq!(dotted.written("/red/{color}/**"), "/red.{color}.**");
        assert_eq!(Separator::Slash.path("/red.blue/42").as_deref(), Some("/red.blue/42"));
    }
}
