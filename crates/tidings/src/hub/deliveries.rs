//! Operations of the broker, and handing over what comes of them.

use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{
    Broker, CancelCause, Cancelled, Change, DeadLetter, Delivered, Delivery, Destination,
    DestinationPolicies, EncodingClass, Format, Message, SessionKey, Sink, SlowConsumers, Storage,
    Subscribers, Subscription, Timestamp,
};
use tidings_stomp::{
    Error, ErrorFrames, Headers, MessageParts, SubscriptionId, Version, encode, encode_message,
};

use super::events::Events;
use super::laggards::{Laggards, Verdict};
use super::timer::Timer;
use super::{Hub, MessageBroker, joined, stomp_message};
use crate::clock;
use crate::endpoint::Session;
use crate::messaging::{LastForAll, Outbound, SessionEvent};
use crate::net::{COPIED_OCTETS_MAX, Link, PushError, SharedMessage, TurnGuard, slow_consumer};
use crate::server::event_stream::SharedEvent;
use crate::server::stomp::text_of;
use crate::store::{BatchNumber, Journal};

impl Hub {
    /// Lets `operation` ask something of the broker, and delivers what comes of it.
    pub(crate) fn deliver<T>(
        self: &Arc<Self>,
        operation: impl FnOnce(&dyn MessageBroker, &mut Deliveries<'_>) -> T,
    ) -> T {
        self.deliver_recorded(operation).0
    }

    /// As [`deliver`](Self::deliver). Also returns the batch that has to be stored before the
    /// operation outlives the process, if there is anything to store.
    pub(crate) fn deliver_recorded<T>(
        self: &Arc<Self>,
        operation: impl FnOnce(&dyn MessageBroker, &mut Deliveries<'_>) -> T,
    ) -> (T, Option<BatchNumber>) {
        self.operate(|sink| operation(self.message_broker(), sink))
    }

    /// The same, for what only the broker in this process can be asked.
    pub(crate) fn administer<T>(
        self: &Arc<Self>,
        operation: impl FnOnce(&Broker<Session>, &mut Deliveries<'_>) -> T,
    ) -> (T, Option<BatchNumber>) {
        self.operate(|sink| operation(&self.broker, sink))
    }

    fn operate<T>(
        self: &Arc<Self>,
        operation: impl FnOnce(&mut Deliveries<'_>) -> T,
    ) -> (T, Option<BatchNumber>) {
        let _turn = TurnGuard::enter();
        let mut deliveries = Deliveries {
            ticket: Ticket { journal: self.journal.as_deref(), batch: None },
            backlogged: Vec::new(),
            with_room: Vec::new(),
            policies: &self.broker.options().policies,
            laggards: &self.laggards,
            new_laggards: Vec::new(),
            timer: &self.timer,
            events: &self.events,
            outbound: self.outbound.as_ref(),
            cancelled: Vec::new(),
            last_for_all: LastForAll::default(),
            noted: Vec::new(),
        };
        let result = operation(&mut deliveries);
        let batch = deliveries.ticket.batch;
        drop(deliveries.ticket);
        for (subscription, error) in deliveries.cancelled {
            let version = subscription.class.version;
            let frame = cancellation_frame(&subscription.id, version, error, &self.errors);
            tell_cancelled(&subscription.subscriber, frame);
        }
        for queue in &deliveries.with_room {
            self.rooms.tell(queue);
        }
        for key in deliveries.noted {
            self.tell_aside(key);
        }
        for (key, session) in deliveries.new_laggards {
            if let Some(runtime) = self.runtime.get() {
                runtime.spawn(Arc::clone(&self.laggards).see_to(key, session));
            }
        }
        for (key, session) in deliveries.backlogged {
            self.resume_when_drained(key, session);
        }
        (result, batch)
    }

    /// The broker has paused this session's queues; they go on once the client has read enough.
    fn resume_when_drained(self: &Arc<Self>, key: SessionKey, session: Session) {
        let Some(runtime) = self.runtime.get() else { return };
        let hub = Arc::clone(self);
        runtime.spawn(async move {
            session.link().drained().await;
            if !session.is_open() {
                return;
            }
            hub.deliver(|broker, sink| broker.resume(clock::now(), key, sink));
        });
    }
}

/// An operation, as the journal knows it. It ends with this, also if it panics: nothing in its batch
/// would ever be stored otherwise.
struct Ticket<'a> {
    journal: Option<&'a Journal>,
    /// What has to be stored is in this batch.
    batch: Option<BatchNumber>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let (Some(journal), Some(batch)) = (self.journal, self.batch) {
            journal.finish(batch);
        }
    }
}

/// Hands what the broker delivers to the sessions, each message encoded once for all subscribers
/// whose frames have the same octets.
pub(crate) struct Deliveries<'a> {
    ticket: Ticket<'a>,
    backlogged: Vec<(SessionKey, Session)>,
    /// Queues that were full, and take messages again.
    with_room: Vec<Destination>,
    policies: &'a DestinationPolicies,
    laggards: &'a Laggards,
    /// Sessions for which messages wait since now.
    new_laggards: Vec<(SessionKey, Session)>,
    timer: &'a Timer,
    events: &'a Events,
    outbound: Option<&'a Outbound>,
    /// Subscriptions that the broker has ended, and what their clients are told when it is done: interceptors see
    /// that, who may ask the broker something.
    cancelled: Vec<(Arc<Subscription<Session>>, Error)>,
    last_for_all: LastForAll,
    /// Sessions to which something has happened that they did not do themselves.
    noted: Vec<SessionKey>,
}

impl Sink<Session> for Deliveries<'_> {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<Session>) {
        let Some(outbound) = self.outbound else { return self.hand_out(message, subscribers) };
        let Some(message) = outbound.for_more(message, &mut self.last_for_all) else { return };
        if outbound.is_for_each_session() {
            return self.hand_out_one_by_one(&message, subscribers, outbound);
        }
        self.hand_out(&message, subscribers);
    }

    fn deliver(&mut self, delivery: Delivery<'_, Session>) -> Delivered {
        let changed;
        let mut delivery = delivery;
        let subscription = delivery.subscription;
        if let Some(outbound) = self.outbound {
            let message = outbound.for_all(delivery.message);
            let own = message.and_then(|it| outbound.for_session(&it, &subscription.subscriber));
            // It has been delivered, as far as the queue is concerned.
            let Some(own) = own else { return Delivered::Ready };
            changed = own;
            delivery.message = &changed;
        }
        if subscription.class.format == Format::EventStream {
            let destination = subscription.destination_of(delivery.message);
            let event = SharedEvent::new(delivery.message, destination);
            let pushed = push_event(subscription, &event);
            return self.delivered(subscription, pushed);
        }
        let ack = delivery.ack.as_ref().map(|ack| ack.as_str());
        let redelivered = delivery.is_redelivered();
        let destination = subscription.destination_of(delivery.message);
        let common = parts(delivery.message, destination, &subscription.class, ack);
        let version = subscription.class.version;
        let parts = MessageParts { redelivered, ..common };
        let link = subscription.subscriber.link();
        let pushed = if push_alone(&subscription.subscriber, &parts, version) {
            Ok(())
        } else {
            link.push_shared(&shared_frame(&parts, version))
        };
        self.delivered(subscription, pushed)
    }

    /// It comes back, and is told what it has missed.
    fn overtaken(&mut self, subscription: &Arc<Subscription<Session>>) {
        let session = &subscription.subscriber;
        tracing::debug!(session = %session.log_id(), "slow consumer of a history closed");
        session.close(slow_consumer());
    }

    /// As ActiveMQ ends browsing: an empty message, `browser:end`.
    fn browsed(&mut self, subscription: &Arc<Subscription<Session>>) {
        let class = &subscription.class;
        let headers = Headers::from([("browser", "end")]);
        let parts = MessageParts {
            destination: subscription.destination.as_str(),
            message_id: "0",
            subscription: class.subscription.as_ref().map(|id| id.as_str()),
            ack: None,
            redelivered: false,
            headers: &headers,
            body: b"",
        };
        // A session that cannot take it is closed or closing, and told so.
        let _ = subscription.subscriber.send_shared(&shared_frame(&parts, class.version));
    }

    /// The session goes on.
    fn cancelled(&mut self, cancelled: Cancelled<'_, Session>) {
        let Cancelled { subscription, destinations, cause, .. } = cancelled;
        // Before the client can know of it, and use the id again.
        subscription.subscriber.note_cancelled(subscription.id.clone());
        self.note(subscription.session, || SessionEvent::Unsubscribed {
            session: subscription.subscriber.clone(),
            id: subscription.id.to_string(),
            destination: joined(&destinations),
        });
        let error = match cause {
            CancelCause::QueueDeleted => {
                cancellation("The queue was deleted. Subscribe again to have it created again.\n")
            }
            _ => revoked(),
        };
        self.cancelled.push((Arc::clone(subscription), error));
    }

    fn record(&mut self, change: Change) {
        if let Some(journal) = self.ticket.journal {
            journal.record(&mut self.ticket.batch, change);
        }
    }

    fn storage(&self) -> Storage {
        self.ticket.journal.map_or(Storage::Available, Journal::storage)
    }

    fn has_room(&mut self, queue: &Destination) {
        self.with_room.push(queue.clone());
    }

    fn wake_at(&mut self, _: Timestamp) {
        self.timer.set_forward();
    }

    fn dead_letter_waits(&mut self, letter: &DeadLetter) {
        let DeadLetter { queue, reason, target, .. } = letter;
        let target = target.as_ref().map_or("none", Destination::as_str);
        tracing::warn!(%queue, %reason, place = target, "dead letters wait: their place is full or cannot be made");
    }

    fn discard(&mut self, letter: &DeadLetter) {
        let DeadLetter { message, queue, reason, .. } = letter;
        tracing::warn!(%queue, %reason, message = %message.message_id, "message is lost: no place for dead letters");
    }
}

