use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_stomp::{HeartBeat, HeartBeatAction};
use tidings_websocket::CloseReason;

use super::config::Farewell;

/// The deadlines of a session: its heart-beat, and the moment it expires.
#[derive(Debug, Default)]
pub(crate) struct Vitals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// STOMP's, both ways.
    heart_beat: Option<HeartBeat>,
    /// SockJS's, from the server only; those that STOMP sends make them needless.
    heartbeat_delay: Option<Duration>,
    /// Boxed, since most sessions have none for long.
    expiry: Option<Box<Expiry>>,
}

/// The end that a session meets unless something happens before.
#[derive(Clone, Debug)]
pub(crate) struct Expiry {
    pub(crate) at: Instant,
    /// What is sent before the session is closed.
    pub(crate) farewell: Option<Farewell>,
    pub(crate) reason: CloseReason,
}

/// What a session's deadlines ask for.
#[derive(Debug)]
pub(crate) enum Due {
    Nothing,
    SendHeartBeat,
    SendHeartbeat,
    PeerSilent,
    Expired(Expiry),
}

impl Vitals {
    pub(crate) fn set_heart_beat(&self, heart_beat: HeartBeat) {
        let mut state = self.lock();
        if heart_beat.outgoing().is_some() {
            state.heartbeat_delay = None;
        }
        state.heart_beat = Some(heart_beat);
    }

    pub(crate) fn set_heartbeat_delay(&self, delay: Duration) {
        self.lock().heartbeat_delay = Some(delay);
    }

    pub(crate) fn set_expiry(&self, expiry: Option<Expiry>) {
        self.lock().expiry = expiry.map(Box::new);
    }

    /// The login does not end any more, if it did.
    pub(crate) fn drop_end_of_login(&self) {
        // One with a farewell is about something else.
        self.lock().expiry.take_if(|expiry| expiry.farewell.is_none());
    }

    pub(crate) fn next_deadline(&self, sent: Instant, received: Instant) -> Option<Instant> {
        let state = self.lock();
        let beat = state.heart_beat.as_ref().and_then(|beat| beat.next_deadline(sent, received));
        let expiry = state.expiry.as_ref().map(|expiry| expiry.at);
        let heartbeat = state.heartbeat_delay.map(|delay| sent + delay);
        beat.into_iter().chain(heartbeat).chain(expiry).min()
    }

    pub(crate) fn poll(&self, now: Instant, sent: Instant, received: Instant) -> Due {
        let mut state = self.lock();
        if let Some(expiry) = state.expiry.take_if(|expiry| expiry.at <= now) {
            return Due::Expired(*expiry);
        }
        if state.heartbeat_delay.is_some_and(|delay| sent + delay <= now) {
            return Due::SendHeartbeat;
        }
        match state.heart_beat.as_ref().map(|beat| beat.poll(now, sent, received)) {
            Some(Ok(Some(HeartBeatAction::Send))) => Due::SendHeartBeat,
            Some(Err(_)) => Due::PeerSilent,
            Some(Ok(_)) | None => Due::Nothing,
        }
    }

    /// How soon a heart-beat of STOMP's may be sent after another, so that what was promised is kept.
    pub(crate) fn heart_beat_retry(&self) -> Duration {
        let promised = self.lock().heart_beat.as_ref().and_then(HeartBeat::outgoing);
        promised.map_or(Duration::MAX, |interval| interval / 2)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_at_its_deadline() {
        let (vitals, start) = (Vitals::default(), Instant::now());
        assert_eq!(vitals.next_deadline(start, start), None);

        vitals.set_heartbeat_delay(Duration::from_secs(25));
        let deadline = start + Duration::from_secs(25);
        assert_eq!(vitals.next_deadline(start, start), Some(deadline));
        assert!(matches!(vitals.poll(deadline, start, start), Due::SendHeartbeat));

        let at = start + Duration::from_secs(10);
        let reason = CloseReason::truncated(tidings_websocket::CloseCode::POLICY_VIOLATION, "");
        vitals.set_expiry(Some(Expiry { at, farewell: None, reason }));
        assert_eq!(vitals.next_deadline(start, start), Some(at));
        assert!(matches!(vitals.poll(at, start, start), Due::Expired(_)));
        assert!(matches!(vitals.poll(at, start, start), Due::Nothing), "it expires once");
    }

    #[test]
    fn heart_beats_of_the_client_alone_leave_sockjs_heartbeats() {
        let (vitals, start) = (Vitals::default(), Instant::now());
        let (second, none) = (Duration::from_secs(1), Duration::ZERO);
        vitals.set_heartbeat_delay(second * 25);
        let negotiated = HeartBeat::negotiate((second, second), (second, none));
        vitals.set_heart_beat(negotiated.unwrap());
        let later = start + second * 25;
        assert!(matches!(vitals.poll(later, start, later), Due::SendHeartbeat));
        assert!(matches!(vitals.poll(later, later, start), Due::PeerSilent));
    }

    #[test]
    fn heart_beats_of_stomp_take_the_place_of_sockjs_heartbeats() {
        let (vitals, start) = (Vitals::default(), Instant::now());
        vitals.set_heartbeat_delay(Duration::from_secs(25));
        let second = Duration::from_secs(1);
        let negotiated = HeartBeat::negotiate((second, second), (second, second));
        vitals.set_heart_beat(negotiated.unwrap());
        let later = start + second * 60;
        assert!(matches!(vitals.poll(later, start, later), Due::SendHeartBeat));
        assert!(matches!(vitals.poll(later, later, start), Due::PeerSilent));
    }
}
