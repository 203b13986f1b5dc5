use tidings::client::stomp::{AckMode, StompClient, StompError, Version};

use super::peer::{Peer, at_once, server, tcp_url, within};

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_in_every_version() {
    for version in Version::ALL {
        let server = server().await;
        let url = tcp_url(server.stomp);
        let connect = || StompClient::builder().versions([version]).connect(&url);
        let client = connect().await.unwrap();
        for text in ["a", "b", "c"] {
            client.send("/queue/q").text(text).receipt().await.unwrap();
        }
        let subscribe = client.subscribe::<String>("/queue/q");
        let mut messages = subscribe.ack(AckMode::ClientIndividual).await.unwrap();
        let mut next = async || within(messages.next()).await.unwrap().unwrap();
        let (a, b, c) = (next().await, next().await, next().await);
        b.ack().receipt().await.unwrap();
        assert!(!a.is_redelivered() && !c.is_redelivered());
        client.disconnect().await.unwrap();

        let client = connect().await.unwrap();
        let subscribe = client.subscribe::<String>("/queue/q");
        let mut messages = subscribe.ack(AckMode::Client).await.unwrap();
        let mut next = async || within(messages.next()).await.unwrap().unwrap();
        let (a, c) = (next().await, next().await);
        assert_eq!((&*a.payload, &*c.payload), ("a", "c"), "{version}");
        assert!(a.is_redelivered() && c.is_redelivered());
        // It covers the one before.
        c.ack().receipt().await.unwrap();
        client.disconnect().await.unwrap();

        let client = connect().await.unwrap();
        client.send("/queue/q").text("d").receipt().await.unwrap();
        let mut messages = client.subscribe::<String>("/queue/q").await.unwrap();
        assert_eq!(within(messages.next()).await.unwrap().unwrap().payload, "d", "{version}");
    }
}

#[tokio::test]
async fn what_is_refused_comes_again_or_goes_to_the_dead_letters() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    client.send("/queue/q").text("a").receipt().await.unwrap();
    let subscribe = client.subscribe::<String>("/queue/q");
    let mut messages = subscribe.ack(AckMode::ClientIndividual).await.unwrap();
    within(messages.next()).await.unwrap().unwrap().nack().await.unwrap();
    let again = within(messages.next()).await.unwrap().unwrap();
    assert!(again.is_redelivered());
    again.nack().discard().receipt().await.unwrap();
    let mut dead = client.subscribe::<String>("/queue/DLQ.q").await.unwrap();
    assert_eq!(within(dead.next()).await.unwrap().unwrap().payload, "a");
}

#[tokio::test]
async fn without_acknowledgements_there_is_nothing_to_send() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let (mut messages, subscribe) = connection.subscription(client.subscribe("/queue/q")).await;
    connection.message(&subscribe, "1", "a").await;
    let message = within(messages.next()).await.unwrap().unwrap();
    message.ack().receipt().await.unwrap();
    drop(messages);
    client.send("/queue/next").await.unwrap();
    connection.frame("UNSUBSCRIBE").await;
    connection.frame("SEND").await;
}

#[tokio::test]
async fn a_message_of_a_lost_connection_cannot_be_acknowledged() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let subscribing = client.subscribe("/queue/q").ack(AckMode::Client);
    let (mut messages, subscribe) = connection.subscription(subscribing).await;
    connection.message(&subscribe, "1", "a").await;
    let old = within(messages.next()).await.unwrap().unwrap();
    connection.hang_up().await;
    let mut connection = peer.session("1.2").await;
    let subscribe = connection.confirm("SUBSCRIBE").await;
    connection.message(&subscribe, "2", "a").await;
    let new = within(messages.next()).await.unwrap().unwrap();
    assert_eq!(messages.times_made(), 2);
    assert!(matches!(old.ack().await, Err(StompError::Stale)));
    new.ack().await.unwrap();
    assert_eq!(connection.frame("ACK").await.header("id"), Some("2"));
}
