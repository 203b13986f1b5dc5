//! Every fact of the protocol has a test: `facts.md` says which.

use std::path::Path;

/// The sections of the protocol.
const SECTIONS: [&str; 9] = [
    "Frame syntax",
    "Header escaping",
    "Connecting",
    "Heart-beats",
    "Client frames",
    "Server frames",
    "Receipts",
    "Limits",
    "Doors",
];

/// The facts with their tests.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("facts.md").lines();
    let rows = lines.filter_map(|line| {
        let [_, fact, tests, _] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
        Some((fact.trim(), tests.trim().split(", ").collect()))
    });
    rows.filter(|(fact, _)| !matches!(*fact, "fact" | "---")).collect()
}

#[test]
fn every_test_of_a_fact_exists() {
    let rows = rows();
    assert!(rows.len() > 60, "{} facts", rows.len());
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (fact, tests) in rows {
        for told in tests {
            let test = told.trim_end_matches('*');
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("no test: {test:?}"));
            let folder = match file {
                file if file.starts_with("crates/") => package.join("../.."),
                file if file.contains('/') => package.join("tests"),
                _ => package.join("tests/stomp"),
            };
            let file = folder.join(file).with_extension("rs");
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{fact}: {}: {error}", file.display()));
            let start = source.find(&format!("fn {name}("));
            let start = start.unwrap_or_else(|| panic!("{fact}: there is no {test}"));
            let body = source[start..].split("\n}\n").next().unwrap();
            let is_everywhere = body.contains("in_every_version(");
            assert_eq!(told.ends_with('*'), is_everywhere, "{fact}: the star of {test}");
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
