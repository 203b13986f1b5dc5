use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Hub;
use crate::clock;

/// Has the broker told the time when it wants to be: one task, as long as there is the hub.
#[derive(Debug, Default)]
pub(super) struct Timer(Arc<Notify>);

impl Timer {
    /// Begins to tell the time.
    pub(super) fn start(&self, hub: Weak<Hub>, runtime: &Handle) {
        runtime.spawn(tell_time(hub, Arc::clone(&self.0)));
    }

    /// The broker wants to be told the time earlier than before.
    pub(super) fn set_forward(&self) {
        self.0.notify_one();
    }
}

/// The task has to see that its hub is gone.
impl Drop for Timer {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn tell_time(hub: Weak<Hub>, set_forward: Arc<Notify>) {
    while let Some(hub) = hub.upgrade() {
        let (deadline, now) = (hub.broker.next_deadline(), clock::now());
        if deadline.is_some_and(|at| at <= now) {
            let tell = || hub.deliver(|broker, sink| broker.handle_timeout(now, sink));
            // Time goes on for all the others.
            if catch_unwind(AssertUnwindSafe(tell)).is_err() {
                tracing::error!("the broker panicked as it was told the time");
            }
            // Others come first.
            tokio::task::yield_now().await;
            continue;
        }
        drop(hub);
        let wait = deadline.map_or(Duration::MAX, |at| at.since(now));
        let _ = tokio::time::timeout(wait, set_forward.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidings_broker::{BrokerOptions, DestinationPattern};
    use tidings_stomp::Headers;
    use tokio::task::yield_now;

    use super::*;

    fn send(hub: &Arc<Hub>, expiration: &str) {
        let headers = Headers::from([("expiration", expiration)]);
        hub.try_publish(None, "/queue/a", headers, Bytes::new()).unwrap();
    }

    #[tokio::test]
    async fn one_task_tells_the_time_however_often_it_is_set_forward() {
        let hub = Hub::new(BrokerOptions::default(), Duration::ZERO);
        hub.session_key();
        let tasks = || Handle::current().metrics().num_alive_tasks();
        for expiration in (1..1000).rev() {
            send(&hub, &(expiration * 100_000).to_string());
        }
        hub.session_key();
        assert_eq!(tasks(), 1);
        drop(hub);
        while tasks() > 0 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_broker_is_told_the_time_even_if_it_was_to_be_later() {
        let hub = Hub::new(BrokerOptions::default(), Duration::ZERO);
        send(&hub, "100000000");
        hub.session_key();
        yield_now().await;
        send(&hub, "1");
        let dead_letters = DestinationPattern::parse("/queue/DLQ.a").unwrap();
        while hub.broker().destination(&dead_letters).is_none() {
            yield_now().await;
        }
    }
}
