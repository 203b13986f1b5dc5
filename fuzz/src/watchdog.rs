//! Ends the program when an input hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long one input may take. Most take microseconds.
const INPUT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often that is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Knows which input is being tried, and since when.
#[derive(Clone, Default)]
pub(crate) struct Watchdog(Arc<Mutex<Option<Attempt>>>);

struct Attempt {
    since: Instant,
    input: Vec<u8>,
}

impl Watchdog {
    /// Watches from a thread of its own. `give_up` gets the input that hangs, and ends the program.
    pub(crate) fn start(give_up: impl Fn(&[u8]) + Send + 'static) -> Self {
        let watchdog = Self::default();
        let current = Arc::downgrade(&watchdog.0);
        thread::spawn(move || {
            while let Some(current) = current.upgrade() {
                let hanging = match &*current.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(Attempt { since, input }) if since.elapsed() > INPUT_TIMEOUT => {
                        Some(input.clone())
                    }
                    _ => None,
                };
                drop(current);
                if let Some(input) = hanging {
                    give_up(&input);
                }
                thread::sleep(INTERVAL);
            }
        });
        watchdog
    }

    pub(crate) fn begin(&self, input: &[u8]) {
        self.set(Some(Attempt { since: Instant::now(), input: input.to_vec() }));
    }

    pub(crate) fn end(&self) {
        self.set(None);
    }

    fn set(&self, current: Option<Attempt>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}
