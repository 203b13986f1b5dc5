use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::RoutingType;
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::durable_name::DurableName;
use crate::history::Rewind;
use crate::message::Message;
use crate::presence::MemberInfo;
use crate::selector::Selector;
use crate::stomp::{AckMode, SubscriptionId, Version};

/// Names a session of the shell. No two sessions of one broker ever have the same key, not even
/// one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// What a frame's octets depend on besides the message: subscribers of the same class get the same
/// octets, so that a message is encoded once for all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncodingClass {
    /// The version of STOMP that the subscriber speaks.
    pub version: Version,
    /// The `subscription` header of its MESSAGE frames, unless they have none.
    pub subscription: Option<SubscriptionId>,
    /// What a message is written as.
    pub format: Format,
}

impl EncodingClass {
    /// That of a STOMP session.
    #[must_use]
    pub fn stomp(version: Version, subscription: Option<SubscriptionId>) -> Self {
        Self { version, subscription, format: Format::Stomp }
    }

    /// That of an event stream, which STOMP's headers mean nothing to.
    #[must_use]
    pub fn event_stream() -> Self {
        Self { version: Version::V1_2, subscription: None, format: Format::EventStream }
    }
}

/// What a message is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A MESSAGE frame.
    #[default]
    Stomp,
    /// An event of an event stream, as browsers' `EventSource` reads it.
    EventStream,
}

/// A request to subscribe, as in the SUBSCRIBE frame.
#[derive(Clone, Debug)]
pub struct Subscribe<'a, S> {
    /// Who subscribes.
    pub session: SessionKey,
    /// How the shell reaches that session.
    pub subscriber: S,
    /// The `id` header: no other subscription of the session has it.
    pub id: SubscriptionId,
    /// The `destination` header, which may be a pattern.
    pub destination: &'a str,
    /// The `ack` header.
    pub ack: AckMode,
    /// What the octets of its MESSAGE frames depend on.
    pub class: EncodingClass,
    /// What else it asks for.
    pub options: SubscribeOptions,
}

/// What a subscriber may ask for besides a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// How many messages of a queue it may have unsettled at a time. `None` is
    /// [`Limits::prefetch_default`](crate::Limits::prefetch_default), and 0 is any number, as for
    /// RabbitMQ. Without meaning for topics and for `ack:auto`.
    pub prefetch: Option<u32>,
    /// Octets of headers and bodies of the messages of a queue that it may have unsettled at a time, though
    /// always one message. `None` is any number.
    pub window_octets: Option<u64>,
    /// Which messages it wants; all without one.
    pub selector: Option<Selector>,
    /// Of the consumers of a queue that could take a message, those with the highest number get it.
    pub priority: i32,
    /// Whether others may consume from the queue.
    pub exclusivity: Exclusivity,
    /// What it does with the messages of a queue.
    pub access: Access,
    /// The name under which a topic keeps its messages while it is away.
    pub durable: Option<DurableName>,
    /// What it asks of the queue.
    pub arguments: QueueArguments,
    /// What if there is no such queue.
    pub missing: MissingQueue,
    /// With which message of a topic's history it begins.
    /// `None` is the next one that is sent.
    pub rewind: Option<Rewind>,
    /// Whether it wants the messages of its own session. Durable subscriptions get those in any case.
    pub own_messages: OwnMessages,
    /// What the destination is, where its name does not say that.
    pub routing_type: Option<RoutingType>,
    /// What others may know of the subscriber, where they are told who is subscribed.
    pub member: Option<MemberInfo>,
    /// Whose the destinations of users are to which it subscribes: the name of its user. It has
    /// none without one. What is sent to `/user/NAME/PATH` goes to all who have subscribed to
    /// `/user/PATH` under this name.
    pub user: Option<Arc<str>>,
}

impl SubscribeOptions {
    /// What is asked for by who asks for nothing.
    const NONE: Self = Self {
        prefetch: None,
        window_octets: None,
        selector: None,
        priority: 0,
        exclusivity: Exclusivity::Shared,
        access: Access::Consume,
        durable: None,
        arguments: QueueArguments::NONE,
        missing: MissingQueue::Create,
        rewind: None,
        own_messages: OwnMessages::Wanted,
        routing_type: None,
        member: None,
        user: None,
    };

