use std::error::Error;
use std::fmt;

use crate::{Command, DecodeError, Version};

/// How a server failed its [`Client`](crate::Client), which ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// A frame is malformed or beyond a limit.
    Decode(DecodeError),
    /// A frame came that a server does not send, or not then.
    UnexpectedFrame(Command),
    /// The server chose this version, which was not offered.
    VersionNotOffered(Version),
    /// The server chose a version that does not exist.
    UnknownVersion,
    /// The `heart-beat` header of CONNECTED is not two numbers.
    InvalidHeartBeat,
    /// A frame lacks a header that it must have.
    MissingHeader {
        /// The frame.
        command: Command,
        /// The header.
        name: &'static str,
    },
    /// CONNECT was not answered in time.
    ConnectTimeout,
}

impl From<DecodeError> for ClientError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(DecodeError::HttpResponse) => f.write_str(
                "the server speaks HTTP here: connect by ws:// or http:// with the path of its STOMP, or to another port",
            ),
            Self::Decode(error) => write!(f, "the server's frame cannot be read: {error}"),
            Self::UnexpectedFrame(command) => write!(f, "the server sent {command} out of turn"),
            Self::VersionNotOffered(version) => {
                write!(f, "the server chose STOMP {version}, which was not offered")
            }
            Self::UnknownVersion => f.write_str("the server chose an unknown version of STOMP"),
            Self::InvalidHeartBeat => f.write_str("the server's heart-beat is not two numbers"),
            Self::MissingHeader { command, name } => {
                write!(f, "the server's {command} lacks the header {name}")
            }
            Self::ConnectTimeout => f.write_str("the server did not answer CONNECT in time"),
        }
    }
}

impl Error for ClientError {}

/// Why a [`Client`](crate::Client) did not send a frame. The session goes on as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// The session is not open: wait for CONNECTED, or connect anew.
    NotOpen,
    /// STOMP 1.0 has no NACK: offer a later version.
    NoNack,
    /// The ACK or NACK names its message as another version does, so it is not of this session.
    WrongVersion,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the session is not open",
            Self::NoNack => "STOMP 1.0 has no NACK",
            Self::WrongVersion => "the acknowledgement is not for a message of this session",
        })
    }
}

impl Error for NotSent {}
