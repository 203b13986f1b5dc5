use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// Decides when to send a heart-beat, and when the peer has gone silent.
///
/// STOMP 1.2, "Heart-beating". The two directions are independent: each side says how often it can
/// send and how often it wants to hear, and the larger of the two numbers holds.
///
/// Holds no clock, and not the times of traffic either: messages to many subscribers pass the
/// session by, so only the driver knows when the connection last sent. Any octet counts, in both
/// directions. Call [`poll`](Self::poll) again no later than [`next_deadline`](Self::next_deadline).
///
/// # Examples
///
/// ```
/// # #![allow(clippy::disallowed_methods)]
/// use std::time::{Duration, Instant};
/// use tidings_stomp::{HeartBeat, HeartBeatAction};
///
/// let ten_seconds = Duration::from_secs(10);
/// let beat = HeartBeat::negotiate((ten_seconds, ten_seconds), (Duration::ZERO, ten_seconds))
///     .expect("the client wants to hear from us");
/// let now = Instant::now();
/// assert_eq!(beat.poll(now, now, now), Ok(None));
/// assert_eq!(beat.poll(now + ten_seconds, now, now), Ok(Some(HeartBeatAction::Send)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartBeat {
    /// The longest pause that was promised to the peer.
    outgoing: Option<Duration>,
    /// The longest pause that the peer promised.
    incoming: Option<Duration>,
    /// How long a pause is taken for silence, in percent of what the peer promised.
    margin_percent: u32,
}

/// What a heart-beat asks its driver to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartBeatAction {
    /// Send one LF, unless something else is about to be sent. Never within a frame.
    Send,
}

/// Nothing came from the peer for much longer than it promised; close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSilent;

impl HeartBeat {
    /// Combines what both sides said: each pair is how often that side can send, and how often it
    /// wants to receive. Zero stands for "cannot" and "does not want".
    ///
    /// `None` if nobody sends any heart-beats.
    pub fn negotiate(ours: (Duration, Duration), theirs: (Duration, Duration)) -> Option<Self> {
        let agree = |can: Duration, wants: Duration| {
            (!can.is_zero() && !wants.is_zero()).then(|| can.max(wants))
        };
        let (outgoing, incoming) = (agree(ours.0, theirs.1), agree(theirs.0, ours.1));
        let beat = Self { outgoing, incoming, margin_percent: Self::MARGIN_PERCENT_DEFAULT };
        (outgoing.is_some() || incoming.is_some()).then_some(beat)
    }

    /// How long the peer may be silent unless something else is said: 200 percent of the interval.
    pub const MARGIN_PERCENT_DEFAULT: u32 = 200;

    /// Sets how long the peer may be silent, in percent of the interval that it promised; at least 100.
    #[must_use]
    pub fn with_margin_percent(mut self, percent: u32) -> Self {
        self.margin_percent = percent.max(100);
        self
    }

    /// The longest pause that the peer was promised, if any was.
    pub fn outgoing(&self) -> Option<Duration> {
        self.outgoing
    }

    /// The longest pause that the peer promised, if it did.
    pub fn incoming(&self) -> Option<Duration> {
        self.incoming
    }

    /// Returns what is due at `now`.
    ///
    /// A heart-beat is due after three quarters of the interval without sending, so that it arrives
    /// in time.
    ///
    /// # Errors
    ///
    /// [`PeerSilent`] once nothing has arrived for twice the interval, or what
    /// [`with_margin_percent`](Self::with_margin_percent) says. The specification asks for a margin
    /// of error and leaves its size open; browsers slow down the timers of hidden pages.
    pub fn poll(
        &self,
        now: Instant,
        last_sent: Instant,
        last_received: Instant,
    ) -> Result<Option<HeartBeatAction>, PeerSilent> {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.silence_deadline(last_received)) {
            return Err(PeerSilent);
        }
        Ok(is_due(self.send_deadline(last_sent)).then_some(HeartBeatAction::Send))
    }

    /// When [`poll`](Self::poll) has something to say next, should there be no traffic until then.
    pub fn next_deadline(&self, last_sent: Instant, last_received: Instant) -> Option<Instant> {
        let send = self.send_deadline(last_sent);
        send.into_iter().chain(self.silence_deadline(last_received)).min()
    }

    fn send_deadline(&self, last_sent: Instant) -> Option<Instant> {
        self.outgoing.and_then(|interval| last_sent.checked_add(interval - interval / 4))
    }

    fn silence_deadline(&self, last_received: Instant) -> Option<Instant> {
        let silence = self.incoming?.checked_mul(self.margin_percent)? / 100;
        last_received.checked_add(silence)
    }
}

