use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tidings::App;
use tidings::client::stomp::{AckMode, DeliveryError, SlowConsumer, StompClient, StompError};
use tidings::endpoint::Json;

use super::peer::{Peer, at_once, once, server, tcp_url, telling, within};
use super::support::serve;

#[tokio::test]
async fn messages_come_as_what_their_bodies_say() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let mut lists = client.subscribe::<Json<Vec<u32>>>("/topic/a").await.unwrap();
    let mut texts = client.subscribe::<String>("/topic/a").await.unwrap();
    let mut octets = client.subscribe::<Bytes>("/topic/a").await.unwrap();
    client.send("/topic/a").header("colour", "blue").json(&[1, 2]).await.unwrap();
    let list = within(lists.next()).await.unwrap().unwrap();
    assert_eq!(list.payload, Json(vec![1, 2]));
    assert_eq!((list.destination(), list.header("colour")), ("/topic/a", Some("blue")));
    assert_eq!(within(texts.next()).await.unwrap().unwrap().payload, "[1,2]");
    assert_eq!(within(octets.next()).await.unwrap().unwrap().payload, "[1,2]");
}

#[tokio::test]
async fn a_body_that_says_something_else_is_told_and_the_subscription_goes_on() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let mut numbers = client.subscribe::<Json<u32>>("/topic/n").await.unwrap();
    client.send("/topic/n").text("no number").await.unwrap();
    client.send("/topic/n").json(&7).await.unwrap();
    let error = within(numbers.next()).await.unwrap().unwrap_err();
    let DeliveryError::Payload { message, .. } = &error else { panic!("{error}") };
    assert_eq!(message.payload, "no number");
    assert!(
        error
            .to_string()
            .contains("of /topic/n: payload cannot be read as the JSON that is wanted")
    );
    assert_eq!(within(numbers.next()).await.unwrap().unwrap().payload, Json(7));
}

#[tokio::test]
async fn a_dropped_subscription_is_ended_at_the_server() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let (subscription, subscribe) = connection.subscription(client.subscribe("/topic/a")).await;
    assert_eq!(subscribe.header("destination"), Some("/topic/a"));
    assert_eq!(subscribe.header("ack"), Some("auto"));
    drop(subscription);
    let unsubscribe = connection.frame("UNSUBSCRIBE").await;
    assert_eq!(unsubscribe.header("id"), subscribe.header("id"));

    let subscribing = client.subscribe("/topic/b").header("id", "b").header("durable", "true");
    let (subscription, _) = connection.subscription(subscribing).await;
    let unsubscribing = subscription.unsubscribe_with([("durable", "true")]);
    let (done, unsubscribe) = tokio::join!(unsubscribing, connection.confirm("UNSUBSCRIBE"));
    done.unwrap();
    assert_eq!(
        (unsubscribe.header("id"), unsubscribe.header("durable")),
        (Some("b"), Some("true"))
    );
}

#[tokio::test]
async fn a_subscription_that_nobody_waits_for_does_not_come_about() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let subscribing = client.subscribe::<String>("/topic/a").into_future();
    let subscribe = tokio::select! {
        _ = subscribing => panic!("there was no receipt"),
        subscribe = connection.frame("SUBSCRIBE") => subscribe,
    };
    let unsubscribe = connection.frame("UNSUBSCRIBE").await;
    assert_eq!(unsubscribe.header("id"), subscribe.header("id"));
}

#[tokio::test]
async fn a_refused_subscription_is_told() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let refused = client.subscribe::<String>("/nowhere/at-all").await;
    assert!(matches!(refused, Err(StompError::Refused(_))), "{refused:?}");
    // The server has ended the connection, and the client has another one.
    let mut texts = within(client.subscribe::<String>("/topic/a")).await.unwrap();
    client.send("/topic/a").text("still here").await.unwrap();
    assert_eq!(within(texts.next()).await.unwrap().unwrap().payload, "still here");
}

