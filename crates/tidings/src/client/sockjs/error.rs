use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::Response;
use tidings_sockjs::client::ClientTransport;
use tidings_websocket::CloseReason;

use super::super::error::{ConnectError, explanation};

/// Why no SockJS session came about, where it is not why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum SockJsError {
    /// A request, that for `/info` or one of a transport, was not answered with status 200 or 204: this is the
    /// answer, with the first octets of its body.
    Http(Box<Response<Bytes>>),
    /// The server closed the session instead of opening it.
    Closed(CloseReason),
    /// The transport ended like this before the session was open.
    Lost(CloseReason),
    /// A frame has more octets than [allowed](super::SockJsClientBuilder::frame_octets_max), given here.
    FrameTooLong(usize),
    /// No transport came about: each failure, in the order in which they were tried. None, if the server
    /// has none of those that are [wanted](super::SockJsClientBuilder::transports).
    AllTransportsFailed(Vec<TransportFailure>),
}

/// Why a session did not come about by one of the transports.
#[derive(Debug)]
pub struct TransportFailure {
    /// The transport.
    pub transport: ClientTransport,
    /// What went wrong.
    pub error: ConnectError,
}

impl SockJsError {
    pub(in super::super) fn response(&self) -> Option<&Response<Bytes>> {
        match self {
            Self::Http(response) => Some(response),
            _ => None,
        }
    }

    pub(in super::super) fn is_permanent(&self) -> bool {
        match self {
            Self::Http(response) => super::super::error::is_permanent(response.status()),
            Self::AllTransportsFailed(failures) => {
                failures.iter().all(|failure| failure.error.is_permanent())
            }
            Self::Closed(_) | Self::Lost(_) | Self::FrameTooLong(_) => false,
        }
    }
}

impl fmt::Display for SockJsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(response) => {
                write!(f, "server answered with status {}", response.status())?;
                explanation(response).map_or(Ok(()), |explanation| write!(f, ": {explanation}"))
            }
            Self::Closed(reason) => write!(f, "server closed the session at once: {reason}"),
            Self::Lost(reason) => {
                write!(f, "connection ended before the session was open: {reason}")
            }
            Self::FrameTooLong(octets_max) => {
                write!(f, "a frame has more than {octets_max} octets")
            }
            Self::AllTransportsFailed(failures) if failures.is_empty() => {
                f.write_str("server has none of the transports that are wanted")
            }
            Self::AllTransportsFailed(failures) => {
                f.write_str("all transports failed")?;
                let mut separator = ": ";
                for TransportFailure { transport, error } in failures {
                    write!(
                        f,
                        "{separator}{} ({})",
                        transport.transport_type().name(),
                        told(error)
                    )?;
                    separator = ", ";
                }
                Ok(())
            }
        }
    }
}

impl Error for SockJsError {}

/// An error with its causes, in one line.
pub(super) fn told(error: &ConnectError) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

impl From<SockJsError> for ConnectError {
    fn from(error: SockJsError) -> Self {
        Self::SockJs(error)
    }
}
