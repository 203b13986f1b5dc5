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
            segment if syntax == Syntax::Path && segment.contains(['?', '#']) => {
                return fail("a path has no query (`?`) and no fragment (`#`)".into());
            }
            _ => {}
        }
    }
    Ok(variables)
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

    fn check(text: &str, syntax: Syntax) -> Result<Vec<String>, String> {
        variables(&LitStr::new(text, Span::call_site()), syntax).map_err(|error| error.to_string())
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
            ["", "a", "/a//b", "/a/", "/./a", "/../a", "/{a}b", "/{a}/{a}", "/{1}", "/a?b"];
        for text in broken {
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
        assert_eq!(shape("/a/{b}"), shape("/a/*"));
        assert_ne!(shape("/a/{b}"), shape("/a/b"));
    }
}
