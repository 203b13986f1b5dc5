//! What silence asks for: keepalive pings, and the end of idle and of dead sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_websocket::{CloseCode, CloseReason, Opcode};

use super::extras::OwnTimeouts;
use super::{Outbox, Phase, Reading, State};
use crate::endpoint::{CloseInfo, CloseInitiator};
use crate::net::moment::Moment;

impl Outbox {
    /// When [`look_after`](Self::look_after) has something to do, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let state = self.lock();
        if state.phase != Phase::Open {
            return None;
        }
        let idle = self.idle_deadline(&state);
        let keepalive = self.terms.keepalive.map(|keepalive| match state.asked {
            Some(asked) if asked >= state.last_read => after(asked, keepalive.timeout),
            _ => after(state.last_read, keepalive.every),
        });
        idle.into_iter().chain(keepalive.flatten()).min()
    }

    /// From when on this has to be looked after, and by which generation of entries; `None` if it needs not,
    /// or is already.
    pub(crate) fn keep_from(&self) -> Option<(Instant, u32)> {
        let deadline = self.next_deadline()?;
        let mut state = self.lock();
        let Some(own) = state.own_timeouts_mut() else { return Some((deadline, 0)) };
        if own.kept_until.is_some_and(|until| until <= deadline) {
            return None;
        }
        own.generation = own.generation.wrapping_add(1);
        own.kept_until = Some(deadline);
        Some((deadline, own.generation))
    }

    /// Does what is due, and says when to come back; `None` also if another entry has superseded this one.
    pub(crate) fn look_after(self: &Arc<Self>, generation: u32, now: Instant) -> Option<Instant> {
        let counts = self.lock().own_timeouts().map_or(0, |own| own.generation);
        if counts != generation {
            return None;
        }
        self.note_paused(now);
        self.end_idle(now);
        self.ask(now);
        let deadline = self.next_deadline().map(|deadline| deadline.max(now));
        if let Some(own) = self.lock().own_timeouts_mut() {
            own.kept_until = deadline;
        }
        deadline
    }

    /// How long the session may be idle.
    pub(crate) fn max_idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout(&self.lock())
    }

    /// Changes how long the session may be idle.
    pub(crate) fn set_max_idle_timeout(self: &Arc<Self>, timeout: Option<Duration>) {
        self.lock().make_own_timeouts().idle = Some(timeout);
        self.terms.keep(self);
    }

    /// How long the stream may take nothing of what is offered to it; `None` for ever.
    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        let own = self.lock().own_timeouts().and_then(|own| own.send);
        own.unwrap_or(Some(self.terms.send_timeout)).filter(|timeout| !timeout.is_zero())
    }

    /// Changes how long the stream may take nothing.
    pub(crate) fn set_send_timeout(&self, timeout: Option<Duration>) {
        self.lock().make_own_timeouts().send = Some(timeout);
        self.wake_driver();
    }

    /// Whether the peer was given up because it kept this end waiting.
    pub(crate) fn is_given_up(&self) -> bool {
        let state = self.lock();
        matches!(&state.phase, Phase::Broken(info) if info.initiator == CloseInitiator::Timeout)
    }

    /// How the stream has ended or broken, if it did so before anybody closed it.
    pub(crate) fn lost(&self) -> Option<CloseInfo> {
        match &self.lock().phase {
            Phase::Broken(info) if info.initiator == CloseInitiator::Transport => {
                Some((**info).clone())
            }
            _ => None,
        }
    }

    /// Ends a session whose peer is gone, with what it had sent: it takes too long. Says how the session ended.
    pub(crate) fn end_rest(&self) -> CloseInfo {
        let info = self.lost().unwrap_or_else(CloseInfo::abnormal);
        let info = CloseInfo { initiator: CloseInitiator::Timeout, ..info };
        self.close(info.clone());
        info
    }

    /// When a stream is given up that has taken nothing since then.
    pub(crate) fn blocked_deadline(&self, since: Instant) -> Option<Instant> {
        since.checked_add(self.send_timeout()?)
    }

    /// A peer is not silent because it is not listened to.
    fn note_paused(&self, now: Instant) {
        let mut state = self.lock();
        if state.reading == Reading::Paused {
            state.last_read = now.into();
        }
    }

    fn end_idle(&self, now: Instant) {
        let mut state = self.lock();
        if is_over(self.idle_deadline(&state), now) {
            let reason = CloseReason::truncated(CloseCode::ABNORMAL_CLOSURE, "idle timeout");
            self.close_locked(&mut state, CloseInfo::new(reason, CloseInitiator::Timeout));
        }
    }

    fn ask(self: &Arc<Self>, now: Instant) {
        let Some(keepalive) = self.terms.keepalive else { return };
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        match state.asked {
            Some(asked)
                if asked >= state.last_read && !is_over(after(asked, keepalive.timeout), now) => {}
            Some(asked) if asked >= state.last_read => {
                tracing::debug!("peer does not answer pings: connection dropped");
                self.give_up_locked(&mut state, CloseInfo::timed_out());
            }
            _ if is_over(after(state.last_read, keepalive.every), now) => {
                state.asked = Some(now.into());
                state.append_frame(Opcode::Ping, &[]);
                state.flush_held();
                self.schedule(state);
            }
            _ => {}
        }
    }

    /// A timeout that is beyond all time is none.
    fn idle_deadline(&self, state: &State) -> Option<Instant> {
        state.last_activity().checked_add(self.idle_timeout(state)?)
    }

    fn idle_timeout(&self, state: &State) -> Option<Duration> {
        let own = state.own_timeouts().and_then(|own| own.idle);
        own.unwrap_or(self.terms.idle_timeout).filter(|timeout| !timeout.is_zero())
    }
}

/// So long after a moment; `None` if that is beyond all time.
fn after(moment: Moment, duration: Duration) -> Option<Instant> {
    Instant::from(moment).checked_add(duration)
}

fn is_over(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

impl State {
    fn own_timeouts(&self) -> Option<&OwnTimeouts> {
        self.extras.as_ref()?.own_timeouts.as_deref()
    }

    fn own_timeouts_mut(&mut self) -> Option<&mut OwnTimeouts> {
        self.extras.as_mut()?.own_timeouts.as_deref_mut()
    }

    fn make_own_timeouts(&mut self) -> &mut OwnTimeouts {
        self.extras().own_timeouts.get_or_insert_default()
    }

    fn last_activity(&self) -> Instant {
        self.last_read.max(self.last_write).into()
    }
}
