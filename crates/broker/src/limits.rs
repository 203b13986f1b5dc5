use std::sync::atomic::{AtomicUsize, Ordering};

/// How much a [`Broker`](crate::Broker) holds at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topics with subscribers or messages that they keep, patterns with subscribers, and queues,
    /// together. Default 100,000.
    pub destinations_max: usize,
    /// Subscriptions of one session. Default 1,024.
    pub session_subscriptions_max: usize,
    /// Temporary queues and topics of one session. Default 256.
    pub session_temporary_max: usize,
    /// Octets of the messages in all temporary queues of one session, 256 for each message included; one
    /// message may always wait. Threads that send at the same time may exceed it by a message each. Default 8 MiB.
    pub session_temporary_octets_max: usize,
    /// Messages in one queue, those included that wait for their ACK, and its dead letters that wait for a
    /// place. Default 100,000.
    pub queue_messages_max: usize,
    /// Octets of the headers and bodies of the messages in one queue, those included that wait for
    /// their ACK, and its dead letters that wait for a place. Default 64 MiB.
    pub queue_octets_max: usize,
    /// Octets of the messages that all topics together keep: histories and retained messages, 256 for
    /// each message included. Beyond that a topic's new message takes the place of its own oldest
    /// ones, and who asks for a message to be retained is refused. Default 256 MiB.
    pub kept_octets_max: usize,
    /// Retained messages that one subscription to a pattern is given. Default 1,000.
    pub retained_matches_max: usize,
    /// Octets of the retained messages that one subscription to a pattern is given, 256 for each
    /// message included. Default 512 KiB.
    pub retained_octets_max: usize,
    /// Octets of the messages of topics that wait for one session, where old ones are given up for those
    /// that read too slowly: see [`SlowConsumers`](crate::SlowConsumers). Default 256 KiB.
    pub slow_consumer_octets_max: usize,
    /// Messages of a queue that one subscription may have unsettled, unless it asks for another
    /// number. Default 100. Subscriptions with `ack:auto` settle at once and need none.
    pub prefetch_default: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            destinations_max: 100_000,
            session_subscriptions_max: 1024,
            session_temporary_max: 256,
            session_temporary_octets_max: 8 * 1024 * 1024,
            queue_messages_max: 100_000,
            queue_octets_max: 64 * 1024 * 1024,
            kept_octets_max: 256 * 1024 * 1024,
            retained_matches_max: 1000,
            retained_octets_max: 512 * 1024,
            slow_consumer_octets_max: 256 * 1024,
            prefetch_default: 100,
        }
    }
}

/// A number of places, shared by all who take one.
#[derive(Debug)]
pub(crate) struct Quota {
    used: AtomicUsize,
    max: usize,
}

/// No place is left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QuotaSpent {
    pub(crate) max: usize,
}

impl Quota {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    pub(crate) fn take(&self) -> Result<(), QuotaSpent> {
        let take = |used| (used < self.max).then(|| used + 1);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(QuotaSpent { max: self.max }),
        }
    }

    /// Whether so many places are left.
    pub(crate) fn check(&self, count: usize) -> Result<(), QuotaSpent> {
        let fits = self.used().checked_add(count).is_some_and(|used| used <= self.max);
        if fits { Ok(()) } else { Err(QuotaSpent { max: self.max }) }
    }

    /// Takes a place even if none is left.
    pub(crate) fn take_in_any_case(&self) {
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let quota = Quota::new(1);
        assert_eq!(quota.take(), Ok(()));
        assert_eq!(quota.take(), Err(QuotaSpent { max: 1 }));
        quota.give_back();
        assert_eq!(quota.take(), Ok(()));
        assert_eq!(quota.used(), 1);
    }
}
