//! Drives one endpoint over one session, from open to close.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidings_websocket::{CloseCode, CloseReason, Message};

use super::{CloseInfo, Due, Endpoint, EndpointError, Flow, OpenSessions, Session};
use crate::net::{Alarm, Incoming, Source};

/// The shortest time between two heart-beats of ours.
const HEART_BEAT_RETRY: Duration = Duration::from_millis(500);

/// Serves `session` with `endpoint` until it ends, and says how it did.
pub(crate) async fn run<E: Endpoint, S: Source>(
    mut endpoint: E,
    session: Session,
    source: S,
    open_sessions: Arc<OpenSessions>,
) -> CloseInfo {
    let open = open_sessions.enter(&session);
    let mut runner =
        Runner { session: &session, source, alarm: Alarm::default(), not_before: None };

    let opened = runner.call(pin!(endpoint.on_open(&session))).await;
    if let Err(error) = opened {
        runner.report(&mut endpoint, error).await;
        session.close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "could not be opened"));
    }
    let info = loop {
        match runner.next().await {
            Incoming::Message(message) => runner.deliver(&mut endpoint, message).await,
            Incoming::Part(_) | Incoming::Pong(_) => {}
            Incoming::Closed(info) => break info,
        }
    };
    drop(open);
    let on_close = async {
        endpoint.on_close(&session, &info.reason).await;
        Ok(())
    };
    let closed = runner.call(pin!(on_close)).await;
    if let Err(error) = closed {
        runner.report(&mut endpoint, error).await;
    }
    runner.source.finish().await;
    *info
}

struct Runner<'a, S> {
    session: &'a Session,
    source: S,
    alarm: Alarm,
    /// When the next heart-beat may be sent at the earliest.
    not_before: Option<Instant>,
}

impl<S: Source> Runner<'_, S> {
    async fn next(&mut self) -> Incoming {
        poll_fn(|cx| {
            let next = self.source.poll_next(cx);
            if next.is_pending() {
                self.poll_vitals(cx, self.source.last_received());
            }
            next
        })
        .await
    }

    async fn deliver<E: Endpoint>(&mut self, endpoint: &mut E, message: Message) {
        let session = self.session;
        let handled = self.call(pin!(endpoint.on_message(session, message))).await;
        if let Err(error) = handled {
            self.report(endpoint, error).await;
        }
    }

    /// Tells `on_error`, and does what it answers. After a panic the session is closed whatever it
    /// answers, because the endpoint may be left halfway.
    async fn report<E: Endpoint>(&mut self, endpoint: &mut E, error: EndpointError) {
        let session = self.session;
        let panicked = matches!(error, EndpointError::Panic(_));
        let flow = self.call(pin!(async { Ok(endpoint.on_error(session, error).await) })).await;
        match flow {
            Ok(Flow::Close(reason)) => session.close(reason),
            Ok(Flow::Continue) if !panicked => {}
            Ok(Flow::Continue) => session.close(internal_error()),
            Err(error) => {
                tracing::error!(session = %session.log_id(), %error, "on_error failed");
                session.close(internal_error());
            }
        }
    }

    /// Runs a handler, while the connection stays alive beside it. A panic becomes an error.
    async fn call<T>(
        &mut self,
        mut handler: Pin<&mut impl Future<Output = Result<T, EndpointError>>>,
    ) -> Result<T, EndpointError> {
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(result)) => Poll::Ready(result),
                Ok(Poll::Pending) => {
                    self.source.poll_background(cx);
                    // While a handler runs, not everything is read: that is no silence.
                    self.poll_vitals(cx, Instant::now());
                    Poll::Pending
                }
                Err(panic) => Poll::Ready(Err(EndpointError::Panic(panic_message(&*panic)))),
            }
        })
        .await
    }

    /// Does what the session's deadlines ask for, and sets the alarm for the next one.
    fn poll_vitals(&mut self, cx: &mut Context<'_>, received: Instant) {
        let Some(vitals) = self.session.existing_vitals() else { return };
        loop {
            let sent = self.source.last_sent();
            let deadline = vitals.next_deadline(sent, received).max(self.not_before);
            self.alarm.set_no_later_than(deadline.filter(|_| self.session.is_open()));
            if !self.alarm.is_set() || self.alarm.poll(cx).is_pending() {
                return;
            }
            match vitals.poll(Instant::now(), sent, received) {
                Due::Nothing => {}
                Due::SendHeartBeat => {
                    // If the stream takes nothing now, what it holds back is no silence either.
                    let _ = self.session.try_send("\n");
                    self.session.link().flush();
                    self.not_before = Some(Instant::now() + HEART_BEAT_RETRY);
                }
                Due::SendHeartbeat => {
                    self.session.link().push_heartbeat();
                    self.not_before = Some(Instant::now() + HEART_BEAT_RETRY);
                }
                Due::PeerSilent => {
                    let reason = "no heart-beat from the client";
                    self.session.close(CloseReason::truncated(CloseCode::POLICY_VIOLATION, reason));
                }
                Due::Expired(expiry) => {
                    if let Some(farewell) = expiry.farewell {
                        let _ = self.session.try_send(farewell);
                    }
                    self.session.close(expiry.reason);
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
