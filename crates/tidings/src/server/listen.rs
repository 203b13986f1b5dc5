use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::iter;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::http::{Caller, HttpService};
use super::listener::Acceptor;
use super::options::ServerOptions;
use super::per_addr::ConnectionsPerAddr;
#[cfg(feature = "tls")]
use super::tls::TlsListener;
use super::{Body, NotFound};
use crate::App;

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
    options: ServerOptions,
    listeners: Vec<Listener>,
}

enum Listener {
    Http(TcpListener),
    #[cfg(feature = "tls")]
    Tls(TlsListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
    /// Of another application, if it is not the server's.
    Stomp(TcpListener, Option<App>),
    #[cfg(feature = "tls")]
    StompTls(TlsListener),
}

impl Server {
    /// A server that listens nowhere yet, and answers 404 to what the application does not know.
    pub fn new(app: App) -> Self {
        let options = ServerOptions::default();
        Self { app, fallback: NotFound, options, listeners: Vec::new() }
    }
}

impl<F> Server<F> {
    /// Lets `service` answer the requests that are none of the application's: static files, an axum
    /// router.
    pub fn fallback<S>(self, service: S) -> Server<S>
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    {
        let Self { app, options, listeners, .. } = self;
        Server { app, fallback: service, options, listeners }
    }

    /// Sets limits and timeouts of connections.
    #[must_use]
    pub fn options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// Listens for HTTP, and so for every door but STOMP over TCP. Clients may speak HTTP/1.1, or begin
    /// with HTTP/2 at once.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn listen(mut self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        self.listeners.push(Listener::Http(TcpListener::bind(addr).await?));
        Ok(self)
    }

    /// Listens for HTTP over TLS. HTTP/2 is spoken with clients that ask for it: this adds `h2` and
    /// `http/1.1` to the protocols of `config` (ALPN), unless it names some itself.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    #[cfg(feature = "tls")]
    pub async fn listen_tls(
        mut self,
        addr: impl ToSocketAddrs,
        config: rustls::ServerConfig,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        self.listeners.push(Listener::Tls(TlsListener::http(listener, config)));
        Ok(self)
    }

    /// Listens for HTTP at a Unix domain socket, which must not exist yet.
    ///
    /// # Errors
    ///
    /// When there is something at `path` already, or it cannot be made there.
    #[cfg(unix)]
    pub fn listen_unix(mut self, path: impl AsRef<Path>) -> io::Result<Self> {
        self.listeners.push(Listener::Unix(tokio::net::UnixListener::bind(path)?));
        Ok(self)
    }

    /// Listens for STOMP over TCP.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn stomp_listen(mut self, addr: impl ToSocketAddrs) -> io::Result<Self> {
        self.listeners.push(Listener::Stomp(TcpListener::bind(addr).await?, None));
        Ok(self)
    }

    /// Listens for STOMP over TCP, for an application [beside](crate::AppBuilder::beside) the server's own.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn stomp_listen_app(
        mut self,
        app: &App,
        addr: impl ToSocketAddrs,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        self.listeners.push(Listener::Stomp(listener, Some(app.clone())));
        Ok(self)
    }

    /// Listens for STOMP over TLS. A `config` that verifies the certificates of clients makes them known
    /// by these: an [`Authenticator`](crate::messaging::Authenticator) is told, and without one the common
    /// name of a certificate is the login.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    #[cfg(feature = "tls")]
    pub async fn stomp_listen_tls(
        mut self,
        addr: impl ToSocketAddrs,
        config: rustls::ServerConfig,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        self.listeners.push(Listener::StompTls(TlsListener::new(listener, config)));
        Ok(self)
    }

    /// The addresses that HTTP is listened for at, with the ports that were chosen for port 0.
    pub fn http_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(|listener| match listener {
            Listener::Http(listener) => listener.local_addr().ok(),
            _ => None,
        })
    }

    /// The addresses that HTTP over TLS is listened for at.
    #[cfg(feature = "tls")]
    pub fn https_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(|listener| match listener {
            Listener::Tls(listener) => listener.local_addr().ok(),
            _ => None,
        })
    }

    /// The addresses that STOMP over TCP is listened for at.
    pub fn stomp_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(|listener| match listener {
            Listener::Stomp(listener, _) => listener.local_addr().ok(),
            _ => None,
        })
    }

    /// The addresses that STOMP over TLS is listened for at.
    #[cfg(feature = "tls")]
    pub fn stomp_tls_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(|listener| match listener {
            Listener::StompTls(listener) => listener.local_addr().ok(),
            _ => None,
        })
    }

    fn addrs(&self, addr: fn(&Listener) -> Option<SocketAddr>) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(addr).collect()
    }
}

