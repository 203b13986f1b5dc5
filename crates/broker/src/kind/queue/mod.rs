mod allowance;
mod backlog;
mod browser;
mod consumer;
mod journal;
mod letters;
mod settings;
mod state;
mod turns;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) use self::allowance::Allowance;
use self::allowance::Usage;
pub(crate) use self::backlog::Amount;
use self::backlog::{Backlog, Place, Queued};
use self::browser::Browser;
use self::consumer::Consumer;
use self::journal::Journal;
pub(crate) use self::letters::LetterNumber;
use self::letters::Letters;
use self::settings::Settings;
use self::state::{Life, Refused, State};
use self::turns::Turns;
use super::{
    Answer, DeliveryName, DestinationKind, Kind, NotAttached, Occupancy, Refusal, Settled,
};
use crate::arguments::QueueArguments;
use crate::binding::Binding;
use crate::broker::Selection;
use crate::dead_letter::DeathReason;
use crate::destination::Destination;
use crate::history::Beginning;
use crate::message::Message;
use crate::operation::Operation;
use crate::options::{BrokerOptions, Unprepared};
use crate::policy::QueueOverflow;
use crate::record::{Position, QueueId};
use crate::stats::DestinationStats;
use crate::subscription::{Access, Exclusivity, SubscribeOptions, Subscription};
use crate::sync::{get_mut, lock};
use crate::timestamp::Timestamp;

/// A queue: every message is for one of its consumers, who take turns.
///
/// The sink is called under the queue's lock, so that two threads cannot hand a consumer messages
/// out of order.
#[derive(Debug)]
pub(crate) struct Queue<S> {
    name: Destination,
    role: Role,
    options: Arc<BrokerOptions>,
    state: Mutex<State<S>>,
}

/// What a queue is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Anybody may send to it and consume from it.
    Named,
    /// It ends with its session, whatever it holds, and nothing of it is stored.
    Temporary,
    /// It gets the messages of topics for one durable subscription.
    Durable(Binding),
}

/// A message that was found in a queue.
#[derive(Debug)]
pub(crate) struct Selected(Place);

/// A message of a queue that is in an operator's hand.
#[derive(Debug)]
pub(crate) struct Lifted(Queued);

impl Lifted {
    pub(crate) fn message(&self) -> &Message {
        &self.0.message
    }
}

/// Whether a message is taken beyond the limits of a queue that lets its senders wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    IfThereIsRoom,
    /// It was asked before whether there is.
    InAnyCase,
}

impl<S> Queue<S> {
    pub(crate) fn new(
        name: Destination,
        role: Role,
        id: QueueId,
        options: &Arc<BrokerOptions>,
    ) -> Self {
        Self::with_journal(name, role, QueueArguments::default(), Journal::new(id), options)
    }

    /// A temporary queue of a session, whose temporary queues may hold so much.
    pub(crate) fn temporary(
        name: Destination,
        allowance: Arc<Allowance>,
        options: &Arc<BrokerOptions>,
    ) -> Self {
        let (role, journal) = (Role::Temporary, Journal::never());
        let mut queue = Self::with_journal(name, role, QueueArguments::default(), journal, options);
        get_mut(&mut queue.state).usage = Some(Usage::of(allowance));
        queue
    }

    /// A queue as it was found in the store, without its messages.
    pub(crate) fn recovered(
        name: Destination,
        role: Role,
        arguments: QueueArguments,
        (id, marked_below): (QueueId, Position),
        options: &Arc<BrokerOptions>,
    ) -> Self {
        let journal = Journal::recovered(id, marked_below);
        let queue = Self::with_journal(name, role, arguments, journal, options);
        lock(&queue.state).backlog.skip_to(marked_below);
        queue
    }

    fn with_journal(
        name: Destination,
        role: Role,
        arguments: QueueArguments,
        journal: Journal,
        options: &Arc<BrokerOptions>,
    ) -> Self {
        let state = State {
            name: name.clone(),
            life: Life::Open,
            settings: Settings::new(&name, &arguments, options),
            arguments,
            journal,
            backlog: Backlog::default(),
            letters: Letters::default(),
            consumers: BTreeMap::new(),
            browsers: BTreeMap::new(),
            turns: Turns::default(),
            first_in_line: None,
            furthest_cursor: Place::default(),
            idle_since: None,
            alarm: None,
            refused: Refused::Nothing,
            usage: None,
        };
        Self { name, role, options: Arc::clone(options), state: Mutex::new(state) }
    }

    pub(crate) fn name(&self) -> &Destination {
        &self.name
    }

