//! Every behavioural case has a test: `cases.md` says which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The cases are numbered from 1 to this.
const LAST_CASE: usize = 152;

/// The rows of the table: the number of a case, or `J` with a number for what does not compile, and the
/// tests that state it.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("cases.md").lines();
    let rows = lines.filter_map(|line| {
        let [_, case, _, tests, _] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
        Some((case.trim(), tests.split(',').map(str::trim).collect()))
    });
    rows.filter(|(case, _)| case.ends_with(|c: char| c.is_ascii_digit())).collect()
}

/// The file of a test and its name in it: none for a test that is a file.
///
/// `ui/…` does not compile, `crates/…` is in another package, `src/…` beside the code, a path with a folder
/// in that folder of tests, and a bare name here.
fn locate(test: &str) -> (PathBuf, Option<&str>) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some((attribute, name)) = test.strip_prefix("ui/").and_then(|it| it.split_once('/')) {
        return (package.join(format!("tests/ui/{attribute}/fail/{name}.rs")), None);
    }
    let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("no test: {test:?}"));
    let folder = match file {
        file if file.starts_with("crates/") => package.join("../.."),
        file if file.starts_with("src/") => package.to_owned(),
        file if file.contains('/') => package.join("tests"),
        _ => package.join("tests/endpoints"),
    };
    (folder.join(file).with_extension("rs"), Some(name))
}

#[test]
fn every_case_is_there_once() {
    let mut seen = BTreeMap::<&str, usize>::new();
    for (case, _) in rows() {
        *seen.entry(case).or_default() += 1;
    }
    for case in 1..=LAST_CASE {
        assert_eq!(seen.get(&*case.to_string()), Some(&1), "case {case}");
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[test]
fn every_test_of_a_case_exists() {
    for (case, tests) in rows() {
        for test in tests {
            let (file, name) = locate(test);
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("case {case}: {}: {error}", file.display()));
            let is_there = name.is_none_or(|name| source.contains(&format!("fn {name}(")));
            assert!(is_there, "case {case}: {test}");
        }
    }
}