    /// As they are kept with a subscription.
    pub(crate) fn boxed(&self) -> Option<Box<Self>> {
        // Who it is is kept elsewhere, and only where it is told.
        let kept = Self { member: None, user: None, ..self.clone() };
        (kept != Self::NONE).then(|| Box::new(kept))
    }
}

/// Whether a consumer shares its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exclusivity {
    /// With all others.
    #[default]
    Shared,
    /// It gets all messages as long as it lasts; others wait in line. Of several such consumers the
    /// one with the highest priority goes first, and among those the oldest.
    FirstInLine,
    /// With nobody: others are refused, and it is if there are any.
    Alone,
}

/// What a subscriber does with the messages of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It takes them.
    #[default]
    Consume,
    /// It looks at those that wait, and takes none.
    Browse,
}

/// Whether a subscriber wants the messages that its own session sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnMessages {
    /// As any others.
    #[default]
    Wanted,
    /// It does not: `noLocal` of JMS.
    Unwanted,
}

/// What happens where a queue does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingQueue {
    /// It is created.
    #[default]
    Create,
    /// The request is refused.
    Refuse,
}

/// A subscription, as long as it lasts.
#[non_exhaustive]
pub struct Subscription<S> {
    /// Whose it is.
    pub session: SessionKey,
    /// How the shell reaches that session.
    pub subscriber: S,
    /// Its id within the session.
    pub id: SubscriptionId,
    /// The destination, or the pattern, that it has subscribed to, as it was written.
    pub destination: Destination,
    pub(crate) ownership: Ownership,
    /// Which messages an ACK of it covers, if any.
    pub ack: AckMode,
    /// What the octets of its MESSAGE frames depend on.
    pub class: EncodingClass,
    /// Counts up over all subscriptions of the broker.
    pub(crate) serial: u64,
    /// Counts up over the subscriptions of the session; the first half of an ack id.
    pub(crate) number: u64,
    /// What it asks for besides; few ask for anything.
    pub(crate) options: Option<Box<SubscribeOptions>>,
    pub(crate) flow: Arc<Flow>,
}

/// Whose a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Everybody,
    /// It is a temporary destination of the subscriber's session, or one of its user.
    Session,
}

impl<S> Subscription<S> {
    /// The destination that the `destination` header of a MESSAGE names: where the message was sent to
    /// but, for a temporary destination and one of a user, what the subscriber itself calls it.
    #[must_use]
    pub fn destination_of<'a>(&'a self, message: &'a Message) -> &'a Destination {
        match self.ownership {
            Ownership::Everybody => &message.destination,
            Ownership::Session => &self.destination,
        }
    }

    /// Whether a message is wanted.
    pub(crate) fn wants(&self, message: &Message) -> bool {
        let Some(options) = &self.options else { return true };
        let header = |name: &str| message.headers.get(name);
        let is_unwanted =
            options.own_messages == OwnMessages::Unwanted && message.sender == Some(self.session);
        let headers = message.headers.len();
        let selector = options.selector.as_ref();
        !is_unwanted && selector.is_none_or(|selector| selector.matches(headers, header))
    }

    /// Whether every message is wanted.
    pub(crate) fn wants_all(&self) -> bool {
        let options = self.options();
        options.selector.is_none() && options.own_messages == OwnMessages::Wanted
    }

    pub(crate) fn options(&self) -> &SubscribeOptions {
        static NONE: SubscribeOptions = SubscribeOptions::NONE;
        self.options.as_deref().unwrap_or(&NONE)
    }

    pub(crate) fn set_options(&mut self, options: SubscribeOptions) {
        self.options = options.boxed();
    }
}

impl<S> fmt::Debug for Subscription<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("session", &self.session)
            .field("id", &self.id)
            .field("ack", &self.ack)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// Whether a session takes messages from queues at the moment.
///
/// A queue reads it under its own lock, and takes paused consumers off its list. Whoever lifts the
/// pause therefore has to tell every queue of the session afterwards.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    paused: AtomicBool,
}

impl Flow {
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::Release);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }
}
