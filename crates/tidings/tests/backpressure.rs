//! Senders that are faster than consumers, and consumers that are slower than topics.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use support::{Raw, Running, serve};
use tidings::broker::{DestinationPolicy, Limits, SlowConsumers};
use tidings::server::{SockJsOptions, StompOptions};
use tidings::{App, AppBuilder};
use tokio::net::TcpSocket;

/// An application whose queues hold two messages.
fn narrow() -> AppBuilder {
    App::builder().broker_limits(Limits { queue_messages_max: 2, ..Limits::default() })
}

async fn start(app: AppBuilder) -> Running {
    serve(app.build().unwrap()).await
}

async fn client(server: &Running) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    client.read_until("\0").await;
    client
}

fn send(number: u32) -> String {
    format!("SEND\ndestination:/queue/a\nreceipt:r{number}\n\nm{number}\0")
}

#[tokio::test]
async fn a_sender_to_a_full_queue_waits_for_its_receipt_until_there_is_room() {
    let server = start(narrow()).await;
    let mut observer = client(&server).await;
    observer.write("SUBSCRIBE\nid:o\ndestination:/topic/t\nreceipt:o\n\n\0").await;
    observer.read_until("receipt-id:o").await;
    let mut publisher = client(&server).await;
    let frames: String = (0..6).map(send).collect();
    publisher.write(format!("{frames}SEND\ndestination:/topic/t\n\nbehind\0")).await;
    publisher.read_until("receipt-id:r1\n\n\0").await;
    let mut consumer = client(&server).await;
    let subscribe = "SUBSCRIBE\nid:c\ndestination:/queue/a\nack:client\n\n\0";
    consumer.write(subscribe).await;
    let mut messages = consumer.read_until("\nm1\0").await;
    for number in [1, 3, 5] {
        let ack = messages.lines().filter_map(|line| line.strip_prefix("ack:")).next_back();
        consumer.write(format!("ACK\nid:{}\n\n\0", ack.unwrap())).await;
        if number < 5 {
            messages = consumer.read_until(&format!("\nm{}\0", number + 2)).await;
            assert!(messages.contains(&format!("\nm{}\0", number + 1)), "in order: {messages}");
        }
    }
    let receipts = publisher.read_until("receipt-id:r5\n\n\0").await;
    assert!(!receipts.contains("ERROR"), "{receipts}");
    observer.read_until("\nbehind\0").await;
}

