//! Runs the commands of other tools, and reads how many tests they ran.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;

/// What came of a command.
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) output: String,
}

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Count {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs a command to its end. Its output is kept, both kinds in the order they came.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            return Outcome { succeeded: false, output: format!("{program}: {error}\n") };
        }
    };
    let (sender, lines) = std::sync::mpsc::channel();
    let collect = |stream: Option<Box<dyn Read + Send>>| {
        let sender = sender.clone();
        thread::spawn(move || {
            let Some(stream) = stream else { return };
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        })
    };
    let readers = [
        collect(child.stdout.take().map(|stream| Box::new(stream) as _)),
        collect(child.stderr.take().map(|stream| Box::new(stream) as _)),
    ];
    drop(sender);
    let output: String = lines.iter().collect();
    for reader in readers {
        let _ = reader.join();
    }
    let succeeded = child.wait().is_ok_and(|status| status.success());
    Outcome { succeeded, output }
}

/// Adds up what the runners of `cargo test`, `node --test` and Python's unittest close with.
pub(crate) fn count(output: &str) -> Count {
    let mut count = Count::default();
    for line in output.lines() {
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result: ") {
            count.passed += number_before(result, " passed");
            count.failed += number_before(result, " failed");
        } else if let Some(passed) = node_summary(line, "pass") {
            count.passed += passed;
        } else if let Some(failed) = node_summary(line, "fail").or(node_summary(line, "cancelled"))
        {
            count.failed += failed;
        }
    }
    count.add(count_unittest(output));
    count
}

/// `# pass 7`, or `ℹ pass 7`.
fn node_summary(line: &str, what: &str) -> Option<usize> {
    let line = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    line.strip_prefix(what)?.strip_prefix(' ')?.parse().ok()
}

/// `Ran 7 tests in 0.1s`, and `FAILED (failures=1, errors=2)`.
fn count_unittest(output: &str) -> Count {
    let mut count = Count::default();
    for line in output.lines() {
        if let Some(ran) = line.strip_prefix("Ran ").filter(|rest| rest.contains(" test")) {
            count.passed += ran.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        } else if let Some(failed) = line.strip_prefix("FAILED (") {
            for kind in ["failures=", "errors="] {
                let number = failed
                    .split(kind)
                    .nth(1)
                    .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
                count.failed += number.and_then(|number| number.parse().ok()).unwrap_or(0);
            }
        }
    }
    count.passed = count.passed.saturating_sub(count.failed);
    count
}

fn number_before(text: &str, word: &str) -> usize {
    let before = text.split(word).next().filter(|before| before.len() < text.len());
    let number = before.and_then(|before| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: usize, failed: usize) {
        assert_eq!(count(output), Count { passed, failed }, "{output}");
    }

    #[test]
    fn the_closing_lines_of_every_runner_are_read() {
        check("test result: ok. 12 passed; 0 failed; 0 ignored; finished in 0.1s\n", 12, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored\n", 3, 2);
        check("# tests 5\n# pass 4\n# fail 1\n# cancelled 0\n", 4, 1);
        check("ℹ pass 4\nℹ fail 0\nℹ cancelled 2\n", 4, 2);
        check("Ran 7 tests in 0.123s\n\nOK\n", 7, 0);
        check("Ran 7 tests in 0.123s\n\nFAILED (failures=1, errors=2)\n", 4, 3);
        check("nothing to see\n", 0, 0);
    }

    #[test]
    fn a_program_that_does_not_exist_fails_with_its_name() {
        let outcome = run(&mut Command::new("no-such-program-here"));
        assert!(!outcome.succeeded);
        assert!(outcome.output.contains("no-such-program-here"));
    }

    #[test]
    fn both_kinds_of_output_are_kept() {
        let outcome = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        assert!(!outcome.succeeded);
        assert!(outcome.output.contains("out\n") && outcome.output.contains("err\n"));
    }
}