impl Deliveries<'_> {
    /// Encodes a message once for each class.
    fn hand_out(&mut self, message: &Arc<Message>, subscribers: &Subscribers<Session>) {
        let policy = self.policies.slow_consumers(&message.destination);
        for (class, subscriptions) in subscribers.groups() {
            if class.format == Format::EventStream {
                let event = SharedEvent::new(message, subscriptions.destination(message));
                for subscription in subscriptions {
                    if push_event(subscription, &event) == Err(PushError::Full) {
                        // It comes back, and recovers what is kept.
                        subscription.subscriber.close(slow_consumer());
                    }
                }
                continue;
            }
            let ack = subscriptions.ack(message);
            let destination = subscriptions.destination(message);
            let parts = parts(message, destination, class, ack);
            if policy == SlowConsumers::Close
                && let Some(only) = subscriptions.only()
                && push_alone(&only.subscriber, &parts, class.version)
            {
                continue;
            }
            let frame = Arc::new(shared_frame(&parts, class.version));
            for subscription in subscriptions {
                self.hand_over(subscription, message, &frame, policy);
            }
        }
    }

    /// Encodes a message for each session, which may get another one.
    fn hand_out_one_by_one(
        &mut self,
        message: &Arc<Message>,
        subscribers: &Subscribers<Session>,
        outbound: &Outbound,
    ) {
        let policy = self.policies.slow_consumers(&message.destination);
        for (class, subscriptions) in subscribers.groups() {
            let (destination, ack) =
                (subscriptions.destination(message), subscriptions.ack(message));
            for subscription in subscriptions {
                let own = outbound.for_session(message, &subscription.subscriber);
                let Some(own) = own else { continue };
                if class.format == Format::EventStream {
                    let event = SharedEvent::new(&own, destination);
                    if push_event(subscription, &event) == Err(PushError::Full) {
                        subscription.subscriber.close(slow_consumer());
                    }
                    continue;
                }
                let parts = parts(&own, destination, class, ack);
                let frame = Arc::new(shared_frame(&parts, class.version));
                self.hand_over(subscription, message, &frame, policy);
            }
        }
    }

    #[inline]
    fn hand_over(
        &mut self,
        subscription: &Arc<Subscription<Session>>,
        message: &Arc<Message>,
        frame: &Arc<SharedMessage>,
        policy: SlowConsumers,
    ) {
        if policy != SlowConsumers::Close {
            match self.laggards.offer(subscription, &message.destination, frame, policy) {
                Verdict::Send => {}
                Verdict::Waits => return,
                Verdict::IsFirst => return self.lags(subscription, message),
            }
        }
        // A session that cannot take it is closed or closing, and told so.
        let _ = subscription.subscriber.send_shared(frame);
    }

    /// Something has happened to a session that it did not do itself.
    fn note(&mut self, key: SessionKey, event: impl FnOnce() -> SessionEvent) {
        if self.events.note(key, event) {
            self.noted.push(key);
        }
    }

    /// From now on messages wait for a session, and some of them may be given up.
    fn lags(&mut self, subscription: &Subscription<Session>, message: &Message) {
        let (key, session) = (subscription.session, subscription.subscriber.clone());
        let slow = || SessionEvent::SlowConsumer {
            session: session.clone(),
            destination: Some(subscription.destination_of(message).to_string()),
        };
        if self.events.note_slow(key, &session, slow) {
            self.noted.push(key);
        }
        self.new_laggards.push((key, session));
    }

    /// How a session is after a delivery.
    fn delivered(
        &mut self,
        subscription: &Subscription<Session>,
        pushed: Result<(), PushError>,
    ) -> Delivered {
        let delivered = match pushed {
            Ok(()) if subscription.subscriber.link().is_backlogged() => Delivered::ThenPause,
            Ok(()) => return Delivered::Ready,
            Err(PushError::Full) => Delivered::Refused,
            // Its end takes it out of the queue.
            Err(PushError::Closed(_) | PushError::NotText) => return Delivered::Refused,
        };
        self.backlogged.push((subscription.session, subscription.subscriber.clone()));
        delivered
    }
}

