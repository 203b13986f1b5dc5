//! The connections of a client, one after the other: what each is to send, and what its end means.

use std::pin::pin;
use std::sync::Arc;

use super::connection::Connection;
use super::operation::{Bound, Entry, Operation, Unconfirmed};
use super::receipts::Lost;
use super::shared::Shared;
use super::state::Phase;
use super::{ConnectionEnd, DeliveryError, StompError};

/// What follows the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLoss {
    ConnectAgain,
    End,
}

impl Shared {
    /// A connection is open: subscriptions are made first, and then what waits is sent. `false` if the client has
    /// been left, and has nothing to send.
    #[must_use]
    pub(super) fn open(&self, connection: &Arc<Connection>) -> bool {
        let mut state = self.lock();
        if state.is_stopping() {
            return false;
        }
        let is_left = matches!(state.phase, Phase::Leaving);
        state.phase = match is_left {
            true => Phase::Disconnecting(Arc::clone(connection)),
            false => Phase::Open(Arc::clone(connection)),
        };
        if is_left && !state.says_goodbye() {
            // The one that was asked for was sent by a connection before.
            state.outgoing.push_back(Entry::new(Operation::Disconnect, Bound::Any));
        }
        let bound = Bound::Only(connection.number);
        for id in state.subscriptions.ids().into_iter().rev() {
            state.outgoing.push_front(Entry::new(Operation::Subscribe(id), bound));
        }
        drop(state);
        self.work.notify_waiters();
        true
    }

    /// A connection that seemed to be over is not: what was to be sent meanwhile has waited.
    pub(super) fn go_on(&self) {
        self.work.notify_waiters();
    }

    /// The next frame for a connection, which [`sent`](Self::sent) has to be called after.
    pub(super) async fn next_frame(&self, connection: &Connection) -> bytes::Bytes {
        loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if let Some(frame) = self.lock().next_frame(connection) {
                return frame;
            }
            // What has become pointless has left room.
            self.room.notify_waiters();
            work.await;
        }
    }

    /// The last frame is in the hands of the connection.
    pub(super) fn sent(&self) {
        let mut state = self.lock();
        if let Some(mut entry) = state.leaving.take()
            && let Some(receipt) = entry.receipt.clone()
        {
            let again = entry.unconfirmed.once_more().map(|unconfirmed| {
                entry.unconfirmed = unconfirmed;
                Box::new(entry)
            });
            state.receipts.set_sent(&receipt, again);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// What could not be sent is not tried again.
    pub(super) fn skip(&self, error: StompError) {
        let mut state = self.lock();
        if let Some(entry) = state.leaving.take() {
            tracing::warn!(%error, "a frame for a STOMP server could not be sent");
            state.fail(&entry, error);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// The connection has ended. Whether there is to be another one.
    pub(super) fn lose(&self, end: &ConnectionEnd) -> AfterLoss {
        let mut state = self.lock();
        let leaving = state.leaving.take();
        leaving.into_iter().for_each(|entry| state.outgoing.push_front(entry));
        for entry in state.outgoing.take_bound() {
            state.fail(&entry, StompError::Lost(end.clone()));
        }
        let Lost { again, subscriptions } = state.receipts.lose(end);
        for entry in again.into_iter().rev() {
            state.outgoing.push_front(entry);
        }
        if let ConnectionEnd::Error(error) = end
            && error.receipt.is_none()
        {
            state.suspect(&subscriptions, error);
        }
        state.subscriptions.lose(&StompError::Unconfirmed(end.clone()));
        state.lose_requests(end);
        let after = match state.phase {
            Phase::Open(_) | Phase::Connecting => {
                state.phase = Phase::Connecting;
                AfterLoss::ConnectAgain
            }
            // What was accepted is still to be sent, unless it is the server that has not taken it in time.
            Phase::Disconnecting(_)
                if *end != ConnectionEnd::Disconnected && state.has_unsent() =>
            {
                state.leave_unconnected();
                AfterLoss::ConnectAgain
            }
            Phase::Leaving | Phase::Disconnecting(_) | Phase::Ended(_) => AfterLoss::End,
        };
        drop(state);
        self.room.notify_waiters();
        after
    }

    /// Nothing is sent or received any more.
    pub(super) fn finish(&self, end: ConnectionEnd) {
        let mut state = self.lock();
        let was_asked_for = matches!(state.phase, Phase::Leaving | Phase::Disconnecting(_));
        if state.has_unsent() {
            tracing::warn!(%end, waiting = state.outgoing.len(), "what waits for a STOMP server is not sent");
        }
        for entry in state.outgoing.drain() {
            let error = match entry.unconfirmed {
                Unconfirmed::IsSentAgain { times: 1.. } => StompError::Unconfirmed(end.clone()),
                _ => StompError::Lost(end.clone()),
            };
            state.fail(&entry, error);
        }
        let end = if was_asked_for { ConnectionEnd::Disconnected } else { end };
        let error = match was_asked_for {
            true => StompError::Closed,
            false => StompError::Lost(end.clone()),
        };
        state.receipts.end(&error);
        for (_, reply) in state.requests.drain() {
            let _ = reply.send(Err(error.clone()));
        }
        state.subscriptions.end(|| {
            let told = (!was_asked_for).then(|| DeliveryError::Lost(end.clone()));
            (error.clone(), told)
        });
        state.phase = Phase::Ended(end.clone());
        drop(state);
        self.room.notify_waiters();
        self.work.notify_waiters();
        self.end.send_replace(Some(end));
    }

    /// Waits until the time is over in which a client that was left may connect.
    pub(super) async fn left_for_too_long(&self) {
        let left_at = loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if let Some(left_at) = self.lock().left_at {
                break left_at;
            }
            work.await;
        };
        tokio::time::sleep(self.bounds.leave_timeout.saturating_sub(left_at.elapsed())).await;
    }

    /// Waits until the client is to stop trying to connect, or to keep its connection.
    pub(super) async fn stopped(&self) {
        loop {
            let mut work = pin!(self.work.notified());
            work.as_mut().enable();
            if self.lock().is_stopping() {
                return;
            }
            work.await;
        }
    }
}
