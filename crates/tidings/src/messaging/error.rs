use std::error::Error;
use std::fmt;

use crate::endpoint::BoxError;

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
    /// An argument of the application's own could not be made of the message.
    Argument(BoxError),
    /// A payload could not be encoded.
    Encode(BoxError),
    /// The handler returned this error.
    Handler(BoxError),
}

impl HandlerError {
    /// The error that a handler returned. One that is a `HandlerError` already stays what it is.
    pub fn new(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::Handler(error),
        }
    }

    pub(super) fn payload(expected: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Payload { expected, source: source.into() }
    }

    /// Whether the client sent what cannot be handled, rather than the application failing.
    pub(super) fn is_fault_of_client(&self) -> bool {
        match self {
            Self::DestinationVariable { .. }
            | Self::MissingHeader { .. }
            | Self::Header { .. }
            | Self::Payload { .. }
            | Self::Argument(_) => true,
            Self::Encode(_) | Self::Handler(_) => false,
        }
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
            Self::Payload { expected, .. } => {
                write!(f, "payload is not a valid {expected}")
            }
            Self::Encode(_) => f.write_str("payload could not be encoded"),
            Self::Argument(error) | Self::Handler(error) => error.fmt(f),
        }
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Payload { source, .. } | Self::Encode(source) => Some(source.as_ref()),
            Self::Argument(error) | Self::Handler(error) => error.source(),
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
        assert_eq!(error.to_string(), "payload is not a valid text");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("not UTF-8"));
    }

    #[test]
    fn what_a_handler_returns_is_not_the_fault_of_the_client() {
        assert!(!HandlerError::new("no").is_fault_of_client());
        let argument = HandlerError::MissingHeader { name: "x" };
        assert!(HandlerError::new(argument).is_fault_of_client());
    }
}
