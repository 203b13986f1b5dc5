use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::PathParams;

/// A level-1 URI template whose variables are whole segments, Jakarta WebSocket 3.1.1:
/// `/bookings/{guest_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Variable(Box<str>),
}

impl PathTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`PathTemplateError`] says which rule the template breaks.
    pub fn parse(template: &str) -> Result<Self, PathTemplateError> {
        let fail = |kind| PathTemplateError { template: template.into(), kind };
        let path = template.strip_prefix('/').ok_or_else(|| fail(Kind::NoLeadingSlash))?;
        let mut segments: Vec<Segment> = Vec::new();
        for segment in path.split('/') {
            let segment = match segment {
                // The root is one empty segment.
                "" if path.is_empty() => Segment::Literal("".into()),
                segment => parse_segment(segment).map_err(fail)?,
            };
            if matches!(segment, Segment::Variable(_)) && segments.contains(&segment) {
                return Err(fail(Kind::DuplicateVariable));
            }
            segments.push(segment);
        }
        Ok(Self { segments: segments.into() })
    }

    /// Matches a request path, still percent-encoded.
    ///
    /// # Errors
    ///
    /// `Err` when the path matches but a variable's value is not UTF-8.
    pub(crate) fn matches(&self, path: &str) -> Option<Result<PathParams, InvalidPathParam>> {
        let mut rest = path.strip_prefix('/')?.split('/');
        let mut params = Vec::new();
        for segment in &self.segments {
            let value = rest.next()?;
            match segment {
                Segment::Literal(literal) if **literal == *value => {}
                Segment::Literal(literal) => {
                    let decoded = percent_decode_str(value).decode_utf8().ok()?;
                    if **literal != *decoded {
                        return None;
                    }
                }
                Segment::Variable(_) if value.is_empty() || dots(value).is_some() => return None,
                Segment::Variable(name) => params.push((&**name, value)),
            }
        }
        if rest.next().is_some() {
            return None;
        }
        let decode = |(name, value): (&str, &str)| {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| InvalidPathParam)?;
            Ok((name.to_owned(), value.into_owned()))
        };
        Some(params.into_iter().map(decode).collect())
    }

    /// Sorts templates so that the first that matches is the one Java chooses: a literal segment
    /// goes before a variable, left to right.
    pub(crate) fn precedence(&self) -> Vec<u8> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Variable(_)).into()).collect()
    }

    /// The same for all templates that match the same paths: no two of them may be deployed.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for segment in &self.segments {
            shape.push('/');
            shape.push_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Variable(_) => "{}",
            });
        }
        shape
    }
}

/// The path without `.` and `..` segments, percent-encoded ones among them, as the client would have
/// had to send it: RFC 3986, section 6.2.2.
pub(crate) fn without_dot_segments(path: &str) -> Cow<'_, str> {
    if !path.split('/').any(|segment| dots(segment).is_some()) {
        return path.into();
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/').skip(1) {
        let dots = dots(segment);
        ends_in_dots = dots.is_some();
        match dots {
            None => segments.push(segment),
            Some(Dots::Here) => {}
            Some(Dots::Up) => {
                segments.pop();
            }
        }
    }
    let mut normal: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    if ends_in_dots || normal.is_empty() {
        normal.push('/');
    }
    normal.into()
}

/// A segment that is about others.
enum Dots {
    Here,
    Up,
}

fn dots(segment: &str) -> Option<Dots> {
    // The longest is `%2e%2e`.
    if segment.len() > 6 || !segment.starts_with(['.', '%']) {
        return None;
    }
    match &*percent_decode_str(segment).decode_utf8().ok()? {
        "." => Some(Dots::Here),
        ".." => Some(Dots::Up),
        _ => None,
    }
}

fn parse_segment(segment: &str) -> Result<Segment, Kind> {
    if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        return if is_name { Ok(Segment::Variable(name.into())) } else { Err(Kind::VariableName) };
    }
    match segment {
        "" => Err(Kind::EmptySegment),
        "." | ".." => Err(Kind::DotSegment),
        literal if literal.contains(['{', '}']) => Err(Kind::PartialVariable),
        literal if literal.starts_with(':') => Err(Kind::ColonVariable),
        literal if literal.contains(['?', '#']) => Err(Kind::NoPath),
        literal => Ok(Segment::Literal(literal.into())),
    }
}

/// The path matched, but a variable's value is not UTF-8 once percent-decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidPathParam;

