//! The tests that a table names.

use std::path::{Path, PathBuf};

pub fn source(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of tests in a source, each with what follows up to the end of the function.
pub fn tests_in(source: &str) -> Vec<(&str, &str)> {
    let attributes = source.match_indices("#[").filter_map(|(at, _)| {
        let rest = &source[at..];
        let is_test = rest.starts_with("#[test]") || rest.starts_with("#[tokio::test");
        is_test.then_some(rest)
    });
    let tests = attributes.map(|rest| {
        let (_, function) = rest.split_once("fn ").unwrap();
        let name = function.split(['(', '<']).next().unwrap();
        (name, function.split("\n}\n").next().unwrap())
    });
    tests.collect()
}

/// The file of a test, and its name in there. A file is named from `crates/` on, from `src/` of this package, or in this
/// `folder` of its tests.
pub fn place_of<'t>(test: &'t str, folder: &str) -> (PathBuf, &'t str) {
    let (file, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("no test: {test:?}"));
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match file.split_once('/') {
        Some(("crates", _)) => package.join("../.."),
        Some(("src", _)) => package.to_owned(),
        _ => package.join("tests").join(folder),
    };
    (folder.join(file).with_extension("rs"), name)
}
