//! What destinations of other brokers' names do, as clients over TCP see it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use support::{PATIENCE, Raw, Running, serve};
use tidings::broker::{DeadLetters, DestinationPolicy, Limits};
use tidings::messaging::Messenger;
use tidings::queues::Which;
use tidings::{App, controller};

async fn connect(server: &Running, version: &str) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write(format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0")).await;
    client.read_until("\0").await;
    client
}

async fn subscribe(client: &mut Raw, id: &str, destination: &str) {
    client
        .write(format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nreceipt:{id}\n\n\0"))
        .await;
    client.read_until(&format!("receipt-id:{id}\n\n\0")).await;
}

fn header<'f>(frame: &'f str, name: &str) -> &'f str {
    let line = frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name}: {frame}"))
}

struct Adder;

#[controller]
impl Adder {
    #[message_mapping("/add")]
    async fn add(
        &self,
        #[header("reply-to")] reply_to: String,
        messenger: Messenger,
        text: String,
    ) {
        let sum: u32 = text.split('+').filter_map(|number| number.parse::<u32>().ok()).sum();
        messenger.send(&reply_to, sum.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn a_handler_replies_to_a_reply_queue_too() {
    let server = serve(App::builder().controller(Adder).build().unwrap()).await;
    let mut client = connect(&server, "1.2").await;
    client.write("SEND\ndestination:/app/add\nreply-to:/temp-queue/r\n\n2+3\0").await;
    let reply = client.read_until("\n5\0").await;
    assert_eq!(header(&reply, "subscription"), "/temp-queue/r");
}

#[test]
fn an_application_whose_dead_letters_have_no_place_is_not_built() {
    let policy = || DestinationPolicy {
        dead_letters: DeadLetters::QueueNamed("/queue/dead.".to_owned()),
        ..DestinationPolicy::default()
    };
    let app = || App::builder().destination_policy("jms.queue.*", policy());
    let error = app().queue_prefixes(["jms.queue."]).build().unwrap_err().to_string();
    let expected = "dead letters: unknown destination /queue/dead.NAME: a destination is \
                    /topic/NAME or jms.queue.NAME";
    assert!(error.contains(expected), "{error}");
    assert!(app().queue_prefixes(["jms.queue.", "/queue/"]).build().is_ok());
}

#[test]
fn a_policy_for_what_cannot_be_is_a_mistake_and_a_plain_name_is_a_queue() {
    let app = |pattern: &str| {
        let policy = DestinationPolicy { messages_max: Some(0), ..DestinationPolicy::default() };
        App::builder().destination_policy(pattern, policy).build()
    };
    let error = app("/jobs/*").unwrap_err().to_string();
    let expected = "policy of `/jobs/*`, which matches nothing: unknown destination /jobs/*: a \
                    destination is /topic/NAME or /queue/NAME; NAME alone is a queue; there are \
                    also /app/NAME, /temp-queue/NAME";
    assert!(error.contains(expected), "{error}");
    let full = app("plain").unwrap();
    assert!(full.messenger().try_send("plain", "m").is_err());
    assert!(full.messenger().try_send("/queue/plain", "m").is_err());
    assert!(full.messenger().try_send("/queue/other", "m").is_ok());
}

#[tokio::test]
async fn prefixes_and_limits_are_the_applications() {
    let limits = Limits { session_subscriptions_max: 1, ..Limits::default() };
    let app = App::builder().topic_prefixes(["jms.topic."]).queue_prefixes(["jms.queue."]);
    let server = serve(app.broker_limits(limits).build().unwrap()).await;
    let mut client = connect(&server, "1.2").await;
    subscribe(&mut client, "a", "jms.topic.*").await;
    client.write("SEND\ndestination:jms.topic.x\n\nm\0").await;
    let message = client.read_until("\nm\0").await;
    assert_eq!(header(&message, "destination"), "jms.topic.x");
    client.write("SUBSCRIBE\nid:b\ndestination:jms.queue.x\n\n\0").await;
    assert!(client.read_until("\0").await.contains("message:too many subscriptions\n"));
}

#[tokio::test]
async fn whoever_moves_messages_is_told_how_many_the_queue_has_left() {
    let app = App::builder().build().unwrap();
    let queues = app.queues();
    let server = serve(app).await;
    let mut client = connect(&server, "1.2").await;
    for headers in ["", "", "", "AMQ_SCHEDULED_DELAY:600000\n"] {
        client.write(format!("SEND\ndestination:/queue/jobs\n{headers}\nm\0")).await;
    }
    let one_at_a_time = "ack:client\nprefetch-count:1\n";
    client.write(format!("SUBSCRIBE\nid:s\ndestination:/queue/jobs\n{one_at_a_time}\n\0")).await;
    client.read_until("\nm\0").await;
    for (count, expected) in [(1, (1, 3)), (2, (1, 2)), (1, (0, 2))] {
        let which = Which::First(count);
        let done = queues.move_messages("/queue/jobs", Some("/queue/other"), &which).await;
        assert_eq!(done.map(|done| (done.moved, done.left)).unwrap(), expected);
    }
    let all = Which::First(2);
    let done = queues.move_messages("/queue/other", Some("/queue/more"), &all).await.unwrap();
    assert_eq!((done.moved, done.left), (2, 0), "the queue is no more");
}

#[test]
fn what_was_sent_before_the_server_runs_expires_without_a_client() {
    let message_ttl = Some(Duration::from_millis(1));
    let policy = DestinationPolicy { message_ttl, ..DestinationPolicy::default() };
    let app = App::builder().destination_policy("/queue/a", policy).build().unwrap();
    app.messenger().try_send("/queue/a", "m").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let _server = serve(app.clone()).await;
        let expired = async {
            while app.queues().list().iter().all(|queue| queue.name != "/queue/DLQ.a") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, expired).await.expect("the server tells the time");
    });
}