    pub(crate) fn binding(&self) -> Option<&Binding> {
        match &self.role {
            Role::Durable(binding) => Some(binding),
            Role::Named | Role::Temporary => None,
        }
    }

    /// Puts a message back that was found in the store.
    pub(crate) fn restore(&self, now: Timestamp, position: Position, message: Arc<Message>) {
        let mut state = lock(&self.state);
        let deliveries = u32::from(state.journal.is_marked(Position(position.0 + 1)));
        let rank = state.settings.rank(&message);
        let expires_at = state.settings.expiry(now, &message);
        state.backlog.skip_to(Position(position.0 + 1));
        let place = Place { rank, position };
        state.take_in(Queued { place, message, deliveries, expires_at }, now);
    }

    /// Stores what is known of the queue once more.
    pub(crate) fn define_again(&self, operation: &mut Operation<'_, S>) {
        self.define(&mut lock(&self.state), operation);
    }

    /// Stores a message that was found in the store under another id, behind those that are there.
    pub(crate) fn take_over(
        &self,
        message: &Arc<Message>,
        deliveries: u32,
        operation: &mut Operation<'_, S>,
    ) {
        let mut state = lock(&self.state);
        let queued = Queued { deliveries, ..state.next_queued(message, operation.now) };
        if deliveries > 0 {
            state.journal.mark(queued.place.position, operation);
        }
        state.journal.put(&queued, operation);
        state.take_in(queued, operation.now);
    }

