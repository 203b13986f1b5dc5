//! One HTTP connection: which version it speaks, and its service.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Extensions, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::handover::{Handover, MaybeSocket};
use super::options::ServerOptions;
use super::patient_stream::PatientStream;
use super::per_addr::Counted;
use super::{Body, ClientCertificates, KnownHosts, LocalAddr, RemoteAddr, Secure};
use crate::App;
use crate::endpoint::Principal;

/// What begins a connection of HTTP/2 that was not agreed on before: RFC 9113, section 3.4. No method of
/// HTTP/1 begins like that.
const HTTP_2_PREFACE: &[u8] = b"PRI";

/// Octets of a header list in HTTP/2.
const HTTP_2_HEAD_OCTETS_MAX: u32 = 16 * 1024;

/// What all HTTP connections of a server have in common.
pub(super) struct HttpService<F> {
    pub(super) app: App,
    pub(super) fallback: F,
    pub(super) options: Arc<ServerOptions>,
    pub(super) stop: CancellationToken,
    /// Of the listener, where not every name will do.
    pub(super) known_hosts: Option<KnownHosts>,
}

impl<F: Clone> Clone for HttpService<F> {
    fn clone(&self) -> Self {
        let Self { app, fallback, options, stop, known_hosts } = self;
        Self {
            app: app.clone(),
            fallback: fallback.clone(),
            options: Arc::clone(options),
            stop: stop.clone(),
            known_hosts: known_hosts.clone(),
        }
    }
}

/// What is known about a connection before it speaks HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) remote_addr: Option<RemoteAddr>,
    pub(crate) local_addr: Option<LocalAddr>,
    pub(crate) secure: Option<Secure>,
    pub(crate) certificates: Option<ClientCertificates>,
    pub(crate) counted: Option<Arc<Counted>>,
    /// Who it is, if that is known already.
    pub(crate) principal: Option<Principal>,
}

impl Caller {
    /// Tells whoever answers a request of the connection.
    fn tell(self, extensions: &mut Extensions) {
        fn insert<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, known: Option<T>) {
            if let Some(known) = known {
                extensions.insert(known);
            }
        }
        let Self { remote_addr, local_addr, secure, certificates, counted, principal } = self;
        insert(extensions, remote_addr);
        insert(extensions, local_addr);
        insert(extensions, secure);
        insert(extensions, certificates);
        insert(extensions, counted);
        insert(extensions, principal);
    }
}

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

impl<F> HttpService<F> {
    /// As it is for connections to a listener; one at a Unix socket has no address.
    pub(super) fn at(self, addr: Option<SocketAddr>) -> Self {
        let known_hosts = KnownHosts::at(addr, &self.options.hosts);
        Self { known_hosts, ..self }
    }
}

impl<F> HttpService<F>
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    /// Serves a connection whose version its first octets tell.
    pub(super) async fn serve<S>(self, mut stream: S, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    {
        let preface = read_preface(&mut stream);
        let read = tokio::time::timeout(self.options.head_read_timeout, preface).await;
        let Ok(Ok((version, prefix))) = read else { return };
        self.serve_version(stream, prefix, version, caller).await;
    }

    /// Serves a connection that speaks `version`. `prefix` was read from it already.
    pub(super) async fn serve_version<S>(
        self,
        stream: S,
        prefix: Bytes,
        version: Version,
        caller: Caller,
    ) where
        S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    {
        match version {
            Version::Http1 => self.serve_http1(stream, prefix, caller).await,
            // Boxed, because a connection of the other kind has no use for the room.
            Version::Http2 => Box::pin(self.serve_http2(stream, prefix, caller)).await,
        }
    }

    async fn serve_http2<S>(self, stream: S, prefix: Bytes, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = PatientStream::new(stream, self.options.send_timeout).with_prefix(prefix);
        let (options, stop) = (Arc::clone(&self.options), self.stop.clone());
        // Boxed, because hyper keeps room for such a future as long as the connection lives.
        let service = service_fn(move |request| {
            Box::pin(self.clone().respond(request, caller.clone(), None))
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(options.http2_streams_max)
            .max_header_list_size(HTTP_2_HEAD_OCTETS_MAX)
            .keep_alive_interval(options.send_timeout)
            .keep_alive_timeout(options.send_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "HTTP connection ended");
        }
    }

    /// Answers a request. `handover` is where the response may ask for the connection.
    pub(super) async fn respond(
        mut self,
        mut request: Request<Incoming>,
        caller: Caller,
        handover: Option<Handover>,
    ) -> Result<Response<Body>, Infallible> {
        caller.tell(request.extensions_mut());
        if let Some(known_hosts) = &self.known_hosts {
            request.extensions_mut().insert(known_hosts.clone());
        }
        if let Some(handover) = handover {
            request.extensions_mut().insert(handover);
        }
        match self.app.respond(request).await {
            Ok(response) => Ok(response),
            Err(mut request) => {
                // Others may change the body on its way, compress it for example.
                request.extensions_mut().remove::<Handover>();
                self.fallback.call(request).await
            }
        }
    }
}

/// Reads as much as tells the version.
async fn read_preface(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Version, Bytes)> {
    let mut read = BytesMut::with_capacity(HTTP_2_PREFACE.len());
    while HTTP_2_PREFACE.starts_with(&read) {
        if read.len() == HTTP_2_PREFACE.len() {
            return Ok((Version::Http2, read.freeze()));
        }
        let rest = HTTP_2_PREFACE.len() - read.len();
        if (&mut *stream).take(rest as u64).read_buf(&mut read).await? == 0 {
            break;
        }
    }
    Ok((Version::Http1, read.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_octets_tell_the_version() {
        let check = async |octets: &'static str, version, prefix: &'static str| {
            let read = read_preface(&mut octets.as_bytes()).await.unwrap();
            assert_eq!(read, (version, Bytes::from_static(prefix.as_bytes())), "{octets}");
        };
        check("PRI * HTTP/2.0", Version::Http2, "PRI").await;
        check("GET / HTTP/1.1", Version::Http1, "GET").await;
        check("PROPFIND /", Version::Http1, "PRO").await;
        check("PR", Version::Http1, "PR").await;
        check("", Version::Http1, "").await;
    }
}
