use syn::LitStr;
use syn::ext::IdentExt;

use crate::diagnostics::Mistakes;

/// How a path or destination is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Jakarta WebSocket's URI template.
    Path,
    /// The mapping of a message handler, which may use `*` and `**`.
    Mapping,
}

/// The variables of a template, whose broken rules are all noted.
pub(crate) fn variables(template: &LitStr, syntax: Syntax, mistakes: &mut Mistakes) -> Vec<String> {
    let text = template.value();
    let path = text.strip_prefix('/').unwrap_or_else(|| {
        mistakes.add(template, format!("the path must begin with `/`, as in \"/{text}\""));
        &text
    });
    let mut variables: Vec<String> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let place = if segments.peek().is_some() { Place::Before } else { Place::Last };
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if !path.is_empty()
                && let Some(rule) = broken_rule(segment, syntax, place)
            {
                mistakes.add(template, rule);
            }
            continue;
        };
        let is_ident = syn::parse_str::<syn::Ident>(name).is_ok_and(|ident| ident == ident.unraw());
        // `Path` and `Session::path_param` read what is no identifier.
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let is_allowed = if syntax == Syntax::Path { is_name } else { is_ident };
        if !is_allowed {
            let what = match syntax {
                Syntax::Path => "letters, digits, `_`, `-` or `.` as its name",
                Syntax::Mapping => "a Rust identifier as its name",
            };
            mistakes.add(template, format!("`{{{name}}}` needs {what}"));
        } else if variables.iter().any(|known| known == name) {
            mistakes.add(template, format!("the variable `{{{name}}}` appears twice"));
        } else {
            variables.push(name.to_owned());
        }
    }
    variables
}

/// Where a segment stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Last,
}

/// The rule that a segment breaks which is no variable.
fn broken_rule(segment: &str, syntax: Syntax, place: Place) -> Option<String> {
    let rule = match segment {
        "" => "the path holds an empty segment: `//`, or `/` at its end".to_owned(),
        "." | ".." => "the path must not hold `.` or `..` segments".to_owned(),
        "**" if syntax == Syntax::Mapping && place == Place::Before => {
            "`**` must be the last segment".to_owned()
        }
        segment if syntax == Syntax::Path && segment.starts_with(':') => {
            let name = segment.trim_start_matches(':');
            format!("a variable is written `{{{name}}}`, not `{segment}`")
        }
        segment if segment.contains(['{', '}']) => {
            format!("a variable must be a whole segment, but `{segment}` is not")
        }
        segment if syntax == Syntax::Path && segment.contains(['?', '#']) => {
            "a path has no query (`?`) and no fragment (`#`)".to_owned()
        }
        _ => return None,
    };
    Some(rule)
}

/// The names between braces in a destination that is sent to.
pub(crate) fn placeholders(destination: &LitStr) -> syn::Result<Vec<String>> {
    let text = destination.value();
    let fail = |rule: &str| Err(syn::Error::new(destination.span(), rule));
    if !text.starts_with('/') {
        return fail("a destination must begin with `/`: \"/topic/greetings\"");
    }
    let mut names = Vec::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find(['{', '}']) {
        let name = rest[open..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        match name {
            Some((name, after)) if !name.contains('{') => {
                names.push(name.to_owned());
                rest = after;
            }
            _ => return fail("a brace without its counterpart"),
        }
    }
    Ok(names)
}

/// The template with its variables' names left out: equal for templates that match the same.
pub(crate) fn shape(template: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "*" } else { segment }.to_owned();
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    /// The variables, or all mistakes.
    fn check(text: &str, syntax: Syntax) -> Result<Vec<String>, Vec<String>> {
        let mut mistakes = Mistakes::default();
        let variables = variables(&LitStr::new(text, Span::call_site()), syntax, &mut mistakes);
        let told = mistakes.told();
        if told.is_empty() { Ok(variables) } else { Err(told) }
    }

    #[test]
    fn variables_are_found_in_order() {
        assert_eq!(check("/a/{b}/{c}", Syntax::Path).unwrap(), ["b", "c"]);
        assert_eq!(check("/", Syntax::Path).unwrap(), [""; 0]);
    }

    #[test]
    fn placeholders_are_found_anywhere_in_a_destination() {
        let check = |text| placeholders(&LitStr::new(text, Span::call_site()));
        assert_eq!(check("/topic/room.{id}.{x}").unwrap(), ["id", "x"]);
        assert!(check("/topic/a").unwrap().is_empty());
        for text in ["topic/a", "/topic/{a", "/topic/a}", "/topic/{{a}}", "/topic/}{"] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn broken_rules_are_told() {
        let broken =
            ["", "a", "/a//b", "/a/", "/./a", "/../a", "/{a}b", "/{a}/{a}", "/{}", "/a?b", "/:a"];
        for text in broken {
            assert!(check(text, Syntax::Path).is_err(), "{text}");
        }
    }

    #[test]
    fn a_variable_of_a_path_need_not_be_an_identifier() {
        for text in ["/{type}", "/{guest-id}", "/{1}"] {
            assert!(check(text, Syntax::Path).is_ok(), "{text}");
            assert!(check(text, Syntax::Mapping).is_err(), "{text}");
        }
        assert!(check("/{r#type}", Syntax::Path).is_err());
    }

    #[test]
    fn several_broken_rules_are_all_told() {
        assert_eq!(check("{a}//{a}/x{b}/..", Syntax::Path).unwrap_err().len(), 5);
    }

    #[test]
    fn only_mappings_have_wildcards() {
        assert!(check("/a/*/**", Syntax::Mapping).is_ok());
        assert!(check("/a/**/b", Syntax::Mapping).is_err());
        // A path takes a star literally.
        assert!(check("/a/*", Syntax::Path).is_ok());
    }

    #[test]
    fn equal_shapes_match_the_same() {
        assert_eq!(shape("/a/{b}"), shape("/a/{c}"));
        assert_eq!(shape("/a/{b}"), shape("/a/*"));
        assert_ne!(shape("/a/{b}"), shape("/a/b"));
    }
}
