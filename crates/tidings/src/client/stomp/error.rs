use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_stomp::{ClientError, NotSent};
use tidings_websocket::CloseReason;

use super::Message;
use crate::client::{ConnectError, UrlError};
use crate::messaging::HandlerError;

/// Why a STOMP client could not connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum StompConnectError {
    /// The URL has a scheme, given here, that no way to a STOMP server goes by.
    Scheme(String),
    /// There is no connection to the server.
    Transport(ConnectError),
    /// There is one, and it ended before the session was open.
    Ended(ConnectionEnd),
    /// The server did not answer within the
    /// [connect timeout](super::StompClientBuilder::connect_timeout), given here.
    Timeout(Duration),
}

impl StompConnectError {
    /// Whether the same attempt would fail again: as [`ConnectError::is_permanent`]. A server that refuses a
    /// login may be starting, so that is not.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Scheme(_) => true,
            Self::Transport(error) => error.is_permanent(),
            Self::Ended(_) | Self::Timeout(_) => false,
        }
    }
}

impl fmt::Display for StompConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => {
                match scheme.as_str() {
                    "" => f.write_str("URL has no scheme")?,
                    scheme => write!(f, "scheme of the URL is `{scheme}`")?,
                }
                f.write_str(
                    "; begin it with stomp://, stomp+ssl://, ws://, wss://, http:// or https://",
                )
            }
            Self::Transport(error) => error.fmt(f),
            Self::Ended(ConnectionEnd::Error(error)) => {
                write!(f, "the server refused the session: {}", Told(error))
            }
            Self::Ended(end) => write!(f, "the session did not open: {end}"),
            Self::Timeout(timeout) => {
                write!(
                    f,
                    "CONNECT was not answered within {timeout:?}; does the server speak STOMP here?"
                )
            }
        }
    }
}

impl Error for StompConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => error.source(),
            Self::Scheme(_) | Self::Ended(_) | Self::Timeout(_) => None,
        }
    }
}

impl From<ConnectError> for StompConnectError {
    fn from(error: ConnectError) -> Self {
        Self::Transport(error)
    }
}

impl From<UrlError> for StompConnectError {
    fn from(error: UrlError) -> Self {
        Self::Transport(error.into())
    }
}

/// How a connection to a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEnd {
    /// The server sent ERROR.
    Error(tidings_stomp::Error),
    /// The server broke the protocol, or a limit of this end.
    Protocol(ClientError),
    /// The stream ended (1006), or was closed for this reason. With 1008 it is this end that heard no heart-beat.
    Closed(CloseReason),
    /// This end sent DISCONNECT, or let go of the client.
    Disconnected,
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "the server sent an error: {}", Told(error)),
            Self::Protocol(error) => error.fmt(f),
            Self::Closed(reason) if reason.reason().is_empty() => {
                write!(f, "the connection ended ({})", reason.code().as_u16())
            }
            Self::Closed(reason) => {
                write!(f, "the connection ended: {} ({})", reason.reason(), reason.code().as_u16())
            }
            Self::Disconnected => f.write_str("this end has disconnected"),
        }
    }
}

impl Error for ConnectionEnd {}

/// An ERROR in one line: its message, unless it is repeated there, and the first line of what the server says to it.
struct Told<'a>(&'a tidings_stomp::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = &self.0.message;
        match self.0.body.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) if has_words(line, message) => f.write_str(line),
            Some(line) => write!(f, "{message}: {line}"),
            None => f.write_str(message),
        }
    }
}

/// Whether a line has these words in it, and not only as parts of others.
fn has_words(line: &str, words: &str) -> bool {
    line.match_indices(words).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + words.len()..].chars().next();
        !before.into_iter().chain(behind).any(char::is_alphanumeric)
    })
}

