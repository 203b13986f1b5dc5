//! Campaigns for several targets at a time.

use std::num::NonZero;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::target::Target;

/// Runs this program once for each target, with the same options: in a process of its own, since
/// allocations are counted for a process, and as many at a time as there are processors.
///
/// # Errors
///
/// The names of the targets that fail; they have said why.
pub(crate) fn run(targets: &[&'static Target], options: &[&str]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let waiting = Mutex::new(targets.iter());
    let failed = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = next(&waiting) {
                    let status = Command::new(&program).arg(target.name).args(options).status();
                    if !status.is_ok_and(|status| status.success()) {
                        failed.lock().expect("nothing panics with it").push(target.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nothing panics with it");
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn next<T>(waiting: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    waiting.lock().expect("nothing panics with it").next()
}
