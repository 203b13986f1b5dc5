//! Complaints about what becomes of messages.

use std::sync::Arc;
use std::time::Duration;

use tidings::broker::{DestinationPolicy, SlowConsumers};
use tidings::endpoint::Session;
use tidings::messaging::{Messenger, SessionEvent};
use tidings::{App, controller, server_endpoint};
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::test;

/// Tasks that send on one session, and how many messages each of them sends.
const SENDERS: usize = 8;
const MESSAGES: usize = 100;

/// Has many tasks send to whoever connects.
struct Crowd;

#[server_endpoint("/crowd")]
impl Crowd {
    #[on_open]
    fn opened(&self, session: Session) {
        let start = Arc::new(Barrier::new(SENDERS));
        for sender in 0..SENDERS {
            let (session, start) = (session.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let padding = "x".repeat(10_000);
                for number in 0..MESSAGES {
                    session.send(format!("{sender} {number} {padding}")).await.unwrap();
                }
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn complaint_01_concurrent_sends_need_no_synchronising() {
    let app = test(App::builder().endpoint(|| Crowd));
    let mut socket = app.websocket("/crowd").connect().await;
    let mut next = [0; SENDERS];
    for _ in 0..SENDERS * MESSAGES {
        let text = socket.next_text().await;
        let [sender, number, padding] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let expected = &mut next[sender.parse::<usize>().unwrap()];
        assert_eq!(number, expected.to_string(), "of {sender}");
        assert_eq!(padding.len(), 10_000);
        *expected += 1;
    }
    assert_eq!(next, [MESSAGES; SENDERS]);
}

#[tokio::test(start_paused = true)]
async fn complaint_03_a_slow_consumer_costs_what_was_set_and_holds_up_nobody() {
    const ALL: usize = 1000;
    for slow_consumers in
        [SlowConsumers::Close, SlowConsumers::DropOldest, SlowConsumers::KeepLatest]
    {
        let policy = DestinationPolicy { slow_consumers, ..DestinationPolicy::default() };
        let app = test(App::builder().destination_policy("/topic/**", policy));
        let mut slow = app.stomp().connect().await;
        let mut swift = app.stomp().connect().await;
        for client in [&mut slow, &mut swift] {
            client.subscribe("/topic/prices").await;
        }
        for number in 0..ALL {
            let price = format!("{number} {}", "x".repeat(16 * 1024));
            app.messenger().send("/topic/prices", price).await.unwrap();
            assert!(swift.next_text().await.starts_with(&format!("{number} ")));
        }
        if slow_consumers == SlowConsumers::Close {
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(60)).await;
            let stats = app.app().stats();
            assert_eq!(stats.sessions.tcp, 1, "{stats}");
            assert_eq!(stats.sessions.closed_abnormally.send_limit, 1, "{stats}");
            continue;
        }
        // It gets what was on its way, and then the latest: less than 2 MiB of 16 were kept for it.
        let (mut kept, mut last) = (0, String::new());
        while !last.starts_with("999 ") {
            last = slow.next_text().await;
            kept += 1;
        }
        assert!((2..128).contains(&kept), "{slow_consumers:?}: {kept}");
        slow.assert_silent().await;
    }
}

/// Takes the longer for a message, the earlier it comes.
struct Line;

#[controller]
impl Line {
    #[message_mapping("/line")]
    async fn line(&self, number: String) -> String {
        let number_of_it: u64 = number.parse().unwrap();
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(100 - number_of_it)).await;
        number
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_04_order_is_kept_without_being_asked_for() {
    let app = test(App::builder().controller(Line));
    let mut listeners = Vec::new();
    for _ in 0..3 {
        let mut listener = app.stomp().connect().await;
        listener.subscribe("/topic/line").await;
        listeners.push(listener);
    }
    // It waits for no answer before it sends the next one.
    let sender = app.client().stomp().connect("tcp://test").await.unwrap();
    for number in 0..100 {
        sender.send("/app/line").text(number.to_string()).await.unwrap();
    }
    for listener in &mut listeners {
        for number in 0..100 {
            assert_eq!(listener.next_text().await, number.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_06_who_is_told_of_a_subscription_reaches_it() {
    let welcome = |event: SessionEvent, messenger: Messenger| async move {
        if let SessionEvent::Subscribed { destination, .. } = event {
            let sent = messenger.send(&destination, "welcome").await.unwrap();
            assert_eq!(sent.subscribers(), 1);
        }
    };
    let app = test(App::builder().session_listener(welcome));
    let mut bob = app.stomp().connect().await;
    bob.subscribe("/topic/news").await;
    assert_eq!(bob.next_text().await, "welcome");
    // The client knows it by its receipt, which each frame may have: what is sent then arrives.
    app.messenger().try_send("/topic/news", "news").unwrap();
    assert_eq!(bob.next_text().await, "news");
    bob.assert_silent().await;
}
