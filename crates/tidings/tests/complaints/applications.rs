//! Complaints about what applications are made with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::asyncapi::AsyncApi;
use tidings::endpoint::{
    Configurator, EndpointConfig, Handshake, HandshakeResponse, Reject, State,
};
use tidings::{App, controller, server_endpoint};
use tokio::sync::Semaphore;

use crate::support::Log;
use crate::test;

/// Tells what the handshake said.
struct Visitors;

#[server_endpoint("/visitors/{room}")]
impl Visitors {
    #[on_open]
    fn opened(&self, handshake: &Handshake) -> String {
        let agent = handshake.header("user-agent").unwrap_or("?");
        let name = handshake.principal().map_or("?", |principal| principal.name());
        format!("{name} by {agent}, {}", handshake.query().unwrap_or("?"))
    }
}

/// Wants a ticket.
struct Doorkeeper;

impl Configurator for Doorkeeper {
    async fn handshake(
        &self,
        handshake: &Handshake,
        _: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        match handshake.query() {
            Some(_) => Ok(()),
            None => Err(Reject::new(tidings::http::StatusCode::PAYMENT_REQUIRED)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_12_the_handshake_is_an_argument_and_its_refusal_is_told() {
    let config = EndpointConfig::new().configurator(Doorkeeper);
    let app = test(App::builder().endpoint_with(config, |_| Visitors));
    let socket = app.websocket("/visitors/hall?ticket=7").user("ann").header("user-agent", "test");
    assert_eq!(socket.connect().await.next_text().await, "ann by test, ticket=7");
    let error = app.websocket("/visitors/hall").try_connect().await.unwrap_err();
    let answer = error.response().expect("there is an answer");
    assert_eq!(answer.status(), 402);
}

#[derive(Clone)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn next(&self) -> String {
        self.0.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

struct CountingEndpoint;

#[server_endpoint("/count")]
impl CountingEndpoint {
    #[on_message]
    fn count(&self, _: String, State(counter): State<Counter>) -> String {
        counter.next()
    }
}

struct CountingController;

#[controller]
impl CountingController {
    #[subscribe_mapping("/count")]
    fn count(&self, State(counter): State<Counter>) -> String {
        counter.next()
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_13_what_is_injected_is_there_or_the_application_does_not_build() {
    let app = || App::builder().endpoint(|| CountingEndpoint).controller(CountingController);
    let mistakes = app().build().unwrap_err().to_string();
    assert_eq!(mistakes.matches("Counter").count(), 2, "{mistakes}");

    let app = test(app().state(Counter(Arc::default())));
    let mut socket = app.websocket("/count").connect().await;
    socket.send("").await;
    assert_eq!(socket.next_text().await, "0");
    let mut client = app.stomp().connect().await;
    client.subscribe("/app/count").await;
    assert_eq!(client.next_text().await, "1");
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Waits until it may answer.
struct Slow {
    begun: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

#[controller]
impl Slow {
    #[message_mapping("/slow")]
    async fn slow(&self, text: String) -> String {
        self.begun.add_permits(1);
        self.go_on.acquire().await.expect("nobody closes it").forget();
        tracing::info!("answered");
        text
    }

    #[message_mapping("/quick")]
    fn quick(&self, text: String) -> String {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_14_numbers_traces_and_a_description_are_there() {
    let slow = Slow { begun: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(1)) };
    let app = test(App::builder().stomp("/stomp").controller(slow));
    let mut bob = app.stomp().user("bob").connect().await;
    let stats = app.app().stats();
    assert_eq!((stats.sessions.tcp, stats.stomp.users, stats.stomp.connected), (1, 1, 1));

    let log = Log::capture();
    bob.subscribe("/topic/slow").await;
    bob.send_with("/app/slow", "tea", [("traceparent", TRACE)]).await;
    let message = bob.next_message().await;
    assert_eq!(message.headers.get("traceparent"), Some(TRACE));
    let log = log.take();
    let logged = log.lines().find(|line| line.ends_with("answered")).expect("it is logged");
    assert!(logged.contains("/app/slow") && logged.contains(TRACE), "{logged}");

    let document = app.app().async_api(&AsyncApi::new("Slow", "1.0.0"));
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["channels"]["app.slow"]["address"], "/app/slow");
    assert_eq!(document["operations"]["Slow.slow"]["action"], "receive");
}

#[tokio::test(start_paused = true)]
async fn complaint_15_who_waits_holds_no_thread_and_a_shutdown_is_told() {
    let (begun, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = Slow { begun: Arc::clone(&begun), go_on: Arc::clone(&go_on) };
    let app = test(App::builder().controller(slow));
    // All of this is done by one thread.
    let mut waiting = Vec::new();
    for _ in 0..500 {
        let client = app.client().stomp().reconnect(None).connect("tcp://test").await.unwrap();
        client.send("/app/slow").text("slow").await.unwrap();
        waiting.push(client);
    }
    begun.acquire_many(500).await.unwrap().forget();
    let mut quick = app.stomp().connect().await;
    quick.subscribe("/topic/**").await;
    quick.send("/app/quick", "quick").await;
    assert_eq!(quick.next_text().await, "quick");
    go_on.add_permits(500);
    for _ in 0..500 {
        assert_eq!(quick.next_text().await, "slow");
    }
    app.app().shut_down().await;
    let told = quick.ended().await;
    assert_eq!(told.message, "server is shutting down");
    assert_eq!(app.app().users().session_count(), 0);
}
