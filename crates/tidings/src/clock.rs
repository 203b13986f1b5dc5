use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidings_broker::Timestamp;

/// The time by the clock of tokio's timers, which stands still in a test that pauses it.
#[inline]
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How long ago something was by the same clock.
pub(crate) fn since(earlier: Instant) -> Duration {
    instant().saturating_duration_since(earlier)
}

/// The time of the calendar, as the broker wants it: read once and counted up from then on, so that
/// it never goes back.
pub(crate) fn now() -> Timestamp {
    static START: OnceLock<(Instant, Timestamp)> = OnceLock::new();
    let (then, timestamp) = START.get_or_init(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (instant(), Timestamp(0).after(since_1970))
    });
    timestamp.after(since(*then))
}