    /// Takes what a client asks of the queue, if nobody has asked for something else.
    ///
    /// # Errors
    ///
    /// [`Refusal::ArgumentDiffers`], or [`Refusal::Retired`].
    pub(crate) fn declare(
        &self,
        arguments: &QueueArguments,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), Refusal> {
        if arguments.is_empty() && self.binding().is_none() {
            return Ok(());
        }
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(Refusal::Retired);
        }
        let merged = state.arguments.merged(arguments).map_err(Refusal::ArgumentDiffers)?;
        if merged != state.arguments || !state.journal.is_stored() {
            state.settings = Settings::new(&self.name, &merged, &self.options);
            state.arguments = merged;
            self.define(&mut state, operation);
            state.finish(operation);
        }
        Ok(())
    }

    /// Whether what is asked of the queue differs from what others have asked: the name of that argument.
    pub(crate) fn check_arguments(&self, arguments: &QueueArguments) -> Result<(), &'static str> {
        lock(&self.state).arguments.merged(arguments).map(|_| ())
    }

    /// Whether a subscriber with these options would be attached now.
    pub(crate) fn check_subscriber(&self, options: &SubscribeOptions) -> Result<(), NotAttached> {
        if options.access == Access::Browse {
            return Ok(());
        }
        self.check_consumer(&lock(&self.state), options)
    }

    fn check_consumer(
        &self,
        state: &State<S>,
        options: &SubscribeOptions,
    ) -> Result<(), NotAttached> {
        let alone = |options: &SubscribeOptions| options.exclusivity == Exclusivity::Alone;
        let mut consumers = state.consumers.values();
        if consumers.any(|consumer| alone(consumer.subscription.options())) {
            return Err(NotAttached::Exclusive);
        }
        if alone(options) && !state.consumers.is_empty() {
            return Err(NotAttached::Occupied);
        }
        let next = state.backlog.next_position();
        if self.options.unprepared == Unprepared::Refuse && !state.journal.is_marked(next) {
            return Err(NotAttached::Unprepared);
        }
        Ok(())
    }

    /// Sees to it that what is delivered to a consumer from now on is known to have been delivered,
    /// should the server end. Whoever subscribes waits until that is stored.
    pub(crate) fn prepare_delivery(&self, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        let next = state.backlog.next_position();
        if !state.journal.is_far_ahead(next) {
            state.journal.mark_ahead(next, operation);
        } else if !state.backlog.is_empty() || self.binding().is_some() {
            // Another consumer's mark may be on its way to the store, or the durable subscription
            // itself, and has to be there for this one too.
            state.journal.mark_again(operation);
        }
    }

    /// What the messages of a temporary queue use of.
    pub(crate) fn allowance(&self) -> Option<Arc<Allowance>> {
        lock(&self.state).usage.as_ref().map(|usage| Arc::clone(usage.allowance()))
    }

    /// Whether there is room for so much, where this is asked of the queue too, and other temporary queues of
    /// its session are going to get these octets.
    pub(crate) fn check_room(
        &self,
        amount: Amount,
        asked: &QueueArguments,
        for_others: usize,
    ) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        let merged = state.arguments.merged(asked).map_err(Refusal::ArgumentDiffers)?;
        let settings = match merged == state.arguments {
            true => &state.settings,
            false => &Settings::new(&self.name, &merged, &self.options),
        };
        let checked = if settings.drops() {
            Ok(())
        } else {
            state.check(settings, state.backlog.amount().and(amount), for_others)
        };
        let Err(limit) = checked.and_then(|()| state.check_letters(amount)) else {
            return Ok(());
        };
        // An empty queue would not have room for all of them either.
        if !settings.drops()
            && let Err(limit) = settings.check(amount)
        {
            return Err(Refusal::TooLarge(limit));
        }
        let refusal = settings.refusal(limit);
        state.refused.note(&refusal);
        Err(refusal)
    }

    /// The messages that are ready, the first of them.
    pub(crate) fn peek(&self, count: usize) -> Vec<(Arc<Message>, u32)> {
        let state = lock(&self.state);
        let mut from = Place::default();
        let mut peeked = Vec::new();
        while let Some(queued) = state.backlog.first_from(from).filter(|_| peeked.len() < count) {
            from = queued.place.next();
            peeked.push((queued.message, queued.deliveries));
        }
        peeked
    }

    /// Removes what no consumer has; returns how many messages that were.
    pub(crate) fn purge(&self, operation: &mut Operation<'_, S>) -> usize {
        let mut state = lock(&self.state);
        let mut drained = state.backlog.drain();
        drained.extend(state.letters.drain());
        for queued in &drained {
            state.journal.remove(queued, operation);
        }
        state.finish(operation);
        drained.len()
    }

    /// Finds those of the messages that are ready and wanted. What is asked about a message is asked under the lock
    /// of the queue.
    pub(crate) fn select(
        &self,
        selection: Selection<'_>,
        is_wanted: impl Fn(&Message) -> bool,
    ) -> Vec<Selected> {
        let (id, count) = match selection {
            Selection::First(count) => (None, count),
            Selection::WithId(id) => (Some(id), usize::MAX),
        };
        let is_selected = |message: &Message| {
            id.is_none_or(|id| message.message_id.as_str() == id) && is_wanted(message)
        };
        let state = lock(&self.state);
        let ready = state.backlog.iter_ready().filter(|(_, message)| is_selected(message));
        ready.take(count).map(|(place, _)| Selected(place)).collect()
    }

    /// Takes a message in hand, if it is still ready: no consumer gets it until it is
    /// [put down](Self::put_down) again or [forgotten](Self::forget).
    pub(crate) fn lift(&self, selected: &Selected) -> Option<Lifted> {
        let mut state = lock(&self.state);
        let queued = state.backlog.get(selected.0)?;
        state.backlog.take(&queued);
        Some(Lifted(queued))
    }

    /// Puts a message back that was in hand.
    pub(crate) fn put_down(&self, lifted: Lifted, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        let place = lifted.0.place;
        state.backlog.put_back(lifted.0);
        state.offer(place, operation);
        state.finish(operation);
    }

    /// A message that was in hand has gone somewhere else.
    pub(crate) fn forget(&self, lifted: Lifted, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        state.backlog.forget(&lifted.0);
        state.journal.remove(&lifted.0, operation);
        state.finish(operation);
    }

    /// As [`on_send`](DestinationKind::on_send), perhaps beyond the limits.
    pub(crate) fn send(
        &self,
        message: &Arc<Message>,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, Refusal> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(Refusal::Retired);
        }
        match make_room(&mut state, message, operation) {
            Ok(Room::ForTheMessage) => {}
            Ok(Room::ForNone(queued)) => {
                self.store(&mut state, &queued, operation);
                state.bury(queued, DeathReason::MaxLength, operation);
                return Ok(0);
            }
            Err(_) if admission == Admission::InAnyCase => {}
            Err(refusal) => {
                state.refused.note(&refusal);
                return Err(refusal);
            }
        }
        let queued = state.next_queued(message, operation.now);
        self.store(&mut state, &queued, operation);
        let place = queued.place;
        state.backlog.insert(queued, operation.now);
        let is_ready = state.backlog.is_ready(place);
        state.offer(place, operation);
        let is_handed_over = is_ready && !state.backlog.is_ready(place);
        state.finish(operation);
        Ok(usize::from(is_handed_over))
    }

    /// Ends the queue, whatever it holds, unless someone uses it.
    pub(crate) fn retire(&self, operation: &mut Operation<'_, S>) -> Result<(), NotAttached> {
        let mut state = lock(&self.state);
        if !state.is_unused() {
            return Err(NotAttached::Occupied);
        }
        state.end(operation);
        Ok(())
    }

    /// Ends the queue, and says whose consumers and browsers it had.
    pub(crate) fn cancel(&self, operation: &mut Operation<'_, S>) -> Vec<Arc<Subscription<S>>> {
        let mut state = lock(&self.state);
        let mut cancelled = Vec::new();
        for consumer in std::mem::take(&mut state.consumers).into_values() {
            cancelled.push(Arc::clone(&consumer.subscription));
            consumer.into_unsettled().for_each(|queued| state.backlog.put_back(queued));
        }
        let browsers = std::mem::take(&mut state.browsers).into_values();
        cancelled.extend(browsers.map(|browser| browser.subscription));
        state.turns = Turns::default();
        state.first_in_line = None;
        state.end(operation);
        cancelled
    }

    /// Stores a new message, if it is to be.
    fn store(&self, state: &mut State<S>, queued: &Queued, operation: &mut Operation<'_, S>) {
        if !state.journal.keeps(queued) {
            return;
        }
        if !state.journal.is_stored() {
            self.define(state, operation);
        }
        if !state.consumers.is_empty() {
            state.journal.mark(queued.place.position, operation);
        }
        state.journal.put(queued, operation);
    }

    fn define(&self, state: &mut State<S>, operation: &mut Operation<'_, S>) {
        state.journal.define(&self.name, &state.arguments, self.binding(), operation);
    }

    fn attach(
        &self,
        state: &mut State<S>,
        subscription: &Arc<Subscription<S>>,
        operation: &mut Operation<'_, S>,
    ) {
        let key = subscription.serial;
        let mut consumer =
            Consumer::new(Arc::clone(subscription), self.options.limits.prefetch_default);
        consumer.cursor = Place::default();
        state.consumers.insert(key, consumer);
        state.choose_first_in_line(operation);
        state.feed(key, operation);
    }
}

