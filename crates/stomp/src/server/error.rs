use std::fmt;

use crate::{Command, DecodeError, Error, Headers, Version};

/// How a client broke the rules of a session: the text of every ERROR frame that the session
/// itself sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolError {
    Malformed(DecodeError),
    ExpectedConnect(Command),
    AlreadyConnected,
    NoCommonVersion,
    InvalidHeartBeat,
    ConnectTimeout,
    TooMuchBeforeLogin {
        max: usize,
    },
    /// Only servers send this command.
    NotForClients(Command),
    NackInVersion1_0,
    MissingHeader(Command, &'static str),
    UnknownAckMode,
    DuplicateSubscription,
    UnknownSubscription,
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
    fn advice(self) -> String {
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
            Self::InvalidHeartBeat => {
                "Give heart-beat as two numbers of milliseconds, such as 10000,10000.".into()
            }
            Self::ConnectTimeout => "Send CONNECT as soon as the connection is open.".into(),
            Self::TooMuchBeforeLogin { max } => {
                format!("Wait for CONNECTED before sending more than {max} octets.")
            }
            Self::NotForClients(command) => format!("Only servers send {command}."),
            Self::NackInVersion1_0 => "Connect with accept-version:1.1,1.2 to use NACK.".into(),
            Self::MissingHeader(command, name) => {
                format!("Give {command} a header {name} with a value.")
            }
            Self::UnknownAckMode => "Set ack to auto, client or client-individual.".into(),
            Self::DuplicateSubscription => {
                "Give each subscription of the session an id of its own.".into()
            }
            Self::UnknownSubscription => {
                "Unsubscribe with what identified the subscription when it was made.".into()
            }
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
            Self::InvalidHeartBeat => "invalid heart-beat",
            Self::ConnectTimeout => "no CONNECT in time",
            Self::TooMuchBeforeLogin { .. } => "too much sent before login",
            Self::NotForClients(command) => return write!(f, "unexpected {command}"),
            Self::NackInVersion1_0 => "STOMP 1.0 has no NACK",
            Self::MissingHeader(command, name) => return write!(f, "{command} without {name}"),
            Self::UnknownAckMode => "unknown ack mode",
            Self::DuplicateSubscription => "subscription id is in use",
            Self::UnknownSubscription => "unknown subscription",
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
        let mut frame = Self::new(error.to_string(), error.advice());
        if error == ProtocolError::NoCommonVersion {
            let versions = Version::ALL.map(Version::as_str).join(",");
            frame.headers = Headers::from([("version", versions.as_str())]);
        }
        frame
    }
}
