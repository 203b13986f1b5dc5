use std::fmt;
use std::future::Future;
use std::pin::pin;

use tidings_websocket::{CloseCode, CloseReason};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backoff::{Backoff, retry_after};
use super::sockjs::SockJsClient;
use super::{Client, ConnectError};
use crate::endpoint::{CloseInfo, CloseInitiator, Endpoint, Session};

type OnDisconnect = Box<dyn FnMut(&CloseInfo) -> bool + Send>;
type OnConnectFailure = Box<dyn FnMut(&ConnectError) -> bool + Send>;

/// A connection that is made again when it is lost. Made by [`Client::reconnecting`] and
/// [`SockJsClient::reconnecting`].
#[must_use = "nothing happens until it is started"]
pub struct ReconnectBuilder<F> {
    dialer: Dialer,
    url: String,
    factory: F,
    policy: Policy,
}

/// Who connects.
#[derive(Clone)]
pub(super) enum Dialer {
    WebSocket(Client),
    SockJs(SockJsClient),
}

impl Dialer {
    async fn dial<E: Endpoint>(
        &self,
        url: &str,
        endpoint: E,
    ) -> Result<(Session, JoinHandle<CloseInfo>), ConnectError> {
        match self {
            Self::WebSocket(client) => client.connect_and_watch(url, endpoint).await,
            Self::SockJs(client) => client.connect_and_watch(url, endpoint).await,
        }
    }
}

/// When to connect again.
struct Policy {
    backoff: Backoff,
    on_disconnect: OnDisconnect,
    on_connect_failure: OnConnectFailure,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            on_disconnect: Box::new(|info| {
                // A peer that broke the protocol was closed by this end, but not because it wanted to.
                info.initiator != CloseInitiator::Local || info.failure.is_some()
            }),
            on_connect_failure: Box::new(|error| !error.is_permanent()),
        }
    }
}

impl Client {
    /// Keeps a connection to a `ws` or `wss` URL, with a new endpoint of `factory` for each session.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use tidings::endpoint::Endpoint;
    /// # async fn keep<E: Endpoint>(chat: fn() -> E) {
    /// use tidings::client::{Backoff, Client};
    ///
    /// let connection = Client::default()
    ///     .reconnecting("wss://example.org/chat", chat)
    ///     .backoff(Backoff { attempts_max: Some(10), ..Backoff::default() })
    ///     .on_connect_failure(|error| {
    ///         eprintln!("{error}");
    ///         !error.is_permanent()
    ///     })
    ///     .start();
    /// println!("{:?}", connection.ended().await);
    /// # }
    /// ```
    pub fn reconnecting<E, F>(&self, url: impl Into<String>, factory: F) -> ReconnectBuilder<F>
    where
        E: Endpoint,
        F: FnMut() -> E + Send + 'static,
    {
        ReconnectBuilder::new(Dialer::WebSocket(self.clone()), url.into(), factory)
    }
}

impl<F> ReconnectBuilder<F> {
    pub(super) fn new(dialer: Dialer, url: String, factory: F) -> Self {
        Self { dialer, url, factory, policy: Policy::default() }
    }

    /// How long to wait before each attempt but the first. A server that says with 503 or 429 how long
    /// it wants to be left alone is left alone for at least so long.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// Asks `hook` when a session has ended whether to connect again. Default: unless this end closed
    /// it, other than because the peer broke the protocol or a limit.
    pub fn on_disconnect(mut self, hook: impl FnMut(&CloseInfo) -> bool + Send + 'static) -> Self {
        self.policy.on_disconnect = Box::new(hook);
        self
    }

    /// Asks `hook` when an attempt has failed whether to make another one. Default: unless the error
    /// [is permanent](ConnectError::is_permanent).
    pub fn on_connect_failure(
        mut self,
        hook: impl FnMut(&ConnectError) -> bool + Send + 'static,
    ) -> Self {
        self.policy.on_connect_failure = Box::new(hook);
        self
    }

