use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::patient_stream::PatientStream;
use super::{Body, NotFound, RemoteAddr};
use crate::App;

/// How long a client may take to send the head of a request: 10 s.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Octets that the head of a request may have: 64 KiB.
const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// How long a client may take nothing of an answer: 20 s.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// How long [`Server::run_until`] waits for open sessions to end: 3 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection is silent before TCP asks whether its peer is still there: 60 s.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);

/// How long accepting rests after the process ran out of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves an [`App`] over HTTP, and over TCP for STOMP clients without WebSocket.
///
/// ```no_run
/// # async fn serve(app: tidings::App) -> std::io::Result<()> {
/// use tidings::server::Server;
///
/// Server::new(app).listen("127.0.0.1:8080").await?.run().await
/// # }
/// ```
pub struct Server<F = NotFound> {
    app: App,
    fallback: F,
    http: Vec<TcpListener>,
    stomp: Vec<TcpListener>,
}

impl Server {
    /// A server that listens nowhere yet, and answers 404 to what the application does not know.
    pub fn new(app: App) -> Self {
        Self { app, fallback: NotFound, http: Vec::new(), stomp: Vec::new() }
    }
}

impl<F> Server<F> {
    /// Lets `service` answer the requests that are none of the application's: static files, an axum
    /// router.
    pub fn fallback<S>(self, service: S) -> Server<S>
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    {
        Server { app: self.app, fallback: service, http: self.http, stomp: self.stomp }
    }

    /// Listens for HTTP, and so for every door but STOMP over TCP.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn listen(mut self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        self.http.push(TcpListener::bind(addr).await?);
        Ok(self)
    }

    /// Listens for STOMP over TCP.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn stomp_listen(mut self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        self.stomp.push(TcpListener::bind(addr).await?);
        Ok(self)
    }

    /// The addresses that HTTP is listened for at, with the ports that were chosen for port 0.
    pub fn http_addrs(&self) -> Vec<SocketAddr> {
        self.http.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The addresses that STOMP over TCP is listened for at.
    pub fn stomp_addrs(&self) -> Vec<SocketAddr> {
        self.stomp.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

impl<F> Server<F>
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    /// Serves until Ctrl-C; then as [`run_until`](Self::run_until).
    ///
    /// # Errors
    ///
    /// When the process cannot listen for Ctrl-C.
    pub async fn run(self) -> io::Result<()> {
        let (interrupt, interrupted) = tokio::sync::oneshot::channel();
        let wait = tokio::spawn(async move {
            let _ = interrupt.send(tokio::signal::ctrl_c().await);
        });
        let mut result = Ok(());
        let signal = async { result = interrupted.await.unwrap_or(Ok(())) };
        self.run_until(signal).await;
        wait.abort();
        result
    }

    /// Serves until `signal` completes. Then nothing new is accepted, every session is closed with
    /// 1001, and what has not ended 3 s later is left to the runtime.
    pub async fn run_until(self, signal: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        for listener in self.http {
            let (app, fallback) = (self.app.clone(), self.fallback.clone());
            let (tasks, token) = (connections.clone(), stop.clone());
            let serve = move |stream, addr| {
                let (app, fallback) = (app.clone(), fallback.clone());
                tasks.spawn(serve_http(stream, addr, app, fallback, token.clone()));
            };
            connections.spawn(accept(listener, stop.clone(), serve));
        }
        for listener in self.stomp {
            let app = self.app.clone();
            let serve = move |stream, addr| app.serve_stomp(stream, addr);
            connections.spawn(accept(listener, stop.clone(), serve));
        }
        signal.await;
        stop.cancel();
        connections.close();
        let end = async {
            self.app.shut_down().await;
            connections.wait().await;
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, end).await.is_err() {
            tracing::debug!("some peers did not answer: stopping without them");
        }
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("http", &self.http_addrs())
            .field("stomp", &self.stomp_addrs())
            .finish_non_exhaustive()
    }
}

async fn accept(
    listener: TcpListener,
    stop: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr),
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, addr)) => {
                // Neither failure is worth a connection.
                let _ = stream.set_nodelay(true);
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                serve(stream, addr);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error concerns a connection that was lost before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve_http<F>(
    stream: TcpStream,
    addr: SocketAddr,
    app: App,
    fallback: F,
    stop: CancellationToken,
) where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (app, mut fallback) = (app.clone(), fallback.clone());
        request.extensions_mut().insert(RemoteAddr(addr));
        async move {
            match app.respond(request).await {
                Ok(response) => Ok(response),
                Err(request) => fallback.call(request).await,
            }
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEAD_OCTETS_MAX);
    let stream = TokioIo::new(PatientStream::new(stream, SEND_TIMEOUT));
    let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
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
