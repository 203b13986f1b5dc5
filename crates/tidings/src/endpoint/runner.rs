//! Drives one endpoint over one session, from open to close.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidings_websocket::{CloseCode, CloseReason};

use super::{CloseInfo, Due, Endpoint, EndpointError, Flow, OpenSessions, Session};
use crate::net::{Alarm, Incoming, Source};

/// The shortest time between two heart-beats of ours.
const HEART_BEAT_RETRY: Duration = Duration::from_millis(500);

/// Serves `session` with `endpoint` until it ends, and says how it did.
///
/// The future holds what a session needs while it waits for messages, and nothing of what it needs only
/// at its beginning and its end: sessions are many, and most of them wait.
pub(crate) fn run<E: Endpoint, S: Source>(
    endpoint: E,
    session: Session,
    source: S,
    open_sessions: Arc<OpenSessions>,
) -> impl Future<Output = CloseInfo> + Send {
    let driver = Driver { source, alarm: Alarm::default(), not_before: None };
    let mut runner = Runner { endpoint, session, driver };
    async move { runner.run(open_sessions).await }
}

/// A session being served.
struct Runner<E, S> {
    endpoint: E,
    session: Session,
    driver: Driver<S>,
}

/// What keeps a connection going, beside the endpoint.
struct Driver<S> {
    source: S,
    alarm: Alarm,
    /// When the next heart-beat may be sent at the earliest.
    not_before: Option<Instant>,
}

impl<E: Endpoint, S: Source> Runner<E, S> {
    async fn run(&mut self, open_sessions: Arc<OpenSessions>) -> CloseInfo {
        let open = open_sessions.enter(&self.session);
        drop(open_sessions);
        Box::pin(self.open()).await;
        let info = self.deliver_all().await;
        drop(open);
        Box::pin(self.end(&info)).await;
        *info
    }

    async fn open(&mut self) {
        let Self { endpoint, session, driver } = self;
        let opened = driver.call(session, pin!(endpoint.on_open(session))).await;
        if let Err(error) = opened {
            self.report(error).await;
            let reason = CloseReason::truncated(CloseCode::INTERNAL_ERROR, "could not be opened");
            self.session.close(reason);
        }
    }

    async fn deliver_all(&mut self) -> Box<CloseInfo> {
        loop {
            let Self { endpoint, session, driver } = self;
            match driver.next(session).await {
                Incoming::Message(message) => {
                    let handled = {
                        let handler = pin!(endpoint.on_message(session, message));
                        driver.call(session, handler).await
                    };
                    if let Err(error) = handled {
                        Box::pin(self.report(error)).await;
                    }
                }
                Incoming::Part(_) | Incoming::Pong(_) => {}
                Incoming::Closed(info) => return info,
            }
        }
    }

    async fn end(&mut self, info: &CloseInfo) {
        let Self { endpoint, session, driver } = self;
        let closed = {
            let on_close = async {
                endpoint.on_close(session, &info.reason).await;
                Ok(())
            };
            driver.call(session, pin!(on_close)).await
        };
        if let Err(error) = closed {
            self.report(error).await;
        }
        self.driver.source.finish().await;
    }

    /// Tells `on_error`, and does what it answers. After a panic the session is closed whatever it
    /// answers, because the endpoint may be left halfway.
    async fn report(&mut self, error: EndpointError) {
        let Self { endpoint, session, driver } = self;
        let panicked = matches!(error, EndpointError::Panic(_));
        let on_error = async { Ok(endpoint.on_error(session, error).await) };
        match driver.call(session, pin!(on_error)).await {
            Ok(Flow::Close(reason)) => session.close(reason),
            Ok(Flow::Continue) if !panicked => {}
            Ok(Flow::Continue) => session.close(internal_error()),
            Err(error) => {
                tracing::error!(session = %session.log_id(), %error, "on_error failed");
                session.close(internal_error());
            }
        }
    }
}

impl<S: Source> Driver<S> {
    async fn next(&mut self, session: &Session) -> Incoming {
        poll_fn(|cx| {
            let next = self.source.poll_next(cx);
            if next.is_pending() {
                self.poll_vitals(cx, session, self.source.last_received());
            }
            next
        })
        .await
    }

    /// Runs a handler, while the connection stays alive beside it. A panic becomes an error.
    async fn call<T>(
        &mut self,
        session: &Session,
        mut handler: Pin<&mut impl Future<Output = Result<T, EndpointError>>>,
    ) -> Result<T, EndpointError> {
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(result)) => Poll::Ready(result),
                Ok(Poll::Pending) => {
                    self.source.poll_background(cx);
                    // While a handler runs, not everything is read: that is no silence.
                    self.poll_vitals(cx, session, Instant::now());
                    Poll::Pending
                }
                Err(panic) => Poll::Ready(Err(EndpointError::Panic(panic_message(&*panic)))),
            }
        })
        .await
    }

    /// Does what the session's deadlines ask for, and sets the alarm for the next one.
    fn poll_vitals(&mut self, cx: &mut Context<'_>, session: &Session, received: Instant) {
        let Some(vitals) = session.existing_vitals() else { return };
        loop {
            let sent = self.source.last_sent();
            let deadline = vitals.next_deadline(sent, received).max(self.not_before);
            self.alarm.set_no_later_than(deadline.filter(|_| session.is_open()));
            if !self.alarm.is_set() || self.alarm.poll(cx).is_pending() {
                return;
            }
            match vitals.poll(Instant::now(), sent, received) {
                Due::Nothing => {}
                Due::SendHeartBeat => {
                    // If the stream takes nothing now, what it holds back is no silence either.
                    let _ = session.try_send("\n");
                    session.link().flush();
                    self.not_before = Some(Instant::now() + HEART_BEAT_RETRY);
                }
                Due::SendHeartbeat => {
                    session.link().push_heartbeat();
                    self.not_before = Some(Instant::now() + HEART_BEAT_RETRY);
                }
                Due::PeerSilent => {
                    let reason = "no heart-beat from the client";
                    session.close(CloseReason::truncated(CloseCode::POLICY_VIOLATION, reason));
                }
                Due::Expired(expiry) => {
                    if let Some(farewell) = expiry.farewell {
                        let _ = session.try_send(farewell);
                    }
                    session.close(expiry.reason);
                }
            }
        }
    }
}

fn internal_error() -> CloseReason {
    CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error")
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (_, Some(message)) => message.clone(),
        _ => "no message".to_owned(),
    }
}