/// Reads a `heart-beat` header: two numbers of milliseconds.
pub(crate) fn parse_heart_beat(text: &str) -> Option<(Duration, Duration)> {
    let (can_send, wants) = text.split_once(',')?;
    Some((parse_milliseconds(can_send)?, parse_milliseconds(wants)?))
}

fn parse_milliseconds(text: &str) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t']);
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(Duration::from_millis)
}

impl fmt::Display for PeerSilent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing came from the peer for much longer than its heart-beat interval")
    }
}

impl Error for PeerSilent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "some moment to count from")]
    fn now() -> Instant {
        Instant::now()
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pair(can_send: u64, wants: u64) -> (Duration, Duration) {
        (seconds(can_send), seconds(wants))
    }

    #[test]
    fn the_larger_number_of_each_direction_holds() {
        let beat = HeartBeat::negotiate(pair(10, 20), pair(5, 30)).unwrap();
        assert_eq!((beat.outgoing(), beat.incoming()), (Some(seconds(30)), Some(seconds(20))));
        let beat = HeartBeat::negotiate(pair(10, 20), pair(60, 1)).unwrap();
        assert_eq!((beat.outgoing(), beat.incoming()), (Some(seconds(10)), Some(seconds(60))));
    }

    #[test]
    fn zero_on_either_side_switches_a_direction_off() {
        let beat = HeartBeat::negotiate(pair(10, 10), pair(0, 10)).unwrap();
        assert_eq!((beat.outgoing(), beat.incoming()), (Some(seconds(10)), None));
        let beat = HeartBeat::negotiate(pair(0, 10), pair(10, 10)).unwrap();
        assert_eq!((beat.outgoing(), beat.incoming()), (None, Some(seconds(10))));
        assert_eq!(HeartBeat::negotiate(pair(10, 10), pair(0, 0)), None);
        assert_eq!(HeartBeat::negotiate(pair(0, 0), pair(10, 10)), None);
    }

    #[test]
    fn polling_at_the_deadline_always_has_something_to_say() {
        let start = now();
        for theirs in [pair(10, 0), pair(0, 10), pair(10, 10), pair(1, 60), pair(60, 1)] {
            let beat = HeartBeat::negotiate(pair(10, 10), theirs).unwrap();
            for (sent, received) in [(0, 0), (15, 0), (0, 3), (7, 7)] {
                let (sent, received) = (start + seconds(sent), start + seconds(received));
                let deadline = beat.next_deadline(sent, received).unwrap();
                assert_ne!(beat.poll(deadline, sent, received), Ok(None));
                let before = deadline - Duration::from_nanos(1);
                assert_eq!(beat.poll(before, sent, received), Ok(None));
            }
        }
    }

    #[test]
    fn a_silent_peer_is_reported_after_two_intervals() {
        let start = now();
        let beat = HeartBeat::negotiate(pair(0, 10), pair(10, 0)).unwrap();
        assert_eq!(beat.poll(start + seconds(19), start, start), Ok(None));
        assert_eq!(beat.poll(start + seconds(20), start, start), Err(PeerSilent));
    }

    #[test]
    fn the_margin_for_silence_can_be_set() {
        let beat = HeartBeat::negotiate(pair(0, 1), pair(1, 0)).unwrap();
        let start = now();
        let check = |percent, silence_ms| {
            let beat = beat.with_margin_percent(percent);
            let at = start + Duration::from_millis(silence_ms);
            assert_eq!(beat.next_deadline(start, start), Some(at), "{percent} %");
            assert_eq!(beat.poll(at, start, start), Err(PeerSilent));
        };
        check(300, 3000);
        check(150, 1500);
        check(10, 1000);
    }

    #[test]
    fn intervals_beyond_time_have_no_deadline() {
        let beat = HeartBeat::negotiate(pair(10, 10), (Duration::MAX, Duration::MAX)).unwrap();
        assert_eq!(beat.next_deadline(now(), now()), None);
        assert_eq!(beat.poll(now(), now(), now()), Ok(None));
    }

    #[test]
    fn a_header_is_two_whole_numbers_of_milliseconds() {
        assert_eq!(parse_heart_beat("10000,0"), Some((seconds(10), Duration::ZERO)));
        assert_eq!(parse_heart_beat("1000, 2000"), Some((seconds(1), seconds(2))));
        let longest = format!("{0},{0}", u64::MAX);
        assert!(parse_heart_beat(&longest).is_some());
        for text in ["", ",", "1", "1,", "1,2,3", "-1,0", "+1,0", "a,b", "1.5,0", "1,2\n"] {
            assert_eq!(parse_heart_beat(text), None, "{text:?}");
        }
        assert_eq!(parse_heart_beat("18446744073709551616,0"), None);
    }
}
