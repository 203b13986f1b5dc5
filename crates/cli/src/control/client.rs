use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::Problem;

/// Gives commands to the server that listens at a socket.
pub(crate) struct Client {
    path: PathBuf,
}

impl Client {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Sends one request, and waits for what it is answered.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Box<dyn Error>> {
        let unreachable = |error| Unreachable { path: self.path.clone(), error };
        let stream = UnixStream::connect(&self.path).await.map_err(unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let problem: Problem = serde_json::from_slice(&body)?;
            return Err(problem.error.into());
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Nobody takes commands at the socket.
#[derive(Debug)]
struct Unreachable {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, error } = self;
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => write!(
                f,
                "there is no server with the control socket {path}: start one with `tidings serve`, \
                 or say with --data-dir or --control which one is meant"
            ),
            io::ErrorKind::ConnectionRefused => write!(
                f,
                "the server with the control socket {path} is not running any more: start it again \
                 with `tidings serve`"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "the control socket {path} belongs to another user: run this as the user of the \
                 server"
            ),
            _ => write!(f, "cannot reach the server at {path} (--control): {error}"),
        }
    }
}

impl Error for Unreachable {}
