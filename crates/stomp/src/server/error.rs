use std::fmt;
use std::time::Duration;

use super::ServerOptions;
use crate::{Command, DecodeError, Error};

/// How far an error goes: what is over with its ERROR frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What the client named does not exist, or takes nothing more, and nothing is amiss otherwise. Ends
    /// the session only if it is [strict](ServerOptions::strict).
    Notice,
    /// A frame was not done. Ends the session, unless
    /// [errors keep it](ServerOptions::error_keeps_connection).
    Frame,
    /// The session cannot go on.
    Session,
}

impl Severity {
    pub(super) fn ends_session(self, options: &ServerOptions) -> bool {
        match self {
            Self::Notice => options.strict && !options.error_keeps_connection,
            Self::Frame => !options.error_keeps_connection,
            Self::Session => true,
        }
    }
}

/// How a client broke the rules of a session: the text of every ERROR frame that the session
/// itself sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProtocolError {
    Malformed(DecodeError),
    ExpectedConnect(Command),
    AlreadyConnected,
    NoCommonVersion,
    UnknownHost,
    InvalidHeartBeat,
    ConnectTimeout {
        after: Duration,
    },
    TooMuchBeforeLogin {
        max: usize,
    },
    /// Only servers send this command.
    NotForClients(Command),
    NackInVersion1_0,
    MissingHeader(Command, &'static str),
    /// Only what is passed on may be anything but text.
    NotText(Command),
    UnexpectedBody(Command),
    UnknownAckMode(Box<str>),
    /// A header has a value that it cannot have.
    InvalidHeader {
        name: &'static str,
        value: Box<str>,
        expected: &'static str,
    },
    DuplicateSubscription,
    /// The id that UNSUBSCRIBE has named, if it has.
    UnknownSubscription(Option<Box<str>>),
    TooManySubscriptions {
        max: usize,
    },
    DuplicateTransaction,
    UnknownTransaction,
    TooManyTransactions {
        max: usize,
    },
    TransactionTooLong {
        max: usize,
    },
    TransactionsTooLarge {
        max: usize,
    },
}

impl ProtocolError {
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::UnknownSubscription(_) => Severity::Notice,
            Self::ExpectedConnect(_)
            | Self::AlreadyConnected
            | Self::NoCommonVersion
            | Self::UnknownHost
            | Self::InvalidHeartBeat
            | Self::ConnectTimeout { .. }
            | Self::TooMuchBeforeLogin { .. } => Severity::Session,
            // What the decoder cannot pass over ends the session in any case.
            Self::Malformed(_)
            | Self::NotForClients(_)
            | Self::NackInVersion1_0
            | Self::MissingHeader(..)
            | Self::NotText(_)
            | Self::UnexpectedBody(_)
            | Self::UnknownAckMode(_)
            | Self::InvalidHeader { .. }
            | Self::DuplicateSubscription
            | Self::TooManySubscriptions { .. }
            | Self::DuplicateTransaction
            | Self::UnknownTransaction
            | Self::TooManyTransactions { .. }
            | Self::TransactionTooLong { .. }
            | Self::TransactionsTooLarge { .. } => Severity::Frame,
        }
    }

    fn advice(&self) -> String {
        match self {
            Self::Malformed(error) => error.advice(),
            Self::ExpectedConnect(command) => {
                format!("Send CONNECT and wait for CONNECTED before {command}.")
            }
            Self::AlreadyConnected => "Open another connection for another session.".into(),
            Self::NoCommonVersion => {
                "This server speaks the versions of the version header; name one of them in \
                 accept-version."
                    .into()
            }
            Self::UnknownHost => {
                "Name a virtual host of this server in the header host, or leave it out.".into()
            }
            Self::InvalidHeartBeat => {
                "Give heart-beat as two numbers of milliseconds, such as 10000,10000.".into()
            }
            Self::ConnectTimeout { after } => {
                format!("Send CONNECT within {after:?} from when the connection is open.")
            }
            Self::TooMuchBeforeLogin { max } => {
                format!("Wait for CONNECTED before sending more than {max} octets.")
            }
            Self::NotForClients(command) => format!("Only servers send {command}."),
            Self::NackInVersion1_0 => "Connect with accept-version:1.1,1.2 to use NACK.".into(),
            Self::MissingHeader(command, name) => {
                format!("Give {command} a header {name} with a value.")
            }
            Self::NotText(command) => {
                format!("Encode the headers of {command} as UTF-8.")
            }
            Self::UnexpectedBody(command) => {
                format!("Only SEND may have a body: end {command} with its headers.")
            }
            Self::UnknownAckMode(mode) => {
                format!("Set ack to auto, client or client-individual; it is {mode:?}.")
            }
            Self::InvalidHeader { name, value, expected } => {
                format!("The header {name} has the value {value:?}, expected {expected}.")
            }
            Self::DuplicateSubscription => {
                "Give each subscription of the session an id of its own.".into()
            }
            Self::UnknownSubscription(None) => {
                "Give UNSUBSCRIBE the header id, with the id that SUBSCRIBE had.".into()
            }
            Self::UnknownSubscription(Some(id)) => format!(
                "This session has no subscription {id:?}. Give UNSUBSCRIBE the id that SUBSCRIBE had, once."
            ),
            Self::TooManySubscriptions { max } => {
                format!("A session may have {max} subscriptions at a time.")
            }
            Self::DuplicateTransaction => {
                "Commit or abort a transaction before beginning another of its name.".into()
            }
            Self::UnknownTransaction => "Begin a transaction before using it.".into(),
            Self::TooManyTransactions { max } => {
                format!("A session may have {max} transactions at a time.")
            }
            Self::TransactionTooLong { max } => {
                format!("A transaction may have {max} frames; commit more often.")
            }
            Self::TransactionsTooLarge { max } => {
                format!("The transactions of a session may have {max} octets; commit more often.")
            }
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(error) => return error.fmt(f),
            Self::ExpectedConnect(_) => "expected CONNECT",
            Self::AlreadyConnected => "already connected",
            Self::NoCommonVersion => "no common version",
            Self::UnknownHost => "unknown host",
            Self::InvalidHeartBeat => "invalid heart-beat",
            Self::ConnectTimeout { .. } => "no CONNECT in time",
            Self::TooMuchBeforeLogin { .. } => "too much sent before login",
            Self::NotForClients(command) => return write!(f, "unexpected {command}"),
            Self::NackInVersion1_0 => "STOMP 1.0 has no NACK",
            Self::MissingHeader(command, name) => return write!(f, "{command} without {name}"),
            Self::NotText(command) => {
                return write!(f, "{command} with a header that is not UTF-8");
            }
            Self::UnexpectedBody(command) => return write!(f, "{command} with a body"),
            Self::UnknownAckMode(_) => "unknown ack mode",
            Self::InvalidHeader { .. } => "invalid header",
            Self::DuplicateSubscription => "subscription id is in use",
            Self::UnknownSubscription(_) => "unknown subscription",
            Self::TooManySubscriptions { .. } => "too many subscriptions",
            Self::DuplicateTransaction => "transaction is already open",
            Self::UnknownTransaction => "unknown transaction",
            Self::TooManyTransactions { .. } => "too many transactions",
            Self::TransactionTooLong { .. } => "too many frames in a transaction",
            Self::TransactionsTooLarge { .. } => "too many octets in transactions",
        })
    }
}

impl From<DecodeError> for ProtocolError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::new(error.to_string(), error.advice())
    }
}
