//! Arbitrary octets and arbitrary operations for the protocol crates, on stable Rust.
//!
//! ```text
//! cargo run --package tidings-fuzz --profile checked -- TARGET|all [--seconds N] [--seed S]
//! cargo run --package tidings-fuzz --profile checked -- TARGET --input FILE
//! ```
//!
//! A target takes octets, and panics when something that always has to hold does not. A campaign
//! replays what is kept in `corpus/TARGET`, and then tries inputs that are made up, mutated or pure
//! noise, until its time is over; `all` runs as many campaigns at a time as there are processors. An
//! input that panics, takes too long or too much memory is written to a file, which the second form
//! tries again.

mod campaign;
mod mutation;
mod random;
mod side_by_side;
mod splits;
mod target;
mod targets;
mod watchdog;

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use campaign::Campaign;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use target::{TARGETS, Target};

/// Counts what an input makes a target allocate.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str = "usage: tidings-fuzz TARGET|all [--seconds N] [--seed S] | TARGET --input FILE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let usage = || {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        format!("{USAGE}\ntargets: {}", names.join(", "))
    };
    let (name, options) = arguments.split_first().ok_or_else(usage)?;
    let targets: Vec<&Target> =
        TARGETS.iter().filter(|target| *name == "all" || target.name == *name).collect();
    if targets.is_empty() {
        return Err(usage());
    }
    let mut campaign = Campaign { time: Duration::from_secs(10), seed: random::any_seed() };
    let all_options = options;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or_else(usage)?;
        let number = || value.parse::<u64>().map_err(|_| usage());
        match *option {
            "--seconds" => campaign.time = Duration::from_secs(number()?),
            "--seed" => campaign.seed = number()?,
            "--input" => return campaign::replay(&targets, value.as_ref()),
            _ => return Err(usage()),
        }
    }
    match targets[..] {
        [target] => campaign.run(target),
        _ => side_by_side::run(&targets, all_options),
    }
}
