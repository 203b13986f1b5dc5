//! The subscriptions that handlers answer with streams.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::SessionKey;
use tidings_stomp::{Error, SubscriptionId, Version};

use super::Hub;
use super::deliveries::{cancellation_frame, tell_cancelled};
use crate::endpoint::Session;
use crate::messaging::{LiveStream, SessionEvent};
use crate::net::TurnGuard;

/// The streams that sessions are subscribed to, and those of them that have ended by themselves. Items do not meet it.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<State>);

type State = BTreeMap<(SessionKey, SubscriptionId), OpenStream>;

/// A subscription to a stream.
#[derive(Debug)]
pub(crate) struct OpenStream {
    pub(crate) session: Session,
    pub(crate) version: Version,
    /// As the client wrote it.
    pub(crate) destination: String,
    /// No other stream of the session has this number, though one may have the same id later.
    pub(crate) number: u64,
    pub(crate) stream: LiveStream,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listeners are to be told in the order in which it has happened, so that events are noted under the lock.
impl Hub {
    /// A session has subscribed to a stream, whose items may go from now on.
    pub(crate) fn open_stream(&self, key: SessionKey, id: SubscriptionId, mut open: OpenStream) {
        let mut streams = self.streams.lock();
        self.note_event(key, || SessionEvent::Subscribed {
            session: open.session.clone(),
            id: id.to_string(),
            destination: open.destination.clone(),
        });
        open.stream.start();
        streams.insert((key, id), open);
    }

    /// The streams of a session, by the ids of their subscriptions, and what those are to.
    pub(crate) fn streams(&self, key: SessionKey) -> Vec<(SubscriptionId, String)> {
        let streams = self.streams.lock();
        let of_session = streams.range(first_of(key)..).take_while(|((of, _), _)| *of == key);
        of_session.map(|((_, id), open)| (id.clone(), open.destination.clone())).collect()
    }

    /// A session has unsubscribed from a stream, of which nothing is sent after this. Returns what it was subscribed
    /// to, if it was.
    pub(crate) fn close_stream(&self, key: SessionKey, id: &SubscriptionId) -> Option<String> {
        let closed = self.streams.lock().remove(&(key, id.clone()));
        closed.map(|open| open.destination)
    }

    /// A session has ended, and its streams with it.
    pub(crate) fn close_streams(&self, key: SessionKey) {
        let mut streams = self.streams.lock();
        let mut rest = streams.split_off(&first_of(key));
        let mut others = rest.split_off(&first_of(SessionKey(key.0 + 1)));
        streams.append(&mut others);
        drop(streams);
        // Not under the lock: streams are the application's.
        drop(rest);
    }

    /// Ends the subscription of a session to a stream, to the one with this `number` if one is given, and tells the
    /// client why. Returns whether there was one.
    pub(crate) fn cancel_stream(
        self: &Arc<Self>,
        key: SessionKey,
        id: &str,
        number: Option<u64>,
        error: Error,
    ) -> bool {
        let id = SubscriptionId::from(id);
        let mut streams = self.streams.lock();
        let place = (key, id.clone());
        let is_meant = |open: &OpenStream| number.is_none_or(|number| number == open.number);
        if !streams.get(&place).is_some_and(is_meant) {
            return false;
        }
        let Some(open) = streams.remove(&place) else { return false };
        let OpenStream { session, version, destination, stream, .. } = open;
        // Before the client can know of it, and use the id again.
        session.note_cancelled(id.clone());
        self.note_event(key, || SessionEvent::Unsubscribed {
            session: session.clone(),
            id: id.to_string(),
            destination,
        });
        drop(streams);
        // Nothing of it follows ERROR.
        drop(stream);
        let _turn = TurnGuard::enter();
        tell_cancelled(&session, cancellation_frame(&id, version, error, &self.errors));
        self.tell_aside(key);
        true
    }
}

/// What comes before all streams of a session.
fn first_of(key: SessionKey) -> (SessionKey, SubscriptionId) {
    (key, SubscriptionId::from(""))
}
