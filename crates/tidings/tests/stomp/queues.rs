//! What queues, and their messages and consumers, are asked for in headers.

use crate::apps::{app, keeping};
use crate::client::{Client, EVERYWHERE, FROM_1_1, header, naming};
use crate::support::serve;
use tidings::App;
use tidings::broker::DestinationPolicy;
use tidings::store::MemoryStore;

#[tokio::test]
async fn what_is_unsettled_is_bounded_as_each_broker_has_it() {
    let bounds = [
        "prefetch-count:1",
        "activemq.prefetchSize:1",
        "credit:1",
        "credit:1,1000",
        "credit:100,1",
        "consumer-window-size:0",
    ];
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            for bound in bounds {
                for body in ["1", "2"] {
                    client.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
                }
                let subscribe = "id:s\ndestination:/queue/q\nack:client-individual";
                client.subscribe(&format!("{subscribe}\n{bound}\n")).await;
                let first = client.message("1").await;
                client.goes_on().await;
                client.send(format!("ACK\n{}\n\0", naming(version, &first))).await;
                let second = client.message("2").await;
                client.done(&format!("ACK\n{}\n", naming(version, &second))).await;
                client.done("UNSUBSCRIBE\nid:s\n\n").await;
            }
            // None of it holds where nothing is acknowledged, and 0 and -1 are no bounds.
            for (bound, ack) in [
                ("prefetch-count:1", "auto"),
                ("prefetch-count:0", "client"),
                ("consumer-window-size:-1", "client"),
            ] {
                for body in ["1", "2"] {
                    client.done(&format!("SEND\ndestination:/queue/{bound}\n\n{body}")).await;
                }
                let subscribe = format!("id:s\ndestination:/queue/{bound}\nack:{ack}\n{bound}\n");
                client.subscribe(&subscribe).await;
                client.message("1").await;
                client.message("2").await;
                client.done("UNSUBSCRIBE\nid:s\n\n").await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_browser_sees_what_waits_and_takes_nothing() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for body in ["1", "2"] {
                client.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
            }
            client.subscribe("id:b\ndestination:/queue/q\nbrowser:true\n").await;
            client.message("1").await;
            client.message("2").await;
            let end = client.message("").await;
            assert_eq!(header(&end, "browser"), Some("end"));
            assert_eq!(header(&end, "subscription"), Some("b"));
            client.done("SEND\ndestination:/queue/q\n\n3").await;
            client.done("UNSUBSCRIBE\nid:b\n\n").await;
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            for body in ["1", "2", "3"] {
                let message = client.message(body).await;
                assert_eq!(header(&message, "redelivered"), None, "it was only looked at");
            }
        })
        .await;
}

#[tokio::test]
async fn a_consumer_may_be_the_only_one() {
    EVERYWHERE
        .attempt(keeping, async |server, mut client, version| {
            let subscribe = "id:s\ndestination:/queue/q\n";
            client.subscribe(&format!("{subscribe}exclusive:true\n")).await;
            let mut other = Client::connect(&server, client.door, version).await;
            other.refused(&format!("SUBSCRIBE\n{subscribe}\n"), "queue is exclusive").await;
            client.leave().await;
            other.subscribe(subscribe).await;
            let mut late = Client::connect(&server, other.door, version).await;
            let alone = format!("SUBSCRIBE\n{subscribe}exclusive:true\n\n");
            late.refused(&alone, "queue has consumers").await;
        })
        .await;
}

