//! Spans of frames, and the trace that messages carry.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use support::Log;
use tidings::broker::DestinationPolicy;
use tidings::endpoint::Session;
use tidings::messaging::{
    InboundFrame, Interceptor, Outgoing, Rules, StompError, Verdict, deny, permit,
};
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

    #[message_mapping("/elsewhere")]
    fn elsewhere(&self) -> Outgoing {
        Outgoing::to("/topc/orders", "odd").expect("text can be sent")
    }

    #[subscribe_mapping("/stock")]
    fn stock(&self) -> &'static str {
        "none"
    }

    #[subscribe_mapping("/prices")]
    fn prices(&self) -> impl Stream<Item = &'static str> + Send + 'static {
        stream::iter(["1", "2"]).inspect(|price| tracing::info!("a price of {price}"))
    }

    #[subscribe_mapping("/sales")]
    #[send_to("/topic/sales")]
    fn sales(&self) -> impl Stream<Item = &'static str> + Send + 'static {
        stream::iter(["sold"])
    }
}

/// Has seen a frame, and logs that.
struct Witness;

impl Interceptor for Witness {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, StompError> {
        tracing::info!("seen {}", frame.command);
        Ok(Verdict::Pass)
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

#[tokio::test(start_paused = true)]
async fn the_items_of_a_stream_belong_to_the_trace_of_their_subscription() {
    let log = Log::capture();
    let mut bob = app().stomp().connect().await;
    let trace = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    bob.subscribe_with("/app/prices", AckMode::Auto, trace).await;
    for price in ["1", "2"] {
        let message = bob.next_message().await;
        assert_eq!(message.body, price);
        assert_eq!(message.headers.get("traceparent"), Some(PARENT));
        assert_eq!(message.headers.get("tracestate"), Some("vendor=1"));
    }
    let log = log.take();
    let logged = log.lines().find(|line| line.ends_with("a price of 2")).expect("the stream logs");
    for part in ["frame{command=\"SUBSCRIBE\"", "destination=\"/app/prices\"", PARENT] {
        assert!(logged.contains(part), "{logged}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_sends_elsewhere_belongs_to_the_trace_of_its_subscription() {
    let mut bob = app().stomp().connect().await;
    bob.subscribe("/topic/sales").await;
    bob.subscribe_with("/app/sales", AckMode::Auto, [("traceparent", PARENT)]).await;
    assert_eq!(bob.next_message().await.headers.get("traceparent"), Some(PARENT));
}

#[tokio::test(start_paused = true)]
async fn interceptors_and_rules_are_in_the_span_of_the_frame_too() {
    let log = Log::capture();
    let rules = Rules::new().send("/topic/secret", deny()).rest(permit());
    let app = App::builder().interceptor(Witness).rules(rules).build().expect("no controller");
    let mut bob = TestApp::new(app).stomp().connect().await;
    bob.try_send("/topic/secret", "tea").await.expect_err("a rule denies it");
    let log = log.take();
    for end in ["seen SEND", "refused by rules"] {
        let logged = log.lines().find(|line| line.contains(end)).expect("it is logged");
        assert_eq!(logged.matches("frame{command=\"SEND\"").count(), 1, "{logged}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_waits_has_one_span() {
    let policy = DestinationPolicy { messages_max: Some(1), ..DestinationPolicy::default() };
    let app = App::builder().destination_policy("/queue/small", policy);
    let app = app.publish_wait_max(Duration::from_secs(1));
    let mut bob = TestApp::new(app.build().expect("one policy")).stomp().connect().await;
    bob.send("/queue/small", "first").await;
    let log = Log::capture_with_spans();
    let refused = bob.try_send("/queue/small", "second").await;
    assert!(refused.is_err(), "the queue is full, and stays so");
    let log = log.take();
    let spans = log.lines().filter(|line| line.contains("frame{") && line.ends_with(": new"));
    assert_eq!(spans.count(), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_sent_is_a_warning_with_the_reason() {
    let log = Log::capture();
    let mut bob = app().stomp().connect().await;
    bob.send("/app/elsewhere", "").await;
    let log = log.take();
    let logged = log.lines().find(|line| line.contains("reply of a handler was not sent"));
    let logged = logged.expect("it is logged");
    assert!(logged.contains(" WARN "), "{logged}");
    assert!(logged.contains("unknown destination /topc/orders: a destination is"), "{logged}");
}
