use std::error::Error;
use std::fmt;

use crate::Command;

/// How a peer's frame is malformed or beyond a limit, which ends the session.
///
/// The peer is told by an ERROR frame with the text of the error as its `message` and
/// [`advice`](Self::advice) as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first line of a frame is no command.
    UnknownCommand,
    /// The first line of a frame is this command, but not in upper case.
    CommandNotInUpperCase(Command),
    /// The first line of a frame has more than this many octets.
    CommandTooLong {
        /// The limit in octets.
        max: usize,
    },
    /// A header line has more than this many octets.
    HeaderTooLong {
        /// The limit in octets.
        max: usize,
    },
    /// A frame has more than this many headers.
    TooManyHeaders {
        /// The limit.
        max: usize,
    },
    /// A header line has no colon.
    HeaderWithoutColon,
    /// A header has no name in front of its colon.
    HeaderWithoutName,
    /// A header has an escape sequence that the version of the session does not know.
    UndefinedEscape,
    /// A carriage return is not followed by a line feed.
    StrayCarriageReturn,
    /// A NUL came before the empty line that ends the headers.
    NulBeforeBody,
    /// The `content-length` header is no number of octets.
    InvalidContentLength,
    /// A body has more than this many octets.
    BodyTooLong {
        /// The limit in octets.
        max: usize,
    },
    /// No NUL follows the octets that `content-length` announced.
    MissingNul,
    /// A frame before the session is open has more than this many octets.
    TooLongBeforeLogin {
        /// The limit in octets.
        max: usize,
    },
    /// The peer speaks TLS.
    TlsClientHello,
    /// The peer asks in HTTP.
    HttpRequest,
    /// The peer answers in HTTP.
    HttpResponse,
}

impl DecodeError {
    /// What the peer should do instead, in a sentence.
    pub fn advice(self) -> String {
        match self {
            Self::UnknownCommand => {
                "Start a frame with a command of STOMP 1.0, 1.1 or 1.2, such as SEND, alone on its \
                 line."
                    .into()
            }
            Self::CommandNotInUpperCase(command) => {
                format!("Commands are case sensitive: write {command}.")
            }
            Self::CommandTooLong { max } => {
                format!("End the command with a line feed; its line may have {max} octets.")
            }
            Self::HeaderTooLong { max } => {
                format!("A header line may have {max} octets; put longer data into the body.")
            }
            Self::TooManyHeaders { max } => {
                format!("A frame may have {max} headers; put more data into the body.")
            }
            Self::HeaderWithoutColon => {
                "Write each header as name:value, and an empty line before the body.".into()
            }
            Self::HeaderWithoutName => "Write each header as name:value.".into(),
            Self::UndefinedEscape => {
                "Escape a line feed as \\n, a colon as \\c and a backslash as \\\\; STOMP 1.2 also \
                 has \\r."
                    .into()
            }
            Self::StrayCarriageReturn => {
                "End lines with a line feed, or a carriage return and a line feed.".into()
            }
            Self::NulBeforeBody => {
                "End the headers with an empty line, then send the body and a NUL.".into()
            }
            Self::InvalidContentLength => {
                "Give content-length as decimal digits, or leave it out if the body has no NUL."
                    .into()
            }
            Self::BodyTooLong { max } => format!("A body may have {max} octets."),
            Self::MissingNul => {
                "Count the octets of the body, not its characters, and end it with a NUL.".into()
            }
            Self::TooLongBeforeLogin { max } => {
                format!("Log in with a CONNECT frame of at most {max} octets.")
            }
            Self::TlsClientHello => "This port takes STOMP without TLS.".into(),
            Self::HttpRequest => {
                "This port takes STOMP without HTTP; STOMP over WebSocket has another.".into()
            }
            Self::HttpResponse => {
                "A server of HTTP takes STOMP over WebSocket or SockJS, at a path of its own."
                    .into()
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownCommand => "unknown command",
            Self::CommandNotInUpperCase(_) => "command is not in upper case",
            Self::CommandTooLong { .. } => "command line is too long",
            Self::HeaderTooLong { .. } => "header line is too long",
            Self::TooManyHeaders { .. } => "too many headers",
            Self::HeaderWithoutColon => "header line has no colon",
            Self::HeaderWithoutName => "header has no name",
            Self::UndefinedEscape => "undefined escape sequence in a header",
            Self::StrayCarriageReturn => "carriage return without line feed",
            Self::NulBeforeBody => "frame ended within its headers",
            Self::InvalidContentLength => "content-length is not a number of octets",
            Self::BodyTooLong { .. } => "body is too long",
            Self::MissingNul => "body does not end where content-length says",
            Self::TooLongBeforeLogin { .. } => "frame is too long before login",
            Self::TlsClientHello => "TLS is not spoken here",
            Self::HttpRequest => "HTTP is not spoken here",
            Self::HttpResponse => "answer of HTTP",
        })
    }
}

impl Error for DecodeError {}