/// Why a STOMP client did not do what it was asked to, or does not know whether the server did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StompError {
    /// The server refused it with ERROR. Most servers end the connection then.
    Refused(tidings_stomp::Error),
    /// The connection ended before it was sent: it has not happened. Do it again when the client is connected.
    Lost(ConnectionEnd),
    /// It was sent, and the connection ended before the receipt came: whether it has happened is not known.
    /// Sending it again may double it; [`SendRequest::resend`](super::SendRequest::resend) does so by itself.
    Unconfirmed(ConnectionEnd),
    /// It was sent, or was about to be, and no receipt came within the
    /// [receipt timeout](super::StompClientBuilder::receipt_timeout), given here. If subscriptions are not read,
    /// receipts are not either.
    ReceiptTimeout(Duration),
    /// It could not be sent within the [receipt timeout](super::StompClientBuilder::receipt_timeout), given here, and
    /// is not sent any more: it has not happened.
    SendTimeout(Duration),
    /// The client is not connected, and what waits to be sent has reached the
    /// [limit](super::StompClientBuilder::queue_octets_max), given here.
    QueueFull {
        /// The limit.
        octets_max: usize,
    },
    /// The client is not connected now, and this makes no sense later.
    NotConnected,
    /// The client has disconnected, or has given up to connect.
    Closed,
    /// The message, or the transaction, is of a connection that has ended. The server delivers the message again,
    /// and has aborted the transaction.
    Stale,
    /// A subscription with this id is there already.
    DuplicateSubscription(String),
    /// The payload could not be encoded.
    Encode(Arc<HandlerError>),
    /// SockJS carries text only, and the frame is none. Connect by another URL.
    NotText,
    /// The message does not say where to reply to.
    NoReplyTo,
    /// No reply came within the time, given here.
    NoReply(Duration),
    /// The frame is not for this session.
    NotSent(NotSent),
    /// The reply is not what was asked for.
    Reply(Arc<HandlerError>),
}

impl fmt::Display for StompError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "the server refused it: {}", Told(error)),
            Self::Lost(end) => write!(f, "not sent: {end}"),
            Self::Unconfirmed(end) => {
                write!(f, "sent, but whether the server has it is not known: {end}")
            }
            Self::ReceiptTimeout(timeout) => {
                write!(f, "no receipt within {timeout:?}; are all subscriptions being read?")
            }
            Self::SendTimeout(timeout) => {
                write!(f, "not sent within {timeout:?}; is there a connection, and does the server read?")
            }
            Self::QueueFull { octets_max } => {
                write!(f, "not connected, and {octets_max} octets wait to be sent already")
            }
            Self::NotConnected => f.write_str("not connected; try again once the client is"),
            Self::Closed => f.write_str("the client has disconnected; connect a new one"),
            Self::Stale => f.write_str(
                "the connection has ended since; the message comes again, the transaction is aborted",
            ),
            Self::DuplicateSubscription(id) => {
                write!(f, "there is a subscription with the id `{id}` already; choose another")
            }
            Self::Encode(_) => f.write_str("the payload could not be encoded"),
            Self::NotText => {
                f.write_str("SockJS carries text only; send binary messages by stomp:// or ws://")
            }
            Self::NoReplyTo => f.write_str("the message has no header `reply-to`"),
            Self::NoReply(timeout) => write!(f, "no reply within {timeout:?}"),
            Self::NotSent(error) => error.fmt(f),
            Self::Reply(error) => write!(f, "the reply cannot be read: {error}"),
        }
    }
}

impl Error for StompError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(error) | Self::Reply(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why a subscription has nothing to deliver.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The body is not what the subscription is for. The subscription goes on; a message that has to be
    /// acknowledged still has.
    Payload {
        /// The message, undecoded.
        message: Box<Message<bytes::Bytes>>,
        /// What is wrong with it.
        source: HandlerError,
    },
    /// The server refuses the subscription after a new connection. It has ended.
    Refused(tidings_stomp::Error),
    /// The server has ended the subscription, as RabbitMQ and Tidings do when its queue is deleted. The connection
    /// goes on; subscribe again if there is still something to wait for.
    Cancelled(tidings_stomp::Error),
    /// Messages came faster than they were taken, and the subscription was told to
    /// [end](super::SlowConsumer::EndSubscription) then.
    TooSlow,
    /// The connection was lost, and is not made again. The subscription has ended.
    Lost(ConnectionEnd),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { message, source } => {
                write!(f, "message {} of {}: {source}", message.id(), message.destination())
            }
            Self::Refused(error) => {
                write!(f, "the server refuses the subscription: {}", Told(error))
            }
            Self::Cancelled(error) => {
                write!(f, "the server has ended the subscription: {}", Told(error))
            }
            Self::TooSlow => f.write_str("messages came faster than they were taken"),
            Self::Lost(end) => write!(f, "the subscription is over: {end}"),
        }
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Payload { source, .. } => source.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_one_line_that_says_nothing_twice() {
        let check = |message: &str, body: &str, expected: &str| {
            let error = StompError::Refused(tidings_stomp::Error::new(message, body));
            assert_eq!(error.to_string(), format!("the server refused it: {expected}"));
        };
        check("no", "", "no");
        check("no", "\n no\n", "no");
        check("no", "Do not.", "no: Do not.");
        check("no", "not known", "no: not known");
        check("access refused", "Ask\nsomebody", "access refused: Ask");
        check("unknown destination", "unknown destination /a.\n", "unknown destination /a.");
    }
}
