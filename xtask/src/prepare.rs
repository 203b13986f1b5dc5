//! Installs, by package name, what tests and benchmarks need and the machine lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run;

/// What building the examples needs beside a C compiler, which Rust has to have anyway.
pub(crate) fn build_tools() -> Result<(), String> {
    if is_installed("make") { Ok(()) } else { debian_packages(&["make"]) }
}

/// Debian's Chromium, Node, nginx and telnet, and Python's virtual environments.
pub(crate) fn programs() -> Result<(), String> {
    let wanted = [
        ("/usr/bin/chromium", "chromium"),
        ("node", "nodejs"),
        ("npm", "npm"),
        ("python3", "python3"),
        ("/usr/sbin/nginx", "nginx-light"),
        ("telnet", "telnet"),
    ];
    let mut missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(program, _)| !is_installed(program))
        .map(|(_, package)| package)
        .collect();
    if !run(Command::new("python3").args(["-c", "import venv, ensurepip"])).succeeded {
        missing.push("python3-venv");
    }
    debian_packages(&missing)
}

/// Debian's RabbitMQ and ActiveMQ. No service is started.
pub(crate) fn brokers() -> Result<(), String> {
    let wanted = [
        ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
        ("/usr/share/activemq/bin/activemq.jar", "activemq"),
    ];
    let missing = wanted.into_iter().filter(|(file, _)| !is_installed(file));
    debian_packages(&missing.map(|(_, package)| package).collect::<Vec<_>>())
}

/// Packages of Debian's that are known to be missing.
pub(crate) fn debian_packages(missing: &[&str]) -> Result<(), String> {
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("    installing {} (apt-get)", missing.join(", "));
    sh(Command::new("apt-get").arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends"];
    let mut apt = Command::new("apt-get");
    // In this run level no package starts its service.
    apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    sh(apt.args(install).args(missing))
}

/// The packages of a folder, as its lock file has them.
pub(crate) fn node_packages(folder: &Path) -> Result<(), String> {
    let installed = folder.join("node_modules/.package-lock.json");
    let lock = folder.join("package-lock.json");
    if is_newer(&installed, &lock) {
        return Ok(());
    }
    println!("    installing the packages of {} (npm ci)", folder.display());
    sh(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
    // npm may leave the file untouched when nothing changed.
    let _ = fs::File::options()
        .append(true)
        .open(&installed)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    Ok(())
}

/// A virtual environment with `requirements`. Returns its Python.
pub(crate) fn python_packages(target: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let venv = target.join("interop-venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.installed");
    if is_newer(&stamp, requirements) {
        return Ok(python);
    }
    println!("    installing the packages of interop/python (pip)");
    sh(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    sh(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(&stamp, "").map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// Whether a program is there, by its path or on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified(file).is_some_and(|file| modified(than).is_some_and(|than| file >= than))
}

/// Runs a command; what it printed is the error if it fails.
pub(crate) fn sh(command: &mut Command) -> Result<(), String> {
    let outcome = run(command);
    if outcome.succeeded { Ok(()) } else { Err(outcome.output) }
}
