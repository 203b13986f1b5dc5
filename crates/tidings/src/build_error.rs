use std::error::Error;
use std::fmt;

use tidings_broker::{DestinationError, IdleSetting, Misspelling, RecoverError, SendError};
use tidings_sockjs::SockJsUrlError;

use crate::endpoint::{MissingState, PathTemplateError};
use crate::messaging::{LostReply, MappingMistake, RuleMistake, UncallableHandler};
use crate::store::StoreError;

/// Every mistake in the making of an [`App`](crate::App), or in what is deployed later. Displayed, several have a line
/// each.
#[derive(Debug)]
pub struct BuildError {
    mistakes: Vec<Mistake>,
}

#[derive(Debug)]
pub(crate) enum Mistake {
    Path(PathTemplateError),
    Conflict { first: String, second: String },
    Unreachable { path: String, by: String },
    State { endpoint: &'static str, missing: MissingState },
    Mapping(MappingMistake),
    ApplicationPrefix(String),
    NoApplicationPrefix,
    Handler(UncallableHandler),
    Reply(LostReply),
    Rules(RuleMistake),
    SockJsUrl(SockJsUrlError),
    VariablePrefix(String),
    Origin(String),
    Policy { pattern: String, error: DestinationError },
    MisspeltPolicy(String, Misspelling),
    PolicyOfNothing { pattern: String, error: SendError },
    IdleSetting(IdleSetting),
    DeadLetters(SendError),
    UserPrefix { prefix: String, other: String },
    TakenPrefix { prefix: String, application: String },
    OverlappingPrefixes { prefix: String, other: String },
    Store(StoreError),
    Recovery(RecoverError),
}

impl BuildError {
    pub(crate) fn of(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }

    /// What is wrong, each mistake in a sentence without an end.
    pub fn mistakes(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.mistakes.iter()
    }

    /// What is wrong with the [store](crate::AppBuilder::store), if that is what kept the application from being
    /// built.
    #[must_use]
    pub fn store(&self) -> Option<&StoreError> {
        self.mistakes.iter().find_map(|mistake| match mistake {
            Mistake::Store(error) => Some(error),
            _ => None,
        })
    }

    /// The error that all these mistakes make, if there are any.
    pub(crate) fn check(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self { mistakes }) }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("application cannot be built:")?;
        if let [mistake] = &*self.mistakes {
            return write!(f, " {mistake}");
        }
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::Conflict { first, second } => {
                write!(f, "{first} and {second} match the same paths")
            }
            Self::Unreachable { path, by } => write!(
                f,
                "{path}, of an application beside this one, can never be reached: {by} answers everything beneath it"
            ),
            Self::State { endpoint, missing } => write!(f, "{endpoint}: {missing}"),
            Self::Mapping(error) => error.fmt(f),
            Self::ApplicationPrefix(prefix) => write!(
                f,
                "application prefix `{prefix}` does not begin with a slash: `/{prefix}` does"
            ),
            Self::NoApplicationPrefix => f.write_str(
                "there are controllers, and no application prefix by which anything could reach them",
            ),
            Self::Handler(error) => error.fmt(f),
            Self::Reply(lost) => lost.fmt(f),
            Self::Rules(mistake) => mistake.fmt(f),
            Self::SockJsUrl(error) => error.fmt(f),
            Self::VariablePrefix(prefix) => {
                write!(f, "`{prefix}` (SockJS) has path parameters, which only endpoints can")
            }
            Self::Policy { pattern, error } => write!(f, "policy of `{pattern}`: {error}"),
            Self::MisspeltPolicy(pattern, misspelling) => {
                write!(f, "policy of `{pattern}`: {misspelling}")
            }
            Self::PolicyOfNothing { pattern, error } => {
                write!(f, "policy of `{pattern}`, which matches nothing: {error}")
            }
            Self::IdleSetting(idle) => idle.fmt(f),
            Self::DeadLetters(error) => write!(f, "dead letters: {error}"),
            Self::UserPrefix { prefix, other } => write!(
                f,
                "destinations of users begin with {prefix}, which are others already: those with {other}"
            ),
            Self::TakenPrefix { prefix, application } => write!(
                f,
                "destinations with {prefix} would never reach the broker: the application's own begin with {application}"
            ),
            Self::OverlappingPrefixes { prefix, other } => write!(
                f,
                "application prefix {other} begins as {prefix} does: a destination would be behind both"
            ),
            Self::Store(error) => error.fmt(f),
            Self::Recovery(error) => error.fmt(f),
            Self::Origin(origin) if origin == "*" => {
                f.write_str("`*` is no origin: to allow every one there is AllowedOrigins::Any")
            }
            Self::Origin(origin) => write!(
                f,
                "allowed origin `{origin}` is none that a browser sends: it is a scheme and a host, \
                 as https://example.org, with the port where it is not the scheme's own, and nothing else"
            ),
        }
    }
}

impl Error for BuildError {}