/// A path template that breaks the rules of Jakarta WebSocket 3.1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplateError {
    template: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NoLeadingSlash,
    EmptySegment,
    DotSegment,
    PartialVariable,
    ColonVariable,
    VariableName,
    DuplicateVariable,
    NoPath,
}

impl fmt::Display for PathTemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.kind {
            Kind::NoLeadingSlash => "must begin with `/`",
            Kind::EmptySegment => "must not hold an empty segment (`//` or a `/` at the end)",
            Kind::DotSegment => "must not hold a `.` or `..` segment",
            Kind::PartialVariable => "must use a variable for a whole segment: `/{name}/`",
            Kind::ColonVariable => "must write a variable as `{name}`, not as `:name`",
            Kind::VariableName => "needs letters, digits, `_`, `-` or `.` as a variable's name",
            Kind::DuplicateVariable => "must not use a variable twice",
            Kind::NoPath => "must be a path, without query and fragment",
        };
        write!(f, "path template `{}` {rule}", self.template)
    }
}

impl Error for PathTemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(template: &str) -> PathTemplate {
        PathTemplate::parse(template).unwrap()
    }

    /// The template that wins for `path`, as a router would find it.
    fn winner<'a>(templates: &[&'a str], path: &str) -> Option<&'a str> {
        let mut sorted = templates.to_vec();
        sorted.sort_by_key(|text| template(text).precedence());
        sorted.into_iter().find(|text| template(text).matches(path).is_some())
    }

    #[test]
    fn literals_go_before_variables_from_left_to_right() {
        let one = ["/a", "/{a}"];
        assert_eq!(winner(&one, "/a"), Some("/a"));
        assert_eq!(winner(&one, "/c"), Some("/{a}"));

        let two = ["/{c}/{d}", "/{c}/d", "/c/{d}", "/c/d"];
        assert_eq!(winner(&two, "/c/d"), Some("/c/d"));
        assert_eq!(winner(&two, "/c/one"), Some("/c/{d}"));
        assert_eq!(winner(&two, "/one/d"), Some("/{c}/d"));
        assert_eq!(winner(&two, "/one/two"), Some("/{c}/{d}"));
        assert_eq!(winner(&["/{v}/d", "/b/{w}"], "/b/d"), Some("/b/{w}"));
        assert_eq!(winner(&["/a/{x}/c", "/{y}/b/d"], "/a/b/d"), Some("/{y}/b/d"));
    }

    #[test]
    fn a_variable_is_exactly_one_segment_that_is_not_empty() {
        let template = template("/a/{v}");
        for path in ["/a", "/a/", "/a/b/", "/a/b/c", "a/b"] {
            assert_eq!(template.matches(path), None, "{path}");
        }
        let params = template.matches("/a/apple").unwrap().unwrap();
        assert_eq!(params.get("v"), Some("apple"));
    }

    #[test]
    fn values_are_percent_decoded_after_matching() {
        let value = |path| {
            let params = template("/a/{v}").matches(path)?;
            Some(params.map(|params| params.get("v").unwrap().to_owned()))
        };
        assert_eq!(value("/a/b%20c"), Some(Ok("b c".into())));
        assert_eq!(value("/a/b%2Fc"), Some(Ok("b/c".into())));
        assert_eq!(value("/a/%ff"), Some(Err(InvalidPathParam)));
    }

    #[test]
    fn templates_that_break_a_rule_are_refused() {
        for text in
            ["", "a", "/a//b", "/a/", "/./a", "/../a", "/{a}b", "/{a}/{a}", "/{}", "/a?b", "/:a"]
        {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
        assert!(PathTemplate::parse("/").is_ok());
    }

    #[test]
    fn dot_segments_are_removed_also_when_they_are_encoded() {
        let cases = [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/../../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/a/...", "/a/..."),
            ("/a/%2e%2e%2f/b", "/a/%2e%2e%2f/b"),
            ("/a/.b", "/a/.b"),
        ];
        for (path, normal) in cases {
            assert_eq!(without_dot_segments(path), normal, "{path}");
        }
    }

    #[test]
    fn no_variable_takes_a_dot_segment() {
        for path in ["/a/.", "/a/..", "/a/%2e", "/a/%2e%2e", "/a/.%2E"] {
            assert_eq!(template("/a/{v}").matches(path), None, "{path}");
        }
    }

    #[test]
    fn templates_for_the_same_paths_have_the_same_shape() {
        assert_eq!(template("/x/{a}").shape(), template("/x/{b}").shape());
        assert_ne!(template("/x/a").shape(), template("/x/{a}").shape());
    }
}