#[tokio::test]
async fn a_subscription_whose_queue_is_deleted_ends_and_the_others_go_on() {
    let app = App::builder().build().unwrap();
    let queues = app.queues();
    let server = serve(app).await;
    let (builder, mut told) = telling(once());
    let client = builder.connect(&tcp_url(server.stomp)).await.unwrap();
    let mut kept = client.subscribe::<String>("/queue/kept").await.unwrap();
    for _ in 0..2 {
        let mut deleted = client.subscribe::<String>("/queue/jobs").id("jobs").await.unwrap();
        client.send("/queue/jobs").text("first").receipt().await.unwrap();
        queues.delete("/queue/jobs").await.unwrap();
        assert_eq!(within(deleted.next()).await.unwrap().unwrap().payload, "first");
        let end = within(deleted.next()).await.unwrap().unwrap_err();
        assert!(matches!(end, DeliveryError::Cancelled(_)), "{end}");
        assert!(end.to_string().contains("The queue was deleted."), "{end}");
        assert!(within(deleted.next()).await.is_none());
    }
    client.send("/queue/kept").text("still here").await.unwrap();
    assert_eq!(within(kept.next()).await.unwrap().unwrap().payload, "still here");
    assert!(told.recv().await.unwrap().starts_with("Connected"));
    assert!(told.is_empty(), "the connection was lost");
}

#[tokio::test]
async fn an_unsubscribe_that_crosses_with_the_end_of_its_subscription_ends_nothing_else() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let (mut kept, kept_frame) = connection.subscription(client.subscribe("/topic/kept")).await;
    let (ended, frame) = connection.subscription(client.subscribe("/queue/jobs")).await;
    let id = frame.header("id").unwrap();
    let script = async {
        let unsubscribe = connection.frame("UNSUBSCRIBE").await;
        let receipt = unsubscribe.header("receipt").unwrap();
        let cancelled = format!("ERROR\nsubscription:{id}\nmessage:cancelled\n\n\0");
        let unknown = format!("ERROR\nreceipt-id:{receipt}\nmessage:no such subscription\n\n\0");
        // Both come in one piece, with what is for others.
        let message = kept_frame.message("1", "still here");
        connection.write(&format!("{cancelled}{unknown}{message}")).await;
    };
    let (unsubscribed, ()) = tokio::join!(within(ended.unsubscribe()), script);
    unsubscribed.unwrap();
    assert_eq!(within(kept.next()).await.unwrap().unwrap().payload, "still here");
    let again = connection.subscription(client.subscribe::<String>("/queue/jobs").id(id)).await;
    assert_eq!(again.1.header("id"), Some(id));
}

#[tokio::test]
async fn an_id_is_given_once() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let first = client.subscribe::<String>("/topic/a").id("mine").await.unwrap();
    let second = client.subscribe::<String>("/topic/a").id("mine").await;
    assert!(matches!(second, Err(StompError::DuplicateSubscription(id)) if id == "mine"));
    first.unsubscribe().await.unwrap();
    client.subscribe::<String>("/topic/a").id("mine").await.unwrap();
}

#[tokio::test]
async fn selectors_and_prefetch_are_the_servers_to_heed() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let subscribing = client.subscribe::<String>("/queue/q").selector("size > 2").prefetch(1);
    let mut large = subscribing.ack(AckMode::ClientIndividual).await.unwrap();
    for (size, text) in [("1", "a"), ("3", "b"), ("4", "c")] {
        client.send("/queue/q").header("size", size).text(text).receipt().await.unwrap();
    }
    let first = within(large.next()).await.unwrap().unwrap();
    assert_eq!(first.payload, "b");
    // The second one comes once the first is acknowledged.
    assert!(large.next().now_or_never().is_none());
    first.ack().await.unwrap();
    assert_eq!(within(large.next()).await.unwrap().unwrap().payload, "c");
}

