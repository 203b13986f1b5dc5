use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::Destination;
use tokio::sync::Notify;

/// Those who wait until queues have room.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<HashMap<Destination, Arc<Notify>>>);

/// Somebody who waits for one queue.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    rooms: &'a Rooms,
    queue: Destination,
    notify: Arc<Notify>,
}

impl Rooms {
    /// Waits for a queue from now on.
    pub(super) fn wait(&self, queue: Destination) -> Waiting<'_> {
        let notify = Arc::clone(self.lock().entry(queue.clone()).or_default());
        Waiting { rooms: self, queue, notify }
    }

    /// The queue has room: who has waited longest for it may try. Whoever has succeeded calls this too,
    /// for the next.
    pub(super) fn tell(&self, queue: &Destination) {
        if let Some(notify) = self.lock().get(queue) {
            notify.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Notified when it may try.
    pub(super) fn told(&self) -> &Notify {
        &self.notify
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.rooms.lock();
        // The map's, and this one.
        if Arc::strong_count(&self.notify) == 2 {
            waiting.remove(&self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_told_one_by_one_and_then_forgotten() {
        let rooms = Rooms::default();
        let queue = Destination::parse("/queue/a").unwrap();
        rooms.tell(&queue);
        let (first, second) = (rooms.wait(queue.clone()), rooms.wait(queue.clone()));
        let mut told = Box::pin(first.told().notified());
        told.as_mut().enable();
        let mut other = Box::pin(second.told().notified());
        assert!(!other.as_mut().enable());
        rooms.tell(&queue);
        told.await;
        assert!(!other.as_mut().enable(), "it is not its turn");
        rooms.tell(&queue);
        other.await;
        drop(first);
        drop(second);
        assert!(rooms.lock().is_empty());
    }
}
