//! What becomes of what waits when a client is left.

use std::time::Duration;

use tidings::client::Backoff;
use tidings::client::stomp::{ConnectionEnd, StompClient, StompError};

use super::peer::{Connection, Peer, at_once, telling, until_lost, within};

/// A session that sends this message, and then says goodbye.
async fn sends_and_leaves(connection: &mut Connection, body: &str) {
    assert_eq!(connection.frame("SEND").await.body(), body);
    connection.confirm("DISCONNECT").await;
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_client_that_is_dropped_without_a_connection_sends_what_waits_by_the_next() {
    let peer = Peer::start().await;
    let client = peer.connect_and_lose(at_once()).await;
    client.send("/queue/q").text("waits").await.unwrap();
    drop(client);
    // An attempt that fails is not the last one.
    peer.accept().await.hang_up().await;
    sends_and_leaves(&mut peer.session("1.2").await, "waits").await;
}

#[tokio::test]
async fn disconnecting_without_a_connection_waits_for_what_waits_to_be_sent() {
    let peer = Peer::start().await;
    let client = peer.connect_and_lose(at_once()).await;
    client.send("/queue/q").text("waits").await.unwrap();
    let script = async { sends_and_leaves(&mut peer.session("1.2").await, "waits").await };
    let (left, ()) = tokio::join!(within(client.disconnect()), script);
    left.unwrap();
}

#[tokio::test]
async fn a_client_without_a_connection_and_anything_to_send_is_over_at_once() {
    let peer = Peer::start().await;
    let client = peer.connect_and_lose(StompClient::builder()).await;
    within(client.clone().disconnect()).await.unwrap();
    assert_eq!(within(client.ended()).await, ConnectionEnd::Disconnected);
}

#[tokio::test]
async fn what_cannot_be_sent_before_the_client_is_over_is_told() {
    let peer = Peer::start().await;
    let timeout = Duration::from_secs(1);
    let client = peer.connect_and_lose(StompClient::builder().receipt_timeout(timeout)).await;
    client.send("/queue/q").text("waits").await.unwrap();
    drop(peer);
    // From here on time goes by as soon as nothing else happens.
    tokio::time::pause();
    let left = within(client.clone().disconnect()).await;
    assert!(matches!(left, Err(StompError::SendTimeout(_))), "{left:?}");
    assert_eq!(within(client.ended()).await, ConnectionEnd::Disconnected);
}

#[tokio::test]
async fn a_client_that_was_left_gives_up_when_its_backoff_does() {
    let peer = Peer::start().await;
    let initial = Duration::ZERO;
    let backoff = Backoff { initial, attempts_max: Some(2), ..Backoff::default() };
    let client = peer.connect_and_lose(StompClient::builder().reconnect(Some(backoff))).await;
    client.send("/queue/q").text("waits").await.unwrap();
    drop(peer);
    let left = within(client.disconnect()).await;
    assert!(matches!(left, Err(StompError::Lost(_))), "{left:?}");
}

#[tokio::test]
async fn a_client_that_is_dropped_without_a_connection_does_not_try_for_ever() {
    let peer = Peer::start().await;
    let (builder, mut told) = telling(StompClient::builder());
    let (client, connection) = peer.connect(builder).await;
    connection.hang_up().await;
    until_lost(&mut told).await;
    client.send("/queue/q").text("waits").await.unwrap();
    drop(peer);
    // From here on time goes by as soon as nothing else happens.
    tokio::time::pause();
    drop(client);
    let over = async {
        let mut attempts = 0;
        // The hook goes with what calls it.
        while told.recv().await.is_some() {
            attempts += 1;
        }
        attempts
    };
    // Twice the time that it has.
    let attempts = tokio::time::timeout(Duration::from_secs(120), over).await;
    assert!(attempts.expect("it tries for ever") > 1);
}
