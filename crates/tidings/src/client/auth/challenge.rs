/// A challenge: a scheme and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The challenges in one line of `WWW-Authenticate`: RFC 9110, section 11.6.1.
///
/// The comma that separates challenges also separates their parameters: a token without `=` after it
/// begins a new challenge. What comes after something that is neither is ignored.
pub(super) fn challenges(line: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = split_token(rest) else { return found };
        match after.trim_start().strip_prefix('=') {
            Some(value) if !found.is_empty() => {
                let Some((value, after)) = split_value(value.trim_start()) else { return found };
                if let Some(challenge) = found.last_mut() {
                    challenge.parameters.push((name.to_owned(), value));
                }
                rest = after;
            }
            Some(_) => return found,
            None => {
                found.push(Challenge { scheme: name.to_owned(), parameters: Vec::new() });
                rest = skip_token68(after);
            }
        }
    }
}

fn split_token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(token, _)| !token.is_empty())
}

/// A token or a quoted string.
fn split_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_token(text)?;
        return Some((token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

/// Leaves out the blob that some schemes have in place of parameters, such as `Negotiate YII=`.
fn skip_token68(after_scheme: &str) -> &str {
    let text = after_scheme.trim_start_matches(' ');
    let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let blob = text.trim_start_matches(is_token68).trim_start_matches('=').trim_start();
    let ends = blob.is_empty() || blob.starts_with(',');
    if ends && blob.len() < text.len() { blob } else { after_scheme }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, &[(&str, &str)])]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(scheme, parameters)| Challenge {
                scheme: (*scheme).to_owned(),
                parameters: parameters
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            })
            .collect();
        assert_eq!(challenges(line), expected, "{line}");
    }

    #[test]
    fn a_line_may_hold_several_challenges() {
        check(
            "Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
            &[
                ("Basic", &[("realm", "simple")]),
                ("Newauth", &[("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")]),
            ],
        );
        check("Negotiate, Basic", &[("Negotiate", &[]), ("Basic", &[])]);
        check(
            "Negotiate a87421000000== , Basic realm=x",
            &[("Negotiate", &[]), ("Basic", &[("realm", "x")])],
        );
    }

    #[test]
    fn space_and_empty_elements_do_not_matter() {
        check(" ,, Basic  realm = \"a, b\" ,\t,", &[("Basic", &[("realm", "a, b")])]);
    }

    #[test]
    fn what_is_malformed_ends_the_line() {
        check("", &[]);
        check("realm=\"r\"", &[]);
        check("Basic realm=\"unfinished", &[("Basic", &[])]);
        check("Basic realm=\"r\", \"", &[("Basic", &[("realm", "r")])]);
        check("Basic realm=\"\\", &[("Basic", &[])]);
    }
}
