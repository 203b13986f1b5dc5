//! Every row of SECURITY.md has tests that exist: `rows.md` says which.

use std::path::{Path, PathBuf};

/// The rows with what they name.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = include_str!("rows.md").lines();
    let rows = lines.filter_map(|line| {
        let [_, row, _, tests, _] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
        Some((row.trim(), tests.trim().split(", ").collect()))
    });
    rows.filter(|(row, _)| !matches!(*row, "row" | "trap" | "---")).collect()
}

/// The file that a test is in.
fn file_of(file: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = match file.split_once('/') {
        None if file == "memory" => package.join("tests/memory/main"),
        None if file == "event_source" => package.join("tests/event_source"),
        None => package.join("tests/security").join(file),
        Some(("src", _)) => package.join(file),
        Some(("crates", _)) => package.join("../..").join(file),
        Some(("fuzz", target)) => package.join("../../fuzz/src/targets").join(target),
        Some(_) => package.join("tests").join(file),
    };
    let (file, folder) = (path.with_extension("rs"), path.join("mod.rs"));
    if file.exists() { file } else { folder }
}

#[test]
fn every_test_of_a_row_exists() {
    let rows = rows();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for (row, tests) in &rows {
        for test in tests {
            if let Some(other) = test.strip_prefix("row ") {
                assert!(rows.iter().any(|(row, _)| *row == other), "{row}: there is no {test}");
                continue;
            }
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            let file = file_of(file);
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{row}: {}: {error}", file.display()));
            let is_there = name.is_empty() || source.contains(&format!("fn {name}("));
            assert!(is_there, "{row}: there is no {test}");
        }
    }
}
