use std::time::Duration;

use http::header::RETRY_AFTER;

use super::ConnectError;

/// The longest that a server's `Retry-After` is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// How long to wait before connecting again: longer after each failure, and not all clients at once.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidings::client::Backoff;
///
/// let backoff = Backoff { max: Duration::from_secs(5), ..Backoff::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before jitter. Default: 500 ms.
    pub initial: Duration,
    /// The longest wait. Default: 30 s.
    pub max: Duration,
    /// By how much each wait is longer than the last. Default: 2.
    pub multiplier: u32,
    /// Which part of the wait is left to chance. Default: the second half.
    pub jitter: Jitter,
    /// Attempts in a row to connect again, before it is given up. Default: `None`, any number.
    pub attempts_max: Option<u32>,
    /// How long a session has to last for the next wait to be `initial` again. Default: 10 s.
    pub stable_after: Duration,
}

/// Which part of a wait is left to chance, so that the clients of a server that was away do not all
/// come back at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// None: each wait is exactly as long as computed.
    None,
    /// The second half.
    #[default]
    Half,
    /// All of it.
    Full,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            multiplier: 2,
            jitter: Jitter::Half,
            attempts_max: None,
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The wait after `failures` in a row, at least one; `random` is where in the jitter it falls.
    pub(super) fn delay(&self, failures: u32, random: u32) -> Duration {
        let mut delay = self.initial;
        for _ in 1..failures {
            if delay >= self.max {
                break;
            }
            delay = delay.saturating_mul(self.multiplier.max(1));
            if self.multiplier <= 1 {
                break;
            }
        }
        let delay = delay.min(self.max);
        let left_to_chance = match self.jitter {
            Jitter::None => Duration::ZERO,
            Jitter::Half => delay / 2,
            Jitter::Full => delay,
        };
        delay - left_to_chance.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Whether after `failures` in a row there is no further attempt.
    pub(super) fn is_exhausted_by(&self, failures: u32) -> bool {
        self.attempts_max.is_some_and(|max| failures > max)
    }
}

/// How long a server that is not available, or is asked too often, asks to wait: RFC 9110, section
/// 10.2.3. A date is not honoured.
pub(super) fn retry_after(error: &ConnectError) -> Option<Duration> {
    let response = error.response().filter(|it| matches!(it.status().as_u16(), 429 | 503))?;
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn delays(backoff: &Backoff, random: u32) -> Vec<Duration> {
        (1..=8).map(|failures| backoff.delay(failures, random)).collect()
    }

    #[test]
    fn waits_grow_up_to_their_maximum() {
        let backoff = Backoff { jitter: Jitter::None, ..Backoff::default() };
        let expected = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(|ms| MS * ms);
        assert_eq!(delays(&backoff, u32::MAX), expected);
        assert_eq!(backoff.delay(u32::MAX, 0), MS * 30_000);
    }

    #[test]
    fn jitter_takes_away_up_to_its_part() {
        for (jitter, least) in [(Jitter::None, 500), (Jitter::Half, 250), (Jitter::Full, 0)] {
            let backoff = Backoff { jitter, ..Backoff::default() };
            assert_eq!(backoff.delay(1, 0), MS * 500, "{jitter:?}");
            assert_eq!(backoff.delay(1, u32::MAX), MS * least, "{jitter:?}");
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let none = Backoff { multiplier: 0, jitter: Jitter::None, ..Backoff::default() };
        assert_eq!(delays(&none, 0), [MS * 500; 8]);
        let huge = Backoff {
            initial: Duration::MAX,
            max: Duration::MAX,
            multiplier: u32::MAX,
            jitter: Jitter::None,
            ..Backoff::default()
        };
        assert_eq!(huge.delay(5, 7), Duration::MAX);
        let above = Backoff { initial: MS * 60_000, jitter: Jitter::None, ..Backoff::default() };
        assert_eq!(above.delay(1, 0), MS * 30_000);
    }

    #[test]
    fn retry_after_counts_where_the_server_is_busy() {
        let wait = |status: u16, value: &'static str| {
            let response = Response::builder().status(status).header(RETRY_AFTER, value);
            let response = response.body(Bytes::new()).unwrap();
            retry_after(&ConnectError::Http(Box::new(response)))
        };
        assert_eq!(wait(503, "120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(429, " 1 "), Some(Duration::from_secs(1)));
        assert_eq!(wait(503, "99999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait(302, "120"), None);
        assert_eq!(wait(503, "soon"), None);
        assert_eq!(wait(503, "-1"), None);
    }
}
