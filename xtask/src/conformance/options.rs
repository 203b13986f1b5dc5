//! What the command line asks for.

use super::case::Selection;

pub(crate) const USAGE: &str = "usage: cargo xtask conformance autobahn [OPTION]...

  --server          only our server, tested by the suite's client
  --client          only our client, tested by the suite's server
  --cases LIST      some cases alone, such as 1.*,6.12.1; by default all 517
  --bless           write what comes of it to interop/autobahn/expected.json
  --json            the summary as JSON";

/// Which end is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Server,
    Client,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Server, Self::Client];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// How our ends are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// As what is fuzzed: soon built, and with assertions.
    Checked,
    Release,
}

impl Build {
    /// The profile of cargo, which names its folder so.
    pub(super) fn profile(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Release => "release",
        }
    }
}

/// What is done with the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Compare,
    Bless,
}

/// How the summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

/// What to run, and what to do with the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) modes: Vec<Mode>,
    pub(crate) selection: Selection,
    pub(super) build: Build,
    pub(super) outcome: Outcome,
    pub(super) output: Output,
}

impl Options {
    /// Both modes, compared and printed as text.
    pub(crate) fn new(selection: Selection, build: Build) -> Self {
        let (outcome, output) = (Outcome::Compare, Output::Text);
        Self { modes: Mode::ALL.to_vec(), selection, build, outcome, output }
    }

    /// # Errors
    ///
    /// The first argument that is none of ours.
    pub(super) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let Some((&"autobahn", arguments)) = arguments.split_first() else {
            return Err("the suite's name is missing".to_owned());
        };
        let mut options = Self::new(Selection::all(), Build::Release);
        let mut modes = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--server" => modes.push(Mode::Server),
                "--client" => modes.push(Mode::Client),
                "--bless" => options.outcome = Outcome::Bless,
                "--json" => options.output = Output::Json,
                "--cases" => {
                    let patterns = arguments.next().copied().unwrap_or_default();
                    options.selection = Selection::parse(patterns)
                        .ok_or_else(|| format!("`{patterns}` are no cases"))?;
                }
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        modes.sort_unstable();
        modes.dedup();
        if !modes.is_empty() {
            options.modes = modes;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_compared_by_default() {
        let everything = Options::new(Selection::all(), Build::Release);
        assert_eq!(Options::parse(&["autobahn"]), Ok(everything));
    }

    #[test]
    fn modes_and_cases_can_be_chosen() {
        let arguments = ["autobahn", "--client", "--cases", "1.*", "--bless", "--json"];
        let options = Options::parse(&arguments).unwrap();
        assert_eq!(options.modes, [Mode::Client]);
        assert_eq!(options.selection, Selection::parse("1.*").unwrap());
        assert_eq!((options.outcome, options.output), (Outcome::Bless, Output::Json));
    }

    #[test]
    fn mistakes_are_told() {
        for arguments in [&[][..], &["other"], &["autobahn", "--cases"], &["autobahn", "-x"]] {
            assert!(Options::parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
