use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tidings_stomp::{HeartBeat, HeartBeatAction};
use tidings_websocket::{CloseReason, Message};

/// The deadlines of a session: its heart-beat, and the moment it expires.
#[derive(Debug, Default)]
pub(crate) struct Vitals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    heart_beat: Option<HeartBeat>,
    expiry: Option<Expiry>,
}

/// The end that a session meets unless something happens before.
#[derive(Clone, Debug)]
pub(crate) struct Expiry {
    pub(crate) at: Instant,
    /// Sent before the session is closed.
    pub(crate) farewell: Option<Message>,
    pub(crate) reason: CloseReason,
}

/// What a session's deadlines ask for.
#[derive(Debug)]
pub(crate) enum Due {
    Nothing,
    SendHeartBeat,
    PeerSilent,
    Expired(Expiry),
}

impl Vitals {
    pub(crate) fn set_heart_beat(&self, heart_beat: Option<HeartBeat>) {
        self.lock().heart_beat = heart_beat;
    }

    pub(crate) fn set_expiry(&self, expiry: Option<Expiry>) {
        self.lock().expiry = expiry;
    }

    pub(crate) fn next_deadline(&self, sent: Instant, received: Instant) -> Option<Instant> {
        let state = self.lock();
        let beat = state.heart_beat.as_ref().and_then(|beat| beat.next_deadline(sent, received));
        let expiry = state.expiry.as_ref().map(|expiry| expiry.at);
        beat.into_iter().chain(expiry).min()
    }

    pub(crate) fn poll(&self, now: Instant, sent: Instant, received: Instant) -> Due {
        let mut state = self.lock();
        if let Some(expiry) = state.expiry.take_if(|expiry| expiry.at <= now) {
            return Due::Expired(expiry);
        }
        match state.heart_beat.as_ref().map(|beat| beat.poll(now, sent, received)) {
            Some(Ok(Some(HeartBeatAction::Send))) => Due::SendHeartBeat,
            Some(Err(_)) => Due::PeerSilent,
            Some(Ok(None)) | None => Due::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
