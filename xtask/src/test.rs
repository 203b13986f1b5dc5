//! `cargo xtask test`: every step in order, and one line at the end that adds up all that ran.

use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::conformance::{self, Build, NoSuite, Options, Selection, Suite};
use crate::java;
use crate::prepare;
use crate::run::{Count, Outcome, count, run};
use crate::tutorial;

/// What can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Rust,
    Interop,
}

impl Part {
    pub(crate) const ALL: &'static [Self] = &[Self::Rust, Self::Interop];
}

/// Everything that was done by now.
#[derive(Default)]
struct Report {
    count: Count,
    /// Steps that failed.
    failed: Vec<String>,
    /// Suites that could not run, and why.
    not_run: Vec<String>,
    /// Suites that this machine has not what it takes for, which is said and no failure.
    left_out: Vec<String>,
    took: Vec<(String, Duration)>,
}

/// Lines of a passed step's output that are shown.
const SHOWN_LINES: usize = 3;

/// How long each fuzz target is tried, several at a time.
const FUZZ_SECONDS: &str = "30";

/// Runs the parts, and says what came of them.
pub(crate) fn run_parts(root: &Path, parts: &[Part]) -> ExitCode {
    let mut report = Report::default();
    for part in parts {
        match part {
            Part::Rust => rust(root, &mut report),
            Part::Interop => {
                interop(root, &mut report);
                autobahn(root, &mut report);
            }
        }
    }
    report.print();
    if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rust(root: &Path, report: &mut Report) {
    if let Err(why) = prepare::build_tools() {
        // The build says what it lacks.
        eprintln!("    make could not be installed: {why}");
    }
    report.step("format", &mut cargo(root, &["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    report.step("clippy", &mut cargo(root, &clippy));
    let plain = ["clippy", "--package", "tidings", "--all-targets", "--no-default-features"];
    let plain = [&plain[..], &["--quiet", "--", "-D", "warnings"]].concat();
    report.step("clippy without TLS", &mut cargo(root, &plain));
    report
        .suite("unit, property and integration tests", &mut cargo(root, &["test", "--workspace"]));
    const TUTORIAL: &str = "the tutorial's project";
    match tutorial::tests(root, &target(root)) {
        Err(why) => report.could_not_run(TUTORIAL, &why),
        Ok(mut tests) => report.suite(TUTORIAL, &mut tests),
    }
    let fuzz = ["run", "--quiet", "--package", "tidings-fuzz", "--profile", "checked", "--"];
    report.step("fuzz targets", cargo(root, &fuzz).args(["all", "--seconds", FUZZ_SECONDS]));
    let docs = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
    report.step("documentation", cargo(root, &docs).env("RUSTDOCFLAGS", "-D warnings"));
}

fn interop(root: &Path, report: &mut Report) {
    // Like the Rust tests, which have built most of it, and with their assertions.
    let build = ["build", "--workspace", "--bins", "--examples"];
    report.step("build the programs and the examples", &mut cargo(root, &build));
    let target = target(root);
    let binary = target.join("debug/tidings");
    if let Err(why) = prepare::programs() {
        return report.could_not_run("interop", &why);
    }
    browser_client(root, report);
    const JAVA: &str = "the book's Java";
    match java::compiler(root, &target) {
        Err(why) => report.could_not_run(JAVA, &why),
        Ok(mut compiler) => report.step(JAVA, &mut compiler),
    }
    let node = root.join("interop/node");
    match prepare::node_packages(&node) {
        Err(why) => report.could_not_run("interop with Node and Chromium", &why),
        Ok(()) => {
            let mut suite = node_tests(&node);
            suite
                .env("TIDINGS_BIN", &binary)
                .env("TIDINGS_SCREENSHOTS", target.join("screenshots"));
            report.suite("interop with Node and Chromium", &mut suite);
        }
    }
    let python = root.join("interop/python");
    match prepare::python_packages(&target, &python.join("requirements.txt")) {
        Err(why) => report.could_not_run("interop with Python", &why),
        Ok(interpreter) => {
            let mut suite = Command::new(interpreter);
            suite.args(["-m", "unittest", "discover", "--verbose"]).current_dir(&python);
            report.suite("interop with Python", suite.env("TIDINGS_BIN", &binary));
        }
    }
    const BROKERS: &str = "interop with RabbitMQ and ActiveMQ";
    match prepare::brokers() {
        Err(why) => report.could_not_run(BROKERS, &why),
        Ok(()) => {
            let mut suite = Command::new(target.join("debug/tidings-brokers"));
            report.suite(BROKERS, suite.env("TIDINGS_BIN", &binary));
        }
    }
}

/// The client for browsers: that what is committed is what its sources make, then its tests.
fn browser_client(root: &Path, report: &mut Report) {
    const NAME: &str = "browser client";
    let folder = root.join("clients/typescript");
    if let Err(why) = prepare::node_packages(&folder) {
        return report.could_not_run(NAME, &why);
    }
    let mut check = Command::new("node");
    report.step(
        "build the browser client anew",
        check.args(["build.mjs", "--check"]).current_dir(&folder),
    );
    report.suite(NAME, &mut node_tests(&folder));
}

fn node_tests(folder: &Path) -> Command {
    let mut suite = Command::new("node");
    let guards = ["--test-timeout=600000", "--test-force-exit"];
    suite.args(["--test", "--test-reporter=tap"]).args(guards).arg("test/");
    suite.current_dir(folder);
    suite
}

/// The cases without compression; the others take a quarter of an hour.
fn autobahn(root: &Path, report: &mut Report) {
    const NAME: &str = "Autobahn without compression";
    println!("{}", bold(&format!("==> {NAME}")));
    let _ = stdout().flush();
    let start = Instant::now();
    let target = target(root);
    let suite = match Suite::install(&target) {
        Ok(suite) => suite,
        Err(error @ NoSuite::NoPython) => {
            println!("    LEFT OUT: {error}");
            return report.left_out.push(format!("{NAME}: {error}"));
        }
        Err(NoSuite::Failed(output)) => return report.could_not_run(NAME, &output),
    };
    let options = Options::new(Selection::uncompressed(), Build::Checked);
    match conformance::run_suite(root, &target, &suite, &options) {
        Err(error) => report.could_not_run(NAME, &error),
        Ok(tallies) => {
            for tally in tallies {
                report.count.add(Count { passed: tally.passed, failed: tally.failed });
                if !tally.is_clean() {
                    report.failed.push(NAME.to_owned());
                }
            }
        }
    }
    report.took.push((NAME.to_owned(), start.elapsed()));
}

impl Report {
    /// Something that passes or fails as a whole.
    fn step(&mut self, name: &str, command: &mut Command) {
        let outcome = self.timed(name, command);
        if !outcome.succeeded {
            self.failed.push(name.to_owned());
        }
    }

    /// Tests. A suite that ran none has failed.
    fn suite(&mut self, name: &str, command: &mut Command) {
        let outcome = self.timed(name, command);
        let count = count(&outcome.output);
        println!("    {} passed, {} failed", count.passed, count.failed);
        self.count.add(count);
        if !outcome.succeeded || count == Count::default() {
            self.failed.push(name.to_owned());
        }
    }

    fn could_not_run(&mut self, name: &str, why: &str) {
        println!("{why}");
        let last = why.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        self.not_run.push(format!("{name} ({last})"));
    }

    fn timed(&mut self, name: &str, command: &mut Command) -> Outcome {
        println!("{}", bold(&format!("==> {name}")));
        let _ = stdout().flush();
        let start = Instant::now();
        let outcome = run(command);
        self.took.push((name.to_owned(), start.elapsed()));
        if outcome.succeeded {
            let lines: Vec<&str> = outcome.output.lines().collect();
            for warning in lines.iter().filter(|line| line.starts_with("WARNING: ")) {
                println!("    {}", bold(warning));
            }
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                println!("    {line}");
            }
        } else {
            println!("{}", outcome.output);
            println!("{}", bold(&format!("    {name}: FAILED")));
        }
        outcome
    }

    fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.not_run.is_empty() && self.count.failed == 0
    }

    fn print(&self) {
        println!("\n{}", bold("==> how long each part took"));
        for (name, took) in &self.took {
            println!("    {:>6.1} s  {name}", took.as_secs_f64());
        }
        for name in &self.failed {
            println!("failed: {name}");
        }
        for suite in &self.not_run {
            println!("not run: {suite}");
        }
        for suite in &self.left_out {
            println!("left out: {suite}");
        }
        println!("{} passed, {} failed", self.count.passed, self.count.failed);
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    command
}

pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn bold(text: &str) -> String {
    if stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}
