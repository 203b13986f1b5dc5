//! HTTP without SockJS, through the relay.

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Target;
use super::relay::Relay;

type BoxError = Box<dyn Error + Send + Sync>;

/// One connection, for one request after the other.
pub(super) struct PlainClient {
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
}

/// An answer whose body is still to come.
pub(super) struct Answer(Response<Incoming>);

impl PlainClient {
    pub(super) async fn connect(target: &Target, relay: &Relay) -> Result<Self, BoxError> {
        let stream = tunnel(target, relay).await?;
        let sender = match target.is_secure() {
            true => {
                let name = target.host().trim_start_matches('[').trim_end_matches(']').to_owned();
                let stream = tls()?.connect(ServerName::try_from(name)?, stream).await?;
                sender(stream).await?
            }
            false => sender(stream).await?,
        };
        let mut headers = target.headers.clone();
        let host = target.uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        headers.insert(HOST, HeaderValue::from_str(host)?);
        Ok(Self { sender, headers })
    }

    /// Makes a request. The body of the answer before it has to be read.
    pub(super) async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Answer, BoxError> {
        let mut request = Request::builder().method(method).uri(path).body(Full::from(body))?;
        *request.headers_mut() = self.headers.clone();
        self.sender.ready().await?;
        Ok(Answer(self.sender.send_request(request).await?))
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The answer, if its status says that all is well.
    pub(super) fn successful(self) -> Result<Self, BoxError> {
        match self.status() {
            status if status.is_success() => Ok(self),
            status => Err(format!("server answered with status {status}").into()),
        }
    }

    pub(super) async fn whole_body(self) -> Result<Bytes, BoxError> {
        Ok(self.0.into_body().collect().await?.to_bytes())
    }

    /// The body as lines that come.
    pub(super) fn lines(self) -> Lines {
        Lines { body: self.0.into_body(), received: BytesMut::new() }
    }
}

/// Lines, the empty ones too.
pub(super) struct Lines {
    body: Incoming,
    received: BytesMut,
}

impl Lines {
    /// The next line; an error at the end.
    pub(super) async fn next(&mut self) -> Result<String, BoxError> {
        loop {
            if let Some(at) = self.received.iter().position(|octet| *octet == b'\n') {
                let line = self.received.split_to(at + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let frame = self.body.frame().await.ok_or("the answer ended")??;
            self.received.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}

/// A connection to the server by way of the relay.
async fn tunnel(target: &Target, relay: &Relay) -> Result<TcpStream, BoxError> {
    let mut stream = TcpStream::connect(relay.addr).await?;
    stream.set_nodelay(true)?;
    let authority = target.authority();
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    match head.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(stream),
        false => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
    }
}

async fn sender<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // How it ends, requests are told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn tls() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
