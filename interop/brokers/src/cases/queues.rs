//! Queues, acknowledgements, transactions, requests.

use std::sync::Arc;

use bytes::Bytes;
use tidings::client::stomp::AckMode;

use super::{leave, next, nothing, send_all, texts};
use crate::broker::{Broker, Kind};

pub(super) async fn receipts_come_for_all_that_is_sent(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let mut sending = Vec::new();
    for n in 0..200 {
        let send = client.send("/queue/receipts").text(n.to_string()).persistent().receipt();
        sending.push(tokio::spawn(send.into_future()));
    }
    for sent in sending {
        sent.await.expect("no panic").expect("a receipt");
    }
    let mut messages = texts(&client, "/queue/receipts", AckMode::Auto).await;
    let mut numbers = Vec::new();
    for _ in 0..200 {
        numbers.push(next(&mut messages).await.payload.parse::<u32>().expect("a number"));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..200));
    leave(client).await;
}

pub(super) async fn acknowledged_messages_do_not_come_again(broker: Arc<Broker>) {
    let client = broker.connect().await;
    send_all(&client, "/queue/acks", &["a", "b", "c"]).await;
    let mut messages = texts(&client, "/queue/acks", AckMode::ClientIndividual).await;
    let (a, b, c) =
        (next(&mut messages).await, next(&mut messages).await, next(&mut messages).await);
    assert_eq!([&*a.payload, &*b.payload, &*c.payload], ["a", "b", "c"]);
    b.ack().receipt().await.expect("a receipt");
    drop((a, b, c, messages));
    leave(client).await;

    let client = broker.connect().await;
    let mut messages = texts(&client, "/queue/acks", AckMode::ClientIndividual).await;
    for expected in ["a", "c"] {
        let message = next(&mut messages).await;
        assert_eq!(message.payload, expected);
        assert!(message.is_redelivered());
        message.ack().receipt().await.expect("a receipt");
    }
    nothing(&mut messages).await;
    leave(client).await;
}

pub(super) async fn an_acknowledgement_may_cover_those_before(broker: Arc<Broker>) {
    let client = broker.connect().await;
    send_all(&client, "/queue/cumulative", &["a", "b", "c"]).await;
    let mut messages = texts(&client, "/queue/cumulative", AckMode::Client).await;
    let (_a, b, _c) =
        (next(&mut messages).await, next(&mut messages).await, next(&mut messages).await);
    b.ack().receipt().await.expect("a receipt");
    drop(messages);
    leave(client).await;
    let client = broker.connect().await;
    let mut messages = texts(&client, "/queue/cumulative", AckMode::Auto).await;
    assert_eq!(next(&mut messages).await.payload, "c");
    nothing(&mut messages).await;
    leave(client).await;
}

pub(super) async fn what_is_refused_goes_where_the_broker_says(broker: Arc<Broker>) {
    let client = broker.connect().await;
    send_all(&client, "/queue/nacks", &["a"]).await;
    let mut messages = texts(&client, "/queue/nacks", AckMode::ClientIndividual).await;
    next(&mut messages).await.nack().await.expect("room");
    if broker.kind() == Kind::ActiveMq {
        let mut dead = texts(&client, "/queue/ActiveMQ.DLQ", AckMode::Auto).await;
        assert_eq!(next(&mut dead).await.payload, "a");
        return leave(client).await;
    }
    let again = next(&mut messages).await;
    assert!(again.is_redelivered());
    again.nack().discard().receipt().await.expect("a receipt");
    nothing(&mut messages).await;
    leave(client).await;
}

pub(super) async fn no_more_than_the_prefetch_is_on_its_way(broker: Arc<Broker>) {
    let client = broker.connect().await;
    send_all(&client, "/queue/prefetch", &["a", "b", "c"]).await;
    let subscribe = client.subscribe::<String>("/queue/prefetch").prefetch(1);
    let mut messages = subscribe.ack(AckMode::ClientIndividual).await.expect("a receipt");
    for expected in ["a", "b", "c"] {
        let message = next(&mut messages).await;
        assert_eq!(message.payload, expected);
        nothing(&mut messages).await;
        message.ack().await.expect("room");
    }
    leave(client).await;
}

