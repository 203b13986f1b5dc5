//! Telling listeners what happens to sessions.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::SessionKey;
use tokio::sync::oneshot;

use super::Hub;
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
                listener.tell(&event, &messenger).await;
            }
        }
        teller.is_done = true;
    }
}

/// Whoever tells what there is of a session. If it is cut off, or a listener panics, another tells the rest.
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
