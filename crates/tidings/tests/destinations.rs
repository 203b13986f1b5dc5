//! What destinations of other brokers' names do, as clients over TCP see it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use support::{PATIENCE, Raw, Running, serve};
use tidings::broker::{DeadLetters, DestinationPolicy, Limits};
use tidings::messaging::Messenger;
use tidings::{App, controller};

async fn start() -> Running {
    serve(App::builder().build().unwrap()).await
}

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

#[tokio::test]
async fn a_request_with_a_reply_queue_is_answered_in_every_version() {
    let server = start().await;
    let mut worker = connect(&server, "1.2").await;
    subscribe(&mut worker, "w", "/queue/work").await;
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = connect(&server, version).await;
        client.write("SEND\ndestination:/queue/work\nreply-to:/temp-queue/r\n\n2+2\0").await;
        let request = worker.read_until("2+2\0").await;
        let reply_to = header(&request, "reply-to");
        assert!(reply_to.starts_with("/reply-queue/"), "{reply_to}");
        worker.write(format!("SEND\ndestination:{reply_to}\n\n4\0")).await;
        let reply = client.read_until("\n4\0").await;
        assert_eq!(header(&reply, "subscription"), "/temp-queue/r", "{version}");
        assert_eq!(header(&reply, "destination"), "/temp-queue/r", "{version}");
    }
}

#[tokio::test]
async fn the_id_of_a_subscription_whose_queue_was_deleted_can_be_used_again() {
    let app = App::builder().build().unwrap();
    let queues = app.queues();
    let server = serve(app).await;
    let mut client = connect(&server, "1.2").await;
    for _ in 0..2 {
        subscribe(&mut client, "a", "/queue/jobs").await;
        queues.delete("/queue/jobs").await.unwrap();
        let told = client.read_until("created again.\n\0").await;
        assert!(told.contains("message:Server cancelled subscription\n"), "{told}");
        assert_eq!(header(&told, "subscription"), "a");
    }
    let missing = queues.delete("/queue/jobs").await.unwrap_err();
    assert!(missing.to_string().contains("there is no queue /queue/jobs"), "{missing}");
}

#[tokio::test]
async fn a_temporary_queue_of_activemq_is_its_connections_own() {
    let server = start().await;
    let mut worker = connect(&server, "1.1").await;
    subscribe(&mut worker, "w", "/topic/work").await;
    let mut client = connect(&server, "1.1").await;
    subscribe(&mut client, "mine", "/temp-queue/r").await;
    client.write("SEND\ndestination:/topic/work\nreply-to:/temp-queue/r\n\nq\0").await;
    let request = worker.read_until("\nq\0").await;
    let reply_to = header(&request, "reply-to");
    assert!(reply_to.starts_with("/remote-temp-queue/"), "{reply_to}");
    worker.write(format!("SEND\ndestination:{reply_to}\n\na\0")).await;
    let reply = client.read_until("\na\0").await;
    assert_eq!(header(&reply, "subscription"), "mine");
    worker.write(format!("SUBSCRIBE\nid:spy\ndestination:{reply_to}\n\n\0")).await;
    let error = worker.read_until("\0").await;
    assert!(error.starts_with("ERROR\nmessage:not your temporary destination\n"), "{error}");
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

#[tokio::test]
async fn what_is_no_destination_is_answered_with_advice() {
    let server = start().await;
    let check = async |frame: &str, message: &str, advice: &str| {
        let mut client = connect(&server, "1.2").await;
        client.write(format!("{frame}\0")).await;
        let error = client.read_until("\0").await;
        assert!(error.contains(&format!("message:{message}\n")), "{error}");
        assert!(error.contains(advice), "{error}");
    };
    check("SEND\ndestination:/foo/bar\n\n", "unknown destination", "/topic/NAME or /queue/NAME")
        .await;
    check("SEND\ndestination:/exchange/mine\n\n", "unknown destination", "amq.direct/KEY").await;
    check("SEND\ndestination:/amq/queue/none\n\n", "no such queue", "/queue/none").await;
    let reserved = "SUBSCRIBE\nid:/temp-queue/a\ndestination:/queue/a\n\n";
    check(reserved, "reserved subscription id", "/temp-queue/").await;
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
