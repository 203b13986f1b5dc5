use bytes::Bytes;

use crate::{Command, Headers};

/// A frame: the unit of STOMP, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the frame is for.
    pub command: Command,
    /// The headers, unescaped, with the `content-length` that the frame came with.
    pub headers: Headers,
    /// The body. Only SEND, MESSAGE and ERROR should have one.
    ///
    /// A decoded body keeps alive no more than twice its octets: where it is at least half of the input
    /// that it came with it shares those, otherwise it is a copy.
    pub body: Bytes,
}

impl Frame {
    /// A frame without headers and body.
    pub fn new(command: Command) -> Self {
        Self { command, headers: Headers::default(), body: Bytes::new() }
    }
}
