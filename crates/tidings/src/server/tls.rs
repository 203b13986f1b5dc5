//! HTTP and STOMP over TLS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service;

use super::http::{Caller, HttpService, Version};
use super::listener::Acceptor;
use super::{Body, ClientCertificates, Secure};
use crate::App;

/// What a client asks for by ALPN if it speaks HTTP/2: RFC 9113, section 3.1.
const ALPN_HTTP_2: &[u8] = b"h2";
const ALPN_HTTP_1: &[u8] = b"http/1.1";

/// A socket that is listened at, and the certificates shown there.
pub(super) struct TlsListener {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl TlsListener {
    /// A listener for HTTP.
    pub(super) fn http(listener: TcpListener, mut config: rustls::ServerConfig) -> Self {
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![ALPN_HTTP_2.to_vec(), ALPN_HTTP_1.to_vec()];
        }
        Self::new(listener, config)
    }

    pub(super) fn new(listener: TcpListener, config: rustls::ServerConfig) -> Self {
        Self { listener, tls: TlsAcceptor::from(Arc::new(config)) }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(super) async fn accept<F>(self, acceptor: Acceptor, http: HttpService<F>)
    where
        F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
        F: Clone + Send + Sync + 'static,
        F::Future: Send,
    {
        let Self { listener, tls } = self;
        let serve = move |stream, caller| serve(stream, tls.clone(), http.clone(), caller);
        acceptor.accept_tcp(listener, serve).await;
    }

    pub(super) async fn accept_stomp(self, acceptor: Acceptor, app: App) {
        let Self { listener, tls } = self;
        let timeout = acceptor.options.tls_handshake_timeout;
        let serve =
            move |stream, caller| serve_stomp(stream, tls.clone(), app.clone(), timeout, caller);
        acceptor.accept_tcp(listener, serve).await;
    }
}

async fn serve<F>(stream: TcpStream, tls: TlsAcceptor, http: HttpService<F>, mut caller: Caller)
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let timeout = http.options.tls_handshake_timeout;
    let Some(stream) = shake_hands(stream, tls, timeout, &mut caller).await else { return };
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_HTTP_2) => Version::Http2,
        _ => Version::Http1,
    };
    http.serve_version(stream, Bytes::new(), version, caller).await;
}

async fn serve_stomp(
    stream: TcpStream,
    tls: TlsAcceptor,
    app: App,
    timeout: Duration,
    mut caller: Caller,
) {
    if let Some(stream) = shake_hands(stream, tls, timeout, &mut caller).await {
        app.serve_stomp_stream(stream, caller);
    }
}

/// The stream inside TLS, and in `caller` what its handshake has told. `None` if it failed.
async fn shake_hands(
    stream: TcpStream,
    tls: TlsAcceptor,
    timeout: Duration,
    caller: &mut Caller,
) -> Option<TlsStream<TcpStream>> {
    let stream = match tokio::time::timeout(timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!("TLS handshake took too long");
            return None;
        }
    };
    caller.secure = Some(Secure);
    let certificates = stream.get_ref().1.peer_certificates();
    caller.certificates = certificates.map(|certificates| {
        let in_der = certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate));
        ClientCertificates::new(in_der)
    });
    Some(stream)
}
