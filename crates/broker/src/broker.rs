use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::acknowledgement::{AckId, AckTarget, NackAction, Settlement};
use crate::destination::Destination;
use crate::error::{AckError, SendError, SubscribeError};
use crate::kind::{Answer, DeliveryName, Kind, Refusal, Settled};
use crate::limits::Limits;
use crate::message::{Message, MessageId, MessageIds};
use crate::options::BrokerOptions;
use crate::pattern::DestinationPattern;
use crate::routing::RoutingTable;
use crate::session::{Route, Routes, SessionTable};
use crate::sink::Sink;
use crate::stats::{BrokerStats, DestinationStats};
use crate::stomp::Headers;
use crate::subscription::{SessionKey, Subscribe, Subscription};
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// Takes messages, and says who gets them.
///
/// `S` is how the shell reaches a session; the broker only clones and keeps it. Whatever has to be
/// sent goes to a [`Sink`] while the operation runs.
///
/// Any number of threads may use one broker at the same time. What one thread sends to one
/// destination reaches every subscriber in that order. A queue's messages leave in the order of the
/// queue. Publishing to a topic takes no lock that other publishers would have to wait for, and
/// queues work independently of each other.
///
/// ```
/// use std::sync::Arc;
///
/// use bytes::Bytes;
/// use tidings_broker::{
///     Broker, BrokerOptions, Delivered, Delivery, Destination, EncodingClass, Message, SessionKey,
///     Sink, Subscribe, Subscribers, Timestamp,
/// };
/// use tidings_stomp::{AckMode, Headers, SubscriptionId, Version};
///
/// struct Print;
///
/// impl Sink<&'static str> for Print {
///     fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<&'static str>) {
///         for (class, group) in subscribers.groups() {
///             println!("{} once for all of {class:?}", message.message_id);
///             for subscription in group {
///                 println!("to {}", subscription.subscriber);
///             }
///         }
///     }
///
///     fn deliver(&mut self, delivery: Delivery<'_, &'static str>) -> Delivered {
///         println!("{} to {}", delivery.message.message_id, delivery.subscription.subscriber);
///         Delivered::Ready
///     }
/// }
///
/// # fn id(text: &str) -> SubscriptionId { SubscriptionId::from(text) }
/// let broker = Broker::new(BrokerOptions::default());
/// let now = Timestamp(0);
/// let ann = Subscribe {
///     session: SessionKey(1),
///     subscriber: "Ann",
///     id: id("sub-0"),
///     destination: "/topic/greetings",
///     ack: AckMode::Auto,
///     class: EncodingClass { version: Version::V1_2, subscription: Some(id("sub-0")) },
///     prefetch: None,
/// };
/// broker.subscribe(now, ann, || println!("the receipt"), &mut Print)?;
///
/// let greetings = Destination::parse("/topic/greetings")?;
/// let hello = Bytes::from_static(b"hello");
/// let sent = broker.send(now, greetings, Headers::default(), hello, &mut Print)?;
/// assert_eq!(sent.subscribers, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broker<S> {
    limits: Limits,
    message_ids: MessageIds,
    next_subscription: AtomicU64,
    routing: RoutingTable<S>,
    sessions: SessionTable<S>,
}

/// A message that the broker has taken responsibility for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The id that it got.
    pub message_id: MessageId,
    /// To how many subscriptions it was handed at once. For a queue that is one, or none if the
    /// message has to wait.
    pub subscribers: usize,
}

