//! What clients of RabbitMQ and of ActiveMQ say beyond the standard, said to those and to our own server.

use std::sync::Arc;

use super::raw::Raw;
use crate::broker::Broker;

/// As RabbitMQ's tutorials have it.
pub(super) async fn a_session_of_rabbitmq(broker: Arc<Broker>) {
    let connect = "accept-version:1.0,1.1,1.2\nhost:/\nheart-beat:0,0\n";
    let mut client = Raw::connect(&broker, connect).await;
    // The queue's arguments and its own name; the id may be anything.
    let subscribe = "SUBSCRIBE\nid:T_1\ndestination:/queue/rabbit-habits\nack:client\n\
                     prefetch-count:1\npersistent:false\nx-message-ttl:60000\nreceipt:s\n\n";
    client.say(subscribe).await;
    client.receipt("s").await;
    for body in ["one", "two"] {
        let send = format!(
            "SEND\ndestination:/queue/rabbit-habits\npersistent:true\nx-message-ttl:60000\n\
             content-type:text/plain\ncorrelation-id:c1\nreceipt:{body}\n\n{body}"
        );
        client.say(&send).await;
    }
    let mut receipts = Vec::new();
    let mut message = None;
    // A receipt and the first message may come in either order.
    while receipts.len() < 2 || message.is_none() {
        let frame = client.hear("").await;
        match frame.header("receipt-id") {
            Some(id) => receipts.push(id.to_owned()),
            None => message = Some(frame),
        }
    }
    assert_eq!(receipts, ["one", "two"]);
    let message = message.expect("it came");
    assert_eq!((message.body(), message.header("subscription")), ("one", Some("T_1")));
    // RabbitMQ says `false`, we say nothing.
    assert_ne!(message.header("redelivered"), Some("true"));
    assert_eq!(message.header("correlation-id"), Some("c1"));
    assert_eq!(message.header("persistent"), Some("true"));
    let ack = message.header("ack").expect("to be acknowledged").to_owned();
    client.say(&format!("ACK\nid:{ack}\nreceipt:acked\n\n")).await;
    // What it makes room for may come before its receipt.
    let frames = [client.hear("").await, client.hear("").await];
    assert!(frames.iter().any(|frame| frame.header("receipt-id") == Some("acked")), "{frames:?}");
    let second = frames.iter().find(|frame| frame.body() == "two").expect("the second message");
    // Not wanted, and not to come again.
    let ack = second.header("ack").expect("to be acknowledged").to_owned();
    client.say(&format!("NACK\nid:{ack}\nrequeue:false\nreceipt:nacked\n\n")).await;
    client.receipt("nacked").await;
    client.say("UNSUBSCRIBE\nid:T_1\nreceipt:u\n\n").await;
    client.receipt("u").await;
    client.say("DISCONNECT\nreceipt:bye\n\n").await;
    client.receipt("bye").await;
}

pub(super) async fn a_durable_subscription_of_rabbitmq(broker: Arc<Broker>) {
    let connect = "accept-version:1.2\nhost:/\n";
    let subscribe = "SUBSCRIBE\nid:mine\ndestination:/topic/rabbit-durable\nack:auto\n\
                     durable:true\nauto-delete:false\nreceipt:s\n\n";
    let mut client = Raw::connect(&broker, connect).await;
    client.say(subscribe).await;
    client.receipt("s").await;
    client.say("UNSUBSCRIBE\nid:mine\nreceipt:u\n\n").await;
    client.receipt("u").await;
    let send = "SEND\ndestination:/topic/rabbit-durable\npersistent:true\nreceipt:p\n\nmissed";
    client.say(send).await;
    client.receipt("p").await;
    client.say(subscribe).await;
    client.receipt("s").await;
    assert_eq!(client.hear("MESSAGE").await.body(), "missed");
    client.say("UNSUBSCRIBE\nid:mine\ndurable:true\nreceipt:d\n\n").await;
    client.receipt("d").await;
    // It is gone, and so is what it would have kept.
    client.say(send).await;
    client.receipt("p").await;
    client.say(subscribe).await;
    client.receipt("s").await;
    client.say("UNSUBSCRIBE\nid:mine\ndurable:true\nreceipt:d\n\n").await;
    client.receipt("d").await;
}

/// As its examples have it: a login that nobody checks, a client id, and headers in ActiveMQ's own words.
pub(super) async fn a_session_of_activemq(broker: Arc<Broker>) {
    let connect = "accept-version:1.1\nhost:localhost\nclient-id:habits\nheart-beat:0,0\n";
    let mut client = Raw::connect(&broker, connect).await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/active-habits\nack:client-individual\n\
                     activemq.prefetchSize:1\nselector:colour = 'blue'\nreceipt:s\n\n";
    client.say(subscribe).await;
    client.receipt("s").await;
    for (colour, body) in [("red", "one"), ("blue", "two")] {
        let send = format!(
            "SEND\ndestination:/queue/active-habits\ncolour:{colour}\npriority:7\nexpires:0\n\
             JMSXGroupID:g\ntype:t\ncorrelation-id:c\nreceipt:{body}\n\n{body}"
        );
        client.say(&send).await;
    }
    let mut receipts = 0;
    let mut message = None;
    while receipts < 2 || message.is_none() {
        let frame = client.hear("").await;
        match frame.header("receipt-id") {
            Some(_) => receipts += 1,
            None => message = Some(frame),
        }
    }
    let message = message.expect("it came");
    assert_eq!(message.body(), "two");
    for (name, value) in [("priority", "7"), ("colour", "blue"), ("correlation-id", "c")] {
        assert_eq!(message.header(name), Some(value), "{message:?}");
    }
    let id = message.header("message-id").expect("every message has one").to_owned();
    client.say(&format!("ACK\nsubscription:1\nmessage-id:{id}\nreceipt:a\n\n")).await;
    client.receipt("a").await;
    client.say("DISCONNECT\nreceipt:bye\n\n").await;
    client.receipt("bye").await;
}

/// Looks at a queue and leaves it as it is.
pub(super) async fn a_browser_of_activemq(broker: Arc<Broker>) {
    let mut client = Raw::connect(&broker, "accept-version:1.1\nhost:localhost\n").await;
    for body in ["one", "two"] {
        let send = "SEND\ndestination:/queue/browsed\npersistent:true\nreceipt:p\n\n";
        client.say(&format!("{send}{body}")).await;
        client.receipt("p").await;
    }
    for id in ["b1", "b2"] {
        let destination = "destination:/queue/browsed\nbrowser:true\nack:auto\n";
        client.say(&format!("SUBSCRIBE\nid:{id}\n{destination}\n")).await;
        assert_eq!(client.hear("MESSAGE").await.body(), "one");
        assert_eq!(client.hear("MESSAGE").await.body(), "two");
        let end = client.hear("MESSAGE").await;
        assert_eq!((end.header("browser"), end.header("subscription")), (Some("end"), Some(id)));
        client.say(&format!("UNSUBSCRIBE\nid:{id}\n\n")).await;
    }
}
