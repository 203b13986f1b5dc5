//! Drives one endpoint over one session, from open to close.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use tidings_websocket::{CloseCode, CloseReason, MessageKind, MessagePart, Reception};

use super::handlers::Handler;
use super::{
    CloseInfo, Delivery, Due, Endpoint, EndpointError, Feeder, Flow, OpenSession, Payload, Pong,
    Receptions, Session, message_stream,
};
use crate::clock;
use crate::net::{Alarm, Incoming, Source};

/// The shortest time between two heart-beats of ours, unless more of them were promised.
const HEART_BEAT_RETRY: Duration = Duration::from_millis(500);

/// Serves `session` with `endpoint` until it ends, and says how it did.
///
/// The future holds what a session needs while it waits for messages, and nothing of what it needs only
/// at its beginning and its end: sessions are many, and most of them wait.
pub(crate) fn run<E: Endpoint, S: Source>(
    endpoint: E,
    session: Session,
    source: S,
) -> impl Future<Output = CloseInfo> + Send {
    let receptions = endpoint.receptions();
    let is_usual = receptions == Receptions::default();
    let rare = (!is_usual).then(|| Box::new(Rare { receptions, ..Rare::default() }));
    let mut driver = Driver { source, pending: None, rare };
    for kind in [MessageKind::Text, MessageKind::Binary] {
        if let Some(reception) = session.delivery(kind, &receptions).reception() {
            driver.source.set_reception(kind, reception);
        }
    }
    let mut runner = Runner { endpoint, session, driver };
    async move {
        let open = OpenSession::enter(&runner.session);
        runner.session.deployed().counters.opened();
        Box::pin(runner.open()).await;
        let info = loop {
            // Around all messages: around each it would cost as much as the rest of its way.
            let panic = match guarded(runner.deliver_all()).await {
                Ok(info) => break info,
                Err(panic) => *panic,
            };
            Box::pin(runner.report(panic)).await;
        };
        drop(open);
        runner.session.deployed().counters.closed(&info, runner.session.link());
        Box::pin(runner.end(&info)).await;
        *info
    }
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
    /// What arrived last, to be delivered next.
    pending: Option<Box<Payload>>,
    rare: Option<Box<Rare>>,
}

/// What few sessions need.
#[derive(Default)]
struct Rare {
    /// How the endpoint wants its messages.
    receptions: Receptions,
    /// For heart-beats, and for the end of a login.
    alarm: Alarm,
    /// When the next heart-beat may be sent at the earliest.
    not_before: Option<Instant>,
    /// When octets had last come as the other end seemed silent. A connection whose turn was over has not been
    /// asked for what came since, so it is asked once more.
    suspected: Option<Instant>,
    /// Who gets the rest of a message that has begun.
    rest: Option<Rest>,
    /// Pongs that came between the parts of a message that is read while it arrives.
    pongs: VecDeque<Pong>,
}

/// How many pongs wait for the end of a message that is read while it arrives: the first ones.
const PONGS_MAX: usize = 16;

/// Who gets the rest of a message that has begun: whoever got its beginning.
enum Rest {
    Nobody,
    Endpoint,
    Handler(Handler),
}

impl<E: Endpoint, S: Source> Runner<E, S> {
    async fn open(&mut self) {
        let Self { endpoint, session, driver } = self;
        if let Some(at) = session.principal().and_then(|principal| principal.expires_at()) {
            session.expire_at(at);
        }
        let opened = {
            // Whatever the method does is inside of what is guarded, also what it does before its future.
            let on_open = pin!(async { endpoint.on_open(session).await });
            guarded(driver.call(session, on_open)).await.map_err(|panic| *panic).flatten()
        };
        if let Err(error) = opened {
            self.report(error).await;
            let reason = CloseReason::truncated(CloseCode::INTERNAL_ERROR, "could not be opened");
            self.session.close(reason);
        }
    }

    async fn deliver_all(&mut self) -> Box<CloseInfo> {
        loop {
            let Self { endpoint, session, driver } = self;
            let handled = {
                let started = driver.start_next(endpoint, session);
                driver.handle(session, pin!(started)).await
            };
            let handled = match handled {
                Some(handled) => handled,
                None if driver.pending.is_some() => match Box::pin(self.deliver_pending()).await {
                    Ok(handled) => handled,
                    Err(info) => return info,
                },
                None => match poll_fn(|cx| driver.poll_pending(cx, session)).await {
                    Some(info) => return info,
                    None => continue,
                },
            };
            if let Err(error) = handled {
                Box::pin(self.report(*error)).await;
            }
        }
    }

