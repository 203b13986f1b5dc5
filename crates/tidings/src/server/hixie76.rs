//! The handshake of the oldest WebSockets, as far as checks of proxies need it.

use std::io;
use std::time::Duration;

use http::Response;
use http::request::Parts;
use http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tidings_sockjs::hixie76::{CHALLENGE_OCTETS, CLOSE, Hixie76};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::websocket::WebSocketDoor;
use super::{Body, Secure, direct_upgrade::NotUpgradable};

/// How long the challenge may take to arrive, and the connection to close.
const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the handshake, and closes the connection after it: nobody speaks the protocol any more.
pub(super) fn open_hixie76(request: &mut Parts, handshake: Hixie76) -> Response<Body> {
    let Some(upgrade) = request.extensions.remove::<OnUpgrade>() else {
        return WebSocketDoor::refusal(NotUpgradable::Connection, request.version);
    };
    let scheme = if request.extensions.get::<Secure>().is_some() { "wss" } else { "ws" };
    let target = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let response = handshake.response(&request.headers, scheme, target);
    tokio::spawn(async move {
        let finished = tokio::time::timeout(CHALLENGE_TIMEOUT, finish(upgrade, handshake)).await;
        tracing::debug!(?finished, "handshake of a WebSocket of old");
    });
    response.map(|()| Body::empty())
}

async fn finish(upgrade: OnUpgrade, handshake: Hixie76) -> io::Result<()> {
    let mut stream = TokioIo::new(upgrade.await.map_err(io::Error::other)?);
    let mut challenge = [0; CHALLENGE_OCTETS];
    stream.read_exact(&mut challenge).await?;
    stream.write_all(&handshake.answer(challenge)).await?;
    stream.write_all(&CLOSE).await?;
    stream.shutdown().await?;
    // Unread octets would turn the end into a reset, and the client would lose the answer.
    tokio::io::copy(&mut stream.take(1024), &mut tokio::io::sink()).await?;
    Ok(())
}
