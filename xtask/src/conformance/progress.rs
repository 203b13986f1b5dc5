//! How far the rounds have come, on standard error.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};

use super::options::Mode;

/// Without a terminal, a line comes only after so many cases.
const CASES_PER_LINE: usize = 100;

/// Counts the cases of all rounds.
pub(crate) struct Progress(Mutex<Vec<Round>>);

struct Round {
    mode: Mode,
    done: usize,
    cases: usize,
}

impl Progress {
    pub(crate) fn new(modes: &[Mode]) -> Self {
        let rounds = modes.iter().map(|mode| Round { mode: *mode, done: 0, cases: 0 });
        Self(Mutex::new(rounds.collect()))
    }

    /// The suite has said how many cases it is going to run.
    pub(crate) fn begin(&self, mode: Mode, cases: usize) {
        self.change(mode, |round| round.cases = cases);
    }

    /// One case more was started.
    pub(crate) fn advance(&self, mode: Mode) {
        self.change(mode, |round| round.done += 1);
    }

    fn change(&self, mode: Mode, change: impl Fn(&mut Round)) {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.iter_mut().filter(|round| round.mode == mode).for_each(change);
        let done: usize = rounds.iter().map(|round| round.done).sum();
        let cases: usize = rounds.iter().map(|round| round.cases).sum();
        let is_terminal = stderr().is_terminal();
        let is_due = done > 0 && done.is_multiple_of(CASES_PER_LINE);
        if !is_terminal && !is_due && done != cases {
            return;
        }
        let rounds: Vec<String> = rounds
            .iter()
            .map(|round| format!("{} {}/{}", round.mode.name(), round.done, round.cases))
            .collect();
        let (start, end) = if is_terminal { ("\r", "") } else { ("", "\n") };
        let end = if done == cases { "\n" } else { end };
        let _ = write!(stderr(), "{start}    Autobahn: {}{end}", rounds.join(", "));
    }
}
