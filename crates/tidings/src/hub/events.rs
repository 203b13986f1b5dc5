//! Telling listeners what happens to sessions.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tidings_broker::SessionKey;
use tokio::sync::oneshot;

use super::Hub;
use crate::endpoint::{Session, panic_message};
use crate::messaging::{AnySessionListener, Messenger, SessionEvent};

/// What listeners have still to be told, and the listeners.
///
/// Most of it happens in the task of the session, which waits until they are told. What others do to the session is
/// told in between, in the order in which it has happened, so nobody tells an event without looking here for others.
pub(super) struct Events {
    listeners: Box<[Arc<dyn AnySessionListener>]>,
    /// Of the sessions of which there is something to tell.
    untold: Mutex<HashMap<SessionKey, Untold>>,
}

/// What listeners have still to be told of one session.
#[derive(Default)]
struct Untold {
    events: VecDeque<SessionEvent>,
    /// Whether somebody is telling them, one after the other.
    is_being_told: bool,
    /// Those who wait until all is told.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Who tells.
enum Turn {
    /// There is nothing to tell.
    Nobody,
    /// Whoever has asked.
    Own,
    /// Somebody else, who is at it; this says when it is done.
    Other(oneshot::Receiver<()>),
}

impl Events {
    pub(super) fn new(listeners: Box<[Arc<dyn AnySessionListener>]>) -> Self {
        Self { listeners, untold: Mutex::default() }
    }

    /// Notes that something has happened to a session, if anybody wants to know. It has to be told by somebody.
    /// Returns whether it was noted.
    pub(super) fn note(&self, key: SessionKey, event: impl FnOnce() -> SessionEvent) -> bool {
        let is_wanted = !self.listeners.is_empty();
        if is_wanted {
            self.lock().entry(key).or_default().events.push_back(event());
        }
        is_wanted
    }

    /// Notes that a session is too slow, unless listeners have still to be told that it was: while they are not, it
    /// may be so again and again. Returns whether it was noted.
    pub(super) fn note_slow(
        &self,
        key: SessionKey,
        session: &Session,
        event: impl FnOnce() -> SessionEvent,
    ) -> bool {
        if self.listeners.is_empty() {
            return false;
        }
        let mut untold = self.lock();
        // Asked under the lock: the end is noted after the session has closed, and nothing may be told behind it.
        if !session.is_open() {
            return false;
        }
        let events = &mut untold.entry(key).or_default().events;
        let is_slow = |event: &SessionEvent| matches!(event, SessionEvent::SlowConsumer { .. });
        let is_news = !events.iter().any(is_slow);
        if is_news {
            events.push_back(event());
        }
        is_news
    }

    fn turn(&self, key: SessionKey) -> Turn {
        if self.listeners.is_empty() {
            return Turn::Nobody;
        }
        match self.lock().get_mut(&key) {
            None => Turn::Nobody,
            Some(untold) if untold.is_being_told => {
                let (told, done) = oneshot::channel();
                untold.waiting.push(told);
                Turn::Other(done)
            }
            Some(untold) => {
                untold.is_being_told = true;
                Turn::Own
            }
        }
    }

    /// The next event of a session. Whoever has its turn has it no longer if there is none.
    fn next(&self, key: SessionKey) -> Option<SessionEvent> {
        let mut untold = self.lock();
        let event = untold.get_mut(&key)?.events.pop_front();
        if event.is_none() {
            // With it go those who wait, who are told by that.
            untold.remove(&key);
        }
        event
    }