/// As RabbitMQ says it.
fn cancellation(advice: &'static str) -> Error {
    Error::new("Server cancelled subscription", advice)
}

/// What a client is told whose subscription the application has ended.
pub(crate) fn revoked() -> Error {
    cancellation("The server does not want you to have this subscription any more.\n")
}

/// The frame which tells a client that one of its subscriptions has ended, and why.
pub(super) fn cancellation_frame(
    id: &SubscriptionId,
    version: Version,
    mut error: Error,
    errors: &ErrorFrames,
) -> Bytes {
    error.headers.push("subscription", id.as_str());
    let mut frame = Vec::new();
    encode(&errors.frame(&error), version, &mut frame);
    frame.into()
}

/// Tells a client that one of its subscriptions has ended.
pub(super) fn tell_cancelled(session: &Session, frame: Bytes) {
    // A session that cannot take it is closed or closing, and told so.
    let _ = session.send_shared(&SharedMessage::new(stomp_message(frame)));
}

/// Queues a message for an event stream, whose subscriptions are numbered.
fn push_event(
    subscription: &Subscription<Session>,
    event: &SharedEvent<'_>,
) -> Result<(), PushError> {
    let Link::Events(stream) = subscription.subscriber.link() else { return Ok(()) };
    let destination = subscription.id.as_str().parse().unwrap_or(0);
    stream.push_event(destination, event)
}

fn shared_frame(parts: &MessageParts<'_>, version: Version) -> SharedMessage {
    let mut frame = Vec::new();
    encode_message(parts, version, &mut frame);
    SharedMessage::text_or_binary(frame.into()).told_as(|frame| Some(text_of(frame)))
}

/// Encodes a frame that nobody else gets where it waits to be written. Whether it did: only over TCP, and where
/// that is simple.
fn push_alone(subscriber: &Session, parts: &MessageParts<'_>, version: Version) -> bool {
    parts.body.len() < COPIED_OCTETS_MAX
        && subscriber.link().push_short_octets(|batch| encode_message(parts, version, batch))
}

/// What the frames of all subscriptions of a class have in common.
fn parts<'a>(
    message: &'a Message,
    destination: &'a Destination,
    class: &'a EncodingClass,
    ack: Option<&'a str>,
) -> MessageParts<'a> {
    MessageParts {
        destination: destination.as_str(),
        message_id: message.message_id.as_str(),
        subscription: class.subscription.as_ref().map(|id| id.as_str()),
        ack: ack.filter(|_| class.version >= Version::V1_2),
        redelivered: false,
        headers: &message.headers,
        body: &message.body,
    }
}