/// What was made of the limits of a queue for a message.
enum Room {
    ForTheMessage,
    /// The message is not to be taken.
    ForNone(Queued),
}

fn make_room<S>(
    state: &mut State<S>,
    message: &Arc<Message>,
    operation: &mut Operation<'_, S>,
) -> Result<Room, Refusal> {
    if !state.letters.is_empty() && state.settings.may_take(message) {
        let checked = state.check_letters(Amount::default().with(message));
        checked.map_err(|limit| state.settings.refusal(limit))?;
    }
    loop {
        let amount = state.backlog.amount().with(message);
        let Err(limit) = state.check(&state.settings, amount, 0) else {
            return Ok(Room::ForTheMessage);
        };
        let oldest = match state.settings.overflow {
            QueueOverflow::DropHead => state.backlog.least_urgent(),
            QueueOverflow::Wait | QueueOverflow::Refuse | QueueOverflow::DropNew => None,
        };
        match (state.settings.overflow, oldest) {
            (QueueOverflow::DropHead, Some(oldest)) if state.settings.ever_fits(message) => {
                state.backlog.remove(oldest.place);
                state.bury(oldest, DeathReason::MaxLength, operation);
            }
            (QueueOverflow::DropNew | QueueOverflow::DropHead, _) => {
                return Ok(Room::ForNone(state.next_queued(message, operation.now)));
            }
            _ if !state.settings.ever_fits(message) => return Err(Refusal::TooLarge(limit)),
            _ => return Err(state.settings.refusal(limit)),
        }
    }
}

impl<S: Send + Sync> DestinationKind<S> for Queue<S> {
    fn on_send(
        &self,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, Refusal> {
        self.send(message, Admission::IfThereIsRoom, operation)
    }

    fn on_subscribe(
        &self,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(NotAttached::Retired);
        }
        if subscription.options().access == Access::Browse {
            on_active(Beginning::without_history(subscription.options().rewind.as_ref()));
            let mut browser = Browser::new(Arc::clone(subscription), &state.backlog);
            browser.go_on(&state.backlog, operation);
            state.browsers.insert(subscription.serial, browser);
            return Ok(());
        }
        self.check_consumer(&state, subscription.options())?;
        on_active(Beginning::without_history(subscription.options().rewind.as_ref()));
        let next = state.backlog.next_position();
        if !state.journal.is_marked(next) {
            state.journal.mark(next, operation);
        }
        self.attach(&mut state, subscription, operation);
        state.finish(operation);
        Ok(())
    }