    /// Connects, in a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub fn start<E>(self) -> Reconnecting
    where
        E: Endpoint,
        F: FnMut() -> E + Send + 'static,
    {
        let Self { dialer, url, mut factory, policy } = self;
        let stop = CancellationToken::new();
        let (current, session) = watch::channel(None);
        let dial = move || {
            let (dialer, url, endpoint) = (dialer.clone(), url.clone(), factory());
            async move {
                let (session, driver) = dialer.dial(&url, endpoint).await?;
                let ended = async { driver.await.unwrap_or_else(|_| CloseInfo::abnormal()) };
                Ok((session, ended))
            }
        };
        let keeping = keep_connected(dial, policy, current, stop.clone());
        Reconnecting { session, task: tokio::spawn(keeping), stop: stop.drop_guard() }
    }
}

impl<F> fmt::Debug for ReconnectBuilder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold a secret.
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("ReconnectBuilder").field("url", &url).finish_non_exhaustive()
    }
}

/// Keeps a connection, until it is stopped or dropped: what [`ReconnectBuilder::start`] gives.
#[derive(Debug)]
#[must_use = "the connection ends when this is dropped"]
pub struct Reconnecting {
    session: watch::Receiver<Option<Session>>,
    task: JoinHandle<ReconnectEnd>,
    stop: DropGuard,
}

impl Reconnecting {
    /// The open session; `None` while there is none.
    pub fn session(&self) -> Option<Session> {
        self.session.borrow().clone().filter(Session::is_open)
    }

    /// Waits for an open session; `None` if there will be none any more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost with a dropped future.
    pub async fn connected(&self) -> Option<Session> {
        let mut session = self.session.clone();
        let is_open = |session: &Option<Session>| session.as_ref().is_some_and(Session::is_open);
        let session = session.wait_for(is_open).await.ok()?;
        session.clone()
    }

    /// Closes the open session with 1000, and connects no more.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.task.await;
    }

    /// Waits until no more attempts are made.
    ///
    /// # Panics
    ///
    /// When a hook or the factory of endpoints has panicked.
    ///
    /// # Cancel safety
    ///
    /// A dropped future stops the connection.
    pub async fn ended(self) -> ReconnectEnd {
        match self.task.await.map_err(JoinError::try_into_panic) {
            Ok(end) => end,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => ReconnectEnd::Stopped,
        }
    }
}

/// Why no more attempts are made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEnd {
    /// It was stopped.
    Stopped,
    /// A session ended like this, after which none was wanted.
    Disconnected(CloseInfo),
    /// An attempt failed like this, after which none was wanted.
    Failed(ConnectError),
}

impl fmt::Display for ReconnectEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Disconnected(info) => write!(f, "session ended: {}", info.reason),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// What an attempt gives that has succeeded, as far as keeping connected is concerned.
trait Live: Clone {
    fn close(&self, reason: CloseReason);
}

impl Live for Session {
    fn close(&self, reason: CloseReason) {
        Session::close(self, reason);
    }
}

