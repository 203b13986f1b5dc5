use std::io;

use tidings_websocket::{CloseCode, CloseReason, ProtocolError};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseInfo {
    /// The reason of whichever end closed first; of a peer's close frame without a code 1005, of a
    /// stream that just ended 1006.
    pub reason: CloseReason,
    /// Where the end came from.
    pub initiator: CloseInitiator,
    /// Whether both ends exchanged close frames: RFC 6455, section 7.1.4.
    pub clean: bool,
    /// What the peer did wrong, if that is why the session ended.
    pub failure: Option<ProtocolError>,
    /// How the stream broke, if that is why the session ended. A stream that just ends has not broken.
    pub broken: Option<io::ErrorKind>,
}

/// Where the end of a session came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseInitiator {
    /// The peer closed the session.
    Remote,
    /// This end closed it: the application, or because the peer broke the protocol or a limit.
    Local,
    /// A timeout of this end: the session was idle, the peer did not answer or read, or it was gone and what it had
    /// sent before took longer than 30 s.
    Timeout,
    /// The stream ended or broke without a close frame.
    Transport,
}

impl CloseInfo {
    pub(crate) fn new(reason: CloseReason, initiator: CloseInitiator) -> Self {
        Self { reason, initiator, clean: false, failure: None, broken: None }
    }

    /// The stream ended without a close frame.
    pub(crate) fn abnormal() -> Self {
        Self::new(CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE), CloseInitiator::Transport)
    }

    /// The stream broke.
    pub(crate) fn broken(error: &io::Error) -> Self {
        // Over TLS, many just end without saying so.
        let broken = Some(error.kind()).filter(|kind| *kind != io::ErrorKind::UnexpectedEof);
        Self { broken, ..Self::abnormal() }
    }

    /// The peer was given up after it had kept this end waiting.
    pub(crate) fn timed_out() -> Self {
        Self { initiator: CloseInitiator::Timeout, ..Self::abnormal() }
    }

    pub(crate) fn cleanly(self) -> Self {
        Self { clean: true, ..self }
    }
}
