//! Our STOMP client against RabbitMQ, ActiveMQ and our own server, and the habits of their clients against all of them.
//!
//! A program rather than tests, since it needs the brokers' packages; `cargo xtask test` runs it with those. It says what
//! passed in the words of Rust's own test runner. `TIDINGS_BIN` is our server's binary.

mod broker;
mod cases;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Kind};
use cases::{CASES, Case};

/// Nothing takes this long; it only ends a case that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    // All at the same time: each takes some seconds.
    let mut starting = Vec::new();
    for kind in Kind::ALL {
        starting.push(tokio::spawn(Broker::start(kind)));
    }
    let mut outcomes = Vec::new();
    let mut running = Vec::new();
    for (kind, starting) in Kind::ALL.into_iter().zip(starting) {
        match starting.await {
            Ok(Ok(broker)) => running.push(tokio::spawn(run_all(broker))),
            Ok(Err(why)) => outcomes.push(Outcome::failed(format!("{kind} starts"), why)),
            Err(error) => {
                outcomes.push(Outcome::failed(format!("{kind} starts"), error.to_string()))
            }
        }
    }
    for running in running {
        match running.await {
            Ok(of_broker) => outcomes.extend(of_broker),
            Err(error) => outcomes.push(Outcome::failed("a broker".into(), error.to_string())),
        }
    }
    report(&outcomes)
}

/// What came of one case at one broker.
struct Outcome {
    name: String,
    failure: Option<String>,
}

impl Outcome {
    fn failed(name: String, why: String) -> Self {
        Self { name, failure: Some(why) }
    }
}

/// The cases of one broker: first those that can go side by side, then those that cannot.
async fn run_all(broker: Broker) -> Vec<Outcome> {
    let kind = broker.kind();
    let applicable = CASES.iter().filter(|case| case.brokers.contains(&kind));
    let (alone, together): (Vec<&Case>, Vec<&Case>) = applicable.partition(|case| case.alone);
    let broker = Arc::new(broker);
    let mut outcomes = Vec::new();
    let mut running = Vec::new();
    for case in together {
        running.push(tokio::spawn(run_one(case, Arc::clone(&broker))));
    }
    for running in running {
        outcomes.extend(running.await);
    }
    for case in alone {
        outcomes.push(run_one(case, Arc::clone(&broker)).await);
    }
    if let Some(broker) = Arc::into_inner(broker)
        && let Err(why) = broker.end().await
    {
        outcomes.push(Outcome::failed(format!("{kind} stops"), why));
    }
    outcomes
}

async fn run_one(case: &'static Case, broker: Arc<Broker>) -> Outcome {
    let name = format!("{}: {}", broker.kind(), case.name);
    // In a task of its own, so that a panic ends nothing else.
    let running = tokio::spawn((case.run)(broker));
    let abort = running.abort_handle();
    let failure = match tokio::time::timeout(PATIENCE, running).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(panic.to_string()),
        Err(_) => {
            abort.abort();
            Some(format!("it hangs: not done within {PATIENCE:?}"))
        }
    };
    Outcome { name, failure }
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    for Outcome { name, failure } in outcomes {
        match failure {
            None => println!("test {name} ... ok"),
            Some(why) => println!("test {name} ... FAILED\n{why}"),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let passed = outcomes.len() - failed;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {passed} passed; {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