#[tokio::test]
async fn who_does_not_read_holds_the_connection_up_and_loses_nothing() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let subscribing = client.subscribe("/topic/a").inbox_octets_max(1000);
    let (mut messages, subscribe) = connection.subscription(subscribing).await;
    for n in 0..50 {
        connection.message(&subscribe, &n.to_string(), &"x".repeat(100 + n)).await;
    }
    // Its receipt is behind them.
    let sending = client.send("/topic/b").receipt().into_future();
    let mut sending = std::pin::pin!(sending);
    tokio::select! {
        _ = &mut sending => panic!("the connection is read"),
        _ = connection.confirm("SEND") => {}
    }
    assert!(sending.as_mut().now_or_never().is_none());
    for n in 0..50 {
        let message = within(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.payload.len(), 100 + n);
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_may_lose_the_subscription_instead() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let subscribing = client.subscribe("/topic/a").inbox_octets_max(1000);
    let subscribing = subscribing.slow_consumer(SlowConsumer::EndSubscription);
    let (messages, subscribe) = connection.subscription(subscribing).await;
    for n in 0..50 {
        connection.message(&subscribe, &n.to_string(), &"x".repeat(100)).await;
    }
    connection.frame("UNSUBSCRIBE").await;
    let mut messages: Vec<_> = messages.collect().await;
    let last = messages.pop().unwrap();
    assert!(matches!(last, Err(DeliveryError::TooSlow)), "{last:?}");
    assert!(!messages.is_empty() && messages.iter().all(Result::is_ok));
    // Others are not held up.
    let (sent, _) = tokio::join!(client.send("/topic/b").receipt(), connection.confirm("SEND"));
    sent.unwrap();
}

#[tokio::test]
async fn disconnecting_does_not_wait_for_who_does_not_read() {
    let server = server().await;
    let client = StompClient::builder().inbox_octets_max(1000);
    let client = client.connect(&tcp_url(server.stomp)).await.unwrap();
    let mut messages = client.subscribe::<String>("/topic/a").await.unwrap();
    for _ in 0..100 {
        client.send("/topic/a").text("x".repeat(100)).await.unwrap();
    }
    within(client.disconnect()).await.unwrap();
    // What had come is there to take, and then it is over.
    while let Some(message) = within(messages.next()).await {
        message.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_whose_inbox_is_full_can_be_ended() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let subscribing = client.subscribe("/topic/a").inbox_octets_max(1000);
    let (full, subscribe) = connection.subscription(subscribing).await;
    let (mut others, other) = connection.subscription(client.subscribe("/topic/b")).await;
    let large = "x".repeat(1000);
    let messages =
        [subscribe.message("1", &large), other.message("2", ""), subscribe.message("3", "")];
    // They are read at once: when the second one is here, the connection waits with the third.
    connection.write(&messages.concat()).await;
    within(others.next()).await.unwrap().unwrap();
    // Its receipt is behind them.
    let unsubscribing = within(full.unsubscribe());
    let (done, _) = tokio::join!(unsubscribing, connection.confirm("UNSUBSCRIBE"));
    done.unwrap();
}

#[tokio::test]
async fn a_subscription_that_was_not_sent_needs_no_end() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    assert!(client.subscribe::<String>("/topic/a").into_future().now_or_never().is_none());
    client.send("/topic/a").text("next").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "next");
}

#[tokio::test]
async fn whoever_does_not_wait_for_the_end_of_a_subscription_ends_it_all_the_same() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once().queue_octets_max(1)).await;
    let (subscription, _) = connection.subscription(client.subscribe("/topic/a")).await;
    // Nothing is sent before this task waits: there is no room.
    client.send("/topic/a").into_future().now_or_never().unwrap().unwrap();
    let unsubscribing = subscription.unsubscribe_with([("durable", "true")]);
    assert!(unsubscribing.now_or_never().is_none());
    connection.frame("SEND").await;
    assert_eq!(connection.frame("UNSUBSCRIBE").await.header("durable"), Some("true"));
}

