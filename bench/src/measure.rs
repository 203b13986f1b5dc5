//! Starts a server, puts work on it, and reads what that cost it.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::load::{self, Load};

/// Which clients do what.
pub(crate) struct Work {
    pub(crate) cases: &'static [Load],
}

impl Work {
    pub(crate) const ECHO: Self = Self {
        cases: &[
            Load::Echo { connections: 64, depth: 1, octets: 32 },
            Load::Echo { connections: 64, depth: 1, octets: 1024 },
            Load::Echo { connections: 64, depth: 1, octets: 65_536 },
            Load::Echo { connections: 64, depth: 16, octets: 32 },
            Load::Echo { connections: 64, depth: 16, octets: 1024 },
            Load::Echo { connections: 64, depth: 16, octets: 65_536 },
        ],
    };
    pub(crate) const FANOUT: Self = Self {
        cases: &[
            Load::Fanout { connections: 1000, burst: 1, octets: 128 },
            Load::Fanout { connections: 1000, burst: 8, octets: 128 },
        ],
    };
}

/// How long the server warms up, and how long it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(3);

/// The clock ticks of `/proc`, which Linux fixes at 100 a second for user space.
const TICK_MICROSECONDS: f64 = 10_000.0;

/// CPU microseconds that the server spent on each message it delivered.
pub(crate) async fn measure(server: &str, load: &Load) -> Result<f64, Box<dyn Error>> {
    let mut process = start(server)?;
    let result = measure_running(&mut process, load).await;
    process.kill()?;
    process.wait()?;
    result
}

async fn measure_running(process: &mut Child, load: &Load) -> Result<f64, Box<dyn Error>> {
    let stdout = process.stdout.take().ok_or("server has no output")?;
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;

    let delivered = load::run(address.trim(), load).await?;
    tokio::time::sleep(WARM_UP).await;
    let (cpu_before, count_before) = (cpu_ticks(process.id())?, delivered.get());
    tokio::time::sleep(WINDOW).await;
    let (cpu, count) = (cpu_ticks(process.id())? - cpu_before, delivered.get() - count_before);
    if count == 0 {
        return Err("the server delivered nothing".into());
    }
    Ok(cpu as f64 * TICK_MICROSECONDS / count as f64)
}

/// The server alone on the first core; this process keeps to the others.
fn start(server: &str) -> Result<Child, Box<dyn Error>> {
    let executable = std::env::current_exe()?;
    let child = Command::new("taskset")
        .args(["-c", "0"])
        .arg(executable)
        .args(["serve", server])
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// User and system time of a process, in ticks: fields 14 and 15 of its `stat`.
fn cpu_ticks(pid: u32) -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(") ").next().ok_or("unreadable stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let field = |index: usize| -> Result<u64, Box<dyn Error>> {
        Ok(fields.get(index).ok_or("short stat")?.parse()?)
    };
    Ok(field(11)? + field(12)?)
}
