use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::limits::Limits;
use super::mailbox::Mailbox;
use super::tally::Tally;

/// The characters of a run's id: each stands for five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// A hundred bits cannot be guessed.
const RUN_CHARS: usize = 20;
const ROW_CHARS_MAX: usize = 32;

/// The runs of all visitors, by their ids.
#[derive(Debug, Default)]
pub(super) struct Runs(Mutex<HashMap<Box<str>, Arc<Run>>>);

/// What one visitor measures.
#[derive(Debug)]
pub(super) struct Run {
    rows: Mutex<HashMap<Box<str>, Arc<Row>>>,
    asked: Mutex<Instant>,
}

/// One transport of a run: its messages, and what its requests come to.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) mailbox: Mailbox,
    tally: Mutex<Tally>,
    asked: Mutex<Instant>,
}

/// There are as many as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Runs {
    /// Begins a run, and returns its id.
    pub(super) fn begin(&self, limits: &Limits) -> Result<String, TooMany> {
        let mut runs = self.lock();
        runs.retain(|_, run| !run.is_forgotten(limits));
        if runs.len() >= limits.runs_max {
            return Err(TooMany);
        }
        let id = random_id();
        let run = Run { rows: Mutex::default(), asked: Mutex::new(Instant::now()) };
        runs.insert(id.clone().into(), Arc::new(run));
        Ok(id)
    }

    pub(super) fn find(&self, id: &str, limits: &Limits) -> Option<Arc<Run>> {
        let mut runs = self.lock();
        let run = Arc::clone(runs.get(id)?);
        if run.is_forgotten(limits) {
            runs.remove(id);
            return None;
        }
        *run.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(run)
    }

    /// Ends a run. Whoever waits for its messages is sent away.
    pub(super) fn end(&self, id: &str) {
        let run = self.lock().remove(id);
        for row in run.iter().flat_map(|run| run.rows()) {
            row.1.mailbox.detach();
        }
    }

    pub(super) fn end_all(&self) {
        let runs: Vec<_> = self.lock().keys().cloned().collect();
        for id in runs {
            self.end(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Run>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// The row of this name, which is made if need be. `None` if there is none and may be none.
    pub(super) fn row(&self, name: &str, limits: &Limits) -> Result<Arc<Row>, TooMany> {
        let mut rows = self.lock();
        if let Some(row) = rows.get(name) {
            return Ok(Arc::clone(row));
        }
        if rows.len() >= limits.rows_max {
            return Err(TooMany);
        }
        let row = Arc::new(Row {
            mailbox: Mailbox::default(),
            tally: Mutex::default(),
            asked: Mutex::new(Instant::now()),
        });
        rows.insert(name.into(), Arc::clone(&row));
        Ok(row)
    }

    /// All rows, with their names.
    pub(super) fn rows(&self) -> Vec<(Box<str>, Arc<Row>)> {
        self.lock().iter().map(|(name, row)| (name.clone(), Arc::clone(row))).collect()
    }

    /// Whether nobody has asked anything of it for long, and nobody waits for an answer.
    fn is_forgotten(&self, limits: &Limits) -> bool {
        let rows = self.rows();
        let asked = |asked: &Mutex<Instant>| *asked.lock().unwrap_or_else(PoisonError::into_inner);
        let last = rows.iter().map(|(_, row)| asked(&row.asked)).max();
        let last = last.into_iter().chain([asked(&self.asked)]).max();
        rows.iter().all(|(_, row)| row.tally().open == 0)
            && last.is_some_and(|last| last.elapsed() > limits.idle_max)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody was here.
    pub(super) fn touch(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Whether a row may have this name.
pub(super) fn is_row_name(name: &str) -> bool {
    (1..=ROW_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn random_id() -> String {
    let mut octets = [0; RUN_CHARS];
    getrandom::fill(&mut octets).expect("the operating system provides randomness");
    octets.iter().map(|octet| char::from(ALPHABET[usize::from(octet % 32)])).collect()
}
