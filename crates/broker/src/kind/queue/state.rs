use std::collections::BTreeMap;

use super::allowance::Usage;
use super::backlog::{Amount, Backlog, Place, Queued};
use super::browser::Browser;
use super::consumer::Consumer;
use super::journal::Journal;
use super::letters::Letters;
use super::settings::Settings;
use super::turns::Turns;
use crate::acknowledgement::{AckId, Settlement};
use crate::arguments::QueueArguments;
use crate::dead_letter::DeathReason;
use crate::destination::Destination;
use crate::error::QueueLimit;
use crate::kind::Refusal;
use crate::operation::Operation;
use crate::sink::{Delivered, Delivery};
use crate::timestamp::Timestamp;

/// How many messages one operation deals with whose time has come, so that others come in between.
pub(super) const DUE_MAX: usize = 1000;

/// What a queue holds, under its lock.
///
/// Between operations, no ready message is wanted by a consumer that is ready for it: whatever
/// comes is offered to all of those, and whoever becomes ready is fed with what there is.
#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) name: Destination,
    pub(super) life: Life,
    pub(super) settings: Settings,
    pub(super) arguments: QueueArguments,
    pub(super) journal: Journal,
    pub(super) backlog: Backlog,
    pub(super) letters: Letters,
    /// By the serial number of the subscription.
    pub(super) consumers: BTreeMap<u64, Consumer<S>>,
    pub(super) browsers: BTreeMap<u64, Browser<S>>,
    pub(super) turns: Turns,
    /// The consumer that gets everything, if one has asked for that.
    pub(super) first_in_line: Option<u64>,
    /// No consumer has looked at messages behind this place.
    pub(super) furthest_cursor: Place,
    /// Since when nobody uses a queue that ends for want of use.
    pub(super) idle_since: Option<Timestamp>,
    /// When the queue has asked to be told the time.
    pub(super) alarm: Option<Timestamp>,
    /// Whether a sender waits for room.
    pub(super) refused: Refused,
    /// What a temporary queue uses of what its session may have.
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    Retired,
}

/// Whether a message was refused since there was room the last time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Nothing,
    Something,
}