    /// Delivers what is not for the endpoint, or not as a whole. The outer error is the end of the session.
    async fn deliver_pending(&mut self) -> Result<Result<(), Box<EndpointError>>, Box<CloseInfo>> {
        let Self { session, driver, .. } = self;
        match driver.pending.take().map(|payload| *payload) {
            None => Ok(Ok(())),
            Some(Payload::Part(part)) => self.deliver_part(part).await,
            Some(payload) => match session.added_handler(&payload) {
                // It has been taken away just now.
                None => {
                    driver.pending = Some(Box::new(payload));
                    Ok(Ok(()))
                }
                Some(handler) => {
                    Ok(driver.call_added(session, &handler, payload).await.map_err(Box::new))
                }
            },
        }
    }

    /// Delivers a part, or with it the whole rest of its message. The error is the end of the session.
    async fn deliver_part(
        &mut self,
        part: MessagePart,
    ) -> Result<Result<(), Box<EndpointError>>, Box<CloseInfo>> {
        let Self { endpoint, session, driver } = self;
        let is_last = part.is_last();
        let after = |rest| (!is_last).then_some(rest);
        let rest = driver.rare().rest.take();
        let handled = match rest {
            None if session.delivery(part.kind(), &driver.receptions()) == Delivery::Stream => {
                self.deliver_stream(part).await?
            }
            None => {
                let payload = Payload::Part(part);
                match session.added_handler(&payload) {
                    Some(handler) => {
                        driver.rare().rest = after(Rest::Handler(handler.clone()));
                        driver.call_added(session, &handler, payload).await
                    }
                    None => {
                        driver.rare().rest = after(Rest::Endpoint);
                        driver.call(session, pin!(endpoint.on_payload(session, payload))).await
                    }
                }
            }
            Some(Rest::Nobody) => {
                driver.rare().rest = after(Rest::Nobody);
                Ok(())
            }
            Some(Rest::Endpoint) => {
                driver.rare().rest = after(Rest::Endpoint);
                let handler = pin!(endpoint.on_payload(session, Payload::Part(part)));
                driver.call(session, handler).await
            }
            Some(Rest::Handler(handler)) => {
                driver.rare().rest = after(Rest::Handler(handler.clone()));
                driver.call_added(session, &handler, Payload::Part(part)).await
            }
        };
        Ok(handled.map_err(Box::new))
    }

    /// Has a message read while it arrives, and skips what is not read of it.
    async fn deliver_stream(
        &mut self,
        first: MessagePart,
    ) -> Result<Result<(), EndpointError>, Box<CloseInfo>> {
        let Self { endpoint, session, driver } = self;
        driver.rare().rest = (!first.is_last()).then_some(Rest::Nobody);
        let (feeder, stream) = message_stream(first);
        let payload = Payload::Stream(stream);
        let handled = match session.added_handler(&payload) {
            None => {
                let handler = pin!(endpoint.on_payload(session, payload));
                driver.feed(session, &feeder, handler).await
            }
            Some(handler) => {
                let handling = pin!(async { handler(session, payload).await });
                driver.feed(session, &feeder, handling).await
            }
        }?;
        self.deliver_pongs().await;
        Ok(handled)
    }

    /// Delivers the pongs that waited for the end of a message.
    async fn deliver_pongs(&mut self) {
        while let Some(pong) = self.driver.rare().pongs.pop_front() {
            let Self { endpoint, session, driver } = self;
            let payload = Payload::Pong(pong);
            let handled = match session.added_handler(&payload) {
                Some(handler) => driver.call_added(session, &handler, payload).await,
                None => driver.call(session, pin!(endpoint.on_payload(session, payload))).await,
            };
            if let Err(error) = handled {
                self.report(error).await;
            }
        }
    }

    async fn end(&mut self, info: &CloseInfo) {
        if let Some(failure) = info.failure {
            self.report(EndpointError::Protocol(failure)).await;
        }
        if let Some(kind) = info.broken {
            self.report(EndpointError::Transport(kind.into())).await;
        }
        let Self { endpoint, session, driver } = self;
        let closed = {
            let on_close = pin!(async { endpoint.on_close(session, info).await });
            guarded(driver.call(session, on_close)).await
        };
        if let Err(panic) = closed {
            self.report(*panic).await;
        }
        self.session.release();
        self.driver.source.finish().await;
    }

