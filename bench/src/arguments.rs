use std::path::PathBuf;
use std::time::Duration;

use crate::server::{Job, Kind, Task};
use crate::suite::Suite;

pub(crate) const USAGE: &str = "\
usage: tidings-bench websocket|sockjs|stomp [OPTION]…

  --quick           short windows, one round, few connections: does it work at all?
  --only NAME,…     these servers; `limit`, if there is one, is always measured: ratios refer to it
  --rows WORD,…     the rows whose name contains one of the words
  --json            prints the result as JSON
  --save            writes it to bench/results too, as Markdown and JSON
  --peers DIR       where the peers from elsewhere are installed
  --missing NAME=WHY  what could not be installed

       tidings-bench server NAME --kind echo|broadcast|sockjs|broker --octets N [--data-dir DIR] [--peers DIR]";

/// What this process is for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Being measured.
    Server(Task),
    /// Measuring.
    Compare(Options),
}

/// How to measure, what, and where the result goes.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) suite: Suite,
    pub(crate) pace: Pace,
    /// Names of contestants; all when empty.
    pub(crate) only: Vec<String>,
    /// Parts of names of rows; all when empty.
    pub(crate) rows: Vec<String>,
    pub(crate) print: Format,
    pub(crate) save: Save,
    pub(crate) peers: PathBuf,
    /// Names of contestants that could not be installed, and why.
    pub(crate) missing: Vec<(String, String)>,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Json,
}

/// Whether a result is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Save {
    Keep,
    Forget,
}

/// How long and how often things are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) window: Duration,
    /// Before the window, for servers compiled ahead of time.
    pub(crate) warm_up: Duration,
    /// The same for those compiled just in time.
    pub(crate) warm_up_just_in_time: Duration,
    /// The divisor of numbers of connections.
    pub(crate) fewer_connections: usize,
}

impl Pace {
    pub(crate) const FULL: Self = Self {
        rounds: 3,
        window: Duration::from_secs(3),
        warm_up: Duration::from_secs(1),
        warm_up_just_in_time: Duration::from_secs(6),
        fewer_connections: 1,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        window: Duration::from_millis(400),
        warm_up: Duration::from_millis(100),
        warm_up_just_in_time: Duration::from_millis(400),
        fewer_connections: 10,
    };
}

/// Reads the arguments of this process.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    match arguments.next().as_deref() {
        Some("server") => parse_task(arguments).map(Command::Server),
        Some(name) => match Suite::ALL.into_iter().find(|suite| suite.name() == name) {
            Some(suite) => parse_options(suite, arguments).map(Command::Compare),
            None => Err(USAGE.to_owned()),
        },
        None => Err(USAGE.to_owned()),
    }
}

fn parse_options(
    suite: Suite,
    mut arguments: impl Iterator<Item = String>,
) -> Result<Options, String> {
    let mut options = Options {
        suite,
        pace: Pace::FULL,
        only: Vec::new(),
        rows: Vec::new(),
        print: Format::Markdown,
        save: Save::Forget,
        peers: PathBuf::from("target/bench-peers"),
        missing: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--quick" => options.pace = Pace::QUICK,
            "--only" => options.only = words(&value()?),
            "--rows" => options.rows = words(&value()?),
            "--json" => options.print = Format::Json,
            "--save" => options.save = Save::Keep,
            "--peers" => options.peers = value()?.into(),
            "--missing" => {
                let missing = value()?;
                let (name, why) = missing.split_once('=').ok_or("--missing wants NAME=WHY")?;
                options.missing.push((name.to_owned(), why.to_owned()));
            }
            _ => return Err(format!("unknown argument `{argument}`\n\n{USAGE}")),
        }
    }
    Ok(options)
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn parse_task(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let name = arguments.next().ok_or(USAGE)?;
    let mut task = Task {
        name,
        job: Job::WebSocket(Kind::Echo),
        octets: 0,
        data: PathBuf::new(),
        peers: PathBuf::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--kind" => task.job = Job::parse(&value()?)?,
            "--octets" => {
                task.octets = value()?.parse().map_err(|_| "--octets wants a number")?;
            }
            "--data-dir" => task.data = value()?.into(),
            "--peers" => task.peers = value()?.into(),
            "--deflate" => return Err(format!("{} has no permessage-deflate", task.name)),
            _ => return Err(format!("unknown argument `{argument}`\n\n{USAGE}")),
        }
    }
    Ok(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split(' ').map(str::to_owned))? {
            Command::Compare(options) => Ok(options),
            Command::Server(_) => panic!("not a comparison: {line}"),
        }
    }

    #[test]
    fn a_comparison_is_full_and_of_everything_unless_told_otherwise() {
        let options = options("websocket").unwrap();
        assert_eq!(options.pace, Pace::FULL);
        assert!(options.only.is_empty() && options.rows.is_empty());
        assert_eq!((options.print, options.save), (Format::Markdown, Save::Forget));
    }

    #[test]
    fn each_suite_is_asked_for_by_its_name() {
        for suite in Suite::ALL {
            assert_eq!(options(suite.name()).unwrap().suite, suite);
        }
        assert!(options("telegraph").is_err());
    }

    #[test]
    fn lists_are_split_at_commas() {
        let options = options("websocket --quick --only tidings,ws --rows echo --save").unwrap();
        assert_eq!(options.pace, Pace::QUICK);
        assert_eq!(options.only, ["tidings", "ws"]);
        assert_eq!(options.rows, ["echo"]);
        assert_eq!(options.save, Save::Keep);
    }

    #[test]
    fn a_missing_peer_comes_with_its_reason() {
        let options = options("websocket --missing ws=offline").unwrap();
        assert_eq!(options.missing, [("ws".to_owned(), "offline".to_owned())]);
        assert!(self::options("websocket --missing ws").is_err());
        assert!(self::options("websocket --fast").is_err());
    }

    #[test]
    fn a_server_is_told_its_kind_and_the_size_of_messages() {
        let line = "server axum --kind broadcast --octets 128".split(' ').map(str::to_owned);
        let Ok(Command::Server(task)) = parse(line) else { panic!("not a server") };
        assert_eq!((task.job, task.octets), (Job::WebSocket(Kind::Broadcast), 128));
        let deflate = "server axum --kind echo --deflate".split(' ').map(str::to_owned);
        assert!(parse(deflate).is_err());
    }
}
