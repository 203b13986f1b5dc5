use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::clock;

/// Before anything else that is timed.
static START: LazyLock<Instant> = LazyLock::new(clock::instant);

/// A point in time in eight octets, since a connection remembers several: nanoseconds since the process
/// first asked for one, and at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    pub(super) fn now() -> Self {
        Self::from(clock::instant())
    }

    /// Whole seconds.
    pub(super) fn seconds(self) -> u32 {
        u32::try_from(self.0.get() / 1_000_000_000).unwrap_or(u32::MAX)
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(*START).as_nanos();
        let nanos = u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1);
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Moment> for Instant {
    fn from(moment: Moment) -> Self {
        *START + Duration::from_nanos(moment.0.get() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_its_instant_and_small_even_if_it_is_optional() {
        let earlier = Moment::now();
        let now = Instant::now();
        assert_eq!(Instant::from(Moment::from(now)), now);
        assert!(earlier <= Moment::from(now));
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
