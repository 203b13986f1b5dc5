//! Topics, and what arrives of a message.

use std::sync::Arc;

use bytes::Bytes;
use tidings::client::stomp::{AckMode, StompClient};

use super::{leave, next, nothing, texts};
use crate::broker::{Broker, Kind};

pub(super) async fn a_topic_reaches_all_and_stores_nothing(broker: Arc<Broker>) {
    let client = broker.connect().await;
    client.send("/topic/all").text("too early").receipt().await.expect("a receipt");
    let mut one = texts(&client, "/topic/all", AckMode::Auto).await;
    let mut two = texts(&client, "/topic/all", AckMode::Auto).await;
    client.send("/topic/all").text("to all").receipt().await.expect("a receipt");
    assert_eq!(next(&mut one).await.payload, "to all");
    assert_eq!(next(&mut two).await.payload, "to all");
    one.unsubscribe().await.expect("a receipt");
    client.send("/topic/all").text("to one").receipt().await.expect("a receipt");
    assert_eq!(next(&mut two).await.payload, "to one");
    leave(client).await;
}

pub(super) async fn headers_and_octets_arrive_as_sent(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let mut messages = client.subscribe::<Bytes>("/topic/as-sent").await.expect("a receipt");
    let octets: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let odd = "a:b\\c\nd grüße";
    let send = client.send("/topic/as-sent").header("odd", odd).header("empty", "");
    send.header("content-type", "x/y").body(octets.clone()).receipt().await.expect("a receipt");
    let message = next(&mut messages).await;
    assert_eq!(message.payload, octets);
    assert_eq!(message.header("odd"), Some(odd));
    assert_eq!(message.header("content-type"), Some("x/y"));
    assert_eq!(message.destination(), "/topic/as-sent");
    leave(client).await;
}

pub(super) async fn a_wildcard_takes_one_word(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let mut messages = texts(&client, "/topic/wild.*.x", AckMode::Auto).await;
    for destination in ["/topic/wild.a.b.x", "/topic/wild.a.y", "/topic/wild.a.x"] {
        client.send(destination).text(destination).receipt().await.expect("a receipt");
    }
    assert_eq!(next(&mut messages).await.payload, "/topic/wild.a.x");
    nothing(&mut messages).await;
    leave(client).await;
}

pub(super) async fn a_durable_subscription_keeps_what_it_missed(broker: Arc<Broker>) {
    let connect = async || {
        let builder = broker.client().header("client-id", "durable-client");
        builder.connect(&broker.url()).await.expect("a connection")
    };
    let subscribe = async |client: &StompClient| {
        let subscribe = client.subscribe::<String>("/topic/durable").id("durable");
        let subscribe = subscribe.ack(AckMode::Client);
        let subscribe = match broker.kind() {
            Kind::RabbitMq => subscribe.header("durable", "true").header("auto-delete", "false"),
            Kind::ActiveMq | Kind::Tidings => subscribe.header("activemq.subscriptionName", "mine"),
        };
        subscribe.await.expect("a receipt")
    };
    let client = connect().await;
    drop(subscribe(&client).await);
    leave(client).await;

    let publisher = broker.connect().await;
    super::send_all(&publisher, "/topic/durable", &["missed"]).await;
    let client = connect().await;
    let mut messages = subscribe(&client).await;
    let missed = next(&mut messages).await;
    assert_eq!(missed.payload, "missed");
    missed.ack().receipt().await.expect("a receipt");
    if broker.kind() == Kind::RabbitMq {
        messages.unsubscribe_with([("durable", "true")]).await.expect("a receipt");
    }
    leave(client).await;
    leave(publisher).await;
}
