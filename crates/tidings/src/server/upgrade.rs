//! Taking over the stream of an HTTP request once its 101 is written.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tidings_websocket::Encoder;
use tokio::net::TcpStream;

use super::patient_stream::PatientStream;
use crate::net::{Outbox, Stream, Terms};

/// Waits for the upgrade, and takes over what the connection was made of, with the octets that came
/// early. `None` if it was lost.
pub(crate) async fn take_over(
    upgrade: OnUpgrade,
    terms: Arc<Terms>,
    encoder: Option<Encoder>,
) -> Option<(Stream, Arc<Outbox>, Bytes)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "connection lost before its upgrade");
            return None;
        }
    };
    Some(match into_tcp(upgraded) {
        Ok((stream, early)) => {
            let (stream, outbox) = Stream::tcp(stream, terms, encoder);
            (stream, outbox, early)
        }
        Err(upgraded) => {
            let (stream, outbox) = Stream::other(TokioIo::new(upgraded), terms, encoder);
            (stream, outbox, Bytes::new())
        }
    })
}

/// The plain socket: from under our own server, or from under either kind of connection that hyper
/// has (its `http1`, and hyper-util's `auto`, which wraps the stream in a type of its own).
fn into_tcp(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    let upgraded = match downcast::<TokioIo<PatientStream<TcpStream>>>(upgraded) {
        Ok(parts) => return Ok((parts.io.into_inner().into_inner(), own(&parts.read_buf))),
        Err(upgraded) => upgraded,
    };
    let upgraded = match downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => return Ok((parts.io.into_inner(), own(&parts.read_buf))),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<TcpStream>>()?;
    Ok((parts.io.into_inner(), own(&parts.read_buf)))
}

/// A copy, so that a few early octets do not keep hyper's whole read buffer alive.
fn own(early: &Bytes) -> Bytes {
    Bytes::copy_from_slice(early)
}