#[tokio::test]
async fn consumers_may_stand_in_line() {
    for name in ["activemq.exclusive", "x-single-active-consumer"] {
        EVERYWHERE
            .attempt(app, async |server, mut first, version| {
                let subscribe = format!("id:s\ndestination:/queue/q\n{name}:true\n");
                first.subscribe(&subscribe).await;
                let mut second = Client::connect(&server, first.door, version).await;
                second.subscribe(&subscribe).await;
                for body in ["1", "2"] {
                    second.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
                    first.message(body).await;
                }
                first.leave().await;
                second.send("SEND\ndestination:/queue/q\n\n3\0").await;
                second.message("3").await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_consumer_of_higher_priority_goes_first() {
    for name in ["x-priority", "activemq.priority", "consumer-priority"] {
        EVERYWHERE
            .attempt(app, async |server, mut low, version| {
                low.subscribe("id:s\ndestination:/queue/q\n").await;
                let mut high = Client::connect(&server, low.door, version).await;
                high.subscribe(&format!("id:s\ndestination:/queue/q\n{name}:5\n")).await;
                for body in ["1", "2"] {
                    low.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
                    high.message(body).await;
                }
                low.goes_on().await;
            })
            .await;
    }
}

#[tokio::test]
async fn the_most_urgent_message_comes_first() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for (body, priority) in
                [("1", ""), ("2", "priority:9\n"), ("3", "priority: 4 \n"), ("4", "priority:0\n")]
            {
                client.done(&format!("SEND\ndestination:/queue/q\n{priority}\n{body}")).await;
            }
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            for body in ["2", "1", "3", "4"] {
                client.message(body).await;
            }
        })
        .await;
}

#[tokio::test]
async fn what_a_message_says_of_itself_is_passed_on() {
    let said = "type:order\ntimestamp:17\ncontent-encoding:gzip\napp-id:a\npersistent:true\n\
                priority:7\nexpires:0\ncorrelation-id:c\nJMSXGroupID:g\namq-msg-type:text\n";
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            // And not what it asks of its queue, or what only the server says.
            let not_passed_on = "x-message-ttl:60000\nx-max-length:10\nx-single-active-consumer:true\nx-death-reason:forged\n\
                                 x-delivery-count:9\noriginal-destination:/queue/forged\n";
            client.send(format!("SEND\ndestination:/queue/q\n{said}{not_passed_on}\nm\0")).await;
            let message = client.message("m").await;
            for line in said.lines() {
                let (name, value) = line.split_once(':').unwrap();
                assert_eq!(header(&message, name), Some(value), "{message:?}");
            }
            for line in not_passed_on.lines() {
                let (name, _) = line.split_once(':').unwrap();
                assert_eq!(header(&message, name), None, "{message:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn what_expires_or_is_not_wanted_becomes_a_dead_letter() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:d\ndestination:/queue/DLQ.q\n").await;
            for expiry in ["expiration:1", "expires:1"] {
                client.send(format!("SEND\ndestination:/queue/q\n{expiry}\n\nlate\0")).await;
                let letter = client.message("late").await;
                assert_eq!(header(&letter, "x-death-reason"), Some("expired"));
                assert_eq!(header(&letter, "original-destination"), Some("/queue/q"));
                assert_eq!(header(&letter, "x-delivery-count"), Some("0"));
            }
            if version == "1.0" {
                return;
            }
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            client.send("SEND\ndestination:/queue/q\nexpires:0\n\nunwanted\0").await;
            let message = client.message("unwanted").await;
            client.send(format!("NACK\n{}requeue:false\n\n\0", naming(version, &message))).await;
            let letter = client.message("unwanted").await;
            assert_eq!(header(&letter, "subscription"), Some("d"));
            assert_eq!(header(&letter, "x-death-reason"), Some("rejected"));
            assert_eq!(header(&letter, "x-delivery-count"), Some("1"));
        })
        .await;
}

#[tokio::test]
async fn a_message_is_delivered_so_often_at_most() {
    let app = || {
        let policy = DestinationPolicy { deliveries_max: 2, ..DestinationPolicy::default() };
        let app = App::builder().stomp("/stomp").destination_policy("/queue/q", policy);
        app.build().unwrap()
    };
    FROM_1_1
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:d\ndestination:/queue/DLQ.q\n").await;
            client.subscribe("id:s\ndestination:/queue/q\nack:client\n").await;
            client.send("SEND\ndestination:/queue/q\n\nm\0").await;
            let mut message = client.message("m").await;
            for (subscription, redelivered) in [("s", Some("true")), ("d", None)] {
                client.send(format!("NACK\n{}\n\0", naming(version, &message))).await;
                message = client.message("m").await;
                assert_eq!(header(&message, "subscription"), Some(subscription), "{message:?}");
                assert_eq!(header(&message, "redelivered"), redelivered, "{message:?}");
            }
            assert_eq!(header(&message, "x-death-reason"), Some("delivery-limit"));
            assert_eq!(header(&message, "x-delivery-count"), Some("2"));
        })
        .await;
}

