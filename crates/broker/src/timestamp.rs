use std::time::Duration;

/// A moment, in milliseconds since 1970-01-01 00:00 UTC.
///
/// What lasts longer than a process, such as the expiry of a stored message, can only be told in
/// the time of the calendar. The broker reads no clock: every operation is told what time it is.
/// Whoever tells it should see to it that the time never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// So much later, or the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }

    /// How long ago `earlier` was; nothing if it is yet to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_neither_overflows_nor_goes_below_nothing() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp(500).after(second), Timestamp(1500));
        assert_eq!(Timestamp(u64::MAX).after(second), Timestamp(u64::MAX));
        assert_eq!(Timestamp(0).after(Duration::MAX), Timestamp(u64::MAX));
        assert_eq!(Timestamp(1500).since(Timestamp(500)), second);
        assert_eq!(Timestamp(500).since(Timestamp(1500)), Duration::ZERO);
    }
}
