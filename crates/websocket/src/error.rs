use std::error::Error;
use std::fmt;

use crate::{CloseCode, CloseReason};

/// How a peer broke the protocol or a limit, which fails the connection: RFC 6455, section 7.1.7.
///
/// The peer is told by a close frame with [`close_code`](Self::close_code) and the error's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client sent a frame without masking it (section 5.1).
    UnmaskedFrame,
    /// A server masked a frame (section 5.1).
    MaskedFrame,
    /// A reserved bit is set that no negotiated extension uses (section 5.2).
    ReservedBits,
    /// The opcode, given here, has no meaning (section 5.2).
    ReservedOpcode(u8),
    /// A control frame is not final (section 5.5).
    FragmentedControlFrame,
    /// A control frame has more than 125 octets of payload (section 5.5).
    ControlFrameTooLong {
        /// The announced length in octets.
        len: u64,
    },
    /// A continuation frame came with no message to continue (section 5.4).
    UnexpectedContinuation,
    /// A new message began within a fragmented one (section 5.4).
    ExpectedContinuation,
    /// Text, or the reason in a close frame, is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// A compressed message cannot be decompressed (RFC 7692, section 7.2.2).
    InvalidCompression,
    /// A close frame carries a code, given here, that may not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// A close frame has half a code (section 5.5.1).
    ClosePayloadOfOneOctet,
    /// A length is written in more octets than it needs (section 5.2).
    NonMinimalLength,
    /// A length of eight octets has its highest bit set (section 5.2).
    LengthOutOfRange,
    /// A message is longer than [`Limits::message_octets_max`](crate::Limits::message_octets_max), or
    /// than its [`Reception`](crate::Reception) allows.
    MessageTooBig {
        /// Octets received of the message and announced by its current frame.
        len: u64,
        /// The limit in octets.
        max: usize,
    },
    /// A frame is longer than [`Limits::frame_octets_max`](crate::Limits::frame_octets_max).
    FrameTooBig {
        /// The announced length in octets.
        len: u64,
        /// The limit in octets.
        max: usize,
    },
    /// A message has more frames than [`Limits::fragments_max`](crate::Limits::fragments_max).
    TooManyFragments {
        /// The limit in frames.
        max: usize,
    },
}

impl ProtocolError {
    /// The code of the close frame that tells the peer.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCompression => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig { .. } | Self::FrameTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments { .. } => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        CloseReason::truncated(self.close_code(), &self.to_string())
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnmaskedFrame => f.write_str("frame from a client is not masked"),
            Self::MaskedFrame => f.write_str("frame from a server is masked"),
            Self::ReservedBits => f.write_str("reserved bit is set"),
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode:#x} is reserved"),
            Self::FragmentedControlFrame => f.write_str("control frame is fragmented"),
            Self::ControlFrameTooLong { len } => {
                write!(f, "control frame of {len} octets is longer than 125")
            }
            Self::UnexpectedContinuation => {
                f.write_str("continuation frame without a message to continue")
            }
            Self::ExpectedContinuation => f.write_str("new message within a fragmented message"),
            Self::InvalidUtf8 => f.write_str("text is not UTF-8"),
            Self::InvalidCompression => f.write_str("compressed message is broken"),
            Self::InvalidCloseCode(code) => write!(f, "close code {code} may not be sent"),
            Self::ClosePayloadOfOneOctet => f.write_str("close frame has a payload of one octet"),
            Self::NonMinimalLength => f.write_str("length is not in its shortest form"),
            Self::LengthOutOfRange => f.write_str("length has its highest bit set"),
            Self::MessageTooBig { len, max } => {
                write!(f, "message of at least {len} octets is longer than {max}")
            }
            Self::FrameTooBig { len, max } => {
                write!(f, "frame of {len} octets is longer than {max}")
            }
            Self::TooManyFragments { max } => write!(f, "message has more than {max} fragments"),
        }
    }
}

impl Error for ProtocolError {}
