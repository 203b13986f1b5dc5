//! ACK and NACK: which messages they are about, and what becomes of these.

use crate::apps::app;
use crate::client::{
    BEFORE_1_2, Client, Door, EVERYWHERE, FROM_1_1, IN_1_0, IN_1_1, IN_1_2, header, naming,
};
use crate::support::{Running, serve};
use tidings::App;
use tidings::server::StompOptions;

/// ACK or NACK of a message, as the version has it.
fn settle(command: &str, version: &str, message: &str, more: &str) -> String {
    format!("{command}\n{}{more}\n\0", naming(version, message))
}

#[tokio::test]
async fn an_acknowledged_message_is_gone_and_others_come_back_in_order() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            for body in ["a", "b", "c"] {
                client.send(format!("SEND\ndestination:/queue/q\n\n{body}\0")).await;
            }
            client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
            let mut messages = Vec::new();
            for body in ["a", "b", "c"] {
                let message = client.frame().await;
                assert!(message.ends_with(&format!("{body}\0")), "{message:?}");
                assert_eq!(header(&message, "ack").is_some(), version == "1.2");
                for name in ["message-id", "ack"] {
                    let id = header(&message, name).unwrap_or_default();
                    assert!(!id.contains([':', '\\']), "it needs no escaping: {message:?}");
                }
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
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
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
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
            let message = client.ask("SEND\ndestination:/queue/q\n\na\0").await;
            let answer = client.ask(settle("NACK", version, &message, "")).await;
            if version == "1.0" {
                assert_eq!(header(&answer, "message"), Some("STOMP 1.0 has no NACK"));
                return client.ends().await;
            }
            assert_eq!(header(&answer, "redelivered"), Some("true"));
            assert_eq!(
                header(&answer, "message-id"),
                header(&message, "message-id"),
                "it is stable"
            );
            if version == "1.2" {
                assert_ne!(
                    header(&answer, "ack"),
                    header(&message, "ack"),
                    "one for each delivery"
                );
            }
        })
        .await;
}

#[tokio::test]
async fn in_mode_client_an_ack_covers_nothing_of_another_subscription() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            for id in ["r", "s"] {
                client.subscribe(&format!("id:{id}\ndestination:/queue/{id}\nack:client\n")).await;
            }
            let mut last = String::new();
            for (queue, body) in [("r", "1"), ("s", "2"), ("r", "3"), ("s", "4"), ("s", "5")] {
                client.send(format!("SEND\ndestination:/queue/{queue}\n\n{body}\0")).await;
                let message = client.message(body).await;
                if body == "4" {
                    last = message;
                }
            }
            let receipt = client.ask(settle("ACK", version, &last, "receipt:acked\n")).await;
            assert_eq!(header(&receipt, "receipt-id"), Some("acked"));
            let door = client.door;
            client.leave().await;
            let mut other = Client::connect(&server, door, version).await;
            for (queue, bodies) in [("r", &["1", "3"][..]), ("s", &["5"])] {
                other.subscribe(&format!("id:{queue}\ndestination:/queue/{queue}\n")).await;
                for body in bodies {
                    other.message(body).await;
                }
                other.goes_on().await;
            }
        })
        .await;
}

#[tokio::test]
async fn in_mode_client_a_nack_covers_what_came_before_too() {
    FROM_1_1
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            let mut messages = Vec::new();
            for body in ["1", "2", "3"] {
                client.send(format!("SEND\ndestination:/queue/q\n\n{body}\0")).await;
                messages.push(client.message(body).await);
            }
            client.send(settle("NACK", version, &messages[1], "")).await;
            for body in ["1", "2"] {
                let message = client.message(body).await;
                assert_eq!(header(&message, "redelivered"), Some("true"));
            }
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn an_ack_of_what_needs_none_is_ignored() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            for (id, subscribe) in [
                ("s", "id:s\ndestination:/queue/q\n"),
                ("t", "id:t\ndestination:/queue/q\nack:auto\n"),
            ] {
                client.subscribe(subscribe).await;
                client.send("SEND\ndestination:/queue/q\n\nm\0").await;
                let message = client.message("m").await;
                assert_eq!(header(&message, "ack"), None, "nobody waits for it");
                let names = match version {
                    "1.2" => format!("id:{}\n", header(&message, "message-id").unwrap()),
                    _ => naming(version, &message),
                };
                client.done(&format!("ACK\n{names}\n")).await;
                client.done(&format!("UNSUBSCRIBE\nid:{id}\n\n")).await;
            }
        })
        .await;
}