/// Connects by `dial` again and again, and tells `current` what is connected.
async fn keep_connected<L, Dialled, Ended>(
    mut dial: impl FnMut() -> Dialled,
    mut policy: Policy,
    current: watch::Sender<Option<L>>,
    stop: CancellationToken,
) -> ReconnectEnd
where
    L: Live,
    Dialled: Future<Output = Result<(L, Ended), ConnectError>>,
    Ended: Future<Output = CloseInfo>,
{
    let mut failures: u32 = 0;
    loop {
        let dialled = tokio::select! {
            biased;
            () = stop.cancelled() => return ReconnectEnd::Stopped,
            dialled = dial() => dialled,
        };
        let (end, goes_on, wait_min) = match dialled {
            Ok((session, ended)) => {
                let since = Instant::now();
                current.send_replace(Some(session.clone()));
                let info = until_ended(&session, ended, &stop).await;
                current.send_replace(None);
                if since.elapsed() >= policy.backoff.stable_after {
                    failures = 0;
                }
                let goes_on = (policy.on_disconnect)(&info);
                (ReconnectEnd::Disconnected(info), goes_on, None)
            }
            Err(error) => {
                let goes_on = (policy.on_connect_failure)(&error);
                let wait_min = retry_after(&error);
                (ReconnectEnd::Failed(error), goes_on, wait_min)
            }
        };
        failures = failures.saturating_add(1);
        if stop.is_cancelled() {
            return ReconnectEnd::Stopped;
        }
        if !goes_on || policy.backoff.is_exhausted_by(failures) {
            tracing::info!(%end, "not connecting again");
            return end;
        }
        let random = getrandom::u32().expect("the operating system provides randomness");
        let delay = policy.backoff.delay(failures, random).max(wait_min.unwrap_or_default());
        tracing::debug!(%end, ?delay, "connecting again");
        tokio::select! {
            () = stop.cancelled() => return ReconnectEnd::Stopped,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Waits for the end of a session, and brings it about when it is to stop.
async fn until_ended<L: Live>(
    session: &L,
    ended: impl Future<Output = CloseInfo>,
    stop: &CancellationToken,
) -> CloseInfo {
    let mut ended = pin!(ended);
    tokio::select! {
        info = &mut ended => info,
        () = stop.cancelled() => {
            session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
            ended.await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use http::Response;
    use http::header::RETRY_AFTER;
    use tokio::sync::Notify;

    use super::super::Jitter;
    use super::*;

    /// What dialling comes to.
    #[derive(Clone, Copy, Debug)]
    enum Attempt {
        Refused,
        /// Refused by HTTP with this status, and this many seconds to wait.
        Status(u16, u64),
        /// Connected, and lost after this many seconds.
        Lasts(u64),
    }
    use Attempt::{Lasts, Refused, Status};

    #[derive(Clone)]
    struct FakeSession(Arc<Notify>);

    impl Live for FakeSession {
        fn close(&self, _: CloseReason) {
            self.0.notify_one();
        }
    }

    fn error(attempt: Attempt) -> ConnectError {
        match attempt {
            Status(status, seconds) => {
                let response = Response::builder().status(status).header(RETRY_AFTER, seconds);
                ConnectError::Http(Box::new(response.body(Bytes::new()).unwrap()))
            }
            _ => ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Goes through the attempts, then stops; gives back the seconds at which each was made.
    async fn run(attempts: &[Attempt], policy: Policy) -> (Vec<u64>, ReconnectEnd) {
        let start = Instant::now();
        let times = Arc::new(Mutex::new(Vec::new()));
        let (stop, told) = (CancellationToken::new(), Arc::clone(&times));
        let (mut left, out_of_attempts) = (attempts.iter().copied(), stop.clone());
        let dial = move || {
            let attempt = left.next();
            match attempt {
                Some(_) => told.lock().unwrap().push(start.elapsed().as_secs()),
                None => out_of_attempts.cancel(),
            }
            async move {
                match attempt {
                    Some(Lasts(seconds)) => {
                        let closed = Arc::new(Notify::new());
                        let session = FakeSession(Arc::clone(&closed));
                        let ended = async move {
                            let lasts = Duration::from_secs(seconds);
                            match tokio::time::timeout(lasts, closed.notified()).await {
                                Ok(()) => CloseInfo::abnormal().cleanly(),
                                Err(_) => CloseInfo::abnormal(),
                            }
                        };
                        Ok((session, ended))
                    }
                    Some(attempt) => Err(error(attempt)),
                    None => std::future::pending().await,
                }
            }
        };
        let (current, _) = watch::channel(None);
        let end = keep_connected(dial, policy, current, stop).await;
        let times = times.lock().unwrap().clone();
        (times, end)
    }

    /// Without jitter, in whole seconds: 1, 2, 4, 8, 8 …
    fn policy() -> Policy {
        let second = Duration::from_secs(1);
        let backoff = Backoff {
            initial: second,
            max: second * 8,
            jitter: Jitter::None,
            ..Backoff::default()
        };
        Policy { backoff, ..Policy::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_wait_longer_and_longer() {
        let (times, end) = run(&[Refused; 6], policy()).await;
        assert_eq!(times, [0, 1, 3, 7, 15, 23]);
        assert!(matches!(end, ReconnectEnd::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_lasted_begins_anew_and_one_that_did_not_does_not() {
        let (times, _) = run(&[Refused, Refused, Lasts(100), Refused], policy()).await;
        assert_eq!(times, [0, 1, 3, 104]);
        let (times, _) = run(&[Refused, Refused, Lasts(1), Refused], policy()).await;
        assert_eq!(times, [0, 1, 3, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_to_be_left_alone_is() {
        let (times, _) = run(&[Status(503, 60), Status(503, 0), Refused], policy()).await;
        assert_eq!(times, [0, 60, 62]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_attempts_are_made_than_allowed() {
        let mut policy = policy();
        policy.backoff.attempts_max = Some(2);
        let (times, end) = run(&[Refused; 9], policy).await;
        assert_eq!(times, [0, 1, 3]);
        assert!(matches!(end, ReconnectEnd::Failed(ConnectError::Io(_))), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_not_tried_again() {
        let (times, end) = run(&[Refused, Status(403, 0), Refused], policy()).await;
        assert_eq!(times, [0, 1]);
        assert!(matches!(end, ReconnectEnd::Failed(ConnectError::Http(_))), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_hooks_decide() {
        let on_disconnect = Box::new(|info: &CloseInfo| info.clean);
        let (times, end) = run(&[Lasts(5), Refused], Policy { on_disconnect, ..policy() }).await;
        assert_eq!(times, [0]);
        assert!(matches!(end, ReconnectEnd::Disconnected(_)), "{end:?}");

        let on_connect_failure = Box::new(|_: &ConnectError| false);
        let policy = Policy { on_connect_failure, ..policy() };
        let (times, _) = run(&[Lasts(5), Refused, Refused], policy).await;
        assert_eq!(times, [0, 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_closes_the_session_and_ends_a_wait() {
        let stop = CancellationToken::new();
        let (current, session) = watch::channel(None);
        let closed = Arc::new(Notify::new());
        let live = FakeSession(Arc::clone(&closed));
        let dial = move || {
            let (live, closed) = (live.clone(), Arc::clone(&closed));
            async move {
                let ended = async move {
                    closed.notified().await;
                    CloseInfo::abnormal()
                };
                Ok::<_, ConnectError>((live, ended))
            }
        };
        let keeping = tokio::spawn(keep_connected(dial, policy(), current, stop.clone()));
        let mut connected = session.clone();
        assert!(connected.wait_for(Option::is_some).await.is_ok());
        stop.cancel();
        assert!(matches!(keeping.await.unwrap(), ReconnectEnd::Stopped));
        assert!(session.borrow().is_none());

        let stop = CancellationToken::new();
        let (current, _session) = watch::channel::<Option<FakeSession>>(None);
        let waits_for_ever =
            Backoff { initial: Duration::MAX, max: Duration::MAX, ..policy().backoff };
        let dial = || async { Err::<(_, std::future::Ready<CloseInfo>), _>(error(Refused)) };
        let policy = Policy { backoff: waits_for_ever, ..policy() };
        let keeping = tokio::spawn(keep_connected(dial, policy, current, stop.clone()));
        tokio::task::yield_now().await;
        stop.cancel();
        assert!(matches!(keeping.await.unwrap(), ReconnectEnd::Stopped));
    }
}
