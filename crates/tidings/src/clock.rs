use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tidings_broker::Timestamp;

/// The time of the calendar, as the broker wants it: read once and counted up from then on, so that
/// it never goes back.
pub(crate) fn now() -> Timestamp {
    static START: OnceLock<(Instant, Timestamp)> = OnceLock::new();
    let (then, timestamp) = START.get_or_init(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), Timestamp(0).after(since_1970))
    });
    timestamp.after(then.elapsed())
}
