use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::{Destination, SessionKey, SlowConsumers, Subscription};
use tidings_stomp::SubscriptionId;

use crate::endpoint::Session;
use crate::net::{PushError, SharedMessage, TurnGuard};

/// What waits for sessions that read too slowly, of topics that give up old messages.
///
/// It waits here and not in the outbox of the session, because what is there is on its way.
#[derive(Debug)]
pub(super) struct Laggards {
    sessions: Mutex<HashMap<SessionKey, Backlog<Arc<SharedMessage>>>>,
    /// How many those are, to be asked without a lock.
    len: AtomicUsize,
    octets_max: usize,
}

/// What is to be done with a message for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent as usual.
    Send,
    /// It waits, or has been given up.
    Waits,
    /// The same, and it is the first: somebody has to see to it that it is sent.
    IsFirst,
}

impl Laggards {
    pub(super) fn new(octets_max: usize) -> Self {
        Self { sessions: Mutex::default(), len: AtomicUsize::new(0), octets_max }
    }

    /// Says what to do with a message, and keeps it if it has to wait.
    pub(super) fn offer(
        &self,
        subscription: &Subscription<Session>,
        destination: &Destination,
        frame: &Arc<SharedMessage>,
        policy: SlowConsumers,
    ) -> Verdict {
        let link = subscription.subscriber.link();
        if self.len.load(Ordering::Acquire) == 0 && !link.is_backlogged() {
            return Verdict::Send;
        }
        let mut sessions = self.lock();
        let first = !sessions.contains_key(&subscription.session);
        if first {
            if !link.is_backlogged() {
                return Verdict::Send;
            }
            // Perhaps only because nobody has offered the peer what there is.
            link.flush();
            if !link.is_backlogged() {
                return Verdict::Send;
            }
        }
        let backlog = sessions.entry(subscription.session).or_default();
        let stream = Stream { id: subscription.id.clone(), destination: destination.clone() };
        backlog.push(stream, Arc::clone(frame), frame.len(), policy);
        backlog.shrink_to(self.octets_max);
        self.len.store(sessions.len(), Ordering::Release);
        if first { Verdict::IsFirst } else { Verdict::Waits }
    }

    /// Sends what waits for a session whenever it has read enough, until nothing waits any more.
    pub(super) async fn see_to(self: Arc<Self>, key: SessionKey, session: Session) {
        loop {
            session.link().drained().await;
            if !session.is_open() {
                return self.remove(key);
            }
            let _turn = TurnGuard::enter();
            let mut sessions = self.lock();
            let Some(backlog) = sessions.get_mut(&key) else { return };
            while !session.link().is_backlogged()
                && let Some(frame) = backlog.first()
                && session.link().push_shared(frame) != Err(PushError::Full)
            {
                backlog.pop();
            }
            if backlog.first().is_none() {
                sessions.remove(&key);
                return self.len.store(sessions.len(), Ordering::Release);
            }
        }
    }

    /// A subscription has ended: nothing of it is sent any more.
    pub(super) fn forget(&self, key: SessionKey, id: &str) {
        if self.len.load(Ordering::Acquire) > 0
            && let Some(backlog) = self.lock().get_mut(&key)
        {
            backlog.forget(id);
        }
    }

