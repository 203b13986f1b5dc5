//! What clients send, and what comes of it.

use crate::apps::app;
use crate::client::{Client, EVERYWHERE, IN_1_0, header};

#[tokio::test]
async fn a_send_reaches_subscribers_with_its_own_headers_and_none_that_are_the_servers() {
    EVERYWHERE.attempt(app, async |_server, mut client, version| {
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
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
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
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
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
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
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
async fn in_1_0_unsubscribe_may_name_the_destination() {
    IN_1_0
        .attempt(app, async |_server, mut client, _| {
            for id in ["1", "2"] {
                client.subscribe(&format!("id:{id}\ndestination:/topic/t\n")).await;
            }
            let end = "UNSUBSCRIBE\ndestination:/topic/t\n\n";
            client.done(end).await;
            client.send("SEND\ndestination:/topic/t\n\nm\0").await;
            assert_eq!(header(&client.message("m").await, "subscription"), Some("2"));
            client.done(end).await;
            client.refused(end, "unknown subscription").await;
        })
        .await;
}

#[tokio::test]
async fn blanks_around_what_send_asks_for_do_not_count_and_the_first_header_holds() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let send = "SEND\ndestination:/queue/q\n";
            client.done(&format!("{send}\nusual")).await;
            client.done(&format!("{send}priority: 9 \npriority:0\n\nurgent")).await;
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            client.message("urgent").await;
            client.message("usual").await;
        })
        .await;
}

#[tokio::test]
async fn disconnect_is_the_last_frame_of_a_client() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            let mut other = Client::connect(&server, client.door, version).await;
            other.subscribe("id:s\ndestination:/topic/t\n").await;
            let send = |body| format!("SEND\ndestination:/topic/t\nreceipt:{body}\n\n{body}\0");
            let (before, after) = (send("before"), send("after"));
            client.send(format!("{before}DISCONNECT\nreceipt:last\n\n\0{after}")).await;
            for receipt in ["before", "last"] {
                assert_eq!(header(&client.frame().await, "receipt-id"), Some(receipt));
            }
            client.ends().await;
            other.message("before").await;
            other.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn receipts_come_in_order_and_that_of_disconnect_last() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
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
