//! `cargo xtask bench`: builds ours and the peers, and runs one of the comparisons.

mod peers;

use std::path::Path;
use std::process::{Command, ExitCode};

/// What can be asked for, with the examples that are ours in it: a comparison, or some rows of one.
const WHAT: [(&str, &[&str], &[&str]); 5] = [
    ("websocket", &["websocket"], &["echo", "broadcast"]),
    ("echo", &["websocket", "--rows", "echo"], &["echo"]),
    ("fanout", &["websocket", "--rows", "broadcast"], &["broadcast"]),
    ("sockjs", &["sockjs"], &["sockjs"]),
    ("stomp", &["stomp"], &["broker"]),
];

pub(crate) fn is_known(what: &str) -> bool {
    WHAT.iter().any(|(name, ..)| *name == what)
}

/// Builds and installs all servers that are asked for, and measures them.
pub(crate) fn run(root: &Path, target: &Path, what: &str, options: &[&str]) -> ExitCode {
    let Some((_, arguments, examples)) = WHAT.iter().find(|(name, ..)| *name == what) else {
        return ExitCode::from(2);
    };
    let mut ours = vec!["--package", "tidings"];
    ours.extend(examples.iter().flat_map(|example| ["--example", example]));
    if !build(root, &ours) || !build(root, &["--package", "tidings-bench"]) {
        return ExitCode::FAILURE;
    }
    let folder = target.join("bench-peers");
    let mut bench = Command::new(target.join("release/tidings-bench"));
    bench.args(*arguments).args(options).arg("--peers").arg(&folder).current_dir(root);
    for (name, suite, install) in peers::PEERS {
        if arguments.first() == Some(&suite)
            && is_wanted(name, options)
            && let Err(output) = install(&root.join("bench/peers"), &folder)
        {
            eprintln!("{output}");
            let lines = || output.lines().filter(|line| !line.trim().is_empty());
            let why = lines().find(|line| line.contains("rror")).or(lines().next_back());
            let why = why.unwrap_or("it cannot be installed");
            bench.arg("--missing").arg(format!("{name}={why}"));
        }
    }
    finish(&mut bench)
}

fn build(root: &Path, what: &[&str]) -> bool {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release"]).args(what).current_dir(root);
    finish(&mut cargo) == ExitCode::SUCCESS
}

/// Runs a command whose output is for the user.
fn finish(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", command.get_program().display());
            ExitCode::FAILURE
        }
    }
}

/// Whether `--only`, if it is there, names a peer.
fn is_wanted(name: &str, options: &[&str]) -> bool {
    let only = options.iter().position(|option| *option == "--only");
    let names = only.and_then(|position| options.get(position + 1));
    names.is_none_or(|names| names.split(',').any(|wanted| wanted == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_and_fanout_are_rows_of_websocket() {
        for what in ["websocket", "sockjs", "stomp", "echo", "fanout"] {
            assert!(is_known(what), "{what}");
        }
        assert!(!is_known("telegraph"));
        for (_, arguments, examples) in WHAT {
            assert!(peers::PEERS.iter().any(|(_, suite, _)| Some(suite) == arguments.first()));
            assert!(!examples.is_empty());
        }
    }

    #[test]
    fn only_what_is_measured_is_installed() {
        assert!(is_wanted("ws", &["--quick"]));
        assert!(is_wanted("ws", &["--only", "tidings,ws", "--json"]));
        assert!(!is_wanted("ws", &["--quick", "--only", "tidings"]));
    }
}
