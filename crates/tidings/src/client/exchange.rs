//! One HTTP/1.1 request on a connection of its own, after which the connection is ours if the peer
//! agrees.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Parts};
use hyper_util::rt::TokioIo;

use super::error::{ConnectError, ProxyError};
use crate::endpoint::BoxError;
use crate::net::Wire;

/// The least that hyper keeps room for.
pub(super) const HEAD_OCTETS_MIN: usize = 8 * 1024;

/// Octets kept of the body of an answer that is no upgrade: 64 KiB.
const BODY_OCTETS_MAX: usize = 64 * 1024;

/// How long such a body is waited for, once the status is known: 1 s.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// What a request came to.
pub(super) enum Reply {
    /// The connection is no longer HTTP. `early` are octets that came with the answer.
    Switched { response: Response<()>, wire: Wire, early: Bytes },
    /// Any other answer, with the first octets of its body.
    Other(Response<Bytes>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum ExchangeError {
    Io(io::Error),
    HeadTooLong { octets_max: usize },
    Invalid(BoxError),
}

/// Sends a request without body over `wire`, and waits for the answer.
pub(super) async fn exchange(
    wire: Wire,
    request: Request<Empty<Bytes>>,
    head_octets_max: usize,
) -> Result<Reply, ExchangeError> {
    let octets_max = head_octets_max.max(HEAD_OCTETS_MIN);
    let failed = |error| ExchangeError::of(error, octets_max);
    let is_connect = request.method() == Method::CONNECT;
    let (mut sender, connection) = Builder::new()
        .max_buf_size(octets_max)
        .title_case_headers(true)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(failed)?;

    let mut connection = pin!(connection.without_shutdown());
    let mut ended: Option<Result<Parts<_>, hyper::Error>> = None;
    let response = {
        let mut sending = pin!(sender.send_request(request));
        loop {
            tokio::select! {
                biased;
                response = &mut sending => break response,
                parts = &mut connection, if ended.is_none() => ended = Some(parts),
            }
        }
    };
    let response = match response {
        Ok(response) => response,
        // Only the connection knows why.
        Err(error) if error.is_canceled() => {
            let parts = match ended {
                Some(parts) => parts,
                None => connection.await,
            };
            return Err(failed(parts.err().unwrap_or(error)));
        }
        Err(error) => return Err(failed(error)),
    };

    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success()) {
        let parts = match ended {
            Some(parts) => parts,
            None => connection.await,
        };
        let Parts { io, read_buf, .. } = parts.map_err(failed)?;
        let response = response.map(drop);
        // A copy, so that a few octets do not keep the whole read buffer alive.
        let early = Bytes::copy_from_slice(&read_buf);
        return Ok(Reply::Switched { response, wire: io.into_inner(), early });
    }

    let (head, body) = response.into_parts();
    let mut octets = BytesMut::new();
    {
        let mut reading = pin!(read_first_octets(body, &mut octets));
        let mut patience = pin!(tokio::time::sleep(BODY_READ_TIMEOUT));
        loop {
            tokio::select! {
                biased;
                () = &mut reading => break,
                parts = &mut connection, if ended.is_none() => ended = Some(parts),
                () = &mut patience => break,
            }
        }
    }
    Ok(Reply::Other(Response::from_parts(head, octets.freeze())))
}

/// As much of a body as is kept; one that breaks off, or takes too long, counts as far as it came.
pub(super) async fn first_octets(body: Incoming) -> Bytes {
    let mut octets = BytesMut::new();
    let _ = tokio::time::timeout(BODY_READ_TIMEOUT, read_first_octets(body, &mut octets)).await;
    octets.freeze()
}

async fn read_first_octets(mut body: Incoming, octets: &mut BytesMut) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = BODY_OCTETS_MAX - octets.len();
        octets.extend_from_slice(data.get(..room).unwrap_or(&data));
        if octets.len() == BODY_OCTETS_MAX {
            break;
        }
    }
}

impl ExchangeError {
    pub(super) fn of(error: hyper::Error, octets_max: usize) -> Self {
        if error.is_parse_too_large() {
            return Self::HeadTooLong { octets_max };
        }
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(kind) => Self::Io(io::Error::new(kind, error)),
            None if error.is_incomplete_message() || error.is_canceled() => {
                Self::Io(io::Error::new(io::ErrorKind::UnexpectedEof, error))
            }
            None => Self::Invalid(error.into()),
        }
    }
}

impl From<ExchangeError> for ConnectError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Io(error) => Self::Io(error),
            ExchangeError::HeadTooLong { octets_max } => Self::ResponseHeadTooLong { octets_max },
            ExchangeError::Invalid(error) => Self::InvalidResponse(error),
        }
    }
}

impl From<ExchangeError> for ProxyError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Io(error) => Self::Io(error),
            ExchangeError::HeadTooLong { octets_max } => Self::ResponseHeadTooLong { octets_max },
            ExchangeError::Invalid(error) => Self::InvalidResponse(error),
        }
    }
}
