//! `tidings lab`: every transport to a server, measured side by side.

mod arguments;
mod measure;
mod plain;
mod relay;
mod report;
mod target;
mod transport;

use std::error::Error;
use std::io::{IsTerminal, Write, stderr};

pub(crate) use self::arguments::Arguments;
use self::measure::{Measurement, Row};
use self::report::Report;
use self::target::Target;
use self::transport::Transport;

/// Measures one transport after the other. `Ok` if at least one of them works.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let target = Target::find(&arguments.url, &arguments.headers).await?;
    let mut rows = Vec::new();
    for transport in Transport::of(&target).filter(|transport| arguments.wants(*transport)) {
        tell_progress(transport.name());
        let measurement = Measurement { arguments, target: &target, transport };
        rows.push(Row { transport, outcome: measurement.run().await });
    }
    tell_progress("");
    target.leave().await;
    if rows.is_empty() {
        let names: Vec<_> = Transport::of(&target).map(Transport::name).collect();
        return Err(format!("there are only these transports: {}", names.join(", ")).into());
    }
    Report { arguments, rows: &rows }.print()?;
    match rows.iter().any(|row| row.outcome.is_ok()) {
        true => Ok(()),
        false => Err("no transport works".into()),
    }
}

/// What is being measured, for somebody who waits; nothing takes it away.
fn tell_progress(what: &str) {
    if stderr().is_terminal() {
        let what = if what.is_empty() { String::new() } else { format!("measuring {what} …") };
        // Progress is nothing to fail for.
        let _ = write!(stderr(), "\r\x1b[K{what}").and_then(|()| stderr().flush());
    }
}
