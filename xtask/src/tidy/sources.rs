//! What must not stand in a file.

use super::Source;

/// The crates that do no I/O.
const SANS_IO: &[&str] =
    &["crates/websocket/", "crates/sockjs/", "crates/stomp/", "crates/broker/"];

/// What a crate without I/O has no use for.
const IO: &[&str] = &["tokio", "mio::", "std::net", "std::fs", "std::io::Read", "SystemTime::now("];

/// Lines of a Rust file without its tests.
const LINES_MAX: usize = 800;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = check_clippy(sources);
    for source in sources {
        complaints.extend(check_name(source));
        if source.path.ends_with(".rs") {
            complaints.extend(check_rust(source));
        }
        if !is_exempt(&source.path) {
            complaints.extend(check_words(source));
        }
    }
    complaints
}

/// Vendored files, locks, and this check itself, which has to spell what it looks for.
fn is_exempt(path: &str) -> bool {
    path.contains("/vendor/") || path.ends_with(".lock") || path == file!().trim_start_matches("./")
}

fn check_name(source: &Source) -> Option<String> {
    let file = source.path.rsplit('/').next()?;
    let name = file.split('.').next()?;
    EMPTY_NAMES.contains(&name).then(|| format!("{}: name the file for what it holds", source.path))
}

fn check_rust(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut complaints = Vec::new();
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    let production = if is_test { "" } else { without_tests(text) };
    let lines = production.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{path}: {lines} lines; {LINES_MAX} are the limit"));
    }
    if SANS_IO.iter().any(|folder| path.starts_with(folder)) {
        for word in IO.iter().filter(|word| code(production).any(|line| line.contains(**word))) {
            complaints.push(format!("{path}: a crate without I/O mentions `{word}`"));
        }
    }
    let tests = if is_test { text } else { &text[production.len()..] };
    for word in ["thread::sleep", "time::sleep(", "#[ignore"] {
        let lines = code(tests).filter(|line| line.contains(word));
        // A handler of a test that never answers is no synchronisation.
        if lines.filter(|line| !line.contains("from_secs(3600)")).count() > 0 && !is_exempt(path) {
            complaints.push(format!("{path}: a test uses `{word}`"));
        }
    }
    if path.ends_with("/lib.rs") && text.contains("unsafe ") {
        complaints.push(format!("{path}: unsafe"));
    }
    complaints
}

/// The file up to the tests at its end.
fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]\nmod tests").unwrap_or(text.len());
    &text[..end]
}

/// The lines that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn check_words(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut complain = |what: &str| complaints.push(format!("{path}:{number}: {what}"));
        for word in ["TODO", "FIXME"] {
            if line.contains(word) && !line.contains('#') {
                complain("an open end needs the number of its issue");
            }
        }
        for word in ["/work/", "/root/", "/home/", "../shared"] {
            if line.contains(word) {
                complain("a path of one machine");
            }
        }
        for word in ["registry.npmjs", "pypi.org", "static.crates.io", "index.crates.io"] {
            if line.contains(word) {
                complain("the name of a package host");
            }
        }
        if line.contains("too_many_lines") && line.contains("allow") {
            complain("say why: #[expect(…, reason = \"…\")]");
        }
    }
    complaints
}

/// The nearest `clippy.toml` wins and is not merged with others, so those of the crates without I/O
/// are equal, and hold all of the root's.
fn check_clippy(sources: &[Source]) -> Vec<String> {
    let find = |path: &str| sources.iter().find(|source| source.path == path);
    let Some(root) = find("clippy.toml") else { return vec!["clippy.toml is missing".into()] };
    let mut complaints = Vec::new();
    let mut first: Option<&Source> = None;
    for folder in SANS_IO {
        let path = format!("{folder}clippy.toml");
        let Some(own) = find(&path) else {
            complaints.push(format!("{path} is missing"));
            continue;
        };
        for line in root.text.lines().filter(|line| !own.text.contains(line)) {
            complaints.push(format!("{path}: lacks the root's `{line}`"));
        }
        if first.get_or_insert(own).text != own.text {
            complaints.push(format!("{path}: differs from those of the other crates without I/O"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    fn rust(path: &str, text: &str) -> usize {
        check_rust(&source(path, text)).len()
    }

    fn words(text: &str) -> usize {
        check_words(&source("README.md", text)).len()
    }

    #[test]
    fn io_is_found_where_there_must_be_none() {
        assert_eq!(rust("crates/stomp/src/a.rs", "use tokio::net::TcpStream;\n"), 1);
        assert_eq!(rust("crates/stomp/src/a.rs", "// tokio is the shell's\n"), 0);
        assert_eq!(rust("crates/tidings/src/a.rs", "use tokio::net::TcpStream;\n"), 0);
    }

    #[test]
    fn a_file_is_too_long_without_its_tests() {
        let long = "fn f() {}\n".repeat(LINES_MAX + 1);
        assert_eq!(rust("crates/cli/src/a.rs", &long), 1);
        let tests = format!("fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(rust("crates/cli/src/a.rs", &tests), 0);
    }

    #[test]
    fn tests_neither_sleep_nor_are_ignored() {
        assert_eq!(rust("crates/cli/tests/a.rs", "std::thread::sleep(a);\n"), 1);
        assert_eq!(rust("crates/cli/tests/a.rs", "#[ignore]\nfn f() {}\n"), 1);
        let unit = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    tokio::time::sleep(a);\n}\n";
        assert_eq!(rust("crates/cli/src/a.rs", unit), 1);
        assert_eq!(rust("crates/cli/src/a.rs", "fn f() { tokio::time::sleep(a); }\n"), 0);
    }

    #[test]
    fn names_say_what_a_file_holds() {
        assert!(check_name(&source("crates/cli/src/utils.rs", "")).is_some());
        assert!(check_name(&source("crates/cli/src/outbox.rs", "")).is_none());
    }

    #[test]
    fn words_that_do_not_belong_are_found() {
        assert_eq!(words("TODO later"), 1);
        assert_eq!(words("TODO(#7) later"), 0);
        assert_eq!(words("cd /home/me"), 1);
        assert_eq!(words("from pypi.org"), 1);
        assert_eq!(words("#[allow(clippy::too_many_lines)]"), 1);
        assert_eq!(words("a clean line"), 0);
    }

    #[test]
    fn clippy_files_must_agree() {
        let root = source("clippy.toml", "a = 1\n");
        let own = |text: &str| {
            let own = SANS_IO.iter().map(|folder| source(&format!("{folder}clippy.toml"), text));
            let sources: Vec<_> = own.chain([source("clippy.toml", "a = 1\n")]).collect();
            check_clippy(&sources).len()
        };
        assert_eq!(own("a = 1\nb = 2\n"), 0);
        assert_eq!(own("b = 2\n"), SANS_IO.len());
        assert_eq!(check_clippy(&[root]).len(), SANS_IO.len());
    }
}
