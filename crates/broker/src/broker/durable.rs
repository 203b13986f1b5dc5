use std::sync::Arc;

use super::Broker;
use super::subscribing::attach_route;
use crate::binding::Binding;
use crate::durable_name::{DurableName, Sharing};
use crate::error::{DeleteError, SubscribeError};
use crate::history::Beginning;
use crate::kind::{DestinationKind, NotAttached, Occupancy, Queue, Refusal, Role};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::session::Routes;
use crate::sink::Sink;
use crate::subscription::{Exclusivity, SubscribeOptions, Subscription};
use crate::sync::lock;
use crate::timestamp::Timestamp;

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Ends a durable subscription that nobody uses, with the messages that it has kept.
    ///
    /// # Errors
    ///
    /// [`DeleteError`] if there is none of this name, or somebody uses it.
    pub fn delete_durable(
        &self,
        now: Timestamp,
        durable: &DurableName,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), DeleteError> {
        let shown = || durable.to_string().into();
        let missing = || DeleteError::NoSuchSubscription { name: shown() };
        let name = durable.queue_name().map_err(|_| missing())?;
        let _durable = lock(&self.durable);
        let queue = self.routing.queue(&name).ok_or_else(missing)?;
        self.operate(now, sink, |operation| self.end_durable(&queue, operation))
            .map_err(|_| DeleteError::SubscriptionInUse { name: shown() })
    }

    pub(super) fn attach_durable(
        &self,
        durable: &DurableName,
        pattern: &DestinationPattern,
        subscription: Arc<Subscription<S>>,
        routes: &mut Routes<S>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SubscribeError> {
        let in_use = || SubscribeError::DurableInUse { name: durable.to_string().into() };
        let _durable = lock(&self.durable);
        let queue = self.open_durable(durable, pattern, subscription.options(), operation)?;
        let name = queue.name().clone();
        let place = DestinationPattern::exact(name);
        let destination: Arc<dyn DestinationKind<S>> = queue;
        let subscription = consumer_of(durable, subscription);
        let attached =
            attach_route(&place, &destination, &subscription, routes, on_active, operation);
        attached.map_err(|error| match error {
            NotAttached::Unprepared => SubscribeError::Unprepared { queue: place.name().clone() },
            NotAttached::Exclusive | NotAttached::Occupied | NotAttached::Retired => in_use(),
        })
    }

    /// Makes a durable subscription, should nobody have it.
    pub(super) fn make_durable(
        &self,
        durable: &DurableName,
        pattern: &DestinationPattern,
        options: &SubscribeOptions,
        operation: &mut Operation<'_, S>,
    ) -> Result<Arc<Queue<S>>, SubscribeError> {
        let _durable = lock(&self.durable);
        self.open_durable(durable, pattern, options, operation)
    }

    /// The queue of a durable subscription, which is made if there is none. Under the lock of these.
    fn open_durable(
        &self,
        durable: &DurableName,
        pattern: &DestinationPattern,
        options: &SubscribeOptions,
        operation: &mut Operation<'_, S>,
    ) -> Result<Arc<Queue<S>>, SubscribeError> {
        let name = durable.queue_name().map_err(SubscribeError::InvalidDestination)?;
        let in_use = || SubscribeError::DurableInUse { name: durable.to_string().into() };
        let binding = Binding::new(pattern.clone(), options.selector.clone());
        if let Some(queue) = self.routing.queue(&name)
            && queue.binding() != Some(&binding)
        {
            if !matches!(durable, DurableName::Given { .. }) {
                return Err(SubscribeError::DurableDiffers { name: durable.to_string().into() });
            }
            self.end_durable(&queue, operation).map_err(|_| in_use())?;
        }
        let is_new = self.routing.queue(&name).is_none();
        let queue = self.routing.open_queue(&name, &Role::Durable(binding))?;
        queue.declare(&options.arguments, operation).map_err(|refusal| match refusal {
            Refusal::ArgumentDiffers(argument) => {
                SubscribeError::ArgumentDiffers { queue: name.clone(), argument }
            }
            _ => unreachable!("whoever ends a durable subscription has the lock"),
        })?;
        if is_new {
            self.bindings.insert(pattern, Arc::clone(&queue));
        }
        Ok(queue)
    }

    /// Under the lock of durable subscriptions.
    fn end_durable(
        &self,
        queue: &Arc<Queue<S>>,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        queue.retire(operation)?;
        self.close_queue(queue);
        Ok(())
    }

    /// Tells a queue the time, which ends it if nobody has used it for as long as it was to last.
    pub(super) fn tell_queue_time(&self, queue: &Arc<Queue<S>>, operation: &mut Operation<'_, S>) {
        let _durable = queue.binding().map(|_| lock(&self.durable));
        queue.on_timeout(operation);
        if queue.retire_if_vacant(operation) == Occupancy::Retired {
            self.close_queue(queue);
        }
    }

    /// Removes a queue that has retired. One of a durable subscription gets nothing more of topics. Under the
    /// lock of these.
    pub(super) fn close_queue(&self, retired: &Arc<Queue<S>>) {
        if let Some(binding) = retired.binding() {
            self.bindings.remove(&binding.pattern, retired);
        }
        self.routing.close(&DestinationPattern::exact(retired.name().clone()), retired);
    }
}

/// The subscription as a consumer of its own queue, which has what its selector wants.
fn consumer_of<S>(
    durable: &DurableName,
    subscription: Arc<Subscription<S>>,
) -> Arc<Subscription<S>> {
    let mut subscription =
        Arc::into_inner(subscription).expect("nobody else has seen the subscription yet");
    let mut options = subscription.options().clone();
    options.selector = None;
    if durable.sharing() == Sharing::One {
        options.exclusivity = Exclusivity::Alone;
    }
    subscription.set_options(options);
    Arc::new(subscription)
}

#[cfg(test)]
mod tests;
