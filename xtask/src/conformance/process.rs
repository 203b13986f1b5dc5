//! Programs that run beside this one, and end with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// A program whose lines are read. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    name: String,
}

/// What a program did next.
pub(crate) enum Step {
    Line(String),
    /// It closed its output, so it is about to end or has.
    Ended,
}

impl Process {
    /// Starts a program; what it writes to its standard error goes to the file `log`.
    ///
    /// # Errors
    ///
    /// When the program or the file cannot be opened.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let complaint = |error: std::io::Error| format!("{name}: {error}");
        let errors = std::fs::File::create(log).map_err(complaint)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(complaint)?;
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines, name })
    }

    /// The next line, or the end.
    ///
    /// # Errors
    ///
    /// When there was neither for as long as `patience`.
    pub(crate) fn step(&self, patience: Duration) -> Result<Step, String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Step::Line(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(Step::Ended),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("{} said nothing for {} s", self.name, patience.as_secs()))
            }
        }
    }

    /// Waits for a program that has closed its output.
    ///
    /// # Errors
    ///
    /// When the program has failed.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.name))?;
        if ExitStatus::success(&status) { Ok(()) } else { Err(format!("{}: {status}", self.name)) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(name: &str, script: &str) -> Process {
        let log = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
        let process = Process::start(Command::new("sh").args(["-c", script]), &log).unwrap();
        std::fs::remove_file(log).unwrap();
        process
    }

    #[test]
    fn lines_are_read_until_the_end() {
        let mut process = shell("lines", "echo one; echo two");
        for expected in ["one", "two"] {
            let step = process.step(PATIENCE).unwrap();
            assert!(matches!(step, Step::Line(line) if line == expected));
        }
        assert!(matches!(process.step(PATIENCE), Ok(Step::Ended)));
        assert_eq!(process.wait(), Ok(()));
    }

    #[test]
    fn a_program_that_fails_is_an_error() {
        let mut process = shell("fails", "exit 3");
        assert!(matches!(process.step(PATIENCE), Ok(Step::Ended)));
        assert!(process.wait().is_err());
    }

    #[test]
    fn a_silent_program_is_an_error_and_is_killed() {
        let process = shell("silent", "exec sleep 3600");
        assert!(process.step(Duration::from_millis(1)).is_err());
    }
}
