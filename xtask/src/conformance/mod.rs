//! `cargo xtask conformance autobahn`: the Autobahn test suite against our server and our client.
//!
//! The results have to be those of `interop/autobahn/expected.json`, and all of them strict.

mod case;
mod expected;
mod json;
mod options;
mod process;
mod progress;
mod round;
mod suite;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

pub(crate) use case::Selection;
use expected::Expected;
pub(crate) use options::{Build, Options};
use options::{Mode, Outcome, Output};
use progress::Progress;
use round::Round;
pub(crate) use suite::{NoSuite, Suite};
use verdict::{Results, Summary};

use crate::run::run as run_command;

/// Cases that the suite has. A run of everything that meets fewer has failed.
const SUITE_CASES: usize = 517;

/// Runs what the arguments after `conformance` ask for.
pub(crate) fn run(root: &Path, target: &Path, arguments: &[&str]) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let suite = match Suite::install(target) {
        Ok(suite) => suite,
        Err(error) => {
            eprintln!("Autobahn cannot run: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run_suite(root, target, &suite, &options) {
        Ok(tallies) if tallies.iter().all(Tally::is_clean) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Autobahn: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many cases of one mode came out as they have to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Builds our ends, runs the modes side by side, prints what came of them.
///
/// # Errors
///
/// When something could not be built, started or read, or made no progress.
pub(crate) fn run_suite(
    root: &Path,
    target: &Path,
    suite: &Suite,
    options: &Options,
) -> Result<Vec<Tally>, String> {
    build_testees(root, options.build)?;
    let results = run_rounds(target, suite, options)?;
    let path = root.join("interop/autobahn/expected.json");
    let mut expected = Expected::read(&path)?;
    if options.outcome == Outcome::Bless {
        expected.bless(&results);
        expected.write(&path)?;
    }
    let summaries: Vec<Summary> = results
        .iter()
        .map(|(mode, results)| Summary::new(*mode, results, expected.of(*mode), &options.selection))
        .collect();
    match options.output {
        Output::Text => summaries.iter().for_each(|summary| print!("{summary}")),
        Output::Json => println!("{}", verdict::to_json(&summaries)),
    }
    Ok(summaries.iter().map(Summary::tally).collect())
}

fn build_testees(root: &Path, build: Build) -> Result<(), String> {
    for what in [["--package=tidings", "--example=echo"], ["--package=tidings-autobahn", "--bins"]]
    {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--profile", build.profile()]).args(what);
        let outcome = run_command(cargo.current_dir(root));
        if !outcome.succeeded {
            return Err(outcome.output);
        }
    }
    Ok(())
}

fn run_rounds(
    target: &Path,
    suite: &Suite,
    options: &Options,
) -> Result<BTreeMap<Mode, Results>, String> {
    let progress = Progress::new(&options.modes);
    thread::scope(|scope| {
        let rounds: Vec<_> = options
            .modes
            .iter()
            .map(|mode| {
                let folder = target.join("autobahn-reports").join(mode.name());
                let (selection, build) = (&options.selection, options.build);
                let round = Round { mode: *mode, suite, target, build, folder, selection };
                let progress = &progress;
                (*mode, scope.spawn(move || round.run(progress)))
            })
            .collect();
        let results = rounds.into_iter().map(|(mode, round)| {
            let results = round.join().map_err(|_| "the round panicked".to_owned());
            let results = results.and_then(|results| results);
            Ok((mode, results.map_err(|error| format!("{} tests: {error}", mode.name()))?))
        });
        results.collect()
    })
}
