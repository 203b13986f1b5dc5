//! `cargo xtask soak`: many subscribers, slow ones among them, for minutes; by hand.

mod client;
mod tally;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::tally::Tally;

/// One of so many subscribers reads more slowly than messages come.
const SLOW_EVERY: usize = 50;

/// Consumers of the durable queue.
const CONSUMERS: usize = 4;

/// How often figures are printed.
const INTERVAL: Duration = Duration::from_secs(10);

/// Subscribers and consumers need a small stack, and there are thousands.
const STACK_OCTETS: usize = 128 * 1024;

/// What is published, and where that is counted.
type Counter = fn(&Tally) -> &AtomicU64;
const PUBLISHERS: [(client::Topic, Counter); 2] = [
    (client::TOPIC, |tally| &tally.published),
    (client::LARGE_TOPIC, |tally| &tally.published_large),
];

struct Options {
    minutes: u64,
    subscribers: usize,
}

pub(crate) fn run(root: &Path, target: &Path, options: &[&str]) -> ExitCode {
    let Some(options) = parse(options) else {
        eprintln!("usage: cargo xtask soak [--minutes N] [--subscribers N]");
        return ExitCode::from(2);
    };
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--package", "tidings-cli"]).current_dir(root);
    if !build.status().is_ok_and(|status| status.success()) {
        return ExitCode::FAILURE;
    }
    match soak(target, &options) {
        Ok(tally) if tally.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(options: &[&str]) -> Option<Options> {
    let mut parsed = Options { minutes: 10, subscribers: 5000 };
    for pair in options.chunks(2) {
        match pair {
            ["--minutes", value] => parsed.minutes = value.parse().ok()?,
            ["--subscribers", value] => parsed.subscribers = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(parsed)
}

fn soak(target: &Path, options: &Options) -> std::io::Result<Arc<Tally>> {
    let data = target.join("soak");
    let _ = fs::remove_dir_all(&data);
    let (server, address) = start(target, &data)?;
    let tally = Arc::new(Tally::default());
    let spawn = |work: Box<dyn FnOnce(&Tally) + Send>| {
        let tally = Arc::clone(&tally);
        thread::Builder::new().stack_size(STACK_OCTETS).spawn(move || work(&tally)).map(drop)
    };
    for number in 0..options.subscribers {
        let address = address.clone();
        let is_slow = number % SLOW_EVERY == SLOW_EVERY - 1;
        let subscribe = if is_slow { client::subscribe_slowly } else { client::subscribe };
        spawn(Box::new(move |tally| subscribe(&address, tally)))?;
    }
    for _ in 0..CONSUMERS {
        let address = address.clone();
        spawn(Box::new(move |tally| client::consume(&address, tally)))?;
    }
    let expected = options.subscribers - options.subscribers / SLOW_EVERY;
    while tally.subscribed.load(Ordering::Relaxed) < expected {
        if tally.ended.load(Ordering::Relaxed) > 0 {
            return Err(std::io::Error::other("a subscriber or consumer could not connect"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("{expected} subscribers listen, beside those that are slow");
    for (topic, published) in PUBLISHERS {
        let address = address.clone();
        spawn(Box::new(move |tally| client::publish(&address, topic, published(tally), tally)))?;
    }
    spawn(Box::new(move |tally| client::produce(&address, tally)))?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(60 * options.minutes);
    let note = || {
        let resident = resident_mebibytes(server.0.id());
        tally.note_memory(resident, begin.elapsed());
        println!("{}", tally.line(resident));
    };
    println!("{}", Tally::HEAD);
    while Instant::now() < end {
        thread::sleep(INTERVAL.min(end.saturating_duration_since(Instant::now())));
        note();
    }
    tally.stop();
    // What is under way arrives.
    thread::sleep(Duration::from_secs(5));
    note();
    println!("{}", tally.verdict());
    drop(server);
    let _ = fs::remove_dir_all(&data);
    Ok(tally)
}

/// The server's process, which ends with the soak, however that does.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server, and where it listens for STOMP.
fn start(target: &Path, data: &Path) -> std::io::Result<(Server, String)> {
    let mut server = Command::new(target.join("release/tidings"))
        .args(["serve", "--listen", "127.0.0.1:0", "--stomp-listen", "127.0.0.1:0"])
        .args(["--control", "off", "--data-dir"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().expect("it is piped")).lines();
    let is_stomp = |line: &String| line.trim_start().starts_with("STOMP");
    let line = lines.by_ref().map_while(Result::ok).find(is_stomp).unwrap_or_default();
    thread::spawn(move || lines.for_each(drop));
    let address = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    Ok((Server(server), address))
}

fn resident_mebibytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