    /// A session has ended.
    pub(super) fn remove(&self, key: SessionKey) {
        if self.len.load(Ordering::Acquire) > 0 {
            let mut sessions = self.lock();
            sessions.remove(&key);
            self.len.store(sessions.len(), Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Backlog<Arc<SharedMessage>>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages of one destination for one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stream {
    id: SubscriptionId,
    destination: Destination,
}

/// What waits for one session, in order.
#[derive(Debug)]
struct Backlog<F> {
    waiting: BTreeMap<u64, Waiting<F>>,
    /// Where the message is of those streams of which only the latest is kept.
    latest: HashMap<Stream, u64>,
    next: u64,
    octets: usize,
}

#[derive(Debug)]
struct Waiting<F> {
    stream: Stream,
    frame: F,
    octets: usize,
}

impl<F> Backlog<F> {
    fn push(&mut self, stream: Stream, frame: F, octets: usize, policy: SlowConsumers) {
        self.octets += octets;
        if policy == SlowConsumers::KeepLatest {
            // In its place, or one that changes often would never come to the front.
            if let Some(waiting) =
                self.latest.get(&stream).and_then(|place| self.waiting.get_mut(place))
            {
                self.octets -= waiting.octets;
                (waiting.frame, waiting.octets) = (frame, octets);
                return;
            }
            self.latest.insert(stream.clone(), self.next);
        }
        let place = self.next;
        self.next += 1;
        self.waiting.insert(place, Waiting { stream, frame, octets });
    }

    /// Gives up the oldest messages until what waits fits, though never the last one.
    fn shrink_to(&mut self, octets_max: usize) {
        while self.octets > octets_max && self.waiting.len() > 1 {
            self.pop();
        }
    }

    fn first(&self) -> Option<&F> {
        self.waiting.first_key_value().map(|(_, waiting)| &waiting.frame)
    }

    fn pop(&mut self) {
        let Some((place, waiting)) = self.waiting.pop_first() else { return };
        self.octets -= waiting.octets;
        if self.latest.get(&waiting.stream) == Some(&place) {
            self.latest.remove(&waiting.stream);
        }
    }

    fn forget(&mut self, id: &str) {
        let octets = &mut self.octets;
        self.latest.retain(|stream, _| stream.id.as_str() != id);
        self.waiting.retain(|_, waiting| {
            let stays = waiting.stream.id.as_str() != id;
            *octets -= if stays { 0 } else { waiting.octets };
            stays
        });
    }
}

impl<F> Default for Backlog<F> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), latest: HashMap::new(), next: 0, octets: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(id: &str, destination: &str) -> Stream {
        let destination = Destination::parse(destination).unwrap();
        Stream { id: SubscriptionId::from(id), destination }
    }

    /// Pushes messages of one octet each, of which so many may wait, and says which are left.
    fn left(octets_max: usize, messages: &[(&str, &str, u32, SlowConsumers)]) -> Vec<u32> {
        let mut backlog = Backlog::default();
        for (id, destination, number, policy) in messages {
            backlog.push(stream(id, destination), *number, 1, *policy);
            backlog.shrink_to(octets_max);
        }
        drain(&mut backlog)
    }

    fn drain(backlog: &mut Backlog<u32>) -> Vec<u32> {
        let mut left = Vec::new();
        while let Some(number) = backlog.first() {
            left.push(*number);
            backlog.pop();
        }
        assert_eq!((backlog.octets, backlog.latest.len()), (0, 0), "nothing is left behind");
        left
    }

    #[test]
    fn the_oldest_messages_are_given_up() {
        let message = |number| ("s", "/topic/a", number, SlowConsumers::DropOldest);
        assert_eq!(left(2, &[1, 2, 3, 4].map(message)), [3, 4]);
        assert_eq!(left(0, &[1, 2].map(message)), [2], "the last one stays");
    }

    #[test]
    fn of_each_destination_and_subscription_the_latest_is_kept() {
        use SlowConsumers::{DropOldest, KeepLatest};
        let messages = [
            ("s", "/topic/a", 1, KeepLatest),
            ("s", "/topic/b", 2, KeepLatest),
            ("t", "/topic/a", 3, KeepLatest),
            ("s", "/topic/a", 4, KeepLatest),
            ("s", "/topic/c", 5, DropOldest),
            ("s", "/topic/c", 6, DropOldest),
            ("s", "/topic/b", 7, KeepLatest),
        ];
        assert_eq!(left(100, &messages), [4, 7, 3, 5, 6]);
        assert_eq!(left(2, &messages), [6, 7], "the limit holds for all of them");
    }

    #[test]
    fn what_was_unsubscribed_from_is_not_sent() {
        let mut backlog = Backlog::default();
        for (id, number) in [("s", 1), ("t", 2), ("s", 3)] {
            backlog.push(stream(id, "/topic/a"), number, 1, SlowConsumers::KeepLatest);
        }
        backlog.forget("s");
        assert_eq!(drain(&mut backlog), [2]);
    }
}
