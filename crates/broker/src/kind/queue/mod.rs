mod backlog;
mod consumer;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use self::backlog::Backlog;
use self::consumer::Consumer;
use super::{Answer, DestinationKind, Kind, Occupancy, Refusal, Retired, Settled};
use crate::acknowledgement::{AckId, Settlement};
use crate::destination::Destination;
use crate::limits::Limits;
use crate::message::Message;
use crate::sink::{Delivered, Delivery, Sink};
use crate::stats::DestinationStats;
use crate::subscription::Subscription;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// A queue: every message is for one of its consumers, who take turns.
///
/// The sink is called under the queue's lock, so that two threads cannot hand a consumer messages
/// out of order.
#[derive(Debug)]
pub(crate) struct Queue<S> {
    name: Destination,
    prefetch_default: u32,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    life: Life,
    backlog: Backlog,
    /// By the serial number of the subscription.
    consumers: BTreeMap<u64, Consumer<S>>,
    /// Those of the consumers that could take a message, unless their session is paused.
    eligible: BTreeSet<u64>,
    /// Who had the last turn.
    last: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open,
    Retired,
}

impl<S> Queue<S> {
    pub(crate) fn new(name: Destination, limits: &Limits) -> Self {
        let state = State {
            life: Life::Open,
            backlog: Backlog::new(limits.queue_messages_max, limits.queue_octets_max),
            consumers: BTreeMap::new(),
            eligible: BTreeSet::new(),
            last: 0,
        };
        Self { name, prefetch_default: limits.prefetch_default, state: Mutex::new(state) }
    }
}

impl<S: Send + Sync> DestinationKind<S> for Queue<S> {
    fn on_send(
        &self,
        _now: Timestamp,
        message: &Arc<Message>,
        sink: &mut dyn Sink<S>,
    ) -> Result<usize, Refusal> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(Refusal::Retired);
        }
        let position = state.backlog.push(Arc::clone(message)).map_err(Refusal::Full)?;
        state.dispatch(sink);
        Ok(usize::from(!state.backlog.is_ready(position)))
    }

    fn on_subscribe(
        &self,
        _now: Timestamp,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(),
        sink: &mut dyn Sink<S>,
    ) -> Result<(), Retired> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(Retired);
        }
        let key = subscription.serial;
        let consumer = Consumer::new(Arc::clone(subscription), self.prefetch_default);
        on_active();
        state.consumers.insert(key, consumer);
        state.admit(key);
        state.dispatch(sink);
        Ok(())
    }

    /// What the consumers have not settled goes back to where it was, and to others in its order.
    fn on_unsubscribe(
        &self,
        _now: Timestamp,
        subscriptions: &[&Subscription<S>],
        sink: &mut dyn Sink<S>,
    ) {
        let mut state = lock(&self.state);
        for subscription in subscriptions {
            let key = subscription.serial;
            state.eligible.remove(&key);
            let Some(consumer) = state.consumers.remove(&key) else { continue };
            for queued in consumer.into_unsettled() {
                state.backlog.put_back(queued);
            }
        }
        state.dispatch(sink);
    }

    fn on_settle(
        &self,
        _now: Timestamp,
        subscription: &Subscription<S>,
        settled: Settled,
        sink: &mut dyn Sink<S>,
    ) -> Answer {
        let mut state = lock(&self.state);
        let State { consumers, backlog, .. } = &mut *state;
        let key = subscription.serial;
        let Some(consumer) = consumers.get_mut(&key) else { return Answer::Unknown };
        if !consumer.expects_ack() {
            return Answer::NothingToSettle;
        }
        let messages = consumer.settle(settled.delivery);
        if messages.is_empty() {
            return Answer::Unknown;
        }
        for queued in messages {
            match settled.settlement {
                Settlement::Consume => backlog.forget(&queued),
                Settlement::Requeue => backlog.put_back(queued),
            }
        }
        state.admit(key);
        state.dispatch(sink);
        Answer::Settled
    }

    fn on_resume(&self, _now: Timestamp, subscription: &Subscription<S>, sink: &mut dyn Sink<S>) {
        let mut state = lock(&self.state);
        state.admit(subscription.serial);
        state.dispatch(sink);
    }

    fn retire_if_vacant(&self) -> Occupancy {
        let mut state = lock(&self.state);
        if !state.consumers.is_empty() || !state.backlog.is_empty() {
            return Occupancy::InUse;
        }
        state.life = Life::Retired;
        Occupancy::Retired
    }

    fn stats(&self) -> DestinationStats {
        let state = lock(&self.state);
        DestinationStats {
            name: self.name.clone(),
            kind: Kind::Queue,
            subscriptions: state.consumers.len(),
            ready: state.backlog.ready(),
            unsettled: state.backlog.unsettled(),
            octets: state.backlog.octets(),
        }
    }
}

impl<S> State<S> {
    /// Gives the consumer turns again, if it can take a message.
    fn admit(&mut self, key: u64) {
        if self.consumers.get(&key).is_some_and(Consumer::has_credit) {
            self.eligible.insert(key);
        }
    }

    /// Delivers until no message is left, or nobody who could take one.
    ///
    /// A message leaves the backlog after the sink has it: if the sink panics, nothing is lost.
    fn dispatch(&mut self, sink: &mut dyn Sink<S>) {
        while let Some(queued) = self.backlog.first() {
            let Some(key) = self.next_turn() else { break };
            let Some(consumer) = self.consumers.get_mut(&key) else { break };
            let tag = consumer.next_tag();
            let delivered = sink.deliver(Delivery {
                message: &queued.message,
                subscription: &consumer.subscription,
                ack: tag.map(|tag| AckId::new(consumer.subscription.number, tag)),
                delivery_count: queued.delivery_count,
            });
            if delivered != Delivered::Ready {
                consumer.subscription.flow.pause();
            }
            if delivered == Delivered::Refused {
                continue;
            }
            self.backlog.take(&queued);
            match tag {
                Some(tag) => consumer.record(tag, queued),
                None => self.backlog.forget(&queued),
            }
            if !consumer.has_credit() {
                self.eligible.remove(&key);
            }
        }
    }

    /// The next consumer in turn whose session is not paused.
    fn next_turn(&mut self) -> Option<u64> {
        loop {
            let after = (Bound::Excluded(self.last), Bound::Unbounded);
            let key = *self.eligible.range(after).next().or_else(|| self.eligible.first())?;
            let paused = |consumer: &Consumer<S>| consumer.subscription.flow.is_paused();
            if self.consumers.get(&key).is_none_or(paused) {
                self.eligible.remove(&key);
                continue;
            }
            self.last = key;
            return Some(key);
        }
    }
}

#[cfg(test)]
mod tests;