impl<S: Send + Sync + 'static> Broker<S> {
    /// A broker without subscriptions and messages.
    #[must_use]
    pub fn new(options: BrokerOptions) -> Self {
        Self {
            message_ids: MessageIds::new(&options.message_id_prefix),
            next_subscription: AtomicU64::new(1),
            routing: RoutingTable::new(&options),
            sessions: SessionTable::new(),
            limits: options.limits,
        }
    }

    /// Takes a message, as in SEND: to all subscribers of a topic, or into a queue, which need not
    /// exist. Wildcards in `destination` are taken literally.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the destination is of no kind that the broker knows, or is full.
    pub fn send(
        &self,
        now: Timestamp,
        destination: Destination,
        headers: Headers,
        body: Bytes,
        sink: &mut impl Sink<S>,
    ) -> Result<Sent, SendError> {
        let kind =
            self.routing.kind(destination.as_str()).map_err(SendError::UnknownDestination)?;
        let message_id = self.message_ids.next();
        let message = Arc::new(Message { destination, message_id, headers, body });
        let subscribers = match kind {
            Kind::Topic => self.send_to_topics(now, &message, sink),
            Kind::Queue => self.send_to_queue(now, &message, sink)?,
        };
        Ok(Sent { message_id: message.message_id.clone(), subscribers })
    }

    /// Adds a subscription, as in SUBSCRIBE.
    ///
    /// `on_active` is called once the subscription is certain, and before the first message for it
    /// goes to any sink: the place to send a RECEIPT from. Any message that is sent after
    /// `on_active` was called reaches the subscriber. Others who publish to this destination may
    /// have to wait for it, so it must be quick; like a sink, it must not call the broker.
    ///
    /// A queue then delivers to `sink` what it has.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; `on_active` is not called then, and nothing has changed.
    pub fn subscribe(
        &self,
        now: Timestamp,
        request: Subscribe<'_, S>,
        on_active: impl FnOnce(),
        sink: &mut impl Sink<S>,
    ) -> Result<(), SubscribeError> {
        let pattern = DestinationPattern::parse(request.destination)
            .map_err(SubscribeError::InvalidDestination)?;
        let kind =
            self.routing.kind(pattern.as_str()).map_err(SubscribeError::UnknownDestination)?;
        if kind != Kind::Topic && !pattern.is_exact() {
            return Err(SubscribeError::PatternOfQueues { pattern: pattern.as_str().into() });
        }
        let session = self.sessions.find_or_insert(request.session);
        let mut routes = lock(&session.routes);
        self.check_request(&request, &routes)?;
        let subscription = Arc::new(Subscription {
            session: request.session,
            subscriber: request.subscriber,
            id: request.id,
            ack: request.ack,
            class: request.class,
            serial: self.next_subscription.fetch_add(1, Ordering::Relaxed),
            number: routes.next_number(),
            prefetch: request.prefetch,
            flow: Arc::clone(&session.flow),
        });
        let mut on_active = Some(on_active);
        let mut on_active = || {
            if let Some(on_active) = on_active.take() {
                on_active();
            }
        };
        loop {
            let destination = self.routing.open(kind, &pattern)?;
            // On record first: whatever happens, a disconnect finds it.
            routes.insert(Route {
                pattern: pattern.clone(),
                destination: Arc::clone(&destination),
                subscription: Arc::clone(&subscription),
            });
            if destination.on_subscribe(now, &subscription, &mut on_active, sink).is_ok() {
                return Ok(());
            }
            routes.remove(subscription.id.as_str());
            self.routing.close(&pattern, &destination);
        }
    }

    /// Ends a subscription, as in UNSUBSCRIBE, if there is one with this id. Messages of a queue
    /// that it has not settled go back to their places, and to other consumers.
    ///
    /// A message that another thread is sending to a topic at this moment may still go out.
    pub fn unsubscribe(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut impl Sink<S>,
    ) {
        let Some(session) = self.sessions.find(session) else { return };
        let mut routes = lock(&session.routes);
        if let Some(route) = routes.remove(id) {
            self.detach(now, &[route], sink);
        }
    }

    /// Ends all subscriptions of a session, whose key must not be used again. What it has not
    /// settled goes back to the queues and to other sessions.
    pub fn disconnect(&self, now: Timestamp, session: SessionKey, sink: &mut impl Sink<S>) {
        let Some(session) = self.sessions.remove(session) else { return };
        let mut routes = lock(&session.routes);
        // What one of its subscriptions leaves behind must not go to another one.
        session.flow.pause();
        for routes in routes.disconnect().chunk_by(|one, next| one.place() == next.place()) {
            self.detach(now, routes, sink);
        }
    }

    /// Takes an ACK. In mode `client` it covers all earlier deliveries of the same subscription, in
    /// mode `client-individual` only the one. Where nothing is to be settled, with `ack:auto` and
    /// for topics, it changes nothing; neither does one that crosses the end of its subscription.
    ///
    /// # Errors
    ///
    /// [`AckError::UnknownDelivery`] for a delivery that was never made or is settled already.
    pub fn ack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        sink: &mut impl Sink<S>,
    ) -> Result<(), AckError> {
        self.settle(now, session, target, Settlement::Consume, sink)
    }

    /// Takes a NACK, which covers as many deliveries as an ACK would.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack).
    pub fn nack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        action: NackAction,
        sink: &mut impl Sink<S>,
    ) -> Result<(), AckError> {
        self.settle(now, session, target, action.into(), sink)
    }

    /// No queue delivers to this session any more, until it resumes: its outbox is full. Others
    /// get the messages in the meantime. Topics go on. A session without subscriptions has nothing
    /// to pause.
    pub fn pause(&self, session: SessionKey) {
        if let Some(session) = self.sessions.find(session) {
            session.flow.pause();
        }
    }

    /// Queues deliver to this session again.
    pub fn resume(&self, now: Timestamp, session: SessionKey, sink: &mut impl Sink<S>) {
        let Some(session) = self.sessions.find(session) else { return };
        let routes = lock(&session.routes);
        if routes.is_disconnected() {
            return;
        }
        session.flow.resume();
        for route in routes.iter() {
            route.destination.on_resume(now, &route.subscription, sink);
        }
    }

    /// What the broker holds, in numbers.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        let (sessions, subscriptions) = self.sessions.count();
        BrokerStats { destinations: self.routing.len(), sessions, subscriptions }
    }

    /// What one destination holds: a topic, a queue or a pattern that is in use.
    #[must_use]
    pub fn destination(&self, name: &DestinationPattern) -> Option<DestinationStats> {
        self.routing.find(name).map(|destination| destination.stats())
    }

    /// What every destination holds, in no particular order.
    #[must_use]
    pub fn destinations(&self) -> Vec<DestinationStats> {
        self.routing.all().iter().map(|destination| destination.stats()).collect()
    }

    fn send_to_topics(
        &self,
        now: Timestamp,
        message: &Arc<Message>,
        sink: &mut impl Sink<S>,
    ) -> usize {
        let topics = self.routing.listening_to(&message.destination);
        let handed = topics.map(|topic| topic.on_send(now, message, sink));
        handed.filter_map(Result::ok).sum()
    }

    fn send_to_queue(
        &self,
        now: Timestamp,
        message: &Arc<Message>,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SendError> {
        let destination = &message.destination;
        let wildcard = || SendError::WildcardInQueueName { destination: destination.clone() };
        let name = DestinationPattern::of(destination.clone()).map_err(|_| wildcard())?;
        if !name.is_exact() {
            return Err(wildcard());
        }
        loop {
            let queue = self.routing.open(Kind::Queue, &name)?;
            match queue.on_send(now, message, sink) {
                Ok(subscribers) => return Ok(subscribers),
                Err(Refusal::Retired) => self.routing.close(&name, &queue),
                Err(Refusal::Full(limit)) => {
                    self.routing.close_if_vacant(&name, &queue);
                    return Err(SendError::QueueFull { destination: destination.clone(), limit });
                }
            }
        }
    }

    fn check_request(
        &self,
        request: &Subscribe<'_, S>,
        routes: &Routes<S>,
    ) -> Result<(), SubscribeError> {
        let session_subscriptions_max = self.limits.session_subscriptions_max;
        if routes.is_disconnected() {
            Err(SubscribeError::Disconnected)
        } else if routes.by_id(request.id.as_str()).is_some() {
            Err(SubscribeError::DuplicateId { id: request.id.clone() })
        } else if routes.len() >= session_subscriptions_max {
            Err(SubscribeError::TooManySubscriptions { session_subscriptions_max })
        } else {
            Ok(())
        }
    }

    /// Detaches subscriptions of one destination.
    fn detach(&self, now: Timestamp, routes: &[Route<S>], sink: &mut impl Sink<S>) {
        let Some(Route { pattern, destination, .. }) = routes.first() else { return };
        let subscriptions: Vec<&Subscription<S>> =
            routes.iter().map(|route| &*route.subscription).collect();
        destination.on_unsubscribe(now, &subscriptions, sink);
        self.routing.close_if_vacant(pattern, destination);
    }

    fn settle(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        settlement: Settlement,
        sink: &mut impl Sink<S>,
    ) -> Result<(), AckError> {
        let (AckTarget::Ack(id) | AckTarget::Message { message_id: id, .. }) = target;
        let unknown = || AckError::UnknownDelivery { id: id.into() };
        let session = self.sessions.find(session).ok_or_else(unknown)?;
        let routes = lock(&session.routes);
        let mut settle = |route: &Route<S>, delivery| {
            let settled = Settled { delivery, settlement };
            route.destination.on_settle(now, &route.subscription, settled, sink)
        };
        let answer = match target {
            AckTarget::Ack(id) if let Some((number, tag)) = AckId::parse(id) => {
                match routes.by_number(number) {
                    Some(route) => settle(route, DeliveryName::Tag(tag)),
                    None if routes.has_given(number) => Answer::NothingToSettle,
                    None => Answer::Unknown,
                }
            }
            AckTarget::Ack(_) | AckTarget::Message { subscription: None, .. } => {
                let serial = self.message_ids.parse(id).ok_or_else(unknown)?;
                let answers =
                    routes.iter().map(|route| settle(route, DeliveryName::Message(serial)));
                first_settled(answers)
            }
            AckTarget::Message { subscription: Some(subscription), .. } => {
                let serial = self.message_ids.parse(id).ok_or_else(unknown)?;
                routes.by_id(subscription).map_or(Answer::NothingToSettle, |route| {
                    settle(route, DeliveryName::Message(serial))
                })
            }
        };
        match answer {
            Answer::Settled | Answer::NothingToSettle => Ok(()),
            Answer::Unknown => Err(unknown()),
        }
    }
}

impl<S> fmt::Debug for Broker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The answer of a session whose subscriptions are asked one by one until one settles.
fn first_settled(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut answer = Answer::Unknown;
    for next in answers {
        match next {
            Answer::Settled => return Answer::Settled,
            Answer::NothingToSettle => answer = Answer::NothingToSettle,
            Answer::Unknown => {}
        }
    }
    answer
}

#[cfg(test)]
mod tests;