#[tokio::test]
async fn a_message_may_come_later() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let send = "SEND\ndestination:/queue/q\nAMQ_SCHEDULED_DELAY";
            client.done(&format!("{send}:3600000\n\nin an hour")).await;
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            client.send(format!("{send}:1\n\nsoon\0")).await;
            client.message("soon").await;
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn what_is_unsettled_comes_back_in_order_however_a_consumer_goes() {
    EVERYWHERE
        .attempt(app, async |server, client, version| {
            let mut consumers = vec![client];
            for _ in 0..2 {
                consumers.push(Client::connect(&server, consumers[0].door, version).await);
            }
            let mut sender = Client::connect(&server, consumers[0].door, version).await;
            for body in ["1", "2", "3"] {
                sender.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
            }
            let subscribe = "id:s\ndestination:/queue/q\nack:client-individual\n";
            for (number, mut client) in consumers.into_iter().enumerate() {
                client.send(format!("SUBSCRIBE\n{subscribe}\n\0")).await;
                for body in ["1", "2", "3"] {
                    let message = client.message(body).await;
                    let redelivered = (number > 0).then_some("true");
                    assert_eq!(header(&message, "redelivered"), redelivered, "{message:?}");
                }
                match number {
                    0 => client.done("UNSUBSCRIBE\nid:s\n\n").await,
                    1 => client.leave().await,
                    _ => client.vanish(),
                }
            }
            sender.send(format!("SUBSCRIBE\n{subscribe}\n\0")).await;
            for body in ["1", "2", "3"] {
                sender.message(body).await;
            }
        })
        .await;
}

#[tokio::test]
async fn the_receipt_of_a_subscription_comes_before_its_backlog() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for body in ["1", "2"] {
                client.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
            }
            client.subscribe("id:s\ndestination:/queue/q\n").await;
            client.message("1").await;
            client.message("2").await;
        })
        .await;
}

#[tokio::test]
async fn what_was_receipted_is_there_after_a_restart_and_in_order() {
    let start = async |store: &MemoryStore| {
        let app = App::builder().stomp("/stomp").store(store.clone());
        serve(app.build().unwrap()).await
    };
    for (door, version) in EVERYWHERE.each() {
        let store = MemoryStore::new();
        let server = start(&store).await;
        let mut client = Client::connect(&server, door, version).await;
        let send = "SEND\ndestination:/queue/q\npersistent";
        // The receipts of what is stored and of what is not come in one order.
        let mut frames = String::new();
        for number in 1..=30 {
            let is_stored = number % 3 != 0;
            frames += &format!("{send}:{is_stored}\nreceipt:{number}\n\n{number}\0");
        }
        client.send(frames).await;
        for number in 1..=30 {
            let receipt = client.frame().await;
            assert_eq!(header(&receipt, "receipt-id"), Some(&*number.to_string()));
        }
        client.subscribe("id:s\ndestination:/queue/q\nack:client-individual\n").await;
        let mut second = String::new();
        for number in 1..=30 {
            let message = client.message(&number.to_string()).await;
            if number == 2 {
                second = message;
            }
        }
        client.done(&format!("ACK\n{}\n", naming(version, &second))).await;
        client.leave().await;
        server.stop().await.unwrap();

        let server = start(&store).await;
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:s\ndestination:/queue/q\n").await;
        for number in (1..=30).filter(|number| number % 3 != 0 && *number != 2) {
            let message = client.message(&number.to_string()).await;
            assert_eq!(header(&message, "redelivered"), Some("true"));
        }
        client.goes_on().await;
        client.leave().await;
        server.stop().await.unwrap();
    }
}