#[tokio::test]
async fn a_sender_that_waits_gets_heart_beats_and_is_read_no_further() {
    let interval = Duration::from_millis(20);
    let options = StompOptions {
        heart_beat: (interval, interval),
        heart_beat_min: interval,
        ..StompOptions::default()
    };
    let server = start(narrow().stomp_options(options)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    let mut publisher = Raw::new(socket.connect(server.stomp).await.unwrap());
    publisher.write("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,20\n\n\0").await;
    publisher.read_until("\0").await;
    publisher.write((0..3).map(send).collect::<String>()).await;
    publisher.read_until("receipt-id:r1\n\n\0").await;
    // One frame after the other: what fits on the way, and no more. A server that read a little in each of its turns
    // would soon have read more.
    let frame = format!("SEND\ndestination:/topic/t\n\n{}\0", "x".repeat(64 * 1024));
    let (mut at, mut written) = (0, 0);
    for _ in 0..1000 {
        while let Ok(octets) = publisher.stream.try_write(&frame.as_bytes()[at..]) {
            (at, written) = ((at + octets) % frame.len(), written + octets);
            assert!(written < 8 * 1024 * 1024, "the server goes on reading");
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        assert_eq!(publisher.read_until("\n").await.trim_start(), "");
    }
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:c\ndestination:/queue/a\n\n\0").await;
    let receipt = publisher.read_until("receipt-id:r2\n\n\0").await;
    assert!(!receipt.contains("ERROR"), "{receipt}");
    publisher.write(&frame[at..]).await;
    publisher.write(send(4)).await;
    publisher.read_until("receipt-id:r4\n\n\0").await;
}

#[tokio::test]
async fn several_senders_that_wait_all_get_their_turn() {
    let server = start(narrow()).await;
    let mut publishers = Vec::new();
    for number in 0..8 {
        let mut publisher = client(&server).await;
        publisher.write(send(number)).await;
        publishers.push(publisher);
    }
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:c\ndestination:/queue/a\n\n\0").await;
    for (number, publisher) in publishers.iter_mut().enumerate() {
        publisher.read_until(&format!("receipt-id:r{number}\n\n\0")).await;
    }
}

#[tokio::test]
async fn a_client_that_would_have_to_make_the_room_itself_is_refused_in_the_end() {
    let server = start(narrow().publish_wait_max(Duration::from_millis(50))).await;
    let mut client = client(&server).await;
    client.write("SUBSCRIBE\nid:c\ndestination:/queue/a\nack:client\n\n\0").await;
    client.write((0..3).map(send).collect::<String>()).await;
    let error = client.read_until("message:queue is full").await;
    assert!(error.contains("receipt-id:r1\n"), "{error}");
    assert!(client.read_to_end().await.contains("receipt-id:r2"), "of which frame it is");
}

#[tokio::test]
async fn who_waits_does_not_keep_the_server_from_ending() {
    let server = start(narrow().publish_wait_max(Duration::MAX)).await;
    let mut client = client(&server).await;
    client.write((0..3).map(send).collect::<String>()).await;
    client.read_until("receipt-id:r1").await;
    tokio::time::timeout(support::PATIENCE, server.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_transaction_waits_as_a_whole() {
    let server = start(narrow()).await;
    let mut publisher = client(&server).await;
    publisher.write(send(0)).await;
    publisher.read_until("receipt-id:r0").await;
    let in_transaction = "SEND\ndestination:/queue/a\ntransaction:t\n\nt\0";
    publisher.write("BEGIN\ntransaction:t\n\n\0").await;
    publisher.write(in_transaction.repeat(2)).await;
    publisher.write("COMMIT\ntransaction:t\nreceipt:done\n\n\0").await;
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:c\ndestination:/queue/a\n\n\0").await;
    let messages = consumer.read_until("\nt\0").await;
    assert!(messages.contains("\nm0\0"), "{messages}");
    assert!(!publisher.read_until("receipt-id:done").await.contains("ERROR"));
    // One that no queue of that size could take need not wait.
    publisher.write("BEGIN\ntransaction:t\n\n\0").await;
    publisher.write(in_transaction.repeat(3)).await;
    publisher.write("COMMIT\ntransaction:t\n\n\0").await;
    let told = publisher.read_to_end().await;
    assert!(told.contains("message:too much for a queue in a transaction"), "{told}");
    assert!(told.contains("send fewer in a transaction"), "{told}");
}

#[tokio::test]
async fn a_message_to_several_destinations_waits_as_a_whole() {
    let server = start(narrow()).await;
    let mut publisher = client(&server).await;
    publisher.write((0..2).map(send).collect::<String>()).await;
    publisher.read_until("receipt-id:r1").await;
    publisher.write("SEND\ndestination:/queue/b,/queue/a\nreceipt:both\n\nboth\0").await;
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:a\ndestination:/queue/a\n\n\0").await;
    consumer.read_until("\nboth\0").await;
    assert!(!publisher.read_until("receipt-id:both").await.contains("ERROR"));
    consumer.write("SUBSCRIBE\nid:b\ndestination:/queue/b\n\n\0").await;
    consumer.write(format!("{}SEND\ndestination:/queue/b\n\nlast\0", send(7))).await;
    let messages = consumer.read_until("\nlast\0").await;
    assert_eq!(messages.matches("\nboth\0").count(), 1, "{messages}");
}

#[tokio::test]
async fn a_requester_that_reads_no_replies_does_not_hold_up_who_replies() {
    let server = start(narrow().publish_wait_max(Duration::MAX)).await;
    let mut requester = client(&server).await;
    let replies = "SUBSCRIBE\nid:r\ndestination:/temp-queue/r\nack:client\n\n\0";
    requester.write(replies).await;
    requester.write("SEND\ndestination:/queue/work\nreply-to:/temp-queue/r\n\nask\0").await;
    let mut responder = client(&server).await;
    responder.write("SUBSCRIBE\nid:w\ndestination:/queue/work\n\n\0").await;
    let request = responder.read_until("\nask\0").await;
    let reply_to = request.lines().find_map(|line| line.strip_prefix("reply-to:")).unwrap();
    for number in 0..3 {
        let reply = format!("SEND\ndestination:{reply_to}\nreceipt:r{number}\n\nreply\0");
        responder.write(reply).await;
    }
    let refused = responder.read_until("message:temporary queue is full").await;
    assert!(refused.contains("receipt-id:r1\n"), "{refused}");
    responder.write("BEGIN\ntransaction:t\n\n\0").await;
    responder.write(format!("SEND\ndestination:{reply_to}\ntransaction:t\n\nreply\0")).await;
    responder.write("COMMIT\ntransaction:t\nreceipt:t\n\n\0").await;
    responder.read_until("message:temporary queue is full in a transaction").await;
    responder.write(send(9)).await;
    responder.read_until("receipt-id:r9\n").await;
}

#[tokio::test]
async fn a_messenger_waits_or_is_refused_at_once() {
    let app = narrow().build().unwrap();
    let messenger = app.messenger().clone();
    for _ in 0..2 {
        assert_eq!(messenger.try_send("/queue/a", "m").unwrap().subscribers(), 0);
    }
    messenger.try_send("/queue/a", "m").unwrap_err();
    let waiting = tokio::spawn(async move { messenger.send("/queue/a", "last").await });
    let server = serve(app).await;
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:c\ndestination:/queue/a\n\n\0").await;
    consumer.read_until("\nlast\0").await;
    waiting.await.unwrap().unwrap();
}

/// A topic whose slow subscribers are treated so.
fn slow_consumers(slow_consumers: SlowConsumers) -> AppBuilder {
    let policy = DestinationPolicy { slow_consumers, ..DestinationPolicy::default() };
    App::builder().stomp("/stomp").destination_policy("/topic/fast.*", policy)
}

/// How many messages are sent to somebody who reads none: more than fit on the way.
const MESSAGES: u32 = 320;

/// Sends many large messages to a topic, and knows that all have been taken.
async fn flood(server: &Running) {
    let mut publisher = client(server).await;
    let padding = "x".repeat(64 * 1024);
    for number in 0..MESSAGES {
        let destination = if number % 2 == 0 { "/topic/fast.a" } else { "/topic/fast.b" };
        publisher.write(format!("SEND\ndestination:{destination}\n\n{number}:{padding}\0")).await;
    }
    publisher.write("SEND\ndestination:/topic/fast.a\nreceipt:all\n\nlast\0").await;
    publisher.read_until("receipt-id:all").await;
}

/// The numbers of the messages in what a client has read, for each destination in order.
fn numbers(read: &str) -> Vec<u32> {
    let bodies = read.split("\n\n").filter_map(|body| body.split_once(":x")?.0.parse().ok());
    let numbers: Vec<u32> = bodies.collect();
    for parity in [0, 1] {
        let of_one: Vec<_> = numbers.iter().filter(|number| *number % 2 == parity).collect();
        assert!(of_one.is_sorted(), "in order: {of_one:?}");
    }
    numbers
}

#[tokio::test]
async fn a_slow_subscriber_misses_old_messages_and_stays_connected() {
    for policy in [SlowConsumers::DropOldest, SlowConsumers::KeepLatest] {
        let server = start(slow_consumers(policy)).await;
        let mut slow = client(&server).await;
        slow.write("SUBSCRIBE\nid:s\ndestination:/topic/fast.*\nreceipt:s\n\n\0").await;
        slow.read_until("receipt-id:s").await;
        flood(&server).await;
        let read = slow.read_until("\nlast\0").await;
        let numbers = numbers(&read);
        let missed = (0..MESSAGES).filter(|number| !numbers.contains(number)).count();
        assert!(missed > 0, "{policy:?}: more fits on the way than was sent");
        assert!(numbers.starts_with(&[0, 1, 2]), "what was on its way arrives: {numbers:?}");
        // It goes on as before.
        slow.write("SEND\ndestination:/topic/fast.a\n\nagain\0").await;
        slow.read_until("\nagain\0").await;
    }
}

#[tokio::test]
async fn over_websocket_a_slow_subscriber_misses_old_messages_too() {
    let server = start(slow_consumers(SlowConsumers::KeepLatest)).await;
    let mut slow = server.websocket("/stomp").await;
    slow.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    slow.text().await;
    slow.send("SUBSCRIBE\nid:s\ndestination:/topic/fast.*\nreceipt:s\n\n\0").await;
    slow.text().await;
    flood(&server).await;
    let mut read = 0;
    while !slow.text().await.ends_with("\nlast\0") {
        read += 1;
    }
    assert!((3..MESSAGES).contains(&read), "{read}");
}

/// One request of a SockJS session; the whole answer.
async fn request(server: &Running, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    support::http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn over_sockjs_a_slow_subscriber_misses_old_messages_too() {
    let connect = r#"["CONNECT\naccept-version:1.2\nhost:x\n\n\u0000"]"#;
    let subscribe = r#"["SUBSCRIBE\nid:s\ndestination:/topic/fast.*\nreceipt:s\n\n\u0000"]"#;
    let options = SockJsOptions { disconnect_delay: support::PATIENCE, ..Default::default() };
    for policy in [SlowConsumers::DropOldest, SlowConsumers::KeepLatest] {
        let app = slow_consumers(policy).stomp_with_options("/slow", options.clone());
        let server = start(app).await;
        let mut socket = server.websocket("/slow/000/socket/websocket").await;
        socket.text().await;
        let path = |what| format!("/slow/000/polling/{what}");
        request(&server, &path("xhr"), "").await;
        for frame in [connect, subscribe] {
            socket.send(frame).await;
            socket.text().await;
            request(&server, &path("xhr_send"), frame).await;
            request(&server, &path("xhr"), "").await;
        }
        flood(&server).await;
        let (mut of_socket, mut of_polling) = (Vec::new(), String::new());
        while of_socket.last().is_none_or(|frame: &String| !frame.contains(r"last\u0000")) {
            of_socket.push(socket.text().await);
        }
        while !of_polling.contains(r"last\u0000") {
            of_polling += &request(&server, &path("xhr"), "").await;
        }
        for read in [of_socket.concat(), of_polling] {
            let numbers = numbers(&read.replace(r"\n", "\n"));
            assert!(numbers.starts_with(&[0, 1, 2]), "{policy:?}: {numbers:?}");
            assert!(numbers.len() < MESSAGES as usize, "{policy:?}: {numbers:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_closed_where_nothing_else_was_said() {
    let server = start(slow_consumers(SlowConsumers::Close)).await;
    let mut slow = client(&server).await;
    slow.write("SUBSCRIBE\nid:s\ndestination:/topic/fast.*\nreceipt:s\n\n\0").await;
    slow.read_until("receipt-id:s").await;
    flood(&server).await;
    let read = slow.read_to_end().await;
    assert!(!read.contains("\nlast\0"));
}

#[tokio::test]
async fn no_message_of_a_queue_is_dropped_for_a_slow_consumer() {
    let server = start(slow_consumers(SlowConsumers::DropOldest)).await;
    let mut slow = client(&server).await;
    slow.write("SUBSCRIBE\nid:t\ndestination:/topic/fast.*\n\n\0").await;
    slow.write(
        "SUBSCRIBE\nid:q\ndestination:/queue/q\nack:client\nprefetch-count:0\nreceipt:s\n\n\0",
    )
    .await;
    slow.read_until("receipt-id:s").await;
    let mut publisher = client(&server).await;
    flood(&server).await;
    for number in 0..100 {
        publisher.write(format!("SEND\ndestination:/queue/q\n\nq{number}\0")).await;
    }
    let read = slow.read_until("\nq99\0").await;
    for number in 0..99 {
        assert!(read.contains(&format!("\nq{number}\0")), "{number}");
    }
}