#[tokio::test]
async fn an_ack_of_1_0_is_looked_for_in_every_subscription() {
    IN_1_0
        .attempt(app, async |server, mut client, version| {
            client.subscribe("destination:/queue/a\nack:client\n").await;
            client.subscribe("id:b\ndestination:/queue/b\nack:client-individual\n").await;
            for queue in ["a", "b"] {
                client.send(format!("SEND\ndestination:/queue/{queue}\n\n{queue}\0")).await;
                let message = client.message(queue).await;
                let id = (queue == "b").then_some("b");
                assert_eq!(header(&message, "subscription"), id);
                let receipt = client.ask(settle("ACK", version, &message, "receipt:r\n")).await;
                assert_eq!(header(&receipt, "receipt-id"), Some("r"));
            }
            let door = client.door;
            client.leave().await;
            let mut other = Client::connect(&server, door, version).await;
            for queue in ["a", "b"] {
                other.subscribe(&format!("id:{queue}\ndestination:/queue/{queue}\n")).await;
            }
            other.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn an_ack_for_a_subscription_that_never_was_is_an_error() {
    IN_1_1
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            client.send("SEND\ndestination:/queue/q\n\nm\0").await;
            let message = client.message("m").await;
            let id = header(&message, "message-id").unwrap();
            let ack =
                |subscription| format!("ACK\nsubscription:{subscription}\nmessage-id:{id}\n\n");
            client.refused(&ack("typo"), "unknown message").await;
            client.done(&ack("s")).await;
        })
        .await;
}

#[tokio::test]
async fn a_message_is_settled_once() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
            client.send("SEND\ndestination:/queue/q\n\nm\0").await;
            let named = naming(version, &client.message("m").await);
            client.done(&format!("ACK\n{named}\n")).await;
            client.refused(&format!("ACK\n{named}\n"), "unknown message").await;
            client.goes_on().await;
        })
        .await;
}

fn strict() -> App {
    let options = StompOptions { strict: true, ..StompOptions::default() };
    App::builder().stomp("/stomp").stomp_options(options).build().unwrap()
}

/// Whether a session takes an ACK that names a message by its message-id in `form`, alone and in a transaction.
async fn takes(server: &Running, door: Door, version: &str, form: &str) -> [bool; 2] {
    let mut taken = [false; 2];
    for (queue, taken) in taken.iter_mut().enumerate() {
        let mut client = Client::connect(server, door, version).await;
        client
            .subscribe(&format!("id:s\ndestination:/queue/{version}.{queue}\nack:client\n"))
            .await;
        client.send(format!("SEND\ndestination:/queue/{version}.{queue}\n\nm\0")).await;
        let message = client.message("m").await;
        let named = form.replace("ID", header(&message, "message-id").unwrap());
        let ack = match queue {
            0 => format!("ACK\n{named}\nreceipt:r\n\n\0"),
            _ => format!(
                "BEGIN\ntransaction:t\n\n\0ACK\n{named}\ntransaction:t\n\n\0\
                 COMMIT\ntransaction:t\nreceipt:r\n\n\0"
            ),
        };
        let answer = client.ask(ack).await;
        *taken = answer.starts_with("RECEIPT\n");
        if *taken {
            client.leave().await;
        }
    }
    taken
}

#[tokio::test]
async fn clients_of_1_2_may_name_the_message_id_unless_it_is_strict() {
    for (app, is_taken) in [(app as fn() -> App, true), (strict, false)] {
        for (door, version) in IN_1_2.each() {
            for form in ["id:ID", "subscription:s\nmessage-id:ID"] {
                let server = serve(app()).await;
                assert_eq!(takes(&server, door, version, form).await, [is_taken; 2], "{form}");
            }
        }
    }
}

#[tokio::test]
async fn clients_before_1_2_may_send_an_id_unless_it_is_strict() {
    for (app, is_taken) in [(app as fn() -> App, true), (strict, false)] {
        for (door, version) in BEFORE_1_2.each() {
            let server = serve(app()).await;
            let form = "subscription:s\nid:ID";
            if is_taken {
                assert_eq!(takes(&server, door, version, form).await, [true; 2], "{version}");
                continue;
            }
            let mut client = Client::connect(&server, door, version).await;
            let ack = "ACK\nsubscription:s\nid:1\n\n";
            client.refused(ack, "ACK without message-id").await;
            client.ends().await;
        }
    }
}

#[tokio::test]
async fn an_ack_that_crosses_unsubscribe_is_ignored() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            client.subscribe("id:other\ndestination:/queue/other\nack:client\n").await;
            let message = client.ask("SEND\ndestination:/queue/q\n\na\0").await;
            let receipt = client.ask("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0").await;
            assert_eq!(header(&receipt, "receipt-id"), Some("u"));
            let receipt = client.ask(settle("ACK", version, &message, "receipt:a\n")).await;
            assert_eq!(header(&receipt, "receipt-id"), Some("a"), "{version}: {receipt:?}");
        })
        .await;
}
