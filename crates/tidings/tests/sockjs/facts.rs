//! Every fact of the protocol has a test: `facts.md` says which.

use std::path::{Path, PathBuf};

/// The sections of the protocol.
const SECTIONS: [&str; 11] = [
    "URL space",
    "Common header sets",
    "Greeting, info, iframe",
    "Frames",
    "Transport encodings",
    "Sending",
    "Session state machine",
    "WebSocket",
    "Raw WebSocket",
    "HTTP hygiene",
    "Clients",
];

/// The facts with their tests.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("facts.md").lines();
    let rows = lines.filter_map(|line| {
        let [_, fact, tests, _] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
        Some((fact.trim(), split(tests)))
    });
    rows.filter(|(fact, _)| !matches!(*fact, "fact" | "---")).collect()
}

/// Commas also stand in the titles of tests, which begin at the start of a name.
fn split(tests: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = tests.trim();
    while let Some(at) = rest.match_indices(", ").map(|(at, _)| at).find(|at| {
        let next = &rest[at + 2..];
        next.starts_with("js/") || next.split(", ").next().is_some_and(|next| next.contains("::"))
    }) {
        names.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    names.push(rest);
    names
}

/// The file of a test, and what it has in it.
fn locate(test: &str) -> (PathBuf, String) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some((file, title)) = test.strip_prefix("js/").and_then(|test| test.split_once(": ")) {
        let file = package.join(format!("../../interop/node/test/{file}.test.js"));
        return (file, format!("test(\"{title}\""));
    }
    let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("no test: {test:?}"));
    let folder = match file {
        file if file.starts_with("crates/") => package.join("../.."),
        file if file.contains('/') => package.join("tests"),
        _ => package.join("tests/sockjs"),
    };
    (folder.join(file).with_extension("rs"), format!("fn {name}("))
}

#[test]
fn every_test_of_a_fact_exists() {
    let rows = rows();
    assert!(rows.len() > 80, "{} facts", rows.len());
    for (fact, tests) in rows {
        for test in tests {
            let (file, wanted) = locate(test);
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{fact}: {}: {error}", file.display()));
            assert!(source.contains(&wanted), "{fact}: {test}");
        }
    }
}

#[test]
fn every_section_is_there() {
    let table = include_str!("facts.md");
    for section in SECTIONS {
        assert!(table.contains(&format!("\n## {section}\n")), "{section}");
    }
}
