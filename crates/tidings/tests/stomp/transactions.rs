//! Transactions: what they gather takes effect together, or not at all.

use crate::apps::{app, keeping};
use crate::client::{Client, EVERYWHERE, FROM_1_1, header, naming};

#[tokio::test]
async fn transactions_take_effect_together_or_not_at_all() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
            client.send("SEND\ndestination:/queue/q\n\nfirst\0").await;
            let ack = format!("ACK\n{}", naming(version, &client.message("first").await));
            client
                .send(format!(
                    "BEGIN\ntransaction:a\n\n\0{ack}transaction:a\nreceipt:1\n\n\0\
                     SEND\ndestination:/queue/q\ntransaction:a\nreceipt:2\n\nnever\0\
                     ABORT\ntransaction:a\nreceipt:3\n\n\0"
                ))
                .await;
            for receipt in ["1", "2", "3"] {
                let frame = client.frame().await;
                assert_eq!(header(&frame, "receipt-id"), Some(receipt), "ABORT's is the last");
            }
            // The message is unsettled again, and has not been redelivered.
            client
                .send(format!(
                    "BEGIN\ntransaction:b\n\n\0{ack}transaction:b\nreceipt:1\n\n\0\
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
            let [message] = &bodies[..] else { panic!("{bodies:?}") };
            assert!(message.ends_with("second\0"), "{message:?}");
            assert_eq!(header(message, "transaction"), None);
        })
        .await;
}

#[tokio::test]
async fn several_transactions_may_be_open_at_once() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            for id in ["a", "b", "c"] {
                client.done(&format!("BEGIN\ntransaction:{id}\n\n")).await;
            }
            for (id, body) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4"), ("b", "5")] {
                client
                    .send(format!("SEND\ndestination:/topic/t\ntransaction:{id}\n\n{body}\0"))
                    .await;
            }
            client.done("ABORT\ntransaction:c\n\n").await;
            client.send("COMMIT\ntransaction:b\n\n\0COMMIT\ntransaction:a\n\n\0").await;
            for body in ["2", "5", "1", "4"] {
                client.message(body).await;
            }
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_nack_may_be_part_of_a_transaction() {
    FROM_1_1
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            client.send("SEND\ndestination:/queue/q\n\nm\0").await;
            let named = naming(version, &client.message("m").await);
            for (id, end) in [("a", "ABORT"), ("b", "COMMIT")] {
                client.done(&format!("BEGIN\ntransaction:{id}\n\n")).await;
                client.send(format!("NACK\n{named}transaction:{id}\n\n\0")).await;
                client.goes_on().await;
                let end = format!("{end}\ntransaction:{id}\n\n");
                match id {
                    "a" => client.done(&end).await,
                    _ => client.send(end + "\0").await,
                }
            }
            let again = client.message("m").await;
            assert_eq!(header(&again, "redelivered"), Some("true"));
        })
        .await;
}

#[tokio::test]
async fn a_session_that_ends_aborts_its_transactions() {
    EVERYWHERE
        .attempt(app, async |server, client, version| {
            let door = client.door;
            let mut clients = vec![client, Client::connect(&server, door, version).await];
            let mut sender = Client::connect(&server, door, version).await;
            sender.done("SEND\ndestination:/queue/q\n\nm").await;
            for is_lost in [true, false] {
                let mut client = clients.pop().unwrap();
                client.send("SUBSCRIBE\nid:s\ndestination:/queue/q\nack:client\n\n\0").await;
                let named = naming(version, &client.message("m").await);
                client.done("BEGIN\ntransaction:t\n\n").await;
                client.send(format!("ACK\n{named}transaction:t\n\n\0")).await;
                client.send("SEND\ndestination:/queue/q\ntransaction:t\n\nnever\0").await;
                client.goes_on().await;
                if is_lost { client.vanish() } else { client.leave().await }
            }
            sender.send("SUBSCRIBE\nid:s\ndestination:/queue/q\n\n\0").await;
            let message = sender.message("m").await;
            assert_eq!(header(&message, "redelivered"), Some("true"), "its ACK was not done");
            sender.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_transaction_is_begun_once_and_ended_once() {
    let pairs = [
        ("BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:t\n\n\0", "transaction is already open"),
        ("COMMIT\ntransaction:t\n\n\0", "unknown transaction"),
        ("ABORT\ntransaction:t\n\n\0", "unknown transaction"),
        ("ACK\nid:1\nmessage-id:1\nsubscription:s\ntransaction:t\n\n\0", "unknown transaction"),
        ("BEGIN\n\n\0", "BEGIN without transaction"),
    ];
    for (frames, message) in pairs {
        EVERYWHERE
            .attempt(app, async |_server, mut client, _| {
                let error = client.ask(frames).await;
                assert_eq!(header(&error, "message"), Some(message));
                client.ends().await;
            })
            .await;
    }
}

#[tokio::test]
async fn transactions_of_two_sessions_may_be_called_the_same() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            let mut other = Client::connect(&server, client.door, version).await;
            client.done("BEGIN\ntransaction:t\n\n").await;
            other.refused("COMMIT\ntransaction:t\n\n", "unknown transaction").await;
            client.done("COMMIT\ntransaction:t\n\n").await;
        })
        .await;
}

#[tokio::test]
async fn a_transaction_that_cannot_be_done_changes_nothing() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            client
                .send(
                    "BEGIN\ntransaction:t\n\n\0\
                     SEND\ndestination:/queue/q\ntransaction:t\n\nm\0\
                     SEND\ndestination:/nowhere/q\ntransaction:t\n\nm\0",
                )
                .await;
            let commit = "COMMIT\ntransaction:t\n\n";
            client.refused(commit, "unknown destination in a transaction").await;
            let door = client.door;
            client.ends().await;
            let mut other = Client::connect(&server, door, version).await;
            other.subscribe("id:s\ndestination:/queue/q\n").await;
            other.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_transaction_that_lacks_a_refused_frame_is_aborted() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            client.done("BEGIN\ntransaction:t\n\n").await;
            client.send("SEND\ndestination:/topic/t\ntransaction:t\n\nm\0").await;
            let refused = "SEND\ntransaction:t\n\n";
            let error = client.refused(refused, "SEND without destination").await;
            assert!(error.ends_with("Its transaction was aborted.\0"), "{error:?}");
            client.refused("COMMIT\ntransaction:t\n\n", "unknown transaction").await;
            client.goes_on().await;
        })
        .await;
}
