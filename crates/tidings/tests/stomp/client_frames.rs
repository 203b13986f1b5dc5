//! What clients send, and what comes of it: sections 5 to 7 of the facts.

use crate::client::{Client, DOORS, Door, header, in_every_version};
use crate::support::serve;
use tidings::App;
use tidings::server::StompOptions;

fn app() -> App {
    App::builder().stomp("/stomp").build().unwrap()
}

/// ACK or NACK of a message, as the version has it.
fn settle(command: &str, version: &str, message: &str, more: &str) -> String {
    let headers = match version {
        "1.0" => format!("message-id:{}", header(message, "message-id").unwrap()),
        "1.1" => {
            format!("message-id:{}\nsubscription:s", header(message, "message-id").unwrap())
        }
        _ => format!("id:{}", header(message, "ack").unwrap()),
    };
    format!("{command}\n{headers}\n{more}\n\0")
}

#[tokio::test]
async fn a_send_reaches_subscribers_with_its_own_headers_and_none_that_are_the_servers() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let send = "SEND\ndestination:/topic/t\nx:1\ncontent-type:text/plain\nmessage-id:forged\n\
                    subscription:forged\nack:forged\nredelivered:true\n\nhi\0";
        let message = client.ask(send).await;
        assert_eq!(header(&message, "destination"), Some("/topic/t"));
        assert_eq!(header(&message, "x"), Some("1"));
        assert_eq!(header(&message, "content-type"), Some("text/plain"));
        assert_eq!(header(&message, "subscription"), Some("s"), "{version}");
        assert!(!message.contains("forged") && !message.contains("redelivered"), "{message:?}");
        let receipt = client.ask("SEND\ndestination:/topic/t\nreceipt:r\n\n\0").await;
        let second = client.frame().await;
        let (message, receipt) =
            if receipt.starts_with("MESSAGE") { (receipt, second) } else { (second, receipt) };
        assert_eq!(header(&message, "receipt"), None);
        assert_eq!(header(&receipt, "receipt-id"), Some("r"));
    })
    .await;
}

#[tokio::test]
async fn a_subscription_has_an_id_of_its_own_but_in_1_0() {
    in_every_version(app, async |_server, mut client, version| {
        let answer = client.ask("SUBSCRIBE\ndestination:/topic/t\nreceipt:r\n\n\0").await;
        if version != "1.0" {
            assert_eq!(header(&answer, "message"), Some("SUBSCRIBE without id"));
            return client.ends().await;
        }
        assert!(answer.starts_with("RECEIPT\n"));
        let message = client.ask("SEND\ndestination:/topic/t\n\n\0").await;
        assert_eq!(header(&message, "subscription"), None);
        let receipt = client.ask("UNSUBSCRIBE\ndestination:/topic/t\nreceipt:u\n\n\0").await;
        assert_eq!(header(&receipt, "receipt-id"), Some("u"));
    })
    .await;
}

#[tokio::test]
async fn an_id_in_use_is_refused_and_free_again_after_unsubscribe() {
    in_every_version(app, async |_server, mut client, _| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let receipt = client.ask("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0").await;
        assert_eq!(header(&receipt, "receipt-id"), Some("u"));
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let error = client.ask("SUBSCRIBE\nid:s\ndestination:/topic/other\n\n\0").await;
        assert_eq!(header(&error, "message"), Some("subscription id is in use"));
        client.ends().await;
    })
    .await;
}

#[tokio::test]
async fn two_subscriptions_that_match_get_a_copy_each() {
    in_every_version(app, async |_server, mut client, _| {
        client.subscribe("id:1\ndestination:/topic/t\n").await;
        client.subscribe("id:2\ndestination:/topic/*\n").await;
        client.send("SEND\ndestination:/topic/t\n\n\0").await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let message = client.frame().await;
            assert_eq!(header(&message, "destination"), Some("/topic/t"), "not the pattern");
            ids.push(header(&message, "subscription").unwrap().to_owned());
        }
        ids.sort();
        assert_eq!(ids, ["1", "2"]);
    })
    .await;
}

#[tokio::test]
async fn an_acknowledged_message_is_gone_and_others_come_back_in_order() {
    in_every_version(app, async |server, mut client, version| {
        for body in ["a", "b", "c"] {
            client.send(format!("SEND\ndestination:/queue/q\n\n{body}\0")).await;
        }
        client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
        let mut messages = Vec::new();
        for body in ["a", "b", "c"] {
            let message = client.frame().await;
            assert!(message.ends_with(&format!("{body}\0")), "{message:?}");
            assert_eq!(header(&message, "ack").is_some(), version == "1.2");
            messages.push(message);
        }
        let receipt = client.ask(settle("ACK", version, &messages[1], "receipt:acked\n")).await;
        assert_eq!(header(&receipt, "receipt-id"), Some("acked"));
        client.ask("DISCONNECT\nreceipt:bye\n\n\0").await;
        client.ends().await;

        let mut other = Client::connect(&server, Door::Tcp, "1.2").await;
        other.subscribe("id:s\ndestination:/queue/q\n").await;
        for body in ["a", "c"] {
            let message = other.frame().await;
            assert!(message.ends_with(&format!("{body}\0")), "{message:?}");
            assert_eq!(header(&message, "redelivered"), Some("true"));
        }
    })
    .await;
}