#[tokio::test]
async fn an_id_that_is_given_again_waits_for_a_receipt_of_its_own() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let first = client.subscribe::<String>("/topic/a").id("mine").into_future();
    let old = tokio::select! {
        _ = first => panic!("there was no receipt"),
        subscribe = connection.frame("SUBSCRIBE") => subscribe,
    };
    let second = client.subscribe::<String>("/topic/b").id("mine").into_future();
    let mut second = std::pin::pin!(second);
    let receipt = old.header("receipt").unwrap();
    let script = async {
        connection.write(&format!("RECEIPT\nreceipt-id:{receipt}\n\n\0")).await;
        connection.confirm("UNSUBSCRIBE").await;
        let subscribe = connection.frame("SUBSCRIBE").await;
        // What comes behind the old receipt has been read once this is answered.
        let (sent, _) = tokio::join!(client.send("/topic/c").receipt(), connection.confirm("SEND"));
        sent.unwrap();
        subscribe
    };
    let subscribe = tokio::select! {
        biased;
        _ = &mut second => panic!("the receipt was another's"),
        subscribe = script => subscribe,
    };
    let receipt = subscribe.header("receipt").unwrap();
    connection.write(&format!("RECEIPT\nreceipt-id:{receipt}\n\n\0")).await;
    within(second).await.unwrap();
}

#[tokio::test]
async fn an_id_is_kept_until_the_end_of_its_subscription_is_confirmed() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let (first, old) = connection.subscription(client.subscribe("/topic/a").id("mine")).await;
    drop(first);
    let second = client.subscribe::<String>("/topic/b").id("mine").into_future();
    let script = async {
        let unsubscribe = connection.frame("UNSUBSCRIBE").await;
        connection.message(&old, "1", "for the first").await;
        // Were there another SUBSCRIBE already, it would come before this.
        let (sent, _) = tokio::join!(client.send("/topic/c").receipt(), connection.confirm("SEND"));
        sent.unwrap();
        let receipt = unsubscribe.header("receipt").unwrap();
        connection.write(&format!("RECEIPT\nreceipt-id:{receipt}\n\n\0")).await;
        let subscribe = connection.confirm("SUBSCRIBE").await;
        connection.message(&subscribe, "2", "for the second").await;
    };
    let (second, ()) = tokio::join!(within(second), script);
    let message = within(second.unwrap().next()).await.unwrap().unwrap();
    assert_eq!(message.payload, "for the second");
}

#[tokio::test]
async fn an_id_is_free_once_the_connection_of_its_subscription_has_ended() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let (first, _) = connection.subscription(client.subscribe("/topic/a").id("mine")).await;
    drop(first);
    let second = client.subscribe::<String>("/topic/b").id("mine").into_future();
    let script = async {
        connection.frame("UNSUBSCRIBE").await;
        connection.hang_up().await;
        let mut connection = peer.session("1.2").await;
        let subscribe = connection.confirm("SUBSCRIBE").await;
        assert_eq!(subscribe.header("destination"), Some("/topic/b"));
        connection
    };
    let (second, _connection) = tokio::join!(within(second), script);
    second.unwrap();
}

#[tokio::test]
async fn a_subscription_that_was_refused_does_not_end_the_next_of_its_id() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let (mut first, _) = connection.subscription(client.subscribe("/topic/a").id("mine")).await;
    connection.hang_up().await;
    let mut connection = peer.session("1.2").await;
    let receipt = connection.frame("SUBSCRIBE").await.header("receipt").unwrap().to_owned();
    connection.write(&format!("ERROR\nmessage:no\nreceipt-id:{receipt}\n\n\0")).await;
    connection.hang_up().await;
    within(first.next()).await.unwrap().unwrap_err();
    let mut connection = peer.session("1.2").await;
    let (_second, _) = connection.subscription(client.subscribe("/topic/a").id("mine")).await;
    drop(first);
    client.send("/topic/b").text("next").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "next");
}
