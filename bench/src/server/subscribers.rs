use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::SplitSink;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Queues of the connections that a broadcast goes to.
#[derive(Debug)]
pub(super) struct Subscribers<M>(Arc<Mutex<Queues<M>>>);

#[derive(Debug)]
struct Queues<M> {
    next_id: u64,
    senders: HashMap<u64, UnboundedSender<M>>,
}

/// Messages taken from a queue before they are flushed.
const BATCH: usize = 64;

impl<M: Clone> Subscribers<M> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Queues { next_id: 0, senders: HashMap::new() })))
    }

    pub(super) fn enter(&self) -> (u64, UnboundedReceiver<M>) {
        let (sender, receiver) = unbounded_channel();
        let mut queues = self.lock();
        let id = queues.next_id;
        queues.next_id += 1;
        queues.senders.insert(id, sender);
        (id, receiver)
    }

    pub(super) fn leave(&self, id: u64) {
        self.lock().senders.remove(&id);
    }

    pub(super) fn publish(&self, message: &M) {
        for sender in self.lock().senders.values() {
            // Whoever is gone is about to leave.
            let _ = sender.send(message.clone());
        }
    }

    /// Serves one connection, whichever crate it comes from: a task reads and another writes, as
    /// examples of chats have it.
    pub(super) async fn serve<S, E>(&self, socket: S, is_data: fn(&M) -> bool)
    where
        S: Stream<Item = Result<M, E>> + Sink<M> + Send + 'static,
        M: Send + 'static,
    {
        let (sink, mut stream) = socket.split();
        let (id, receiver) = self.enter();
        let writer = tokio::spawn(write(sink, receiver));
        while let Some(Ok(message)) = stream.next().await {
            if is_data(&message) {
                self.publish(&message);
            }
        }
        self.leave(id);
        writer.abort();
    }

    fn lock(&self) -> MutexGuard<'_, Queues<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write<S, M>(mut sink: SplitSink<S, M>, mut receiver: UnboundedReceiver<M>)
where
    S: Sink<M>,
{
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        for message in batch.drain(..) {
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

impl<M> Clone for Subscribers<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
