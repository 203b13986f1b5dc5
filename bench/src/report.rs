use std::error::Error;
use std::fs;

use tokio::task::LocalSet;

use crate::load::Load;
use crate::measure::{Work, measure};
use crate::server::NAMES;

/// How often each case is measured; the median counts.
const REPEATS: usize = 3;

/// Measures every case on every server, turn by turn, and prints a table.
pub(crate) async fn compare(name: &str, work: &Work) -> Result<(), Box<dyn Error>> {
    println!("{name}: CPU microseconds of the server process per message delivered");
    println!("machine: {}", machine());
    println!("each server alone on one core, one thread; medians of {REPEATS} runs\n");
    println!("{:<40}{:>10}{:>20}{:>9}", "", NAMES[0], NAMES[1], "ratio");
    for case in work.cases {
        let mut samples = [const { Vec::new() }; NAMES.len()];
        for _ in 0..REPEATS {
            for (server, samples) in NAMES.iter().zip(&mut samples) {
                // Dropping the set ends the clients.
                let clients = LocalSet::new();
                samples.push(clients.run_until(measure(server, case)).await?);
            }
        }
        let [ours, theirs] = samples.map(median);
        println!("{:<40}{ours:>10.3}{theirs:>20.3}{:>8.2}x", label(case), theirs / ours);
    }
    println!("\nratio: how many times as much the peer needs; below 1 it needs less than we do");
    Ok(())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn label(case: &Load) -> String {
    match case {
        Load::Echo { connections, depth, octets } => {
            format!("{connections} connections, {depth} x {octets} octets")
        }
        Load::Fanout { connections, burst, octets } => {
            format!("to {connections} connections, {burst} x {octets} octets")
        }
    }
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |model| model.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
