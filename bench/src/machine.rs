//! The machine that is measured on: what it is, and who runs where on it.

use std::fs;
use std::io;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Where the processes of a measurement run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// The server on one core, the clients on another.
    Apart,
    /// The server on both cores, the clients on one of them.
    Both,
}

const SERVER: usize = 0;
const CLIENTS: usize = 1;

/// Calls `start` where a server belongs; processes inherit that. Then this thread goes back to the
/// core of the clients.
///
/// # Errors
///
/// When there are no two cores, or `start` fails.
pub(crate) fn on_cores_of_server<T>(
    cores: Cores,
    start: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match cores {
        Cores::Apart => pin(&[SERVER])?,
        Cores::Both => pin(&[SERVER, CLIENTS])?,
    }
    let started = start();
    pin(&[CLIENTS])?;
    started
}

fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this process, and those it starts, open as many files as it may.
///
/// # Errors
///
/// When the limit cannot be set.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Processor, cores, memory and kernel, in a line.
pub(crate) fn description() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&cpuinfo, "model name").unwrap_or("unknown processor".to_owned());
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kibibytes = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|total| total.split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim();
    let gibibytes = kibibytes.div_ceil(1024 * 1024);
    format!("{model}, {cores} cores, {gibibytes} GiB of memory, Linux {kernel}, loopback")
}

/// How many processes wanted to run in the last minute, on average.
pub(crate) fn load_average() -> f64 {
    read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The day, as `date` says.
pub(crate) fn date() -> String {
    first_line(Command::new("date").arg("+%-d %B %Y").env("LC_ALL", "C"))
        .unwrap_or("unknown day".to_owned())
}

/// The first line that a program prints, on either stream.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let line = String::from_utf8_lossy(&text).lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
