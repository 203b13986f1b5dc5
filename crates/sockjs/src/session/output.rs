use std::error::Error;
use std::fmt;

use bytes::Bytes;

/// Names one receive request among those of its session. The caller gives each one a new number.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverId(pub u64);

/// Something the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Tell the application that the session is open. Comes once, before all that it may send.
    Opened,
    /// Write one chunk of a response, and flush it.
    Write {
        /// Whose response.
        receiver: ReceiverId,
        /// In the encoding of the receiver's transport.
        chunk: Bytes,
    },
    /// End a response, normally.
    End {
        /// Whose response.
        receiver: ReceiverId,
    },
    /// Tell the application that the session is closed. Comes once, if [`Output::Opened`] did.
    Closed(Closed),
    /// Forget the session: its id may be used by another one, and what is sent to it is 404. Comes
    /// once, as the last but for receivers that were on their way.
    Removed,
}

/// How a session was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code in the close frame.
    pub code: u16,
    /// The reason in the close frame.
    pub reason: String,
    /// What made it close.
    pub cause: CloseCause,
}

/// What made a session close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// [`Session::close`](super::Session::close).
    Application,
    /// The client left a response before its end.
    ReceiverAborted,
    /// No receiver came for the disconnect delay.
    NoReceiver,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closed, or not yet open.
    Closed,
    /// As much is waiting for a receiver as may wait.
    QueueFull {
        /// Messages that are waiting.
        messages: usize,
        /// Their octets, encoded.
        octets: usize,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("session is not open"),
            Self::QueueFull { messages, octets } => {
                write!(f, "queue is full: {messages} messages of {octets} octets")
            }
        }
    }
}

impl Error for SendError {}
