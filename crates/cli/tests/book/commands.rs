use super::blocks::words;

/// What a line of a block is.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// `tidings serve`, with these flags.
    Serve(Vec<String>),
    /// A subcommand of `tidings` that goes on until it is stopped, or is counted out by what others send.
    Follow(Vec<String>),
    /// A subcommand of `tidings` that ends.
    Run(Vec<String>),
    /// `cargo new`, with this name.
    NewProject(String),
    /// `cd`, to there.
    ChangeDirectory(String),
    /// A stream that `curl` follows.
    Get(String),
    /// The reader stops the server and starts it again.
    Restart,
    /// Nothing: something else tests it.
    TestedElsewhere,
}

/// Comments that ask the reader to do something.
const RESTART: &str = "# Stop the server with Ctrl-C, and start it again.";

/// Commands that cannot run inside a test, and what does in their place.
const TESTED_ELSEWHERE: &[(&str, &str)] = &[
    ("cargo xtask test", "it is what runs this test"),
    ("cargo run", "`cargo xtask test` builds the tutorial's project, whose ports may be taken"),
    ("cargo test", "`cargo xtask test` runs the tests of the tutorial's project"),
];

/// Takes a line for what it is.
///
/// # Panics
///
/// If it is nothing that is known.
pub fn step(line: &str) -> Step {
    if line == RESTART {
        return Step::Restart;
    }
    let words = words(line);
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    if TESTED_ELSEWHERE.iter().any(|(command, _)| *command == all.join(" ")) {
        return Step::TestedElsewhere;
    }
    let tidings = match &all[..] {
        ["cargo", "run", "--release"] => &["serve"],
        ["cargo", "run", "--release", "--", rest @ ..] | ["tidings", rest @ ..] => rest,
        ["cargo", "new", name] => return Step::NewProject((*name).to_owned()),
        ["cd", folder] => return Step::ChangeDirectory((*folder).to_owned()),
        ["curl", "-N", url] => return Step::Get((*url).to_owned()),
        _ => panic!("nobody knows how to test `{line}`"),
    };
    let arguments = |rest: &[&str]| rest.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match tidings {
        ["serve", flags @ ..] => Step::Serve(arguments(flags)),
        ["sub", ..] => Step::Follow(arguments(tidings)),
        ["pub" | "queues", ..] => Step::Run(arguments(tidings)),
        _ => panic!("nobody knows how to test `{line}`"),
    }
}
