use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::Stream;
use tidings_stomp::{AckMode, Headers, SubscriptionId};

use super::client::StompClient;
use super::message::{Message, Origin};
use super::send::BoxFuture;
use super::subscriptions::{Arrived, Deliveries, Inbox, Record, SlowConsumer, Standing, Target};
use super::{DeliveryError, StompError};
use crate::messaging::FromPayload;

/// A subscription that is about to be made. Made by [`StompClient::subscribe`].
///
/// Awaited, it is done when the server has confirmed that the subscription is active.
///
/// # Errors
///
/// [`StompError::Refused`] with what the server said; others of [`StompError`] if it said nothing.
///
/// # Cancel safety
///
/// A dropped future leaves no subscription.
#[must_use = "nothing happens until it is awaited"]
pub struct SubscribeRequest<T> {
    client: StompClient,
    destination: String,
    id: Option<SubscriptionId>,
    ack: AckMode,
    headers: Headers,
    inbox_octets_max: usize,
    slow_consumer: SlowConsumer,
    payload: PhantomData<fn() -> T>,
}

impl<T: FromPayload> SubscribeRequest<T> {
    pub(super) fn new(client: StompClient, destination: String) -> Self {
        let bounds = &client.shared.bounds;
        Self {
            destination,
            id: None,
            ack: AckMode::Auto,
            headers: Headers::default(),
            inbox_octets_max: bounds.inbox_octets_max,
            slow_consumer: bounds.slow_consumer,
            payload: PhantomData,
            client,
        }
    }

    /// How messages are acknowledged. Default: [`AckMode::Auto`], not at all.
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.ack = mode;
        self
    }

    /// How many messages may come before they are acknowledged, in the words of RabbitMQ and of ActiveMQ:
    /// `prefetch-count` and `activemq.prefetchSize`. Default: the server decides.
    pub fn prefetch(self, messages: u32) -> Self {
        let messages = messages.to_string();
        self.header("prefetch-count", &messages).header("activemq.prefetchSize", &messages)
    }

    /// Has only messages delivered whose headers fit, in the grammar of JMS. RabbitMQ knows no selectors.
    pub fn selector(self, selector: &str) -> Self {
        self.header("selector", selector)
    }

    /// Adds a header to SUBSCRIBE. `id` is the [id](Self::id) of the subscription; the request's own others,
    /// `destination`, `ack` and `receipt`, are passed over.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "id" {
            return self.id(value);
        }
        self.headers.push(name, value);
        self
    }

    /// The id of the subscription. RabbitMQ derives from it which durable subscription it is. One that was used before
    /// is free again once the server has confirmed the end of its subscription, or has not done so within the
    /// [receipt timeout](super::StompClientBuilder::receipt_timeout), which is waited for. Default: one that no other
    /// subscription of the client has.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Octets of messages that may wait to be taken. Default: that of the
    /// [client](super::StompClientBuilder::inbox_octets_max).
    pub fn inbox_octets_max(mut self, octets: usize) -> Self {
        self.inbox_octets_max = octets;
        self
    }

    /// What happens when messages come faster than they are taken. Default: that of the
    /// [client](super::StompClientBuilder::slow_consumer).
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.slow_consumer = policy;
        self
    }

    async fn run(self) -> Result<Subscription<T>, StompError> {
        let Self { client, destination, id, ack, headers, .. } = self;
        let (deliveries, inbox) = Deliveries::new(self.inbox_octets_max, self.slow_consumer);
        let record = Record { ack, headers, ..Record::new(destination, Target::Inbox(deliveries)) };
        let standing = Arc::clone(&record.standing);
        let id = client.shared.subscribe(id, record).await?;
        Ok(Subscription { client, id, ack, inbox, standing, payload: PhantomData })
    }
}

impl<T: FromPayload + 'static> IntoFuture for SubscribeRequest<T> {
    type Output = Result<Subscription<T>, StompError>;
    type IntoFuture = BoxFuture<Subscription<T>>;

    fn into_future(self) -> BoxFuture<Subscription<T>> {
        Box::pin(self.run())
    }
}

impl<T> fmt::Debug for SubscribeRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeRequest")
            .field("destination", &self.destination)
            .field("ack", &self.ack)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// The messages of a destination, in order: a [`Stream`]. Made by [`StompClient::subscribe`].
///
/// It goes on over lost connections: each new connection subscribes again, before anything else is sent by it.
/// Messages of a topic may have been missed meanwhile; [`times_made`](Self::times_made) tells that it happened. Where
/// the topic has a history, it goes on behind the last message; [`recovered`](Self::recovered) tells whether it could.
/// Queues deliver again what was not acknowledged. Once it is dropped, it is ended at the server too; a durable one is
/// kept there.
///
/// Messages that are not taken wait here up to [a limit](SubscribeRequest::inbox_octets_max), and beyond that
/// [the policy](SlowConsumer) holds.
pub struct Subscription<T> {
    client: StompClient,
    id: SubscriptionId,
    ack: AckMode,
    inbox: Inbox,
    standing: Arc<Standing>,
    payload: PhantomData<fn() -> T>,
}

impl<T: FromPayload> Subscription<T> {
    /// The next message, or what keeps it from being delivered; `None` once the subscription has ended.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken no message.
    pub async fn next(&mut self) -> Option<Result<Message<T>, DeliveryError>> {
        let arrived = self.inbox.recv().await?;
        Some(self.decode(arrived))
    }

    fn decode(&self, arrived: Result<Arrived, DeliveryError>) -> Result<Message<T>, DeliveryError> {
        let Arrived { message, connection, .. } = arrived?;
        let (origin, body) = Origin::new(self.client.clone(), connection, message, self.ack);
        origin.decode(body)
    }
}

impl<T> Subscription<T> {
    /// The id of the subscription at the server.
    pub fn id(&self) -> &SubscriptionId {
        &self.id
    }

    /// How often the subscription has been made, once for each connection.
    pub fn times_made(&self) -> u64 {
        self.standing.made.load(Ordering::Relaxed)
    }

    /// Whether every message that the subscription asked for of its topic's history is there: what it has missed
    /// since the last connection, and for the first one what its headers ask for. `false`: something is missing, or
    /// may be. `None` if the server has not said: the topic has no history there.
    pub fn recovered(&self) -> Option<bool> {
        self.standing.recovered()
    }

    /// Ends the subscription, and waits until the server has. Messages that have come and were not taken are dropped.
    ///
    /// # Errors
    ///
    /// [`StompError`] if the server has not confirmed it. This end has done with it all the same.
    ///
    /// # Cancel safety
    ///
    /// The subscription ends, whether or not it is waited for.
    pub async fn unsubscribe(self) -> Result<(), StompError> {
        self.unsubscribe_with(Headers::default()).await
    }

    /// As [`unsubscribe`](Self::unsubscribe), with further headers, such as the `durable:true` that deletes a durable
    /// subscription of RabbitMQ.
    ///
    /// # Errors
    ///
    /// As [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Cancel safety
    ///
    /// The subscription ends, whether or not it is waited for.
    pub async fn unsubscribe_with(self, headers: impl Into<Headers>) -> Result<(), StompError> {
        self.client.shared.unsubscribe(&self.id, &self.standing, headers.into()).await
    }
}

impl<T: FromPayload> Stream for Subscription<T> {
    type Item = Result<Message<T>, DeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let arrived = self.inbox.poll_recv(cx);
        arrived.map(|arrived| arrived.map(|arrived| self.decode(arrived)))
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.client.shared.abandon(&self.id, &self.standing);
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
