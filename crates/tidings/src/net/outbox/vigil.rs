//! What silence asks for: keepalive pings, and the end of idle and of dead sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_websocket::{CloseCode, CloseReason, Opcode};

use super::{Outbox, Phase, State};
use crate::endpoint::{CloseInfo, CloseInitiator};

impl Outbox {
    /// When [`look_after`](Self::look_after) has something to do, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let state = self.lock();
        if state.phase != Phase::Open {
            return None;
        }
        let idle = self.idle_deadline(&state);
        let keepalive = self.terms.keepalive.map(|keepalive| match state.asked {
            Some(asked) if asked >= state.last_read => Instant::from(asked) + keepalive.timeout,
            _ => Instant::from(state.last_read) + keepalive.every,
        });
        idle.into_iter().chain(keepalive).min()
    }

    /// Does what is due, and says when to come back.
    pub(crate) fn look_after(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        self.end_idle(now);
        self.ask(now);
        self.next_deadline().map(|deadline| deadline.max(now))
    }

    /// How long the session may be idle.
    pub(crate) fn max_idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout(&self.lock())
    }

    /// Changes how long the session may be idle.
    pub(crate) fn set_max_idle_timeout(self: &Arc<Self>, timeout: Option<Duration>) {
        self.lock().extras().idle_timeout = Some(timeout);
        self.terms.keep(self);
    }

    /// How long the stream may take nothing of what is offered to it; `None` for ever.
    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        let own = self.lock().extras.as_ref().and_then(|extras| extras.send_timeout);
        own.unwrap_or(Some(self.terms.send_timeout)).filter(|timeout| !timeout.is_zero())
    }

    /// Changes how long the stream may take nothing.
    pub(crate) fn set_send_timeout(&self, timeout: Option<Duration>) {
        self.lock().extras().send_timeout = Some(timeout);
        self.wake_driver();
    }

    /// Whether the peer was given up because it kept this end waiting.
    pub(crate) fn is_given_up(&self) -> bool {
        let state = self.lock();
        matches!(&state.phase, Phase::Broken(info) if info.initiator == CloseInitiator::Timeout)
    }

    /// When a stream is given up that has taken nothing since then.
    pub(crate) fn blocked_deadline(&self, since: Instant) -> Option<Instant> {
        since.checked_add(self.send_timeout()?)
    }

    fn end_idle(&self, now: Instant) {
        let mut state = self.lock();
        if self.idle_deadline(&state).is_some_and(|deadline| deadline <= now) {
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
                if asked >= state.last_read && now < Instant::from(asked) + keepalive.timeout => {}
            Some(asked) if asked >= state.last_read => {
                tracing::debug!("peer does not answer pings: connection dropped");
                self.give_up_locked(&mut state, CloseInfo::timed_out());
            }
            _ if Instant::from(state.last_read) + keepalive.every <= now => {
                state.asked = Some(now.into());
                state.append_frame(Opcode::Ping, &[]);
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
        let own = state.extras.as_ref().and_then(|extras| extras.idle_timeout);
        own.unwrap_or(self.terms.idle_timeout).filter(|timeout| !timeout.is_zero())
    }
}

impl State {
    fn last_activity(&self) -> Instant {
        self.last_read.max(self.last_write).into()
    }
}