#[tokio::test]
async fn in_mode_client_an_ack_covers_what_came_before_on_its_subscription() {
    in_every_version(app, async |server, mut client, version| {
        client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
        let mut last = String::new();
        for body in ["a", "b", "c"] {
            client.send(format!("SEND\ndestination:/queue/q\n\n{body}\0")).await;
            let message = client.frame().await;
            if body == "b" {
                last = message;
            }
        }
        let receipt = client.ask(settle("ACK", version, &last, "receipt:acked\n")).await;
        assert_eq!(header(&receipt, "receipt-id"), Some("acked"));
        client.ask("DISCONNECT\nreceipt:bye\n\n\0").await;
        client.ends().await;
        let mut other = Client::connect(&server, Door::Tcp, "1.2").await;
        other.subscribe("id:s\ndestination:/queue/q\n").await;
        assert!(other.frame().await.ends_with("c\0"));
    })
    .await;
}

#[tokio::test]
async fn a_nack_brings_the_message_again_from_1_1_on() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
        let message = client.ask("SEND\ndestination:/queue/q\n\na\0").await;
        let answer = client.ask(settle("NACK", version, &message, "")).await;
        if version == "1.0" {
            assert_eq!(header(&answer, "message"), Some("STOMP 1.0 has no NACK"));
            return client.ends().await;
        }
        assert_eq!(header(&answer, "redelivered"), Some("true"));
        assert_eq!(header(&answer, "message-id"), header(&message, "message-id"), "it is stable");
        if version == "1.2" {
            assert_ne!(header(&answer, "ack"), header(&message, "ack"), "one for each delivery");
        }
    })
    .await;
}

#[tokio::test]
async fn clients_of_1_2_may_name_the_message_id_unless_it_is_strict() {
    let strict = StompOptions { strict: true, ..StompOptions::default() };
    for door in DOORS {
        for form in ["id:", "subscription:s\nmessage-id:"] {
            for (options, is_taken) in [(StompOptions::default(), true), (strict.clone(), false)] {
                let app = App::builder().stomp("/stomp").stomp_options(options).build().unwrap();
                let server = serve(app).await;
                let mut client = Client::connect(&server, door, "1.2").await;
                client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
                let message = client.ask("SEND\ndestination:/queue/q\n\na\0").await;
                let id = header(&message, "message-id").unwrap();
                let answer = client.ask(format!("ACK\n{form}{id}\nreceipt:r\n\n\0")).await;
                assert_eq!(answer.starts_with("RECEIPT\n"), is_taken, "{form}: {answer:?}");

                let mut client = Client::connect(&server, door, "1.2").await;
                client.subscribe("id:s\ndestination:/queue/other\nack:client\n").await;
                let message = client.ask("SEND\ndestination:/queue/other\n\na\0").await;
                let id = header(&message, "message-id").unwrap();
                client.send("BEGIN\ntransaction:t\n\n\0").await;
                client.send(format!("ACK\n{form}{id}\ntransaction:t\n\n\0")).await;
                let answer = client.ask("COMMIT\ntransaction:t\nreceipt:r\n\n\0").await;
                assert_eq!(answer.starts_with("RECEIPT\n"), is_taken, "{form}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_ack_that_crosses_unsubscribe_and_one_that_is_not_needed_are_ignored() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
        let message = client.ask("SEND\ndestination:/queue/q\n\na\0").await;
        let receipt = client.ask("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0").await;
        assert_eq!(header(&receipt, "receipt-id"), Some("u"));
        let receipt = client.ask(settle("ACK", version, &message, "receipt:a\n")).await;
        assert_eq!(header(&receipt, "receipt-id"), Some("a"), "{version}: {receipt:?}");
    })
    .await;
}

#[tokio::test]
async fn transactions_take_effect_together_or_not_at_all() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
        let message = client.ask("SEND\ndestination:/queue/q\n\nfirst\0").await;
        let ack = settle("ACK", version, &message, "transaction:a\n");
        client.send(format!("BEGIN\ntransaction:a\n\n\0{ack}ABORT\ntransaction:a\n\n\0")).await;
        let ack = settle("ACK", version, &message, "transaction:b\nreceipt:1\n");
        client
            .send(format!(
                "BEGIN\ntransaction:b\n\n\0{ack}\
                 SEND\ndestination:/queue/q\ntransaction:b\nreceipt:2\n\nsecond\0\
                 COMMIT\ntransaction:b\nreceipt:3\n\n\0"
            ))
            .await;
        let mut receipts = Vec::new();
        let mut bodies = Vec::new();
        for _ in 0..4 {
            let frame = client.frame().await;
            match header(&frame, "receipt-id") {
                Some(receipt) => receipts.push(receipt.to_owned()),
                None => bodies.push(frame),
            }
        }
        assert_eq!(receipts, ["1", "2", "3"], "COMMIT's is the last");
        assert!(matches!(&bodies[..], [message] if message.ends_with("second\0")), "{bodies:?}");
    })
    .await;
}

