use std::time::{Duration, Instant};

/// Timing and limits of a [`Session`](super::Session).
///
/// A heartbeat or disconnect delay that ends later than an [`Instant`] can tell never ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// How often an attached receiver gets a heartbeat, counted from when it was attached, whatever
    /// else it gets. The default is 25 s; zero stands for no heartbeats.
    pub heartbeat_delay: Duration,
    /// How long a session waits for its next receiver, before it closes, or is forgotten if it was
    /// closed already. The default is 5 s.
    pub disconnect_delay: Duration,
    /// Octets of frames after which a streaming response ends, so that a client need not keep an
    /// endless response in memory. The default is 131,072. A frame is never divided.
    pub response_limit: usize,
    /// Messages that may wait for a receiver. The default is 4,096; zero is one.
    pub queue_messages_max: usize,
    /// Octets of encoded messages that may wait for a receiver. The default is 1 MiB. One message
    /// may exceed the limit, if the queue is below it, or empty.
    pub queue_octets_max: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            heartbeat_delay: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            response_limit: 128 * 1024,
            queue_messages_max: 4096,
            queue_octets_max: 1024 * 1024,
        }
    }
}

impl SessionOptions {
    /// When a heartbeat is due after `instant`, if ever.
    pub(super) fn heartbeat_after(&self, instant: Instant) -> Option<Instant> {
        let delay = Some(self.heartbeat_delay).filter(|delay| !delay.is_zero());
        delay.and_then(|delay| instant.checked_add(delay))
    }
}
