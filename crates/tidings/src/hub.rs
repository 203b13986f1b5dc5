//! The broker with the sessions it delivers to: where every door meets.

mod deliveries;
mod events;
mod laggards;
mod message_broker;
mod online;
mod publishing;
mod rooms;
mod streams;
mod timer;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tidings_broker::{
    Broker, BrokerOptions, Destination, Kind, Members, SendError, SessionKey, SubscribeError,
    TokenSource, Unprepared,
};
use tidings_stomp::{ErrorFrames, Severity};
use tidings_websocket::Message as WebSocketMessage;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::deliveries::revoked;
use self::events::Events;
use self::laggards::Laggards;
use self::message_broker::MessageBroker;
pub(crate) use self::online::{Connected, Online};
pub(crate) use self::publishing::{Published, parse_destination};
use self::rooms::Rooms;
pub(crate) use self::streams::OpenStream;
use self::streams::Streams;
use self::timer::Timer;
use crate::build_error::Mistake;
use crate::clock;
use crate::endpoint::Session;
use crate::messaging::{AnySessionListener, Outbound};
use crate::store::{Journal, Store};

/// The names of temporary destinations, from the operating system.
const TOKENS: TokenSource = TokenSource(|| {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).expect("the operating system provides randomness");
    u128::from_ne_bytes(octets)
});

/// The broker of one application, with what it takes to deliver to sessions.
pub(crate) struct Hub {
    /// In this process. Sessions reach it as their [`MessageBroker`].
    broker: Broker<Session>,
    /// Where what must outlive the process is stored, if anywhere.
    journal: Option<Arc<Journal>>,
    next_session: AtomicU64,
    /// That of the sessions: publishers may be outside of any.
    runtime: OnceLock<Handle>,
    timer: Timer,
    rooms: Rooms,
    /// Nobody is to wait for room any more.
    ending: CancellationToken,
    laggards: Arc<Laggards>,
    online: Online,
    streams: Streams,
    events: Events,
    /// Who sees what goes to clients; nobody, most often.
    outbound: Option<Outbound>,
    /// Who has the last word on ERROR.
    errors: ErrorFrames,
    /// How long a sender waits for room in a queue.
    publish_wait_max: Duration,
}

/// How a [`Hub`] is set up.
#[derive(Default)]
pub(crate) struct HubOptions {
    pub(crate) broker: BrokerOptions,
    /// How long a sender waits for room in a queue.
    pub(crate) publish_wait_max: Duration,
    pub(crate) listeners: Box<[Arc<dyn AnySessionListener>]>,
    /// Who sees what goes to clients.
    pub(crate) outbound: Option<Outbound>,
    /// Who has the last word on what clients are told by ERROR.
    pub(crate) errors: ErrorFrames,
}

impl Hub {
    /// A hub whose durable queues are in a store, if there is one.
    pub(crate) fn open(
        options: HubOptions,
        store: Option<Box<dyn Store>>,
    ) -> Result<(Arc<Self>, Recovery), Mistake> {
        match store {
            Some(store) => Self::with_store(options, store),
            None => Ok((Self::new(options), Recovery::default())),
        }
    }

    /// A hub whose queues are in memory only.
    pub(crate) fn new(options: HubOptions) -> Arc<Self> {
        let broker = BrokerOptions {
            message_id_prefix: random_text(),
            history_epoch: random_text(),
            tokens: TOKENS,
            ..options.broker
        };
        Self::with_broker(HubOptions { broker, ..options }, None)
    }

    /// A hub whose durable queues are in a store, with what is there, and how much that is.
    pub(crate) fn with_store(
        options: HubOptions,
        mut store: Box<dyn Store>,
    ) -> Result<(Arc<Self>, Recovery), Mistake> {
        let recovered = store.recover().map_err(Mistake::Store)?;
        let recovery = Recovery { queues: recovered.queues.len(), messages: recovered.messages() };
        let broker = BrokerOptions {
            message_serial_first: recovered.message_serial_first(),
            message_id_prefix: recovered.message_id_prefix,
            unprepared: Unprepared::Refuse,
            // Histories are in memory only.
            history_epoch: random_text(),
            tokens: TOKENS,
            ..options.broker
        };
        let journal = Some(Journal::start(store));
        let hub = Self::with_broker(HubOptions { broker, ..options }, journal);
        let (recover, _) =
            hub.administer(|broker, sink| broker.recover(clock::now(), recovered.queues, sink));
        recover.map_err(Mistake::Recovery)?;
        hub.tell_time();
        Ok((hub, recovery))
    }