    /// Nobody tells the rest from now on.
    fn leave_rest(&self, key: SessionKey) {
        if let Some(rest) = self.lock().get_mut(&key) {
            rest.is_being_told = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Untold>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Notes what has happened to a session, for [`tell_noted`](Self::tell_noted).
    pub(crate) fn note_event(&self, key: SessionKey, event: impl FnOnce() -> SessionEvent) {
        self.events.note(key, event);
    }

    /// Tells listeners what has happened to a session, and waits until they know.
    pub(crate) async fn tell(
        self: &Arc<Self>,
        key: SessionKey,
        event: impl FnOnce() -> SessionEvent,
    ) {
        self.events.note(key, event);
        self.tell_noted(key).await;
    }

    /// Tells listeners what was noted of a session, and waits until they know.
    pub(crate) async fn tell_noted(self: &Arc<Self>, key: SessionKey) {
        match self.events.turn(key) {
            Turn::Nobody => {}
            Turn::Own => self.tell_all(key).await,
            // It may not be told any more where a runtime ends.
            Turn::Other(done) => drop(done.await),
        }
    }

    /// Has what was noted of a session told by a task of its own.
    pub(super) fn tell_aside(self: &Arc<Self>, key: SessionKey) {
        if let Some(runtime) = self.runtime.get() {
            let hub = Arc::clone(self);
            runtime.spawn(async move { hub.tell_noted(key).await });
        }
    }

    async fn tell_all(self: &Arc<Self>, key: SessionKey) {
        let mut teller = Teller { hub: self, key, is_done: false };
        let messenger = Messenger::new(Arc::clone(self));
        while let Some(event) = self.events.next(key) {
            for listener in &self.events.listeners {
                // What it does concerns neither the others nor the client.
                let told = AssertUnwindSafe(async { listener.tell(&event, &messenger).await });
                if let Err(panic) = told.catch_unwind().await {
                    tracing::error!(panic = panic_message(&*panic), "session listener panicked");
                }
            }
        }
        teller.is_done = true;
    }
}

/// Whoever tells what there is of a session. If it is cut off, another tells the rest.
struct Teller<'a> {
    hub: &'a Arc<Hub>,
    key: SessionKey,
    is_done: bool,
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.hub.events.leave_rest(self.key);
            self.hub.tell_aside(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use futures_util::poll;
    use tokio::sync::{Semaphore, mpsc};
    use tokio::time::timeout;

    use super::*;
    use crate::endpoint::{CloseCode, CloseReason, ConnectionOptions, in_memory};
    use crate::hub::HubOptions;

    const KEY: SessionKey = SessionKey(1);

    fn session() -> Session {
        in_memory(ConnectionOptions::default()).0
    }

    fn subscribed(id: &str) -> SessionEvent {
        let (id, destination) = (id.to_owned(), "/topic/a".to_owned());
        SessionEvent::Subscribed { session: session(), id, destination }
    }

    /// A hub whose listener writes down each event, and waits for a permit before it has heard it.
    fn slow_hub() -> (Arc<Hub>, Arc<Semaphore>, mpsc::UnboundedReceiver<String>) {
        let go_on = Arc::new(Semaphore::new(0));
        let (sender, heard) = mpsc::unbounded_channel();
        let permits = Arc::clone(&go_on);
        let listen = move |event: SessionEvent, _: Messenger| {
            let (permits, sender) = (Arc::clone(&permits), sender.clone());
            async move {
                let SessionEvent::Subscribed { id, .. } = event else { panic!("{event:?}") };
                sender.send(id).unwrap();
                permits.acquire().await.unwrap().forget();
            }
        };
        let listener: Arc<dyn AnySessionListener> = Arc::new(listen);
        let hub = Hub::new(HubOptions { listeners: Box::new([listener]), ..HubOptions::default() });
        hub.session_key();
        (hub, go_on, heard)
    }

    #[tokio::test]
    async fn who_comes_while_another_tells_waits_until_all_is_told() {
        let (hub, go_on, mut heard) = slow_hub();
        let mut first = pin!(hub.tell(KEY, || subscribed("1")));
        assert!(poll!(first.as_mut()).is_pending());
        let mut second = pin!(hub.tell(KEY, || subscribed("2")));
        assert!(poll!(second.as_mut()).is_pending());
        // Of another session, nobody waits.
        let mut other = pin!(hub.tell(SessionKey(2), || subscribed("other")));
        assert!(poll!(other.as_mut()).is_pending());
        assert_eq!(
            (heard.try_recv().unwrap(), heard.try_recv().unwrap()),
            ("1".into(), "other".into())
        );
        go_on.add_permits(1);
        assert!(poll!(first.as_mut()).is_pending(), "it tells the second one too");
        assert!(poll!(second.as_mut()).is_pending());
        assert_eq!(heard.try_recv().unwrap(), "2");
        go_on.add_permits(2);
        first.await;
        second.await;
        other.await;
        assert!(hub.events.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn what_is_left_by_who_is_cut_off_is_told_by_another() {
        let (hub, go_on, mut heard) = slow_hub();
        {
            let mut first = pin!(hub.tell(KEY, || subscribed("1")));
            assert!(poll!(first.as_mut()).is_pending());
            hub.note_event(KEY, || subscribed("2"));
        }
        go_on.add_permits(1);
        let told = async {
            assert_eq!(heard.recv().await.unwrap(), "1");
            assert_eq!(heard.recv().await.unwrap(), "2");
            hub.tell_noted(KEY).await;
        };
        timeout(Duration::from_secs(20), told).await.expect("nobody tells it");
        assert!(hub.events.lock().is_empty());
    }

    #[tokio::test]
    async fn a_session_that_is_slow_again_and_again_is_noted_once_until_that_is_told() {
        let (hub, _, _) = slow_hub();
        let session = session();
        let slow = || SessionEvent::SlowConsumer { session: session.clone(), destination: None };
        hub.note_event(KEY, || subscribed("1"));
        let noted = [(); 3].map(|()| hub.events.note_slow(KEY, &session, slow));
        assert_eq!(noted, [true, false, false]);
        assert_eq!(hub.events.lock()[&KEY].events.len(), 2);
        while hub.events.next(KEY).is_some() {}
        assert!(hub.events.note_slow(KEY, &session, slow), "it is told again");
        while hub.events.next(KEY).is_some() {}
        session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        assert!(!hub.events.note_slow(KEY, &session, slow), "its end may be told already");
        assert!(hub.events.lock().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_noted_where_nobody_listens() {
        let hub = Hub::new(HubOptions::default());
        let is_made = AtomicBool::new(false);
        let event = || {
            is_made.store(true, Ordering::Relaxed);
            subscribed("1")
        };
        hub.tell(KEY, event).await;
        assert!(!is_made.load(Ordering::Relaxed) && hub.events.lock().is_empty());
    }
}