impl<F> Server<F>
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    /// Serves until Ctrl-C, or on Unix SIGTERM; then as [`run_until`](Self::run_until).
    ///
    /// # Errors
    ///
    /// When the server listens nowhere, or the process cannot listen for signals.
    pub async fn run(self) -> io::Result<()> {
        if self.listeners.is_empty() {
            let text = "server listens nowhere: call `listen` before `run`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (interrupt, interrupted) = tokio::sync::oneshot::channel();
        let wait = tokio::spawn(async move {
            let _ = interrupt.send(stop_signal().await);
        });
        let mut result = Ok(());
        let signal = async { result = interrupted.await.unwrap_or(Ok(())) };
        self.run_until(signal).await;
        wait.abort();
        result
    }

    /// Serves until `signal` completes. Then nothing new is accepted, the application is
    /// [shut down](App::shut_down), for other servers too that it is served by, and what has not ended after
    /// the [shutdown timeout](ServerOptions::shutdown_timeout) is left to the runtime.
    pub async fn run_until(self, signal: impl Future<Output = ()>) {
        let Self { app, fallback, options, listeners } = self;
        app.tell_time_here();
        let options = Arc::new(options);
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let acceptor = Acceptor {
            options: Arc::clone(&options),
            per_addr: Arc::<ConnectionsPerAddr>::default(),
            tasks: connections.clone(),
            stop: stop.clone(),
        };
        let http = HttpService {
            app: app.clone(),
            fallback,
            options: Arc::clone(&options),
            stop: stop.clone(),
            known_hosts: None,
        };
        let apps = served(&app, &listeners);
        for listener in listeners {
            spawn_listener(listener, &acceptor, &http);
        }
        tokio::select! {
            () = signal => {}
            never = log_stats(&apps, options.stats_interval) => match never {},
        }
        stop.cancel();
        connections.close();
        let end = async {
            app.shut_down().await;
            connections.wait().await;
        };
        if tokio::time::timeout(options.shutdown_timeout, end).await.is_err() {
            tracing::debug!("some peers did not answer: stopping without them");
        }
    }
}

/// All applications that are served, each once: the server's, those beside it, and those with ports of their own.
fn served(app: &App, listeners: &[Listener]) -> Vec<App> {
    let others = listeners.iter().filter_map(|listener| match listener {
        Listener::Stomp(_, other) => other.as_ref(),
        _ => None,
    });
    let mut found = Vec::new();
    for app in iter::once(app).chain(others) {
        app.add_with_those_beside(&mut found);
    }
    found
}

/// Logs the statistics of each of the applications every so often, for ever.
async fn log_stats(apps: &[App], interval: Duration) -> Infallible {
    if interval.is_zero() {
        return pending().await;
    }
    loop {
        tokio::time::sleep(interval).await;
        for (app, number) in apps.iter().zip(1..) {
            let number = (apps.len() > 1).then_some(number);
            tracing::info!(application = number, "{}", app.stats());
        }
    }
}

/// Waits until somebody wants the process to stop.
#[cfg(unix)]
async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits until somebody wants the process to stop.
#[cfg(not(unix))]
async fn stop_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Accepts the connections of one listener in a task of its own.
fn spawn_listener<F>(listener: Listener, acceptor: &Acceptor, http: &HttpService<F>)
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let (acceptor, http, tasks) = (acceptor.clone(), http.clone(), acceptor.tasks.clone());
    match listener {
        Listener::Http(listener) => {
            let http = http.at(listener.local_addr().ok());
            tasks
                .spawn(acceptor.accept_tcp(listener, move |stream, caller| {
                    http.clone().serve(stream, caller)
                }));
        }
        #[cfg(feature = "tls")]
        Listener::Tls(listener) => {
            let http = http.at(listener.local_addr().ok());
            tasks.spawn(listener.accept(acceptor, http));
        }
        #[cfg(unix)]
        Listener::Unix(listener) => {
            let http = http.at(None);
            tasks.spawn(acceptor.accept_unix(listener, move |stream| {
                http.clone().serve(stream, Caller::default())
            }));
        }
        Listener::Stomp(listener, other) => {
            let app = other.unwrap_or(http.app);
            tasks.spawn(acceptor.accept_tcp(listener, move |stream, caller| {
                app.serve_stomp(stream, caller);
                std::future::ready(())
            }));
        }
        #[cfg(feature = "tls")]
        Listener::StompTls(listener) => {
            tasks.spawn(listener.accept_stomp(acceptor, http.app));
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
