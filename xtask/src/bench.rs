use std::path::Path;
use std::process::{Command, ExitCode};

/// Builds the benchmark, and runs one of its comparisons.
pub(crate) fn run(root: &Path, name: &str) -> ExitCode {
    let cargo = ["run", "--release", "--package", "tidings-bench", "--", name];
    match Command::new("cargo").args(cargo).current_dir(root).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
