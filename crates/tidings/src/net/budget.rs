//! How much a connection may do before others get their turn.

use std::time::{Duration, Instant};

use crate::clock;

use super::moment::Moment;
use super::turn;

/// Messages of one turn.
const TURN_MESSAGES_MAX: u32 = 256;

/// Time of one turn, looked at once in a while.
const TURN_TIME_MAX: Duration = Duration::from_millis(1);

/// How many messages may be handled before the clock is looked at, and how many pushed into outboxes.
const UNTIMED_MESSAGES_MAX: u32 = 16;
const UNTIMED_PUSHES_MAX: u32 = 64;

/// What is left of a connection's turn.
#[derive(Debug, Default)]
pub(crate) struct TurnBudget {
    started: Option<Instant>,
    messages: u32,
    /// The thread's pushes when the clock was last looked at.
    pushes: u32,
}

impl TurnBudget {
    /// Counts a read, which is when the turn has begun unless it goes on.
    pub(super) fn count_read(&mut self, now: Instant) {
        self.look(now, TURN_TIME_MAX);
    }

    /// Whether nothing was read yet, and at most one message looked for.
    pub(super) fn is_new(&self) -> bool {
        self.started.is_none() && self.messages <= 1
    }

    pub(crate) fn reset(&mut self) {
        *self = Self { pushes: turn::pushes(), ..Self::default() };
    }

    /// Counts a message. Whether it must wait for the next turn.
    #[inline]
    pub(super) fn is_spent(&mut self) -> bool {
        self.messages = self.messages.saturating_add(1);
        self.messages > TURN_MESSAGES_MAX || self.is_over(TURN_TIME_MAX)
    }

    /// Counts a message of a turn that only time ends. Whether what follows must wait for the next one.
    #[inline]
    pub(crate) fn is_spent_after(&mut self, time_max: Duration) -> bool {
        self.messages = self.messages.saturating_add(1);
        self.is_over(time_max)
    }

    #[inline]
    fn is_over(&mut self, time_max: Duration) -> bool {
        let pushes = turn::pushes();
        let untimed = pushes.wrapping_sub(self.pushes);
        if !self.messages.is_multiple_of(UNTIMED_MESSAGES_MAX) && untimed < UNTIMED_PUSHES_MAX {
            return false;
        }
        self.pushes = pushes;
        self.look(clock::instant(), time_max)
    }

    /// Whether the time is over.
    fn look(&mut self, now: Instant, time_max: Duration) -> bool {
        let started = *self.started.get_or_insert(now);
        let is_spent = now.saturating_duration_since(started) >= time_max;
        if is_spent {
            // Until the next turn, whoever asks.
            self.messages = TURN_MESSAGES_MAX;
        }
        is_spent
    }
}

/// How long control frames are counted together.
const PERIOD_SECONDS: u32 = 10;

/// Counts the control frames of a peer. Small, since every connection has one.
#[derive(Debug, Default)]
pub(super) struct ControlFrames {
    /// When the period began, in seconds of [`Moment`].
    since: u32,
    count: u32,
}

/// A peer sends more control frames than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyControlFrames;

impl ControlFrames {
    /// Counts one.
    pub(super) fn count(
        &mut self,
        now: Moment,
        per_second_max: u32,
    ) -> Result<(), TooManyControlFrames> {
        let now = now.seconds();
        if now.saturating_sub(self.since) >= PERIOD_SECONDS {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        if self.count > per_second_max.saturating_mul(PERIOD_SECONDS) {
            return Err(TooManyControlFrames);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_after_so_many_messages_and_the_next_one_begins_anew() {
        let mut budget = TurnBudget::default();
        for _ in 0..TURN_MESSAGES_MAX {
            assert!(!budget.is_spent());
        }
        assert!(budget.is_spent());
        budget.reset();
        assert!(!budget.is_spent());
    }

    #[test]
    fn a_turn_ends_when_its_time_is_over_however_few_its_messages() {
        let mut budget = TurnBudget::default();
        let now = Instant::now();
        budget.count_read(now.checked_sub(TURN_TIME_MAX).unwrap_or(now));
        let handled = (0..).take_while(|_| !budget.is_spent()).count();
        assert!(handled < 16, "{handled}");
        assert!(budget.is_spent(), "until the next turn");
        budget.reset();
        assert!(!budget.is_spent());
    }

    #[test]
    fn a_turn_that_only_reads_ends_when_its_time_is_over() {
        let (mut budget, now) = (TurnBudget::default(), Instant::now());
        budget.count_read(now);
        assert!(!budget.is_spent());
        budget.count_read(now + TURN_TIME_MAX);
        assert!(budget.is_spent());
    }

    #[test]
    fn a_turn_that_reads_nothing_has_its_time_too() {
        let mut budget = TurnBudget::default();
        for _ in 0..UNTIMED_MESSAGES_MAX {
            assert!(!budget.is_spent());
        }
        budget.count_read(budget.started.unwrap() + TURN_TIME_MAX);
        assert!(budget.is_spent());
    }

    #[test]
    fn control_frames_are_limited_on_average_over_the_period() {
        let (mut frames, start) = (ControlFrames::default(), Instant::now());
        let at = |seconds| Moment::from(start + Duration::from_secs(seconds));
        for _ in 0..20 {
            assert_eq!(frames.count(at(0), 2), Ok(()));
        }
        assert_eq!(frames.count(at(0), 2), Err(TooManyControlFrames));
        assert_eq!(frames.count(at(11), 2), Ok(()));
    }
}
