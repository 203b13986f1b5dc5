use std::error::Error;
use std::fmt;

use crate::endpoint::{BoxError, MissingState, MissingUser, ParametersError};

/// Why a message handler was not called, or did not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandlerError {
    /// A variable of the destination did not convert to the type of its argument.
    DestinationVariable {
        /// The variable.
        name: &'static str,
        /// The type of the argument.
        expected: &'static str,
    },
    /// The message lacks a header that the handler needs.
    MissingHeader {
        /// The header.
        name: &'static str,
    },
    /// A header did not convert to the type of its argument.
    Header {
        /// The header.
        name: &'static str,
        /// The type of the argument.
        expected: &'static str,
    },
    /// The body did not convert to the payload that the handler takes.
    Payload {
        /// What the handler takes.
        expected: &'static str,
        /// What was wrong with the body.
        source: BoxError,
    },
    /// The `default` of a `#[header]` did not convert to the type of its argument. The application does not build.
    HeaderDefault {
        /// The header.
        name: &'static str,
        /// The type of the argument.
        expected: &'static str,
    },
    /// The payload is what the handler takes, and its [`Validate`](crate::endpoint::Validate) refuses it, for this
    /// reason.
    Invalid(BoxError),
    /// The handler asks for a user, and nobody said who the client is.
    MissingUser,
    /// The path or the query of the opening handshake did not convert as a whole.
    Parameters(ParametersError),
    /// The application was not given what the handler asks for.
    MissingState(MissingState),
    /// An argument of the application's own could not be made of the message.
    Argument(BoxError),
    /// A payload could not be encoded.
    Encode(BoxError),
    /// The handler returned this error.
    Handler(BoxError),
    /// The handler panicked with this message.
    Panic(String),
}

impl HandlerError {
    /// The error that a handler returned. One that is a `HandlerError` already stays what it is.
    pub fn new(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::Handler(error),
        }
    }

    /// Why an argument cannot be made.
    pub(crate) fn argument(reason: impl Into<BoxError>) -> Self {
        match reason.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::Argument(error),
        }
    }

    pub(super) fn payload(expected: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Payload { expected, source: source.into() }
    }

    /// Whether the client sent what cannot be handled, rather than the application failing: its text may then be told to
    /// the client, whereas what a handler has returned, or has panicked with, may be nobody else's business.
    #[must_use]
    pub fn is_fault_of_client(&self) -> bool {
        match self {
            Self::DestinationVariable { .. }
            | Self::MissingHeader { .. }
            | Self::Header { .. }
            | Self::Payload { .. }
            | Self::Invalid(_)
            | Self::MissingUser
            | Self::Parameters(_)
            | Self::Argument(_) => true,
            Self::HeaderDefault { .. }
            | Self::MissingState(_)
            | Self::Encode(_)
            | Self::Handler(_)
            | Self::Panic(_) => false,
        }
    }
}

impl From<MissingState> for HandlerError {
    fn from(missing: MissingState) -> Self {
        Self::MissingState(missing)
    }
}

impl From<MissingUser> for HandlerError {
    fn from(_: MissingUser) -> Self {
        Self::MissingUser
    }
}

impl From<ParametersError> for HandlerError {
    fn from(error: ParametersError) -> Self {
        Self::Parameters(error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DestinationVariable { name, expected } => {
                write!(f, "destination variable `{name}` is not a valid {expected}")
            }
            Self::MissingHeader { name } => write!(f, "header `{name}` is missing"),
            Self::Header { name, expected } => {
                write!(f, "header `{name}` is not a valid {expected}")
            }
            Self::Payload { expected, source } => {
                write!(f, "payload cannot be read as {expected}: {source}")
            }
            Self::HeaderDefault { name, expected } => {
                write!(f, "default of header `{name}` is not a valid {expected}")
            }
            Self::Invalid(reason) => write!(f, "payload is not valid: {reason}"),
            Self::MissingUser => MissingUser.fmt(f),
            Self::Parameters(error) => error.fmt(f),
            Self::MissingState(missing) => missing.fmt(f),
            Self::Encode(_) => f.write_str("payload could not be encoded"),
            Self::Argument(error) | Self::Handler(error) => error.fmt(f),
            Self::Panic(message) => write!(f, "handler panicked: {message}"),
        }
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // A handler of exceptions may look for it, though it is part of the text already.
            Self::Payload { source, .. } | Self::Encode(source) => Some(source.as_ref()),
            // What they say themselves is part of the text already.
            Self::Argument(error) | Self::Handler(error) | Self::Invalid(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_expected_and_has_its_cause() {
        let error = HandlerError::payload("text", "not UTF-8");
        assert_eq!(error.to_string(), "payload cannot be read as text: not UTF-8");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("not UTF-8"));
    }

    #[test]
    fn what_a_handler_returns_is_not_the_fault_of_the_client() {
        assert!(!HandlerError::new("no").is_fault_of_client());
        let argument = HandlerError::MissingHeader { name: "x" };
        assert!(HandlerError::new(argument).is_fault_of_client());
    }
}
