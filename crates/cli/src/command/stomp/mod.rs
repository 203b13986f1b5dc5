//! `tidings pub` and `tidings sub`: clients of any STOMP server in the terminal.

mod connection;
mod input;
pub(crate) mod publish;
mod report;
pub(crate) mod subscribe;

use std::error::Error;

/// Runs a command to its end, on this thread.
fn block_on(
    command: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    // The task that reads standard input may wait for a line that never comes.
    runtime.shutdown_background();
    result
}
