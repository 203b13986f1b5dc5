mod administration;
mod attendance;
mod claims;
mod dead_letters;
#[cfg(test)]
mod destinations;
mod durable;
#[cfg(test)]
mod features;
mod keeping;
#[cfg(test)]
mod past;
mod recovering;
mod sending;
mod settling;
mod several;
mod subscribing;
mod temporary;
#[cfg(test)]
mod tests;
mod together;
mod unsubscribing;
mod users;
#[cfg(test)]
mod who;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use self::administration::{Consumers, Selection};
pub use self::claims::{Claim, Extent, Intent};
pub use self::recovering::RecoverError;
pub use self::sending::Sender;
pub use self::settling::{Action, CommitError, CommitFailure};
use crate::bindings::Bindings;
use crate::destination::Destination;
use crate::error::SubscribeError;
use crate::kind::Kind;
use crate::limits::Limits;
use crate::message::{MessageId, MessageIds};
use crate::operation::{Aftermath, Operation};
use crate::options::BrokerOptions;
use crate::pattern::DestinationPattern;
use crate::routing::RoutingTable;
use crate::session::SessionTable;
use crate::sink::Sink;
use crate::stats::{BrokerStats, DestinationStats};
use crate::subscription::SessionKey;
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
///     class: EncodingClass::stomp(Version::V1_2, Some(id("sub-0"))),
///     options: Default::default(),
/// };
/// broker.subscribe(now, ann, |_| println!("the receipt"), &mut Print)?;
///
/// let greetings = Destination::parse("/topic/greetings")?;
/// let hello = Bytes::from_static(b"hello");
/// let sent = broker.send(now, greetings, Headers::default(), hello, &mut Print)?;
/// assert_eq!(sent.subscribers, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broker<S> {
    options: Arc<BrokerOptions>,
    message_ids: Arc<MessageIds>,
    next_subscription: AtomicU64,
    routing: RoutingTable<S>,
    bindings: Bindings<S>,
    /// Held by whoever makes or ends a durable subscription.
    durable: Mutex<()>,
    sessions: SessionTable<S>,
}

/// A message that the broker has taken responsibility for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The id that it got; of a message to several destinations, the last one.
    pub message_id: MessageId,
    /// To how many subscriptions it was handed at once. For a queue that is one, or none if the
    /// message has to wait.
    pub subscribers: usize,
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// A broker without subscriptions and messages.
    #[must_use]
    pub fn new(mut options: BrokerOptions) -> Self {
        options.resolve_policies();
        let options = Arc::new(options);
        let (prefix, first) = (&options.message_id_prefix, options.message_serial_first);
        Self {
            message_ids: Arc::new(MessageIds::new(prefix, first)),
            next_subscription: AtomicU64::new(1),
            routing: RoutingTable::new(&options),
            bindings: Bindings::new(),
            durable: Mutex::default(),
            sessions: SessionTable::new(),
            options,
        }
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
    pub fn resume(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<S>) {
        let Some(session) = self.sessions.find(session) else { return };
        let routes = lock(&session.routes);
        if routes.is_disconnected() {
            return;
        }
        session.flow.resume();
        self.operate(now, sink, |operation| {
            for route in routes.iter() {
                route.destination.on_resume(&route.subscription, operation);
            }
        });
    }

    /// Does what is due at one destination, the first one: messages expire, or are delivered again. Call it
    /// no later than a sink was asked to [be woken](Sink::wake_at), and again until the
    /// [next deadline](Self::next_deadline) has not come. Between the calls others have their turn.
    pub fn handle_timeout(&self, now: Timestamp, sink: &mut dyn Sink<S>) {
        let Some(name) = self.routing.alarms().take_due(now) else { return };
        self.operate(now, sink, |operation| self.tell_time(name, operation));
    }

    fn tell_time(&self, name: Destination, operation: &mut Operation<'_, S>) {
        if let Some(queue) = self.routing.queue(&name) {
            return self.tell_queue_time(&queue, operation);
        }
        // Patterns want to be told nothing, though a name may look like one.
        let pattern = DestinationPattern::exact(name);
        let Some(destination) = self.routing.find(&pattern) else { return };
        destination.on_timeout(operation);
        self.routing.close_if_vacant(&pattern, &destination, operation);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.routing.alarms().next()
    }

    /// What the broker holds, in numbers.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        let (sessions, subscriptions) = self.sessions.count();
        let (destinations, kept_octets) = (self.routing.len(), self.routing.kept_octets());
        BrokerStats { destinations, sessions, subscriptions, kept_octets }
    }

    /// What kind of destination a name or a pattern is for.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if it is none.
    pub fn kind(&self, destination: &str) -> Result<Kind, SubscribeError> {
        let name = Destination::parse(destination).map_err(SubscribeError::InvalidDestination)?;
        let address = self.routing.addresses().resolve(&name, || None)?;
        Ok(address.kind())
    }

    /// How the broker is set up.
    #[must_use]
    pub fn options(&self) -> &BrokerOptions {
        &self.options
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

    /// Runs one operation, and what it leaves to do.
    fn operate<T>(
        &self,
        now: Timestamp,
        sink: &mut dyn Sink<S>,
        act: impl FnOnce(&mut Operation<'_, S>) -> T,
    ) -> T {
        let mut operation = Operation::new(now, sink);
        let result = act(&mut operation);
        let mut rounds = 0;
        while !operation.aftermath.is_empty() {
            let Aftermath { given_up, presence, alarms } = std::mem::take(&mut operation.aftermath);
            for letters in given_up {
                self.send_dead_letters(&letters, rounds, &mut operation);
            }
            rounds += 1;
            for change in presence {
                self.tell_presence(&change, &mut operation);
            }
            for (at, destination) in alarms {
                if self.routing.set_alarm(at, &destination) {
                    operation.sink.wake_at(at);
                }
            }
        }
        result
    }

    fn limits(&self) -> &Limits {
        &self.options.limits
    }

    fn next_serial(&self) -> u64 {
        self.next_subscription.fetch_add(1, Ordering::Relaxed)
    }
}

impl<S> fmt::Debug for Broker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("options", &self.options).finish_non_exhaustive()
    }
}
