//! The project that the tutorial makes, built as its readers build it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tidy::Document;

/// The chapter with the dependencies, and the one with the whole program.
const DEPENDENCIES: &str = "docs/tutorial/project.md";
const PROGRAM: &str = "docs/tutorial/service.md";

/// Where a reader has the sources, seen from the project.
const CHECKOUT: &str = "../tidings/";

/// `cargo test` in the project, about to run.
pub(crate) fn tests(root: &Path, target: &Path) -> Result<Command, String> {
    let folder = target.join("tutorial");
    let checkout = format!("{}/", root.display());
    let dependencies = only_block(root, DEPENDENCIES, "toml")?.replace(CHECKOUT, &checkout);
    let package =
        "[package]\nname = \"desk\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    };
    fs::create_dir_all(folder.join("src")).map_err(|error| error.to_string())?;
    write("Cargo.toml", &format!("{package}\n{dependencies}"))?;
    write("src/main.rs", &only_block(root, PROGRAM, "rust")?)?;
    write("Cargo.lock", &read(root, "Cargo.lock")?)?;
    let mut cargo = Command::new("cargo");
    // What is built already is taken, and nothing else is fetched.
    cargo.args(["test", "--offline"]).current_dir(&folder).env("CARGO_TARGET_DIR", target);
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    Ok(cargo)
}

fn only_block(root: &Path, chapter: &str, language: &str) -> Result<String, String> {
    let text = read(root, chapter)?;
    let blocks = Document::parse(&text).blocks.into_iter();
    let mut code = blocks.filter(|block| block.info.split(',').next() == Some(language));
    match (code.next(), code.next()) {
        (Some(block), None) => Ok(block.code),
        _ => Err(format!("{chapter}: expected one block of {language}")),
    }
}

fn read(root: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))
}
