//! Runs simulations by hand: one seed again, or more seeds than the tests.

use std::process::ExitCode;

use tidings_sim::{Plan, run};

const USAGE: &str = "usage: tidings-sim [--seed N | --seeds N [--from N]] [--milliseconds N]

  --seed N            run that one
  --seeds N           run so many, the first of which is --from (default 0)
  --milliseconds N    how long clients work in each, in virtual time (default 1000)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((seeds, plan)) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let count = seeds.end - seeds.start;
    for (done, seed) in seeds.enumerate() {
        match run(seed, plan) {
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
            Ok(counts) if count == 1 => println!("seed {seed}: {counts:#?}"),
            Ok(_) if (done + 1).is_multiple_of(1000) => println!("{} of {count}", done + 1),
            Ok(_) => {}
        }
    }
    println!("{count} seeds, nothing wrong");
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(std::ops::Range<u64>, Plan)> {
    let (mut first, mut count, mut plan) = (0, 200, Plan::default());
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        let value: u64 = value.parse().ok()?;
        match name.as_str() {
            "--seed" => (first, count) = (value, 1),
            "--seeds" => count = value,
            "--from" => first = value,
            "--milliseconds" => plan.milliseconds = value,
            _ => return None,
        }
    }
    Some((first..first.checked_add(count)?, plan))
}
