//! A message written in parts. While it is open, other messages wait: RFC 6455, section 5.4, allows only
//! control frames between the fragments of a message.

use std::sync::Arc;

use tidings_websocket::FrameStart;

use super::{Outbox, Phase, PushError};

impl Outbox {
    /// Begins a message in parts, unless another one is open or messages wait behind one. Then it is
    /// `Err(Full)`, and [`message_ended`](Self::message_ended) tells when to try again.
    pub(crate) fn begin_message(&self) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed(state.phase.reason()));
        }
        if state.extras.as_ref().is_some_and(|extras| extras.must_defer()) {
            return Err(PushError::Full);
        }
        state.extras().open_message();
        Ok(())
    }

    /// Waits until a message in parts can begin, or the outbox is no longer open.
    pub(crate) async fn message_ended(&self) {
        loop {
            let notified = self.room().notified();
            {
                let state = self.lock();
                let waits = state.extras.as_ref().is_some_and(|extras| extras.must_defer());
                if !waits || state.phase != Phase::Open {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Queues a fragment of the open message.
    pub(crate) fn push_fragment(
        self: &Arc<Self>,
        start: FrameStart,
        payload: &[u8],
    ) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(PushError::Closed(state.phase.reason()));
        }
        // What waits behind the open message cannot go before it ends.
        if state.segments.octets() >= self.terms.outbox_octets_max {
            state.flush_held();
            self.flush_locked(&mut state, None);
        }
        if state.segments.octets() >= self.terms.outbox_octets_max {
            return Err(PushError::Full);
        }
        state.append_frame(start, payload);
        self.schedule(state);
        Ok(())
    }

    /// Waits until a fragment can be queued, or the outbox is no longer open.
    pub(crate) async fn fragment_drained(&self) {
        loop {
            let notified = self.room().notified();
            {
                let state = self.lock();
                let full = state.segments.octets() > self.terms.outbox_octets_max / 2;
                if !full || state.phase != Phase::Open {
                    return;
                }
            }
            notified.await;
        }
    }

    /// The open message has its last fragment, or none at all: those that waited go on.
    pub(crate) fn end_message(self: &Arc<Self>) {
        let mut state = self.lock();
        state.extras().end_message();
        state.promote_deferred();
        self.tell_waiters();
        self.schedule(state);
    }
}
