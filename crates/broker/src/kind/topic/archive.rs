use std::sync::{Arc, Mutex};

use super::history::{History, KeptOctets};
use crate::destination::Destination;
use crate::history::{Beginning, Rewind};
use crate::kind::Admission;
use crate::message::{Message, Retain};
use crate::operation::Operation;
use crate::policy::{DestinationPolicy, Retention};
use crate::sink::{Delivered, Delivery};
use crate::stomp::{self, expects_ack};
use crate::subscribers::Subscribers;
use crate::subscription::Subscription;
use crate::timestamp::Timestamp;
use crate::{AckId, sync};

/// What a topic keeps: its history and its retained message.
///
/// Whoever sends what is to be kept, and whoever subscribes, holds its lock meanwhile: so a
/// subscriber gets every message either from the past or live, and never both.
#[derive(Debug)]
pub(crate) struct Archive<S> {
    retention: Retention,
    room: Arc<KeptOctets>,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
pub(super) struct State<S> {
    history: Option<History>,
    retained: Option<Retained>,
    /// Subscribers that have still to get what they have asked for. They get nothing live yet.
    readers: Vec<Reader<S>>,
    /// When the topic was last used.
    used: Timestamp,
    alarm: Option<Timestamp>,
}

#[derive(Debug)]
struct Retained {
    /// As new subscribers get it.
    message: Arc<Message>,
    octets: usize,
}

#[derive(Debug)]
struct Reader<S> {
    subscription: Arc<Subscription<S>>,
    /// The offset of what it gets next.
    next: u64,
}

/// There is no room to keep a message that has to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl<S> Archive<S> {
    /// An archive of a topic with this policy, which keeps what is sent from now on. `epoch` is for its
    /// history, if it has one.
    pub(crate) fn new(
        policy: &DestinationPolicy,
        epoch: Arc<str>,
        now: Timestamp,
        room: Arc<KeptOctets>,
    ) -> Self {
        let history = policy.history.as_ref();
        let history = history.map(|it| History::new(epoch, now, it.clone(), Arc::clone(&room)));
        let state = State { history, retained: None, readers: Vec::new(), used: now, alarm: None };
        Self { retention: policy.retention, room, state: Mutex::new(state) }
    }

    pub(crate) fn retention(&self) -> Retention {
        self.retention
    }

    pub(super) fn lock(&self) -> sync::Guard<'_, State<S>> {
        sync::lock(&self.state)
    }

    /// Keeps a message as far as it is to be kept. Returns it as subscribers get it.
    pub(super) fn keep(
        &self,
        state: &mut State<S>,
        message: &Arc<Message>,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Arc<Message>, NoRoom> {
        match (self.retention, message.properties.retain) {
            (Retention::Never, _) | (Retention::WhenAsked, Retain::Unsaid) => {}
            (_, Retain::Remove) => self.forget_retained(state),
            // Without its place in the history: who gets it stands where the history ends.
            (_, Retain::Set) | (Retention::Last, Retain::Unsaid) => {
                self.retain(state, message, admission)?;
            }
        }
        let position = state.history.as_ref().map(History::next_position);
        let live = match position {
            Some(position) => Arc::new(stomp::with_position(message, &position)),
            None => Arc::clone(message),
        };
        if let Some(history) = &mut state.history {
            history.push(now, Arc::clone(&live));
        }
        state.used = now;
        Ok(live)
    }

    fn retain(
        &self,
        state: &mut State<S>,
        message: &Message,
        admission: Admission,
    ) -> Result<(), NoRoom> {
        let retained = stomp::retained(message);
        let octets = KeptOctets::of(&retained);
        if self.room.take(octets) {
            self.forget_retained(state);
            state.retained = Some(Retained { message: Arc::new(retained), octets });
            return Ok(());
        }
        let may_refuse = admission == Admission::IfThereIsRoom;
        if may_refuse && message.properties.retain == Retain::Set {
            return Err(NoRoom);
        }
        // The one before is out of date.
        self.forget_retained(state);
        Ok(())
    }

    fn forget_retained(&self, state: &mut State<S>) {
        if let Some(retained) = state.retained.take() {
            self.room.give_back(retained.octets);
        }
    }

    /// Forgets what is too old.
    pub(super) fn forget_expired(&self, state: &mut State<S>, now: Timestamp) {
        if let Some(history) = &mut state.history {
            history.forget_expired(now);
        }
        if state.retained(now).is_none() {
            self.forget_retained(state);
        }
    }
}

impl<S> Drop for Archive<S> {
    fn drop(&mut self) {
        if let Some(retained) = sync::get_mut(&mut self.state).retained.take() {
            self.room.give_back(retained.octets);
        }
    }
}

impl<S> State<S> {
    /// How a subscription begins.
    pub(super) fn begin(&mut self, rewind: Option<&Rewind>, now: Timestamp) -> Beginning {
        let Some(history) = &mut self.history else { return Beginning::without_history(rewind) };
        history.forget_expired(now);
        history.begin(rewind)
    }

    /// The retained message, unless it is out of date.
    pub(super) fn retained(&self, now: Timestamp) -> Option<&Arc<Message>> {
        let message = &self.retained.as_ref()?.message;
        message.properties.expires_at.is_none_or(|expiry| expiry > now).then_some(message)
    }