    /// Tells `on_error`, and does what it answers. After a panic the session is closed whatever it
    /// answers, because the endpoint may be left halfway.
    async fn report(&mut self, error: EndpointError) {
        let Self { endpoint, session, driver } = self;
        let panicked = matches!(error, EndpointError::Panic(_));
        let on_error = pin!(async { endpoint.on_error(session, error).await });
        match guarded(driver.call(session, on_error)).await {
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
    /// Calls the endpoint's handler for the next message, if that is here. The message itself is nowhere in
    /// the future of the session: each copy of it would cost as much as its decoding.
    #[inline]
    fn start_next<'a, E: Endpoint>(
        &mut self,
        endpoint: &'a mut E,
        session: &'a Session,
    ) -> OptionFuture<impl Future<Output = Result<(), EndpointError>> + 'a + use<'a, E, S>> {
        let is_for_endpoint = |payload: &mut Box<Payload>| {
            !matches!(**payload, Payload::Part(_)) && session.added_handler(payload).is_none()
        };
        let started = if let Some(payload) = self.pending.take_if(is_for_endpoint) {
            Some(endpoint.on_payload(session, *payload))
        } else if self.pending.is_some() || session.receives_its_own_way() {
            None
        } else {
            let message = self.source.next_message();
            message.map(|message| endpoint.on_payload(session, Payload::Message(message)))
        };
        started.into()
    }

    /// Waits for what is next, and keeps it, or gives the end of the session.
    fn poll_pending(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
    ) -> Poll<Option<Box<CloseInfo>>> {
        self.poll_next(cx, session).map(|incoming| match incoming {
            Incoming::Payload(payload) => {
                self.pending = Some(Box::new(payload));
                None
            }
            Incoming::Octets => None,
            Incoming::Closed(info) => Some(info),
        })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, session: &Session) -> Poll<Incoming> {
        self.follow_delivery(session);
        let next = self.source.poll_next(cx);
        if next.is_pending() && session.existing_vitals().is_some() {
            self.poll_vitals(cx, session, self.source.last_received());
        }
        next
    }

    fn receptions(&self) -> Receptions {
        self.rare.as_ref().map_or_else(Receptions::default, |rare| rare.receptions)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    fn follow_delivery(&mut self, session: &Session) {
        if session.take_changed_delivery() {
            self.change_delivery(session);
        }
    }

    /// Tells the source how messages are wanted now.
    fn change_delivery(&mut self, session: &Session) {
        let octets_max = session.link().message_octets_max();
        let of_stranger = session.stranger_octets_max().map(|max| max.min(octets_max));
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let delivery = session.delivery(kind, &self.receptions());
            let reception = match of_stranger {
                Some(octets_max) => Reception::Whole { octets_max },
                None => delivery.reception().unwrap_or(Reception::Whole { octets_max }),
            };
            self.source.set_reception(kind, reception);
        }
        self.source.set_stranger_octets_max(of_stranger);
    }

    /// Runs a handler that was added to the session.
    async fn call_added(
        &mut self,
        session: &Session,
        handler: &Handler,
        payload: Payload,
    ) -> Result<(), EndpointError> {
        self.call(session, pin!(async { handler(session, payload).await })).await
    }

    /// Runs a handler, while the connection stays alive beside it.
    #[inline]
    fn call<T>(
        &mut self,
        session: &Session,
        mut handler: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| {
            let polled = handler.as_mut().poll(cx);
            if polled.is_pending() {
                self.poll_beside(cx, session);
            }
            polled
        })
    }

