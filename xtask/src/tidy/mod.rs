//! The architecture, checked. Every rule is a function from text to complaints, with a test that
//! shows it fire; one more test holds the repository itself to all of them.

mod book;
mod graph;
mod markdown;
mod sources;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

pub(crate) use markdown::Document;

/// A file that git tracks, by its path from the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn run(root: &Path) -> ExitCode {
    match complaints(root) {
        Ok(complaints) if complaints.is_empty() => {
            println!("tidy: nothing to complain about");
            ExitCode::SUCCESS
        }
        Ok(complaints) => {
            for complaint in &complaints {
                eprintln!("{complaint}");
            }
            eprintln!("tidy: {} complaints", complaints.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn complaints(root: &Path) -> Result<Vec<String>, String> {
    let sources = tracked(root)?;
    let mut complaints = graph::check(&sources);
    complaints.extend(sources::check(&sources));
    complaints.extend(book::check(&sources));
    Ok(complaints)
}

/// The documents of the repository.
pub(crate) fn documents(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = tracked(root)?;
    sources.retain(|source| source.path.ends_with(".md") && !source.path.contains("/vendor/"));
    Ok(sources)
}

/// Every text file that git tracks, or would track.
fn tracked(root: &Path) -> Result<Vec<Source>, String> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output();
    let output = output.map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let paths = String::from_utf8_lossy(&output.stdout);
    let sources = paths.lines().filter_map(|path| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    });
    Ok(sources.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let complaints = complaints(&crate::root()).unwrap();
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }

    #[test]
    fn cargo_run_has_one_program_to_run() {
        let root = crate::root();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let (_, members) = manifest.split_once("\ndefault-members = [").unwrap();
        let (members, _) = members.split_once(']').unwrap();
        let members = members.split('"').filter(|member| member.contains('/'));
        let programs: Vec<_> =
            members.filter(|member| root.join(member).join("src/main.rs").exists()).collect();
        assert_eq!(programs, ["crates/cli"]);
    }
}
