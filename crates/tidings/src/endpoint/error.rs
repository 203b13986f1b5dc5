use std::error::Error;
use std::fmt;

use tidings_websocket::{CloseReason, ProtocolError};

use super::PathParamError;

/// Any error of an application, as handlers return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a handler of an endpoint failed, as `on_error` receives it.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// A message did not convert to the type that the handler asks for.
    Decode {
        /// The type the handler wanted.
        expected: &'static str,
        /// What was wrong with the message.
        source: BoxError,
    },
    /// A returned value could not be turned into a message.
    Encode(BoxError),
    /// A path parameter did not convert.
    PathParam(PathParamError),
    /// The handler returned this error.
    Handler(BoxError),
    /// A message could not be sent.
    Send(SendError),
    /// The peer broke the protocol or a limit; the session is being closed with the code that says so.
    Protocol(ProtocolError),
    /// The handler panicked with this message. The session is closed with 1011.
    Panic(String),
}

impl EndpointError {
    /// The error that a handler returned. One that is an `EndpointError` already stays what it is.
    pub(crate) fn from_handler(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::Handler(error),
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode { expected, .. } => write!(f, "message is not a valid {expected}"),
            Self::Encode(_) => f.write_str("reply could not be encoded"),
            Self::PathParam(_) => f.write_str("path parameter did not convert"),
            Self::Handler(error) => error.fmt(f),
            Self::Send(_) => f.write_str("message could not be sent"),
            Self::Protocol(error) => error.fmt(f),
            Self::Panic(message) => write!(f, "handler panicked: {message}"),
        }
    }
}

impl Error for EndpointError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode { source, .. } | Self::Encode(source) => Some(source.as_ref()),
            Self::PathParam(error) => Some(error),
            Self::Handler(error) => error.source(),
            Self::Send(error) => Some(error),
            Self::Protocol(_) | Self::Panic(_) => None,
        }
    }
}

impl From<SendError> for EndpointError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<PathParamError> for EndpointError {
    fn from(error: PathParamError) -> Self {
        Self::PathParam(error)
    }
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closed, or closing, for this reason.
    Closed(CloseReason),
    /// The outbox had no room for the whole send timeout; the session has been closed.
    Timeout,
    /// The outbox holds as many octets as it may; only from the sends that do not wait.
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "session is closed: {reason}"),
            Self::Timeout => f.write_str("peer did not read for the whole send timeout"),
            Self::Full => f.write_str("outbox is full"),
        }
    }
}

impl Error for SendError {}