    /// Gives a new subscriber the retained message.
    pub(super) fn give_retained(
        &self,
        subscription: &Arc<Subscription<S>>,
        operation: &mut Operation<'_, S>,
    ) {
        if let Some(retained) = self.retained(operation.now) {
            give(retained, subscription, operation);
        }
    }

    /// A new subscriber has the history from this offset on still to get.
    pub(super) fn add_reader(&mut self, subscription: &Arc<Subscription<S>>, next: u64) {
        self.readers.push(Reader { subscription: Arc::clone(subscription), next });
    }

    /// Gives a subscriber what it has still to get, as far as its session can take it. Returns it once it
    /// has caught up.
    pub(super) fn go_on(
        &mut self,
        subscription: &Subscription<S>,
        operation: &mut Operation<'_, S>,
    ) -> Option<Arc<Subscription<S>>> {
        let (history, at) = (self.history.as_ref()?, self.position_of(subscription)?);
        let progress = self.readers[at].go_on(history, operation);
        if progress == Progress::Waits {
            return None;
        }
        let Reader { subscription, .. } = self.readers.swap_remove(at);
        if progress == Progress::Overtaken {
            operation.sink.overtaken(&subscription);
            return None;
        }
        Some(subscription)
    }

    /// Lets go of those whose next message is not kept any more.
    pub(super) fn leave_behind(&mut self, operation: &mut Operation<'_, S>) {
        let Some(history) = &self.history else { return };
        let first = history.first();
        self.readers.retain(|reader| {
            let keeps_up = reader.next >= first;
            if !keeps_up {
                operation.sink.overtaken(&reader.subscription);
            }
            keeps_up
        });
    }

    pub(super) fn remove_reader(&mut self, subscription: &Subscription<S>) {
        if let Some(at) = self.position_of(subscription) {
            self.readers.swap_remove(at);
        }
    }

    fn position_of(&self, subscription: &Subscription<S>) -> Option<usize> {
        let is_it = |reader: &Reader<S>| reader.subscription.serial == subscription.serial;
        self.readers.iter().position(is_it)
    }

    /// The topic was used, just now.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.used = now;
    }

    /// Until when a topic that nobody listens to has to stay; `None` if it need not.
    pub(super) fn needed_until(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.readers.is_empty() {
            return Some(Timestamp(u64::MAX));
        }
        let history = self.history.as_ref().map(|it| self.used.after(it.policy().age_max));
        let retained = self.retained(now);
        let retained = retained.map(|it| it.properties.expires_at.unwrap_or(Timestamp(u64::MAX)));
        history.max(retained).filter(|until| *until > now)
    }

    /// Has the topic told the time when something of it becomes too old.
    pub(super) fn set_alarm(&mut self, name: &Destination, operation: &mut Operation<'_, S>) {
        let Some(history) = &self.history else { return };
        let Some(expiry) = history.expiry() else { return };
        // Several at once, rather than each when its time has come.
        let soon = operation.now.after(history.policy().age_max / 4);
        self.set_alarm_at(expiry.max(soon), name, operation);
    }

    /// Has the topic told the time no later than this.
    pub(super) fn set_alarm_at(
        &mut self,
        at: Timestamp,
        name: &Destination,
        operation: &mut Operation<'_, S>,
    ) {
        if at < Timestamp(u64::MAX) && self.alarm.is_none_or(|alarm| alarm > at) {
            self.alarm = Some(at);
            operation.aftermath.alarms.push((at, name.clone()));
        }
    }

    /// The topic was told the time.
    pub(super) fn clear_alarm(&mut self) {
        self.alarm = None;
    }

    /// How many messages are kept, and their octets.
    pub(super) fn kept(&self) -> (usize, usize) {
        let history = self.history.as_ref().map_or((0, 0), |it| (it.len(), it.octets()));
        let retained = self.retained.as_ref().map_or((0, 0), |it| (1, it.octets));
        (history.0 + retained.0, history.1 + retained.1)
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.len()
    }
}

/// How far a subscriber is with the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    CaughtUp,
    /// Its session cannot take more at the moment.
    Waits,
    /// What it gets next is not kept any more.
    Overtaken,
}

impl<S> Reader<S> {
    /// Gives messages until there are no more, or the session takes no more.
    fn go_on(&mut self, history: &History, operation: &mut Operation<'_, S>) -> Progress {
        let subscription = &self.subscription;
        if self.next < history.first() {
            return Progress::Overtaken;
        }
        while let Some(message) = history.get(self.next) {
            if subscription.flow.is_paused() {
                return Progress::Waits;
            }
            if subscription.wants(message) {
                let ack = expects_ack(subscription.ack);
                let delivered = operation.sink.deliver(Delivery {
                    message,
                    subscription,
                    ack: ack.then(|| AckId::of_message(&message.message_id)),
                    delivery_count: 1,
                });
                if delivered != Delivered::Ready {
                    subscription.flow.pause();
                }
                if delivered == Delivered::Refused {
                    return Progress::Waits;
                }
            }
            self.next += 1;
        }
        Progress::CaughtUp
    }
}

/// Gives a retained message to one subscriber. Whether it wanted it.
pub(super) fn give<S>(
    retained: &Arc<Message>,
    subscription: &Arc<Subscription<S>>,
    operation: &mut Operation<'_, S>,
) -> bool {
    let wants = subscription.wants(retained);
    if wants {
        let one = Subscribers::default().with(Arc::clone(subscription));
        one.confirm();
        operation.sink.topic(retained, &one);
    }
    wants
}
