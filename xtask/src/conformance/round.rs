//! One run of the suite against one of our ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::case::{Case, Selection};
use super::json::Value;
use super::options::{Build, Mode};
use super::process::{Process, Step};
use super::progress::Progress;
use super::suite::Suite;
use super::verdict::{Results, Verdict};

/// The name of our ends in the suite's reports.
const AGENT: &str = "tidings";

/// How long one case may take. The longest exchange 16 MiB in small pieces.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a program may take to say that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What one run needs.
pub(crate) struct Round<'a> {
    pub(crate) mode: Mode,
    pub(crate) suite: &'a Suite,
    /// Where cargo builds, and how it has built our ends.
    pub(crate) target: &'a Path,
    pub(crate) build: Build,
    /// Where reports and logs go. What is there is deleted first.
    pub(crate) folder: PathBuf,
    pub(crate) selection: &'a Selection,
}

impl Round<'_> {
    /// Runs the cases, and reads the report.
    ///
    /// # Errors
    ///
    /// When a program cannot be started, fails, or makes no progress.
    pub(crate) fn run(&self, progress: &Progress) -> Result<Results, String> {
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder).map_err(|error| self.complaint(&error))?;
        match self.mode {
            Mode::Server => self.test_server(progress)?,
            Mode::Client => self.test_client(progress)?,
        }
        let report = self.folder.join("index.json");
        let text = fs::read_to_string(&report).map_err(|error| self.complaint(&error))?;
        read_report(&text)
    }

    fn test_server(&self, progress: &Progress) -> Result<(), String> {
        let mut testee = Command::new(self.testee("examples/echo"));
        testee.args(["--listen", "127.0.0.1:0"]);
        if self.selection.needs_deflate() {
            testee.arg("--deflate");
        }
        let testee = self.start(&mut testee, "testee.log")?;
        let first = testee.step(START_TIMEOUT)?;
        let addr = match &first {
            Step::Line(line) => line.strip_prefix("listening on "),
            Step::Ended => None,
        };
        let addr = addr.ok_or_else(|| {
            format!("our server does not listen; see {}", self.folder.join("testee.log").display())
        })?;
        let server = Value::Object(vec![
            ("agent".to_owned(), Value::string(AGENT)),
            ("url".to_owned(), Value::string(format!("ws://{addr}"))),
        ]);
        let servers = ("servers".to_owned(), Value::Array(vec![server]));
        let mut wstest = self.start_suite("fuzzingclient", servers)?;
        self.follow(&wstest, progress)?;
        wstest.wait()
    }

    fn test_client(&self, progress: &Progress) -> Result<(), String> {
        let addr = free_addr().map_err(|error| self.complaint(&error))?;
        let url = ("url".to_owned(), Value::string(format!("ws://{addr}")));
        let wstest = self.start_suite("fuzzingserver", url)?;
        self.await_cases(&wstest, progress)?;
        let mut testee = Command::new(self.testee("tidings-autobahn"));
        let mut testee = self.start(testee.args([&addr, AGENT]), "testee.log")?;
        while let Step::Line(line) = testee.step(CASE_TIMEOUT)? {
            if line.starts_with("case ") {
                progress.advance(self.mode);
            }
        }
        testee.wait()
    }

    fn testee(&self, name: &str) -> PathBuf {
        self.target.join(self.build.profile()).join(name)
    }

    fn start_suite(&self, mode: &str, peer: (String, Value)) -> Result<Process, String> {
        let [included, excluded] = self.selection.to_json();
        let specification = Value::Object(vec![
            peer,
            ("outdir".to_owned(), Value::string(self.folder.to_string_lossy())),
            ("cases".to_owned(), included),
            ("exclude-cases".to_owned(), excluded),
            ("exclude-agent-cases".to_owned(), Value::Object(Vec::new())),
        ]);
        let path = self.folder.join("specification.json");
        fs::write(&path, specification.to_string()).map_err(|error| self.complaint(&error))?;
        self.start(&mut self.suite.command(mode, &path), "suite.log")
    }

    fn start(&self, command: &mut Command, log: &str) -> Result<Process, String> {
        Process::start(command, &self.folder.join(log))
    }

    /// Waits until the suite knows how many cases it has.
    fn await_cases(&self, wstest: &Process, progress: &Progress) -> Result<(), String> {
        while let Step::Line(line) = wstest.step(START_TIMEOUT)? {
            if let Some(cases) = announced_cases(&line) {
                progress.begin(self.mode, cases);
                return Ok(());
            }
        }
        Err(format!("the suite ended; see {}", self.folder.join("suite.log").display()))
    }

    fn follow(&self, wstest: &Process, progress: &Progress) -> Result<(), String> {
        self.await_cases(wstest, progress)?;
        while let Step::Line(line) = wstest.step(CASE_TIMEOUT)? {
            if line.starts_with("Running test case ID ") {
                progress.advance(self.mode);
            }
        }
        Ok(())
    }

    fn complaint(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.folder.display())
    }
}

/// `Ok, will run 301 test cases against 1 servers`
fn announced_cases(line: &str) -> Option<usize> {
    line.strip_prefix("Ok, will run ")?.split(' ').next()?.parse().ok()
}

/// The suite cannot choose a port itself.
fn free_addr() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// What the suite's index says of our end.
fn read_report(text: &str) -> Result<Results, String> {
    let report = Value::parse(text)?;
    let cases = report.member(AGENT).map(Value::members).unwrap_or_default();
    let verdicts = cases.iter().map(|(case, verdict)| {
        let case = Case::parse(case).ok_or_else(|| format!("`{case}` is no case"))?;
        Ok((case, Verdict::read(verdict)?))
    });
    verdicts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_cases_is_read() {
        let line = "Ok, will run 301 test cases for any clients connecting";
        assert_eq!(announced_cases(line), Some(301));
        assert_eq!(announced_cases("Loading spec from x"), None);
    }

    #[test]
    fn a_report_is_read_in_the_order_of_the_cases() {
        let report = r#"{"tidings": {
            "2.10": {"behavior": "OK", "behaviorClose": "OK", "remoteCloseCode": null},
            "2.9": {"behavior": "FAILED", "behaviorClose": "WRONG CODE"}}}"#;
        let results = read_report(report).unwrap();
        let cases: Vec<String> = results.keys().map(Case::to_string).collect();
        assert_eq!(cases, ["2.9", "2.10"]);
        assert!(read_report("{}").unwrap().is_empty());
        assert!(read_report(r#"{"tidings": {"1.1": {}}}"#).is_err());
    }
}
