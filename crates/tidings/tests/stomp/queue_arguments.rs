//! The arguments that clients of RabbitMQ give to queues.

use tidings::App;

use crate::apps::{app, keeping};
use crate::client::{EVERYWHERE, header};
use crate::support::PATIENCE;

#[tokio::test]
async fn a_queue_has_the_arguments_of_rabbitmq() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            let to_length = "SEND\ndestination:/queue/short\nx-max-length:1\n\n";
            for body in ["1", "2"] {
                client.done(&format!("{to_length}{body}")).await;
            }
            // Who leaves one out has no opinion, and who has another one is refused.
            client.done("SEND\ndestination:/queue/short\n\n3").await;
            let differs = "SEND\ndestination:/queue/short\nx-max-length:2\n\n4";
            client.refused(differs, "queue argument differs").await;
            client.subscribe("id:s\ndestination:/queue/short\n").await;
            client.message("3").await;
            client.subscribe("id:d\ndestination:/queue/DLQ.short\n").await;
            for body in ["1", "2"] {
                let letter = client.message(body).await;
                assert_eq!(header(&letter, "x-death-reason"), Some("maxlen"));
            }
            client.subscribe("id:k\ndestination:/exchange/amq.direct/dead\n").await;
            client.subscribe("id:o\ndestination:/queue/other\n").await;
            for (queue, arguments, to) in [
                ("a", "x-dead-letter-exchange:amq.direct\nx-dead-letter-routing-key:dead", "k"),
                ("b", "x-dead-letter-exchange:\nx-dead-letter-routing-key:other", "o"),
            ] {
                client
                    .send(format!(
                        "SEND\ndestination:/queue/{queue}\nx-message-ttl: 1\n{arguments}\n\nm\0"
                    ))
                    .await;
                assert_eq!(header(&client.message("m").await, "subscription"), Some(to));
            }
            // Without room for another the new one is given up, or the oldest.
            for (arguments, given_up) in [
                ("x-max-length:1\nx-overflow:reject-publish-dlx", "2"),
                ("x-max-length:1\nx-overflow:drop-head", "1"),
                ("x-max-length-bytes:300", "1"),
            ] {
                let to = format!("destination:/queue/{given_up}.{}\n", arguments.len());
                let dead = to.replace("/queue/", "/queue/DLQ.");
                client.subscribe(&format!("id:full\n{dead}")).await;
                let padding = "a".repeat(200);
                for body in ["1", "2"] {
                    let send = format!("SEND\n{to}{arguments}\npadding:{padding}\n\n{body}\0");
                    client.send(send).await;
                }
                client.message(given_up).await;
                client.done("UNSUBSCRIBE\nid:full\n\n").await;
            }
            // Nothing is more urgent than its queue has it.
            let capped = "destination:/queue/capped\nx-max-priority:3";
            for (body, priority) in [("1", 2), ("2", 3), ("3", 9)] {
                client.done(&format!("SEND\n{capped}\npriority:{priority}\n\n{body}")).await;
            }
            client.subscribe("id:capped\ndestination:/queue/capped\n").await;
            for body in ["2", "3", "1"] {
                client.message(body).await;
            }
            let wrong = "SEND\ndestination:/queue/c\nx-message-ttl:soon\n\n";
            client.refused(wrong, "invalid header").await;
        })
        .await;
}

#[tokio::test]
async fn a_queue_that_refuses_more_says_so_at_once() {
    let patient =
        || App::builder().stomp("/stomp").publish_wait_max(std::time::Duration::MAX).build();
    EVERYWHERE
        .attempt(
            || patient().unwrap(),
            async |_server, mut client, _| {
                let refusing = "destination:/queue/q\nx-max-length:1\nx-overflow:reject-publish\n";
                let send = format!("SEND\n{refusing}");
                client.done(&format!("{send}\n1")).await;
                let error = client.refused(&format!("{send}\n2"), "queue is full").await;
                assert!(error.contains("at most 1 messages"), "{error}");
                // Who asks for no receipt is told too, and nobody is disconnected.
                let error = client.ask(format!("{send}\n3\0")).await;
                assert_eq!(header(&error, "message"), Some("queue is full"), "{error}");
                client.done("BEGIN\ntransaction:t\n\n").await;
                client.send(format!("{send}transaction:t\n\n4\0")).await;
                let commit = "COMMIT\ntransaction:t\n\n";
                client.refused(commit, "queue is full in a transaction").await;
                client.subscribe("id:s\ndestination:/queue/q\n").await;
                client.message("1").await;
                client.send(format!("{send}\n5\0")).await;
                client.message("5").await;
            },
        )
        .await;
}

#[tokio::test]
async fn a_queue_with_arguments_is_forgotten_when_nobody_uses_it() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for length in 1..4 {
                let queue = format!("destination:/queue/q\nx-max-length:{length}\n");
                client.done(&format!("SEND\n{queue}\nm")).await;
                client.subscribe(&format!("id:s\n{queue}")).await;
                client.message("m").await;
                client.done("UNSUBSCRIBE\nid:s\n\n").await;
            }
            let send = "SEND\ndestination:/amq/queue/q\n\nm";
            let error = client.refused(send, "no such queue").await;
            assert!(error.contains("/amq/queue/NAME makes none"), "{error}");
        })
        .await;
}

#[tokio::test]
async fn a_queue_that_nobody_uses_expires() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            client.done("SEND\ndestination:/queue/q\nx-expires:1\n\nm").await;
            let gone = async {
                let send = "SEND\ndestination:/amq/queue/q\nreceipt:r\n\n\0";
                loop {
                    let answer = client.ask(send).await;
                    if answer.starts_with("ERROR\n") {
                        break answer;
                    }
                }
            };
            let error = tokio::time::timeout(PATIENCE, gone).await.expect("it expires");
            assert_eq!(header(&error, "message"), Some("no such queue"));
        })
        .await;
}