    fn with_broker(options: HubOptions, journal: Option<Arc<Journal>>) -> Arc<Self> {
        let HubOptions { broker, publish_wait_max, listeners, outbound, errors } = options;
        let broker = Broker::new(broker);
        let octets_max = broker.options().limits.slow_consumer_octets_max;
        let laggards = Arc::new(Laggards::new(octets_max));
        Arc::new(Self {
            broker,
            laggards,
            online: Online::default(),
            streams: Streams::default(),
            events: Events::new(listeners),
            outbound,
            errors,
            journal,
            next_session: AtomicU64::new(1),
            runtime: OnceLock::new(),
            timer: Timer::default(),
            rooms: Rooms::default(),
            ending: CancellationToken::new(),
            publish_wait_max,
        })
    }

    /// The broker in this process, to look at.
    pub(crate) fn broker(&self) -> &Broker<Session> {
        &self.broker
    }

    /// What does the work for sessions: another engine would be put in here.
    fn message_broker(&self) -> &dyn MessageBroker {
        &self.broker
    }

    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    /// Stores what is left to store. Blocks until that is done; nothing is stored afterwards.
    pub(crate) fn end(&self) {
        if let Some(journal) = &self.journal {
            journal.end();
        }
    }

    /// Has the broker told the time from now on, if that is not done yet, on the runtime of the caller. To be called
    /// by whatever comes from outside of any session.
    pub(crate) fn tell_time(self: &Arc<Self>) {
        self.timer.start(self);
    }

    /// The same on the runtime of the caller in any case, which is one that is driven.
    pub(crate) fn tell_time_here(self: &Arc<Self>) {
        self.timer.take_over(self);
    }

    /// A key that no other session of this hub has. Called on the runtime of the session.
    pub(crate) fn session_key(self: &Arc<Self>) -> SessionKey {
        self.runtime.get_or_init(Handle::current);
        self.tell_time();
        SessionKey(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// Who is subscribed to a topic.
    pub(crate) fn presence(&self, destination: &str) -> Option<Members> {
        self.broker.presence(&Destination::parse(destination).ok()?)
    }

    /// Who sees what goes to clients.
    pub(crate) fn outbound(&self) -> Option<&Outbound> {
        self.outbound.as_ref()
    }

    /// Who has the last word on ERROR.
    pub(crate) fn errors(&self) -> &ErrorFrames {
        &self.errors
    }

    /// Which sessions are connected.
    pub(crate) fn online(&self) -> &Online {
        &self.online
    }

    /// Whether a subscription may be to a destination of a user.
    pub(crate) fn may_be_of_user(&self, destination: &str) -> bool {
        let prefix = self.user_prefix();
        !prefix.is_empty() && destination.contains(prefix)
    }

    /// What the destinations of users start with.
    pub(crate) fn user_prefix(&self) -> &str {
        &self.broker.options().user_prefix
    }

    /// What kind of destination a name is for.
    pub(crate) fn kind(&self, destination: &str) -> Result<Kind, SubscribeError> {
        self.broker.kind(destination)
    }

    /// A subscription to topics has ended: what still waits for it is not sent.
    pub(crate) fn forget(&self, key: SessionKey, id: &str) {
        self.laggards.forget(key, id);
    }

    /// Ends all that a session has.
    pub(crate) fn disconnect(self: &Arc<Self>, key: SessionKey) {
        self.deliver(|broker, sink| broker.disconnect(clock::now(), key, sink));
        self.laggards.remove(key);
    }
}

fn random_text() -> String {
    let mut octets = [0; 4];
    getrandom::fill(&mut octets).expect("the operating system provides randomness");
    format!("{:08x}", u32::from_ne_bytes(octets))
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(journal) = &self.journal {
            journal.begin_to_end();
        }
    }
}

/// What was found in a store at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Durable queues and subscriptions.
    pub queues: usize,
    /// Their messages.
    pub messages: usize,
}

/// What a subscription was to, as in SUBSCRIBE.
pub(crate) fn joined(destinations: &[Destination]) -> String {
    destinations.iter().map(Destination::as_str).collect::<Vec<_>>().join(",")
}

/// A STOMP frame as a WebSocket message: text, unless its body is not UTF-8.
pub(crate) fn stomp_message(frame: Bytes) -> WebSocketMessage {
    match String::from_utf8(frame.into()) {
        Ok(text) => WebSocketMessage::Text(text),
        Err(error) => WebSocketMessage::Binary(error.into_bytes().into()),
    }
}

/// Why a message was not published.
#[derive(Debug)]
pub struct PublishError(SendError);

impl PublishError {
    /// The queue that is full, if that is why.
    pub(crate) fn full_queue(&self) -> Option<&Destination> {
        self.0.full_queue()
    }

    /// What a client is told whose message it was.
    pub(crate) fn to_stomp(&self) -> tidings_stomp::Error {
        (&self.0).into()
    }

    /// What is over with it.
    pub(crate) fn severity(&self) -> Severity {
        if self.0.is_receivers_fault() { Severity::Notice } else { Severity::Frame }
    }
}

impl From<SendError> for PublishError {
    fn from(error: SendError) -> Self {
        Self(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PublishError {}

#[cfg(test)]
mod tests;
