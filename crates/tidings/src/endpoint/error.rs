use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

use tidings_websocket::{
    CloseCodeOutOfRange, CloseReason, CloseReasonError, Message, ProtocolError,
};

use super::{ParametersError, PathParamError, Session};

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
        /// The message.
        message: Box<Message>,
        /// What was wrong with it.
        source: BoxError,
    },
    /// A returned value could not be turned into a message.
    Encode(BoxError),
    /// A path parameter did not convert.
    PathParam(PathParamError),
    /// The path or the query did not convert as a whole.
    Parameters(ParametersError),
    /// The application was not given what the handler asks for.
    MissingState(MissingState),
    /// The handler asks for a user, and nobody said who the peer is.
    MissingUser,
    /// The handler returned this error.
    Handler(BoxError),
    /// A message could not be sent.
    Send(SendError),
    /// The peer broke the protocol or a limit; the session is being closed with the code that says so.
    Protocol(ProtocolError),
    /// The connection broke, by a reset for example; the session has ended with 1006.
    Transport(io::Error),
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

    /// What became of a panic that was caught.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        Self::Panic(panic_message(panic))
    }

    /// Where an endpoint has no method for errors.
    pub(crate) fn log(&self, session: &Session) {
        let session = session.log_id();
        match self {
            // Peers go away all the time.
            Self::Transport(_) => tracing::debug!(%session, error = %self, "connection lost"),
            _ => tracing::warn!(%session, error = %self, "endpoint failed"),
        }
    }

    pub(crate) fn decode(
        expected: &'static str,
        message: impl Into<Message>,
        source: impl Into<BoxError>,
    ) -> Self {
        let (message, source) = (Box::new(message.into()), source.into());
        Self::Decode { expected, message, source }
    }
}

/// What a panic that was caught has said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (_, Some(message)) => message.clone(),
        _ => "no message".to_owned(),
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode { expected, source, .. } => {
                write!(f, "message is not a valid {expected}: {source}")
            }
            Self::Encode(source) => write!(f, "reply could not be encoded: {source}"),
            Self::PathParam(_) => f.write_str("path parameter did not convert"),
            Self::Parameters(_) => f.write_str("path or query did not convert"),
            Self::MissingState(error) => error.fmt(f),
            Self::MissingUser => MissingUser.fmt(f),
            Self::Handler(error) => error.fmt(f),
            Self::Send(_) => f.write_str("message could not be sent"),
            Self::Protocol(error) => error.fmt(f),
            Self::Transport(error) => write!(f, "connection broke: {error}"),
            Self::Panic(message) => write!(f, "handler panicked: {message}"),
        }
    }
}

impl Error for EndpointError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // What they say themselves is part of the text already.
            Self::Decode { source, .. } | Self::Encode(source) => source.source(),
            Self::PathParam(error) => Some(error),
            Self::Parameters(error) => Some(error),
            Self::Handler(error) => error.source(),
            Self::Send(error) => Some(error),
            Self::Transport(error) => error.source(),
            Self::Protocol(_) | Self::Panic(_) | Self::MissingState(_) | Self::MissingUser => None,
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

impl From<ParametersError> for EndpointError {
    fn from(error: ParametersError) -> Self {
        Self::Parameters(error)
    }
}

impl From<CloseCodeOutOfRange> for EndpointError {
    fn from(error: CloseCodeOutOfRange) -> Self {
        Self::Handler(error.into())
    }
}

impl From<CloseReasonError> for EndpointError {
    fn from(error: CloseReasonError) -> Self {
        Self::Handler(error.into())
    }
}

impl From<MissingUser> for EndpointError {
    fn from(_: MissingUser) -> Self {
        Self::MissingUser
    }
}

impl From<MissingState> for EndpointError {
    fn from(error: MissingState) -> Self {
        Self::MissingState(error)
    }
}

/// The application was given no [state](super::State) of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingState {
    /// The name of the type.
    pub type_name: &'static str,
}

impl MissingState {
    pub(crate) fn of<S>() -> Self {
        Self { type_name: std::any::type_name::<S>() }
    }
}

impl fmt::Display for MissingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the application has no state of the type {}", self.type_name)
    }
}

impl Error for MissingState {}

/// A method asks for a [user](super::User), and nobody said who the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingUser;

impl fmt::Display for MissingUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody said who the peer is")
    }
}

impl Error for MissingUser {}

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
    /// The [overflow policy](super::OverflowPolicy) has dropped the message; only from tickets.
    Dropped,
    /// The message that is written in parts has ended already.
    MessageEnded,
    /// The message is binary and not UTF-8, and the session is one of SockJS, which carries only text. Encode it, as
    /// Base64 for example.
    NotText,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "session is closed: {reason}"),
            Self::Timeout => f.write_str("peer did not read for the whole send timeout"),
            Self::Full => f.write_str("outbox is full"),
            Self::Dropped => f.write_str("message was dropped for later ones"),
            Self::MessageEnded => f.write_str("message has ended; start another one"),
            Self::NotText => f.write_str(
                "message is not UTF-8, and SockJS carries only text; encode it, as Base64 for example",
            ),
        }
    }
}

impl Error for SendError {}

/// For those who write or copy by the traits of tokio.
impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Closed(_) => io::ErrorKind::BrokenPipe,
            SendError::Timeout => io::ErrorKind::TimedOut,
            SendError::Full => io::ErrorKind::WouldBlock,
            SendError::Dropped => io::ErrorKind::Other,
            SendError::MessageEnded => io::ErrorKind::BrokenPipe,
            SendError::NotText => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Why a value was not sent.
#[derive(Debug)]
pub enum SendObjectError {
    /// It could not be encoded. Nothing was sent.
    Encode(BoxError),
    /// The message could not be sent.
    Send(SendError),
}

impl fmt::Display for SendObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode(_) => "value could not be encoded",
            Self::Send(_) => "message could not be sent",
        })
    }
}

impl Error for SendObjectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(error) => Some(error.as_ref()),
            Self::Send(error) => Some(error),
        }
    }
}

/// Why what a reader gives was not [sent](super::Session::send_from) to its end.
#[derive(Debug)]
pub enum SendFromError {
    /// The reader failed.
    Read(io::Error),
    /// The message could not be sent.
    Send(SendError),
}

impl fmt::Display for SendFromError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "what is to be sent could not be read",
            Self::Send(_) => "message could not be sent",
        })
    }
}

impl Error for SendFromError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Send(error) => Some(error),
        }
    }
}