impl Refused {
    /// Notes that a message was refused whose sender waits for room.
    pub(super) fn note(&mut self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Full(_)) {
            *self = Self::Something;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum HandOver {
    Taken,
    /// The consumer's session has no room; it is not asked again until it resumes.
    Refused,
}

impl<S> State<S> {
    /// Offers a message that has become ready to the consumers.
    pub(super) fn offer(&mut self, place: Place, operation: &mut Operation<'_, S>) {
        self.look_again(place);
        while let Some(queued) = self.backlog.get(place) {
            if self.bury_if_expired(&queued, operation) {
                return;
            }
            let Some(key) = self.taker(&queued) else { return };
            if self.hand_over(key, queued, operation) == HandOver::Taken {
                return;
            }
        }
    }

    /// Gives a consumer what it wants of the messages that are there, and turns from now on.
    pub(super) fn feed(&mut self, key: u64, operation: &mut Operation<'_, S>) {
        let is_out_of_line = self.first_in_line.is_some_and(|first| first != key);
        while let Some(consumer) = self.consumers.get_mut(&key).filter(|it| it.is_ready()) {
            let queued = self.backlog.first_from(consumer.cursor).filter(|_| !is_out_of_line);
            let Some(queued) = queued else {
                let priority = consumer.priority();
                return self.turns.admit(key, priority);
            };
            if !consumer.wants(&queued.message) {
                consumer.cursor = queued.place.next();
                self.furthest_cursor = self.furthest_cursor.max(consumer.cursor);
            } else if !self.bury_if_expired(&queued, operation) {
                self.hand_over(key, queued, operation);
            }
        }
    }

    /// What a consumer decided about messages that were delivered to it.
    pub(super) fn settle(
        &mut self,
        messages: Vec<Queued>,
        settlement: Settlement,
        operation: &mut Operation<'_, S>,
    ) {
        let mut back = Vec::new();
        for queued in messages {
            match settlement {
                Settlement::Consume => {
                    self.backlog.forget(&queued);
                    self.journal.remove(&queued, operation);
                }
                Settlement::Requeue if !self.is_at_limit(&queued) => {
                    let delay = self.settings.redelivery_delay.after_deliveries(queued.deliveries);
                    if delay.is_zero() {
                        back.push(queued.place);
                        self.backlog.put_back(queued);
                    } else {
                        self.backlog.put_back_later(queued, operation.now.after(delay));
                    }
                }
                Settlement::Requeue => {
                    self.backlog.forget(&queued);
                    self.bury(queued, DeathReason::DeliveryLimit, operation);
                }
                Settlement::Reject => {
                    self.backlog.forget(&queued);
                    self.bury(queued, DeathReason::Rejected, operation);
                }
            }
        }
        back.sort_unstable();
        for place in back {
            self.offer(place, operation);
        }
    }

    /// Whether a message has been delivered as often as it may be.
    pub(super) fn is_at_limit(&self, queued: &Queued) -> bool {
        queued.deliveries >= self.settings.deliveries_max
    }

    /// Who of the consumers goes first, where one of them wants everything.
    pub(super) fn choose_first_in_line(&mut self, operation: &mut Operation<'_, S>) {
        let candidates = self.consumers.iter().filter(|(_, it)| it.is_first_in_line());
        let first = candidates.max_by_key(|(key, it)| (it.priority(), std::cmp::Reverse(**key)));
        let first = first.map(|(key, _)| *key);
        if first == self.first_in_line {
            return;
        }
        self.first_in_line = first;
        let keys: Vec<u64> = self.consumers.keys().copied().collect();
        for key in keys {
            self.feed(key, operation);
        }
    }

    /// Does what is due: messages expire, or come back after a delay.
    pub(super) fn handle_timeout(&mut self, operation: &mut Operation<'_, S>) {
        for _ in 0..DUE_MAX {
            if let Some(queued) = self.backlog.pop_expired(operation.now) {
                self.bury(queued, DeathReason::Expired, operation);
            } else if let Some(place) = self.backlog.wake_delayed(operation.now) {
                self.offer(place, operation);
            } else {
                break;
            }
        }
        if let Some(first) = self.letters.take_due(operation.now) {
            operation.aftermath.bury(&self.name, first);
        }
    }

    /// Whether the queue may hold so much, by these settings, if other temporary queues of its session are going
    /// to get these octets more.
    pub(super) fn check(
        &self,
        settings: &Settings,
        amount: Amount,
        for_others: usize,
    ) -> Result<(), QueueLimit> {
        settings.check(amount)?;
        let checked = self.usage.as_ref().map_or(Ok(()), |usage| usage.check(amount, for_others));
        checked.map_err(QueueLimit::Octets)
    }

    /// Whether there is room for a message beside the dead letters that wait for a place. What the queue gives up to
    /// make room may have to wait with them.
    pub(super) fn check_letters(&self, amount: Amount) -> Result<(), QueueLimit> {
        if self.letters.is_empty() {
            return Ok(());
        }
        let all = self.backlog.amount().and(self.letters.amount()).and(amount);
        all.check(self.settings.max_with_letters)
    }

    fn has_room(&self) -> bool {
        let amount = self.backlog.amount();
        self.settings.has_room(amount)
            && (self.letters.is_empty()
                || amount.and(self.letters.amount()).is_below(self.settings.max_with_letters))
    }

    /// To be called at the end of every operation: tells senders that there is room again, and asks
    /// to be called when it is time.
    pub(super) fn finish(&mut self, operation: &mut Operation<'_, S>) {
        if let Some(usage) = &mut self.usage {
            usage.set(self.backlog.amount());
        }
        if self.refused == Refused::Something && self.has_room() {
            self.refused = Refused::Nothing;
            operation.sink.has_room(&self.name);
        }
        self.note_use(operation.now);
        let lease_ends_at = self.lease_ends_at();
        let deadlines = [self.backlog.next_deadline(), self.letters.next_deadline(), lease_ends_at];
        let deadline = deadlines.into_iter().flatten().min();
        if let Some(at) = deadline.filter(|at| self.alarm.is_none_or(|alarm| *at < alarm)) {
            self.alarm = Some(at);
            operation.aftermath.alarms.push((at, self.name.clone()));
        }
    }

    /// Notes whether somebody uses the queue, or since when nobody does.
    fn note_use(&mut self, now: Timestamp) {
        if !self.is_unused() {
            self.idle_since = None;
        } else if self.settings.expires.is_some() {
            self.idle_since.get_or_insert(now);
        }
    }

    /// When the queue ends, unless somebody uses it before. Its dead letters have to leave first.
    pub(super) fn lease_ends_at(&self) -> Option<Timestamp> {
        let ends_at = self.idle_since?.after(self.settings.expires?);
        Some(ends_at).filter(|_| self.letters.is_empty())
    }

    /// Whether nobody consumes from the queue or looks at it.
    pub(super) fn is_unused(&self) -> bool {
        self.consumers.is_empty() && self.browsers.is_empty()
    }

    fn bury_if_expired(&mut self, queued: &Queued, operation: &mut Operation<'_, S>) -> bool {
        if queued.expires_at.is_none_or(|at| at > operation.now) {
            return false;
        }
        self.backlog.remove(queued.place);
        self.bury(queued.clone(), DeathReason::Expired, operation);
        true
    }

    /// The next consumer in turn that is ready and wants the message.
    fn taker(&mut self, queued: &Queued) -> Option<u64> {
        let wants = |consumer: &Consumer<S>| consumer.wants(&queued.message);
        if let Some(first) = self.first_in_line {
            let consumer = self.consumers.get(&first);
            return consumer.filter(|it| it.is_ready() && wants(it)).map(|_| first);
        }
        let mut paused = Vec::new();
        let taker = self.turns.in_order().find(|key| match self.consumers.get(key) {
            Some(consumer) if consumer.is_ready() => wants(consumer),
            _ => {
                paused.push(*key);
                false
            }
        });
        for key in paused {
            self.retire_from_turns(key);
        }
        taker
    }

    /// A message leaves the backlog after the sink has it: if the sink panics, nothing is lost.
    fn hand_over(
        &mut self,
        key: u64,
        mut queued: Queued,
        operation: &mut Operation<'_, S>,
    ) -> HandOver {
        let Some(consumer) = self.consumers.get_mut(&key) else { return HandOver::Refused };
        let tag = consumer.next_tag();
        queued.deliveries = queued.deliveries.saturating_add(1);
        let delivered = operation.sink.deliver(Delivery {
            message: &queued.message,
            subscription: &consumer.subscription,
            ack: tag.map(|tag| AckId::new(consumer.subscription.number, tag)),
            delivery_count: queued.deliveries,
        });
        if delivered != Delivered::Ready {
            consumer.subscription.flow.pause();
        }
        if delivered == Delivered::Refused {
            self.retire_from_turns(key);
            return HandOver::Refused;
        }
        self.backlog.take(&queued);
        self.turns.took(key);
        match tag {
            Some(tag) => consumer.record(tag, queued),
            None => {
                self.backlog.forget(&queued);
                self.journal.remove(&queued, operation);
            }
        }
        if !consumer.is_ready() {
            self.retire_from_turns(key);
        }
        HandOver::Taken
    }

    fn retire_from_turns(&mut self, key: u64) {
        if let Some(consumer) = self.consumers.get(&key) {
            self.turns.remove(key, consumer.priority());
        }
    }

    /// Consumers with selectors may have looked beyond this place already.
    fn look_again(&mut self, place: Place) {
        if place < self.furthest_cursor {
            for consumer in self.consumers.values_mut() {
                consumer.cursor = consumer.cursor.min(place);
            }
            self.furthest_cursor = place;
        }
    }
}
