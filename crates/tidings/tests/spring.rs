//! Everything that Spring's messaging has is shown by a test, or was decided otherwise: `spring.md` says where.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;

use support::named_tests::{place_of, source, tests_in};

/// The parts of Spring's messaging.
const SECTIONS: [&str; 15] = [
    "Pipeline and settings",
    "Mappings",
    "Arguments",
    "Template",
    "Simple broker",
    "Relay",
    "User destinations",
    "Interceptors",
    "Limits",
    "Events",
    "Logins and rules",
    "Statistics",
    "Client",
    "SockJS",
    "Tests",
];

/// What Spring has, and what is said of it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("spring.md").lines().filter(|line| line.starts_with('|'));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, what, here, _] = cells.try_into().unwrap_or_else(|_| panic!("two cells: {line}"));
        (what, here)
    });
    rows.filter(|(what, _)| !matches!(*what, "what Spring has" | "---")).collect()
}

/// That what is said is true.
fn check(what: &str, said: &str) {
    if let Some(decision) = said.strip_prefix("decided: ") {
        let document = decision.strip_suffix(')').and_then(|it| it.rsplit_once(" (docs/"));
        let (_, document) = document.unwrap_or_else(|| panic!("{what}: which document says so?"));
        source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(document));
    } else if !said.starts_with("later: ") && !said.starts_with("not yet: ") {
        said.split(", ").for_each(|test| check_test(what, test));
    }
}

/// That there is such a test, or such a file which has to compile or must not.
fn check_test(what: &str, test: &str) {
    if test.starts_with("ui/") {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        source(&tests.join(test).with_extension("rs"));
        return;
    }
    let (file, name) = place_of(test, "");
    let source = source(&file);
    let is_there = tests_in(&source).iter().any(|(found, _)| *found == name);
    assert!(is_there, "{what}: there is no test {test}");
}

#[test]
fn every_row_has_tests_or_a_decision() {
    for (what, here) in rows() {
        assert!(!here.is_empty(), "{what}: nothing is said");
        here.split("; ").for_each(|said| check(what, said));
    }
}

#[test]
fn every_section_is_there() {
    let table = include_str!("spring.md");
    let sections: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, SECTIONS);
    assert!(rows().len() > 100, "{} rows", rows().len());
}