#[tokio::test]
async fn a_transaction_is_begun_once_and_ended_once() {
    let pairs = [
        ("BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:t\n\n\0", "transaction is already open"),
        ("COMMIT\ntransaction:t\n\n\0", "unknown transaction"),
        ("ABORT\ntransaction:t\n\n\0", "unknown transaction"),
        ("BEGIN\n\n\0", "BEGIN without transaction"),
    ];
    for (frames, message) in pairs {
        in_every_version(app, async |_server, mut client, _| {
            let error = client.ask(frames).await;
            assert_eq!(header(&error, "message"), Some(message));
            client.ends().await;
        })
        .await;
    }
}

#[tokio::test]
async fn receipts_come_in_order_and_that_of_disconnect_last() {
    in_every_version(app, async |_server, mut client, _| {
        let sends: String =
            (0..50).map(|n| format!("SEND\ndestination:/queue/q\nreceipt:{n}\n\n\0")).collect();
        client.send(format!("{sends}DISCONNECT\nreceipt:last\n\n\0")).await;
        for n in 0..50 {
            assert_eq!(header(&client.frame().await, "receipt-id"), Some(&*n.to_string()));
        }
        assert_eq!(header(&client.frame().await, "receipt-id"), Some("last"));
        client.ends().await;
    })
    .await;
}

#[tokio::test]
async fn a_durable_subscription_ends_by_its_name_alone() {
    let connect = "CONNECT\naccept-version:1.2\nclient-id:c\n\n\0";
    let subscribe = "SUBSCRIBE\nid:s\ndestination:/topic/n\nactivemq.subscriptionName:news\n\
                     receipt:s\n\n\0";
    for door in DOORS {
        let server = serve(app()).await;
        let mut client = Client::open(&server, door).await;
        client.ask(connect).await;
        client.ask(subscribe).await;
        client.ask("DISCONNECT\nreceipt:bye\n\n\0").await;
        client.ends().await;

        let mut client = Client::open(&server, door).await;
        client.ask(connect).await;
        let end = "UNSUBSCRIBE\nid:s\nactivemq.subscriptionName:news\nreceipt:u\n\n\0";
        assert_eq!(header(&client.ask(end).await, "receipt-id"), Some("u"));
        let error = client.ask(end).await;
        assert_eq!(header(&error, "message"), Some("durable subscription was not deleted"));
        client.goes_on().await;
    }
}

#[tokio::test]
async fn a_durable_subscription_of_rabbitmq_ends_by_unsubscribe_with_durable() {
    let subscribe = "SUBSCRIBE\nid:s\ndestination:/topic/n.*\ndurable:true\nauto-delete:false\n\
                     receipt:s\n\n\0";
    let send = "SEND\ndestination:/topic/n.a\nreceipt:sent\n\nmissed\0";
    for door in DOORS {
        let server = serve(app()).await;
        let mut client = Client::connect(&server, door, "1.2").await;
        let ask = async |client: &mut Client, frame: &str, receipt: &str| {
            let answer = client.ask(frame).await;
            assert_eq!(header(&answer, "receipt-id"), Some(receipt), "{answer:?}");
        };
        ask(&mut client, subscribe, "s").await;
        ask(&mut client, "UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0", "u").await;
        ask(&mut client, send, "sent").await;
        ask(&mut client, subscribe, "s").await;
        assert!(client.frame().await.ends_with("missed\0"));
        ask(&mut client, "UNSUBSCRIBE\nid:s\ndurable:true\nreceipt:u\n\n\0", "u").await;
        ask(&mut client, send, "sent").await;
        ask(&mut client, subscribe, "s").await;
        ask(&mut client, "UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0", "u").await;
        // Nobody uses it now: the destination says which one is meant.
        let end = "UNSUBSCRIBE\nid:s\ndestination:/topic/n.*\ndurable:true\nreceipt:d\n\n\0";
        ask(&mut client, end, "d").await;
        let error = client.ask(end).await;
        assert_eq!(header(&error, "message"), Some("durable subscription was not deleted"));
    }
}
