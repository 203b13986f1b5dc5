use std::time::Duration;

/// What the lab holds for its visitors, and for how long. Everything beyond it is refused.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Runs at a time; one more is answered with status 503. Default: 32.
    pub(super) runs_max: usize,
    /// Rows of one run; one more is answered with status 403. Default: 24.
    pub(super) rows_max: usize,
    /// Octets of one message; a longer one is answered with status 413. Default: 16 KiB.
    pub(super) message_octets_max: usize,
    /// Messages of one row that wait to be fetched; one more is answered with status 429. Default: 1,024.
    pub(super) waiting_messages_max: usize,
    /// Octets of the messages of one row that wait to be fetched; more are answered with status 429.
    /// Default: 128 KiB.
    pub(super) waiting_octets_max: usize,
    /// How long a run is kept that nobody asks anything of. Default: 2 minutes.
    pub(super) idle_max: Duration,
    /// How long a long poll waits at most, and unless the request says less. Default: 25 s.
    pub(super) wait_max: Duration,
    /// How often a stream says something when there is nothing to say, so that proxies keep it.
    /// Default: 25 s, as SockJS.
    pub(super) heartbeat_delay: Duration,
    /// How long a stream lasts. Default: 5 minutes.
    pub(super) stream_max: Duration,
    /// Sessions at a time of SockJS, and as many of WebSocket; one more is answered with status 503.
    /// Default: 256.
    pub(super) sessions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs_max: 32,
            rows_max: 24,
            message_octets_max: 16 * 1024,
            waiting_messages_max: 1024,
            waiting_octets_max: 128 * 1024,
            idle_max: Duration::from_secs(120),
            wait_max: Duration::from_secs(25),
            heartbeat_delay: Duration::from_secs(25),
            stream_max: Duration::from_secs(300),
            sessions_max: 256,
        }
    }
}