    /// What the consumers have not settled goes back to where it was, and to others in its order.
    fn on_unsubscribe(&self, subscriptions: &[&Subscription<S>], operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        let mut places = Vec::new();
        for subscription in subscriptions {
            let key = subscription.serial;
            state.browsers.remove(&key);
            let Some(consumer) = state.consumers.remove(&key) else { continue };
            state.turns.remove(key, consumer.priority());
            let mut unsettled = consumer.into_unsettled().peekable();
            // The consumer may have ended because of the first. The others it may never have looked at.
            if let Some(first) = unsettled.next_if(|first| state.is_at_limit(first)) {
                state.backlog.forget(&first);
                state.bury(first, DeathReason::DeliveryLimit, operation);
            }
            for queued in unsettled {
                places.push(queued.place);
                state.backlog.put_back(queued);
            }
        }
        places.sort_unstable();
        state.choose_first_in_line(operation);
        for place in places {
            state.offer(place, operation);
        }
        state.finish(operation);
    }

    fn knows(&self, subscription: &Subscription<S>, delivery: DeliveryName) -> Answer {
        let state = lock(&self.state);
        match state.consumers.get(&subscription.serial) {
            Some(consumer) if !consumer.expects_ack() => Answer::NothingToSettle,
            Some(consumer) if consumer.awaits(delivery) => Answer::Settled,
            None if state.browsers.contains_key(&subscription.serial) => Answer::NothingToSettle,
            _ => Answer::Unknown,
        }
    }

    fn on_settle(
        &self,
        subscription: &Subscription<S>,
        settled: Settled,
        operation: &mut Operation<'_, S>,
    ) -> Answer {
        let mut state = lock(&self.state);
        let key = subscription.serial;
        let Some(consumer) = state.consumers.get_mut(&key) else {
            let browses = state.browsers.contains_key(&key);
            return if browses { Answer::NothingToSettle } else { Answer::Unknown };
        };
        if !consumer.expects_ack() {
            return Answer::NothingToSettle;
        }
        let messages = consumer.settle(settled.delivery);
        if messages.is_empty() {
            return Answer::Unknown;
        }
        state.settle(messages, settled.settlement, operation);
        state.feed(key, operation);
        state.finish(operation);
        Answer::Settled
    }

    fn on_resume(&self, subscription: &Subscription<S>, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        state.feed(subscription.serial, operation);
        let State { browsers, backlog, .. } = &mut *state;
        if let Some(browser) = browsers.get_mut(&subscription.serial) {
            browser.go_on(backlog, operation);
        }
        state.finish(operation);
    }

    fn on_timeout(&self, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        state.alarm = None;
        state.handle_timeout(operation);
        match state.lease_ends_at() {
            Some(at) if at <= operation.now => state.end(operation),
            _ => state.finish(operation),
        }
    }

    fn retire_if_vacant(&self, operation: &mut Operation<'_, S>) -> Occupancy {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Occupancy::Retired;
        }
        let holds_something = match self.role {
            // Whoever asks for a lease wants the queue for so long.
            Role::Named => {
                !state.backlog.is_empty()
                    || !state.letters.is_empty()
                    || state.settings.expires.is_some()
            }
            Role::Temporary | Role::Durable(_) => true,
        };
        if !state.is_unused() || holds_something {
            return Occupancy::InUse;
        }
        state.life = Life::Retired;
        state.journal.close(operation);
        Occupancy::Retired
    }

    fn stats(&self) -> DestinationStats {
        let state = lock(&self.state);
        let letters = state.letters.amount();
        DestinationStats {
            name: self.name.clone(),
            kind: if self.role == Role::Temporary { Kind::TemporaryQueue } else { Kind::Queue },
            subscriptions: state.consumers.len() + state.browsers.len(),
            ready: state.backlog.ready(),
            delayed: state.backlog.delayed() + letters.messages,
            unsettled: state.backlog.unsettled(),
            kept: 0,
            octets: state.backlog.amount().octets + letters.octets,
        }
    }
}

impl<S> State<S> {
    fn end(&mut self, operation: &mut Operation<'_, S>) {
        self.life = Life::Retired;
        self.backlog.drain();
        self.letters.drain();
        self.usage = None;
        self.journal.close(operation);
        // Whoever waits for room finds another queue of the name, or none.
        if std::mem::replace(&mut self.refused, Refused::Nothing) == Refused::Something {
            operation.sink.has_room(&self.name);
        }
    }

    fn next_queued(&mut self, message: &Arc<Message>, now: Timestamp) -> Queued {
        let place = self.backlog.next_place(self.settings.rank(message));
        let expires_at = self.settings.expiry(now, message);
        Queued { place, message: Arc::clone(message), deliveries: 0, expires_at }
    }
}

#[cfg(test)]
mod tests;
