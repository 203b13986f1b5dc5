use std::sync::Arc;

use super::Broker;
use super::sending::{Routed, queue_name};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::error::{DeleteError, SendError};
use crate::kind::{Admission, Kind};
use crate::message::Message;
use crate::sink::Sink;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// What becomes of the consumers of a queue that is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumers {
    /// They keep the queue: it is not deleted if there are any.
    Keep,
    /// Their subscriptions end, and they are told so.
    Cancel,
}

/// What an operator does to queues.
impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// The first messages of a queue that no consumer has, at most `count`, and how often each was
    /// delivered. `None` if there is no such queue.
    #[must_use]
    pub fn peek(&self, queue: &Destination, count: usize) -> Option<Vec<(Arc<Message>, u32)>> {
        self.routing.queue(queue).map(|queue| queue.peek(count))
    }

    /// Removes all messages of a queue that no consumer has, and says how many those were. `None` if
    /// there is no such queue.
    pub fn purge(
        &self,
        now: Timestamp,
        queue: &Destination,
        sink: &mut dyn Sink<S>,
    ) -> Option<usize> {
        let found = self.routing.queue(queue)?;
        let name = queue_name(queue).ok();
        Some(self.operate(now, sink, |operation| {
            let purged = found.purge(operation);
            if let Some(name) = name.filter(|_| found.binding().is_none()) {
                self.routing.close_if_vacant(&name, &(found as _), operation);
            }
            purged
        }))
    }

    /// Ends a queue, with its messages.
    ///
    /// # Errors
    ///
    /// [`DeleteError`] if there is none of this name, or somebody uses it who is to be left alone.
    pub fn delete_queue(
        &self,
        now: Timestamp,
        queue: &Destination,
        consumers: Consumers,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), DeleteError> {
        let missing = || DeleteError::NoSuchQueue { queue: queue.clone() };
        let name = queue_name(queue).map_err(|_| missing())?;
        let found = self.routing.queue(queue).ok_or_else(missing)?;
        self.operate(now, sink, |operation| {
            let cancelled = match consumers {
                Consumers::Keep => {
                    let in_use = |_| DeleteError::QueueInUse { queue: queue.clone() };
                    found.retire(operation).map_err(in_use)?;
                    Vec::new()
                }
                Consumers::Cancel => found.cancel(operation),
            };
            for subscription in cancelled {
                if let Some(session) = self.sessions.find(subscription.session) {
                    lock(&session.routes).remove_part(&subscription);
                }
                operation.sink.cancelled(&subscription);
            }
            if let Some(binding) = found.binding() {
                self.bindings.remove(&binding.pattern, &found);
            }
            self.routing.close(&name, &found);
            Ok(())
        })
    }

    /// Moves the first messages of a queue, at most `count`, to other destinations: to `target` or,
    /// without one, back to where each was sent to before it became a dead letter. Returns how many
    /// were moved; those that no destination takes stay.
    ///
    /// # Errors
    ///
    /// [`SendError`] of the first message that no destination took; it and those behind it stay.
    pub fn move_messages(
        &self,
        now: Timestamp,
        queue: &Destination,
        target: Option<&Destination>,
        count: usize,
        sink: &mut dyn Sink<S>,
    ) -> Result<usize, SendError> {
        let Some(found) = self.routing.queue(queue) else { return Ok(0) };
        self.operate(now, sink, |operation| {
            for moved in 0..count {
                let Some((message, _)) = found.peek(1).pop() else { return Ok(moved) };
                let (to, headers) = crate::stomp::revived(&message);
                let to = target.cloned().or(to).unwrap_or_else(|| message.destination.clone());
                let address = self.routing.addresses().resolve(&to, || None)?;
                let (kind, to, missing) = self.reach(None, address)?;
                if kind == Kind::Queue && to == *queue {
                    return Ok(moved);
                }
                let message_id = message.message_id.clone();
                let (body, properties) = (message.body.clone(), message.properties);
                let sender = message.sender;
                let revived =
                    Message { destination: to, message_id, headers, body, properties, sender };
                let arguments = QueueArguments::default();
                let routed = Routed { kind, missing, message: Arc::new(revived), arguments };
                self.route(&routed, Admission::IfThereIsRoom, operation)?;
                found.take(&message, operation);
            }
            Ok(count)
        })
    }
}