    /// As [`call`](Self::call), for the usual messages. Makes the result small, since it is copied.
    #[inline]
    fn handle(
        &mut self,
        session: &Session,
        mut handler: Pin<&mut impl Future<Output = Option<Result<(), EndpointError>>>>,
    ) -> impl Future<Output = Option<Result<(), Box<EndpointError>>>> {
        poll_fn(move |cx| match handler.as_mut().poll(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(()))) => Poll::Ready(Some(Ok(()))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Box::new(error)))),
            Poll::Pending => {
                self.poll_beside(cx, session);
                Poll::Pending
            }
        })
    }

    /// Keeps the connection alive while a handler runs.
    fn poll_beside(&mut self, cx: &mut Context<'_>, session: &Session) {
        // The source reads ahead.
        self.follow_delivery(session);
        self.source.poll_background(cx);
        // While a handler runs, not everything is read: that is no silence.
        self.poll_vitals(cx, session, clock::instant());
    }

    /// Runs a handler that reads a message while it arrives. The error is the end of the session.
    async fn feed(
        &mut self,
        session: &Session,
        feeder: &Feeder,
        handler: Pin<&mut impl Future<Output = Result<(), EndpointError>>>,
    ) -> Result<Result<(), EndpointError>, Box<CloseInfo>> {
        let mut handler = pin!(guarded(handler));
        let mut ended = None;
        let handled = poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = handler.as_mut().poll(cx) {
                    return Poll::Ready(result.map_err(|panic| *panic).flatten());
                }
                self.poll_vitals(cx, session, clock::instant());
                if ended.is_some() || feeder.poll_wants(cx).is_pending() {
                    self.source.poll_background(cx);
                    return Poll::Pending;
                }
                match self.source.poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Incoming::Payload(Payload::Part(part))) => {
                        if part.is_last() {
                            self.rare().rest = None;
                        }
                        feeder.put(part);
                    }
                    Poll::Ready(Incoming::Closed(info)) => {
                        ended = Some(info);
                        feeder.cut_off();
                    }
                    // Between the parts of a message, only control frames can come.
                    Poll::Ready(Incoming::Payload(Payload::Pong(pong))) => {
                        let pongs = &mut self.rare().pongs;
                        if pongs.len() < PONGS_MAX {
                            pongs.push_back(pong);
                        }
                    }
                    Poll::Ready(Incoming::Payload(_) | Incoming::Octets) => {}
                }
            }
        })
        .await;
        match ended {
            None => Ok(handled),
            Some(info) => {
                if let Err(error) = handled {
                    tracing::debug!(session = %session.log_id(), %error, "message cut off");
                }
                Err(info)
            }
        }
    }

    /// Does what the session's deadlines ask for, and sets the alarm for the next one.
    fn poll_vitals(&mut self, cx: &mut Context<'_>, session: &Session, received: Instant) {
        let Some(vitals) = session.existing_vitals() else { return };
        loop {
            let sent = self.source.last_sent();
            let deadline = vitals.next_deadline(sent, received);
            let Rare { alarm, not_before, .. } = self.rare();
            let goes_on = || session.is_open() || session.link().is_lost();
            alarm.set_no_later_than(deadline.max(*not_before).filter(|_| goes_on()));
            if !alarm.is_set() || alarm.poll(cx).is_pending() {
                return;
            }
            match vitals.poll(clock::instant(), sent, received) {
                Due::Nothing => {}
                Due::SendHeartBeat => {
                    // If the stream takes nothing now, what it holds back is no silence either.
                    let _ = session.try_send("\n");
                    session.link().flush();
                    let retry = vitals.heart_beat_retry().min(HEART_BEAT_RETRY);
                    self.rare().not_before = Some(clock::instant() + retry);
                }
                Due::SendHeartbeat => {
                    session.link().push_heartbeat();
                    self.rare().not_before = Some(clock::instant() + HEART_BEAT_RETRY);
                }
                Due::PeerSilent if self.rare().suspected != Some(received) => {
                    self.rare().suspected = Some(received);
                    return cx.waker().wake_by_ref();
                }
                Due::PeerSilent => {
                    let reason = "no heart-beat from the other end";
                    session.close(CloseReason::truncated(CloseCode::POLICY_VIOLATION, reason));
                }
                Due::Expired(expiry) => {
                    let farewell = match &expiry.farewell {
                        Some(own) => own.to(session, &expiry.reason),
                        None => session.config().farewell_to(session, &expiry.reason),
                    };
                    if let Some(farewell) = farewell {
                        let _ = session.try_send(farewell);
                    }
                    session.close(expiry.reason);
                }
            }
        }
    }
}

/// Has a panic become an error. (Not async, which would hold the future twice.)
fn guarded<T>(
    future: impl Future<Output = T>,
) -> impl Future<Output = Result<T, Box<EndpointError>>> {
    let panicked = |panic: Box<dyn Any + Send>| Box::new(EndpointError::of_panic(&*panic));
    AssertUnwindSafe(future).catch_unwind().map(move |outcome| outcome.map_err(panicked))
}

fn internal_error() -> CloseReason {
    CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error")
}
