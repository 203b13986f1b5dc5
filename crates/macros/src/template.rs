use syn::LitStr;

/// How a path or destination is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Jakarta WebSocket's URI template.
    Path,
    /// The mapping of a message handler, which may use `*` and `**`.
    Mapping,
}

/// The variables of a template, after a check of its rules.
pub(crate) fn variables(template: &LitStr, syntax: Syntax) -> syn::Result<Vec<String>> {
    let text = template.value();
    let fail = |rule: String| Err(syn::Error::new(template.span(), rule));
    let Some(path) = text.strip_prefix('/') else {
        return fail(format!("the path must begin with `/`: \"/{text}\""));
    };
    let mut variables: Vec<String> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if syn::parse_str::<syn::Ident>(name).is_err() {
                return fail(format!("`{{{name}}}` needs a Rust identifier as its name"));
            }
            if variables.iter().any(|known| known == name) {
                return fail(format!("the variable `{{{name}}}` appears twice"));
            }
            variables.push(name.to_owned());
            continue;
        }
        match segment {
            "" if path.is_empty() => {}
            "" => return fail("the path holds an empty segment: `//`, or `/` at its end".into()),
            "." | ".." => return fail("the path must not hold `.` or `..` segments".into()),
            "**" if syntax == Syntax::Mapping && segments.peek().is_some() => {
                return fail("`**` must be the last segment".into());
            }
            "*" | "**" if syntax == Syntax::Mapping => {}
            segment if segment.contains(['{', '}']) => {
                return fail(format!("a variable must be a whole segment, but `{segment}` is not"));
            }
            _ => {}
        }
    }
    Ok(variables)
}

/// The names between braces in a destination that is sent to.
pub(crate) fn placeholders(destination: &str) -> Vec<String> {
    let parts = destination.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// The template with its variables' names left out: equal for templates that match the same.
pub(crate) fn shape(template: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "{}" } else { segment }.to_owned();
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn check(text: &str, syntax: Syntax) -> Result<Vec<String>, String> {
        variables(&LitStr::new(text, Span::call_site()), syntax).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_found_in_order() {
        assert_eq!(check("/a/{b}/{c}", Syntax::Path).unwrap(), ["b", "c"]);
        assert_eq!(check("/", Syntax::Path).unwrap(), [""; 0]);
        assert_eq!(placeholders("/topic/room.{id}.{x}"), ["id", "x"]);
    }

    #[test]
    fn broken_rules_are_told() {
        for text in ["", "a", "/a//b", "/a/", "/./a", "/../a", "/{a}b", "/{a}/{a}", "/{1}"] {
            assert!(check(text, Syntax::Path).is_err(), "{text}");
        }
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
        assert_ne!(shape("/a/{b}"), shape("/a/b"));
    }
}
