//! The commands and the dependencies in the book and in the README: run, and resolved.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

mod blocks;
mod commands;
mod frames;
mod shell;

use std::process::Command;
use std::{env, fs};

use blocks::blocks;
use shell::Shell;

#[test]
fn every_command_does_what_it_is_for() {
    for block in blocks("sh") {
        println!("{}", block.place);
        let mut shell = Shell::new();
        for line in block.command_lines() {
            shell.run(&line);
        }
        let shown = shell.finish();
        for line in &block.shown {
            assert!(shown.contains(line), "{}: not shown is `{line}`, but {shown:?}", block.place);
        }
    }
}

#[test]
fn an_unknown_command_is_noticed() {
    for line in
        ["tidings", "rm -r tidings-data", "cargo run --release -- fly", "docker run tidings"]
    {
        let unknown = std::panic::catch_unwind(|| Shell::new().run(line));
        assert!(unknown.is_err(), "{line}");
    }
}

/// Blocks of `Cargo.toml`, as the only dependencies of a project. What is built already is all that there is.
#[test]
fn every_dependency_is_one_that_cargo_finds() {
    let workspace = blocks::root();
    for block in blocks("toml") {
        let directory = shell::Directory::new();
        let tables =
            if block.code.contains("[dev-dependencies]") { "" } else { "[dependencies]\n" };
        let ours = workspace.join("crates/tidings");
        let code = block.code.replace("../tidings/crates/tidings", ours.to_str().unwrap());
        let manifest = format!(
            "[package]\nname = \"reader\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{tables}{code}\n[workspace]\n"
        );
        fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
        fs::create_dir(directory.path().join("src")).unwrap();
        fs::write(directory.path().join("src/lib.rs"), "").unwrap();
        fs::copy(workspace.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline"]);
        let output = cargo.current_dir(directory.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", block.place);
    }
}
