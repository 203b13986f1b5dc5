use std::iter;
use std::sync::Arc;

use super::Broker;
use super::sending::{Routed, refused};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::durable_name::DurableName;
use crate::error::{DeleteError, MoveError, MoveFailure, SendError};
use crate::kind::{Admission, DestinationKind, Kind, Refusal};
use crate::message::{Kept, Message};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::sink::{CancelCause, Cancelled, Sink};
use crate::stats::DestinationStats;
use crate::stomp::{Past, past, revived};
use crate::subscription::Subscription;
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

/// Which messages of a queue an operator means, of those that no consumer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// The first ones, at most so many.
    First(usize),
    /// The one with this id.
    WithId(&'a str),
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
        Some(self.operate(now, sink, |operation| {
            let purged = found.purge(operation);
            let name = DestinationPattern::exact(queue.clone());
            self.routing.close_if_vacant(&name, &(found as _), operation);
            purged
        }))
    }

    /// Ends a queue, with its messages. Returns what it had just before.
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
    ) -> Result<DestinationStats, DeleteError> {
        let missing = || DeleteError::NoSuchQueue { queue: queue.clone() };
        let durable = lock(&self.durable);
        let found = self.routing.queue(queue).ok_or_else(missing)?;
        let had = found.stats();
        self.operate(now, sink, |operation| {
            let cancelled = match consumers {
                Consumers::Keep => {
                    let in_use = |_| DeleteError::QueueInUse { queue: queue.clone() };
                    found.retire(operation).map_err(in_use)?;
                    Vec::new()
                }
                Consumers::Cancel => found.cancel(operation),
            };
            self.close_queue(&found);
            // The locks of sessions come before this one.
            drop(durable);
            for subscription in cancelled {
                self.cancel(&subscription, operation);
            }
            Ok(had)
        })
    }

    /// Moves messages of a queue to other destinations: to `target` or, without one, each back to where
    /// it was sent to before it became a dead letter, or to the one durable subscription that has given it up.
    /// Returns how many were moved. Messages that have no such past stay, and do not keep those behind them. So do
    /// those of a durable subscription that has ended, and whatever is on its way to where it is. `target` may be
    /// the queue of a durable subscription, too.
    ///
    /// # Errors
    ///
    /// [`MoveError`] if there is no such queue, if `target` is none, or if a destination does not take a message;
    /// that one and those behind it stay.
    pub fn move_messages(
        &self,
        now: Timestamp,
        queue: &Destination,
        target: Option<&Destination>,
        selection: Selection<'_>,
        sink: &mut dyn Sink<S>,
    ) -> Result<usize, MoveError> {
        let missing = || MoveError { moved: 0, cause: MoveFailure::NoSuchQueue };
        let found = self.routing.queue(queue).ok_or_else(missing)?;
        if let Some(target) = target {
            self.check_is_queue(target).map_err(|cause| MoveError { moved: 0, cause })?;
        }
        let goes = |message: &Message| self.goal(message, queue, target).is_some();
        let selected = found.select(selection, goes);
        let mut moved = 0;
        self.operate(now, sink, |operation| {
            for selected in selected {
                // One that a consumer got in the meantime is no longer there to be moved.
                let Some(lifted) = found.lift(&selected) else { continue };
                let Some(to) = self.goal(lifted.message(), queue, target) else {
                    found.put_down(lifted, operation);
                    continue;
                };
                let headers = revived(lifted.message());
                let mut message = Message { headers, ..lifted.message().clone() };
                message.properties.kept = Kept::Unsaid;
                let moved_to = if to.as_str().starts_with(DurableName::PREFIX) {
                    let Past { destination, .. } = past(lifted.message());
                    self.send_to_durable(&to, message, destination, operation)
                } else {
                    self.send_elsewhere(to, message, operation)
                };
                match moved_to {
                    Ok(()) => found.forget(lifted, operation),
                    Err(cause) => {
                        found.put_down(lifted, operation);
                        return Err(MoveError { moved, cause: MoveFailure::Send(cause) });
                    }
                }
                moved += 1;
            }
            let name = DestinationPattern::exact(queue.clone());
            self.routing.close_if_vacant(&name, &(found as _), operation);
            Ok(moved)
        })
    }

    /// Where a message of a queue is to be moved to, if it can be moved.
    fn goal(
        &self,
        message: &Message,
        queue: &Destination,
        target: Option<&Destination>,
    ) -> Option<Destination> {
        let has_ended = |queue: &Destination| {
            queue.as_str().starts_with(DurableName::PREFIX) && self.routing.queue(queue).is_none()
        };
        let back = || {
            let Past { destination, queue } = past(message);
            queue.or(destination).filter(|queue| !has_ended(queue))
        };
        target.cloned().or_else(back).filter(|goal| goal != queue)
    }

    /// A topic would keep nothing of what is moved there.
    fn check_is_queue(&self, target: &Destination) -> Result<(), MoveFailure> {
        if target.as_str().starts_with(DurableName::PREFIX) {
            return Ok(());
        }
        let address = self.routing.addresses().resolve(target, || None);
        match address.map_err(SendError::from).map_err(MoveFailure::Send)?.kind() {
            Kind::Queue => Ok(()),
            _ => Err(MoveFailure::NotAQueue { target: target.clone() }),
        }
    }

    /// Ends a subscription whose queue is gone, with what it has of other destinations, unless its
    /// session has ended it before.
    fn cancel(&self, subscription: &Arc<Subscription<S>>, operation: &mut Operation<'_, S>) {
        let Some(session) = self.sessions.find(subscription.session) else { return };
        let mut routes = lock(&session.routes);
        if routes.remove_part(subscription) {
            let other_parts = routes.remove(subscription.id.as_str());
            let others = other_parts.iter().map(|part| &part.subscription.destination);
            let destinations = iter::once(&subscription.destination).chain(others);
            let destinations = destinations.cloned().collect();
            self.detach_all(other_parts, operation);
            let cause = CancelCause::QueueDeleted;
            operation.sink.cancelled(Cancelled { subscription, destinations, cause });
        }
    }

    fn send_elsewhere(
        &self,
        to: Destination,
        message: Message,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SendError> {
        let address = self.routing.addresses().resolve(&to, || None)?;
        let (kind, destination, missing) = self.reach(None, address)?;
        let message = Arc::new(Message { destination, ..message });
        let arguments = QueueArguments::default();
        let routed = Routed { kind, missing, message, arguments };
        self.route(&routed, Admission::IfThereIsRoom, operation).map(drop)
    }

    /// To one durable subscription, which is told where the message was sent to at first.
    fn send_to_durable(
        &self,
        queue: &Destination,
        message: Message,
        destination: Option<Destination>,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SendError> {
        let missing = || SendError::NoSuchQueue { queue: queue.clone() };
        let found = self.routing.queue(queue).ok_or_else(missing)?;
        let destination = destination.unwrap_or_else(|| message.destination.clone());
        let message = Arc::new(Message { destination, ..message });
        match found.send(&message, Admission::IfThereIsRoom, operation) {
            Ok(_) => Ok(()),
            Err(Refusal::Retired) => Err(missing()),
            Err(refusal) => Err(refused(queue, refusal)),
        }
    }
}
