use std::collections::BTreeMap;
use std::sync::Arc;

use super::Queue;
use super::backlog::{Amount, Queued};
use super::state::State;
use crate::dead_letter::{DeadLetter, DeathReason};
use crate::message::Kept;
use crate::operation::Operation;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// The messages that a queue has given up, until each has gone to another place. They are the queue's until then: they
/// count in it and are stored with it, and no consumer gets them.
#[derive(Debug, Default)]
pub(super) struct Letters {
    waiting: BTreeMap<LetterNumber, Letter>,
    next: LetterNumber,
    /// Of those that wait, and of those in somebody's hand.
    amount: Amount,
    /// When those are sent again for which there was no place.
    retry_at: Option<Timestamp>,
}

/// Counts up over the letters of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LetterNumber(u64);

#[derive(Debug)]
struct Letter {
    queued: Queued,
    reason: DeathReason,
    storage: Stored,
}

/// What the store has a letter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// For a message of the queue, if it has it at all.
    AsMessage,
    AsLetter,
}

/// A dead letter in the hand of whoever sends it to its place.
#[derive(Debug)]
pub(crate) struct LiftedLetter {
    number: LetterNumber,
    queued: Queued,
    storage: Stored,
    pub(crate) letter: DeadLetter,
}

impl Letters {
    fn add(&mut self, letter: Letter) -> LetterNumber {
        let number = self.next;
        self.next = number.next();
        self.amount = self.amount.with(&letter.queued.message);
        self.waiting.insert(number, letter);
        number
    }

    /// The first one, if it is time to send them again.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<LetterNumber> {
        self.retry_at.take_if(|at| *at <= now)?;
        self.waiting.first_key_value().map(|(number, _)| *number)
    }

    /// When it is time to send them again.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.retry_at
    }

    pub(super) fn amount(&self) -> Amount {
        self.amount
    }

    pub(super) fn is_empty(&self) -> bool {
        self.amount == Amount::default()
    }

    /// Removes all that wait.
    pub(super) fn drain(&mut self) -> Vec<Queued> {
        self.retry_at = None;
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let drained: Vec<Queued> = waiting.map(|letter| letter.queued).collect();
        for queued in &drained {
            self.amount = self.amount.without(&queued.message);
        }
        drained
    }
}

impl LetterNumber {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl<S> State<S> {
    /// Takes in what was found in the store. Dead letters are sent again at once.
    pub(super) fn take_in(&mut self, queued: Queued, now: Timestamp) {
        match queued.message.properties.kept {
            Kept::Unsaid | Kept::Until(_) => self.backlog.insert(queued, now),
            Kept::GivenUp { reason, deliveries } => {
                let queued = Queued { deliveries, ..queued };
                self.letters.add(Letter { queued, reason, storage: Stored::AsLetter });
                self.letters.retry_at = Some(now);
            }
        }
    }

    /// Gives up a message that is in the backlog no more.
    pub(super) fn bury(
        &mut self,
        queued: Queued,
        reason: DeathReason,
        operation: &mut Operation<'_, S>,
    ) {
        if self.settings.dead_letters.is_none() {
            self.journal.remove(&queued, operation);
            operation.sink.discard(&self.dead_letter(&queued, reason));
            return;
        }
        let number = self.letters.add(Letter { queued, reason, storage: Stored::AsMessage });
        operation.aftermath.bury(&self.name, number);
    }

    fn dead_letter(&self, queued: &Queued, reason: DeathReason) -> DeadLetter {
        DeadLetter {
            message: Arc::clone(&queued.message),
            queue: self.name.clone(),
            reason,
            deliveries: queued.deliveries,
            target: self.settings.dead_letters.clone(),
        }
    }
}

impl<S> Queue<S> {
    /// The number that the next dead letter gets.
    pub(crate) fn next_letter(&self) -> LetterNumber {
        lock(&self.state).letters.next
    }

    /// Takes the first of these dead letters in hand, until it [has gone](Self::letter_has_gone) or
    /// [has to wait](Self::letter_waits). There is none if others have sent them all: this may even be
    /// another queue of that name, which counts anew.
    pub(crate) fn lift_letter(
        &self,
        from: LetterNumber,
        upto: LetterNumber,
    ) -> Option<LiftedLetter> {
        let mut state = lock(&self.state);
        let (&number, _) = state.letters.waiting.range(from..).next()?;
        if number >= upto {
            return None;
        }
        let Letter { queued, reason, storage } = state.letters.waiting.remove(&number)?;
        let letter = state.dead_letter(&queued, reason);
        Some(LiftedLetter { number, queued, storage, letter })
    }

    /// A dead letter has been sent to its place, or there is none.
    pub(crate) fn letter_has_gone(&self, lifted: LiftedLetter, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        state.letters.amount = state.letters.amount.without(&lifted.queued.message);
        state.journal.remove(&lifted.queued, operation);
        state.finish(operation);
    }

    /// There is no place for a dead letter at the moment.
    pub(crate) fn letter_waits(&self, lifted: LiftedLetter, operation: &mut Operation<'_, S>) {
        let LiftedLetter { number, queued, storage, letter } = lifted;
        let mut state = lock(&self.state);
        let reason = letter.reason;
        if storage == Stored::AsMessage {
            state.journal.put_letter(&queued, reason, operation);
        }
        let storage = Stored::AsLetter;
        state.letters.waiting.insert(number, Letter { queued, reason, storage });
        if state.letters.retry_at.is_none() {
            let delay = state.settings.dead_letter_retry;
            state.letters.retry_at = Some(operation.now.after(delay));
            operation.sink.dead_letter_waits(&letter);
        }
        state.finish(operation);
    }
}

impl LiftedLetter {
    /// Where those begin that are behind it.
    pub(crate) fn next(&self) -> LetterNumber {
        self.number.next()
    }
}
