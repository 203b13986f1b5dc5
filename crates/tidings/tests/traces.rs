//! Spans of frames, and the trace that messages carry.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::Log;
use tidings::messaging::Outgoing;
use tidings::testing::TestApp;
use tidings::{App, controller};
use tidings_stomp::AckMode;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Shop;

#[controller]
impl Shop {
    #[message_mapping("/order")]
    #[send_to("/topic/orders")]
    async fn order(&self, what: String) -> String {
        tokio::task::yield_now().await;
        tracing::info!("an order");
        what
    }

    #[message_mapping("/own")]
    fn own(&self) -> Outgoing {
        let reply = Outgoing::to("/topic/orders", "own").expect("text can be sent");
        reply.header("traceparent", "another")
    }

    #[subscribe_mapping("/stock")]
    fn stock(&self) -> &'static str {
        "none"
    }
}

fn app() -> TestApp {
    TestApp::new(App::builder().controller(Shop).build().expect("one controller"))
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_logs_is_in_the_span_of_its_frame() {
    let log = Log::capture();
    let mut bob = app().stomp().connect().await;
    bob.send_with("/app/order", "tea", [("traceparent", PARENT)]).await;
    let log = log.take();
    let logged = log.lines().find(|line| line.ends_with("an order")).expect("the handler logs");
    for part in ["frame{command=\"SEND\"", "destination=\"/app/order\"", PARENT] {
        assert!(logged.contains(part), "{logged}");
    }
    assert_eq!(logged.matches("frame{").count(), 1, "{logged}");
}

#[tokio::test(start_paused = true)]
async fn messages_and_replies_carry_the_trace_on() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    bob.subscribe("/topic/**").await;
    let trace = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    for destination in ["/app/order", "/topic/direct"] {
        bob.send_with(destination, "tea", trace).await;
        let message = bob.next_message().await;
        assert_eq!(message.headers.get("traceparent"), Some(PARENT), "{destination}");
        assert_eq!(message.headers.get("tracestate"), Some("vendor=1"), "{destination}");
    }
    bob.send_with("/app/own", "", trace).await;
    assert_eq!(bob.next_message().await.headers.get("traceparent"), Some("another"));
    bob.send("/app/order", "tea").await;
    assert_eq!(bob.next_message().await.headers.get("traceparent"), None);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_subscription_belongs_to_its_trace() {
    let mut bob = app().stomp().connect().await;
    bob.subscribe_with("/app/stock", AckMode::Auto, [("traceparent", PARENT)]).await;
    assert_eq!(bob.next_message().await.headers.get("traceparent"), Some(PARENT));
}
