use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Hub;
use crate::clock;

/// Has the broker told the time when it wants to be: one task, as long as there are the hub and the runtime on
/// which it was started.
#[derive(Debug, Default)]
pub(super) struct Timer(ArcSwap<Teller>);

/// What the task has of its timer.
#[derive(Debug, Default)]
struct Teller {
    set_forward: Notify,
    is_running: AtomicBool,
    /// Another one tells the time.
    is_over: AtomicBool,
}

/// The task has this as long as there is the task.
struct Running(Arc<Teller>);

impl Timer {
    /// Begins to tell the time, unless that is done already, or the caller is outside of any runtime.
    pub(super) fn start(&self, hub: &Arc<Hub>) {
        let teller = self.0.load();
        if teller.is_running.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !teller.is_running.swap(true, Ordering::AcqRel) {
            runtime.spawn(tell_time(Arc::downgrade(hub), Running(Arc::clone(&teller))));
        }
    }

    /// Tells the time on the runtime of the caller from now on: that on which it was told may be one that nobody
    /// drives.
    pub(super) fn take_over(&self, hub: &Arc<Hub>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let teller = Arc::new(Teller { is_running: AtomicBool::new(true), ..Teller::default() });
        runtime.spawn(tell_time(Arc::downgrade(hub), Running(Arc::clone(&teller))));
        self.0.swap(Arc::clone(&teller)).end();
        // The former one may have been told in the meantime what this one has to know.
        teller.set_forward.notify_one();
    }

    /// The broker wants to be told the time earlier than before.
    pub(super) fn set_forward(&self) {
        self.0.load().set_forward.notify_one();
    }
}

impl Teller {
    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.set_forward.notify_one();
    }
}

/// The task has to see that its hub is gone.
impl Drop for Timer {
    fn drop(&mut self) {
        self.0.load().end();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

async fn tell_time(hub: Weak<Hub>, timer: Running) {
    while let Some(hub) = hub.upgrade().filter(|_| !timer.0.is_over.load(Ordering::Acquire)) {
        let (deadline, now) = (hub.message_broker().next_deadline(), clock::now());
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
        let _ = tokio::time::timeout(wait, timer.0.set_forward.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidings_broker::{
        BrokerOptions, DeadLetters, Destination, DestinationPattern, DestinationPolicy,
    };
    use tidings_stomp::Headers;
    use tokio::runtime;
    use tokio::task::yield_now;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;
    use crate::hub::HubOptions;

    fn hub() -> Arc<Hub> {
        Hub::new(HubOptions::default())
    }

    fn send(hub: &Arc<Hub>, queue: &str, expiration: &str) {
        let headers = Headers::from([("expiration", expiration)]);
        let queue = Destination::parse(queue).unwrap();
        hub.try_publish(clock::now(), None, queue, headers, &mut Bytes::new()).unwrap();
    }

    fn exists(hub: &Hub, queue: &str) -> bool {
        hub.broker().destination(&DestinationPattern::parse(queue).unwrap()).is_some()
    }

    /// Lets other tasks go on until something is so.
    async fn until(is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so() {
                yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it is so in the end");
    }

    #[tokio::test]
    async fn one_task_tells_the_time_however_often_it_is_set_forward() {
        let hub = hub();
        hub.session_key();
        let tasks = || Handle::current().metrics().num_alive_tasks();
        for expiration in (1..1000).rev() {
            send(&hub, "/queue/a", &(expiration * 100_000).to_string());
        }
        hub.session_key();
        assert_eq!(tasks(), 1);
        drop(hub);
        until(|| tasks() == 0).await;
    }

    #[tokio::test]
    async fn the_broker_is_told_the_time_even_if_it_was_to_be_later() {
        let hub = hub();
        send(&hub, "/queue/a", "100000000");
        hub.session_key();
        yield_now().await;
        send(&hub, "/queue/a", "1");
        until(|| exists(&hub, "/queue/DLQ.a")).await;
    }

    #[tokio::test]
    async fn the_broker_is_told_the_time_before_there_is_a_session() {
        let hub = hub();
        send(&hub, "/queue/a", "1");
        until(|| exists(&hub, "/queue/DLQ.a")).await;
    }

    #[test]
    fn time_goes_on_when_the_runtime_has_ended_that_told_it() {
        let hub = hub();
        send(&hub, "/queue/a", "1");
        for queue in ["/queue/b", "/queue/c"] {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                send(&hub, queue, "1");
                until(|| exists(&hub, &queue.replace("/queue/", "/queue/DLQ."))).await;
            });
        }
        assert!(exists(&hub, "/queue/DLQ.a"), "it was sent outside of any");
    }

    #[test]
    fn time_goes_on_where_a_server_runs_though_nobody_drives_the_runtime_that_told_it() {
        let hub = hub();
        let runtime = || runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (idle, serving) = (runtime(), runtime());
        idle.block_on(async { hub.session_key() });
        serving.block_on(async {
            hub.tell_time_here();
            send(&hub, "/queue/a", "1");
            until(|| exists(&hub, "/queue/DLQ.a")).await;
        });
        assert_eq!(idle.metrics().num_alive_tasks(), 1, "it has not been driven");
        idle.block_on(until(|| idle.metrics().num_alive_tasks() == 0));
    }

    /// Panics at the first warning.
    struct Panics(AtomicBool);

    impl Subscriber for Panics {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let is_warning = *event.metadata().level() == Level::WARN;
            assert!(!is_warning || self.0.swap(true, Ordering::Relaxed), "as it does");
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn a_panic_at_one_destination_keeps_the_time_from_no_other() {
        let mut options = BrokerOptions::default();
        let dead_letters = DeadLetters::Discard;
        options.policies.set_rest(DestinationPolicy { dead_letters, ..Default::default() });
        let hub = Hub::new(HubOptions { broker: options, ..HubOptions::default() });
        let panics = tracing::subscriber::set_default(Panics(AtomicBool::new(false)));
        let queues = ["/queue/a", "/queue/b", "/queue/c"];
        for queue in queues {
            send(&hub, queue, "1");
        }
        let due = clock::now().after(Duration::from_millis(1));
        while clock::now() < due {
            std::hint::spin_loop();
        }
        until(|| queues.iter().filter(|queue| exists(&hub, queue)).count() == 1).await;
        drop(panics);
    }
}
