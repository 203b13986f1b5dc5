//! Keeps a client connected, and sends what waits for that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_stomp::{ClientOptions, Version};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connection::{Connection, Receiver};
use super::dial::Dialer;
use super::lifecycle::AfterLoss;
use super::operation::ConnectionNumber;
use super::shared::{Shared, Text};
use super::{ConnectionEnd, StompConnectError, StompError};
use crate::client::Backoff;
use crate::client::backoff::retry_after;
use crate::endpoint::Session;
use crate::hub::stomp_message;

/// What becomes of a client's connection, as its [hook](super::StompClientBuilder::on_change) is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Connectivity<'a> {
    /// There is a session, in this version.
    Connected(Version),
    /// The connection has ended. The next one is tried after this time, if at all.
    Lost(&'a ConnectionEnd, Option<Duration>),
    /// It did not come about again. The next attempt is made after this time, if at all.
    Failed(&'a StompConnectError, Option<Duration>),
}

pub(super) type OnChange = Box<dyn Fn(&Connectivity<'_>) + Send + Sync>;

/// How connections are made, and made again.
pub(super) struct Connector {
    pub(super) dialer: Dialer,
    pub(super) options: ClientOptions,
    pub(super) backoff: Option<Backoff>,
    pub(super) on_change: Option<OnChange>,
}

/// An open session.
pub(super) struct Live {
    session: Session,
    connection: Arc<Connection>,
    ended: oneshot::Receiver<ConnectionEnd>,
}

/// A connection that nobody waits for any more is not kept.
impl Drop for Live {
    fn drop(&mut self) {
        self.session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    }
}

impl Live {
    /// How the connection ended, once it has.
    async fn ended(&mut self) -> ConnectionEnd {
        // Without a word, the runtime has ended the connection's task.
        (&mut self.ended).await.unwrap_or(ConnectionEnd::Disconnected)
    }
}

impl Connector {
    /// Makes a connection, and a session by it.
    pub(super) async fn connect(
        &self,
        shared: &Arc<Shared>,
        number: ConnectionNumber,
    ) -> Result<Live, StompConnectError> {
        let timeout = self.options.connect_timeout;
        let connection = Arc::new(Connection::new(number, self.options.clone()));
        let (receiver, is_open, ended) = Receiver::new(Arc::clone(shared), Arc::clone(&connection));
        let (session, _task) = self.dialer.dial(receiver).await?;
        let mut live = Live { session, connection, ended };
        let opening = async {
            tokio::select! {
                biased;
                Ok(()) = is_open => Ok(()),
                end = live.ended() => Err(StompConnectError::Ended(end)),
            }
        };
        match tokio::time::timeout(timeout, opening).await {
            Ok(opened) => opened.map(|()| live),
            Err(_) => Err(StompConnectError::Timeout(timeout)),
        }
    }

    fn tell(&self, change: &Connectivity<'_>) {
        if let Some(hook) = &self.on_change {
            hook(change);
        }
    }

    /// Begins to use a session. `false` if the client wants none any more.
    pub(super) fn open(&self, shared: &Shared, live: &Live) -> bool {
        if !shared.open(&live.connection) {
            return false;
        }
        if let Some(opened) = live.connection.opened() {
            self.tell(&Connectivity::Connected(opened.version));
        }
        true
    }

    /// The wait before the next attempt, after so many failures in a row; `None` if there is none.
    fn delay(&self, failures: u32) -> Option<Duration> {
        let backoff = self.backoff.as_ref().filter(|backoff| !backoff.is_exhausted_by(failures))?;
        let random = getrandom::u32().expect("the operating system provides randomness");
        Some(backoff.delay(failures, random))
    }

    /// Serves a session and those that follow it, until the client is told to stop or gives up.
    pub(super) async fn run(self, shared: Arc<Shared>, first: Live) {
        let mut live = first;
        let mut failures: u32 = 0;
        loop {
            let since = Instant::now();
            let end = self.serve(&shared, &mut live).await;
            let after = shared.lose(&end);
            if after == AfterLoss::End {
                return shared.finish(end);
            }
            if self.backoff.as_ref().is_some_and(|backoff| since.elapsed() >= backoff.stable_after)
            {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            let delay = self.delay(failures);
            tracing::debug!(%end, ?delay, "connection to a STOMP server lost");
            self.tell(&Connectivity::Lost(&end, delay));
            let number = ConnectionNumber(live.connection.number.0 + 1);
            match self.connect_again(&shared, number, delay, &mut failures).await {
                Some(next) => live = next,
                None => return shared.finish(end),
            }
            if !self.open(&shared, &live) {
                return shared.finish(end);
            }
        }
    }

    /// Tries to connect until that succeeds, is given up, or is not wanted any more.
    async fn connect_again(
        &self,
        shared: &Arc<Shared>,
        number: ConnectionNumber,
        mut delay: Option<Duration>,
        failures: &mut u32,
    ) -> Option<Live> {
        loop {
            let attempt = async {
                tokio::time::sleep(delay?).await;
                Some(self.connect(shared, number).await)
            };
            let error = tokio::select! {
                biased;
                () = shared.stopped() => return None,
                () = shared.left_for_too_long() => return None,
                connected = attempt => match connected? {
                    Ok(live) => return Some(live),
                    Err(error) => error,
                },
            };
            *failures = failures.saturating_add(1);
            let wait_min = match &error {
                StompConnectError::Transport(error) => retry_after(error).unwrap_or_default(),
                _ => Duration::ZERO,
            };
            delay = match error.is_permanent() {
                true => None,
                false => self.delay(*failures).map(|delay| delay.max(wait_min)),
            };
            tracing::debug!(%error, ?delay, "no connection to a STOMP server");
            self.tell(&Connectivity::Failed(&error, delay));
        }
    }

    /// Sends what waits, until the connection has ended.
    async fn serve(&self, shared: &Shared, live: &mut Live) -> ConnectionEnd {
        let (session, connection) = (live.session.clone(), Arc::clone(&live.connection));
        let sending = async {
            loop {
                let frame = shared.next_frame(&connection).await;
                let message = match self.message(frame) {
                    Ok(message) => message,
                    Err(error) => {
                        shared.skip(error);
                        continue;
                    }
                };
                if session.send(message).await.is_err() {
                    // It waits for the next connection; the end of this one is about to be told.
                    return std::future::pending::<()>().await;
                }
                shared.sent();
            }
        };
        let saying_goodbye = async {
            shared.stopped().await;
            tokio::time::sleep(shared.bounds.receipt_timeout).await;
        };
        tokio::select! {
            biased;
            end = live.ended() => end,
            () = sending => ConnectionEnd::Disconnected,
            // The server does not answer DISCONNECT.
            () = saying_goodbye => ConnectionEnd::Disconnected,
        }
    }

    fn message(&self, frame: Bytes) -> Result<Message, StompError> {
        if self.dialer.is_octets() {
            return Ok(Message::Binary(frame));
        }
        match stomp_message(frame) {
            Message::Binary(_) if self.dialer.text() == Text::Only => Err(StompError::NotText),
            message => Ok(message),
        }
    }
}