pub(super) async fn two_consumers_share_the_work(broker: Arc<Broker>) {
    let (one, two) = (broker.connect().await, broker.connect().await);
    let mut shares = Vec::new();
    for client in [&one, &two] {
        let subscribe = client.subscribe::<String>("/queue/shared").prefetch(1);
        shares.push(subscribe.ack(AckMode::ClientIndividual).await.expect("a receipt"));
    }
    send_all(&one, "/queue/shared", &["a", "b"]).await;
    let [first, second] = &mut shares[..] else { panic!("two of them") };
    let (a, b) = (next(first).await, next(second).await);
    let mut payloads = [&*a.payload, &*b.payload];
    payloads.sort_unstable();
    assert_eq!(payloads, ["a", "b"]);
    for message in [a, b] {
        message.ack().receipt().await.expect("a receipt");
    }
    leave(one).await;
    leave(two).await;
}

pub(super) async fn a_transaction_is_all_or_nothing(broker: Arc<Broker>) {
    let client = broker.connect().await;
    send_all(&client, "/queue/tx-in", &["order"]).await;
    let mut orders = texts(&client, "/queue/tx-in", AckMode::ClientIndividual).await;
    let mut out = texts(&client, "/queue/tx-out", AckMode::Auto).await;
    let order = next(&mut orders).await;
    let transaction = client.begin().await.expect("a connection");
    transaction.send("/queue/tx-out").text("never").await.expect("room");
    transaction.abort();
    let transaction = client.begin().await.expect("a connection");
    transaction.send("/queue/tx-out").text("invoice").await.expect("room");
    transaction.ack(&order).await.expect("room");
    nothing(&mut out).await;
    transaction.commit().await.expect("a receipt");
    assert_eq!(next(&mut out).await.payload, "invoice");
    drop(orders);
    leave(client).await;
    let client = broker.connect().await;
    let mut orders = texts(&client, "/queue/tx-in", AckMode::Auto).await;
    nothing(&mut orders).await;
    leave(client).await;
}

pub(super) async fn a_large_message_arrives(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let body = Bytes::from(vec![0xa5; 4 * 1024 * 1024]);
    let send = client.send("/queue/large").body(body.clone()).persistent().receipt();
    send.await.expect("a receipt");
    let mut messages = client.subscribe::<Bytes>("/queue/large").await.expect("a receipt");
    assert!(next(&mut messages).await.payload == body);
    leave(client).await;
}

pub(super) async fn a_request_is_replied_to(broker: Arc<Broker>) {
    let replier = broker.connect().await;
    let mut requests = texts(&replier, "/queue/rpc", AckMode::Auto).await;
    let replying = tokio::spawn(async move {
        for _ in 0..3 {
            let request = next(&mut requests).await;
            let reply = request.reply().text(request.payload.to_uppercase());
            reply.receipt().await.expect("a receipt");
        }
        leave(replier).await;
    });
    let client = broker.connect().await;
    for question in ["a", "b", "c"] {
        let reply = client.request::<String>("/queue/rpc").text(question).await;
        assert_eq!(reply.expect("a reply").payload, question.to_uppercase());
    }
    replying.await.expect("all were replied to");
    leave(client).await;
}

pub(super) async fn a_selector_chooses(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let subscribe = client.subscribe::<String>("/queue/chosen").selector("size > 3 AND c = 'x'");
    let mut messages = subscribe.await.expect("a receipt");
    for (size, colour) in [("1", "x"), ("5", "y"), ("7", "x")] {
        let send = client.send("/queue/chosen").header("size", size).header("c", colour);
        send.text(size).receipt().await.expect("a receipt");
    }
    assert_eq!(next(&mut messages).await.payload, "7");
    nothing(&mut messages).await;
    leave(client).await;
}

pub(super) async fn several_destinations_are_sent_to_at_once(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let mut one = texts(&client, "/queue/both-1", AckMode::Auto).await;
    let mut two = texts(&client, "/queue/both-2", AckMode::Auto).await;
    send_all(&client, "/queue/both-1,/queue/both-2", &["to both"]).await;
    assert_eq!(next(&mut one).await.payload, "to both");
    assert_eq!(next(&mut two).await.payload, "to both");
    leave(client).await;
}
