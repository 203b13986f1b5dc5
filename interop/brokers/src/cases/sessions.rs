//! Connecting, staying connected, and connecting again.

use std::sync::Arc;
use std::time::Duration;

use tidings::client::Backoff;
use tidings::client::stomp::{AckMode, ConnectionEnd, StompClient, StompError, Version};

use super::{leave, next, texts};
use crate::broker::{Broker, Kind};

pub(super) async fn every_version_connects(broker: Arc<Broker>) {
    for version in Version::ALL {
        let client = broker.client().versions([version]).connect(&broker.url()).await;
        let client = client.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(client.version(), Some(version));
        let destination = format!("/topic/versions.{}", version.as_str().replace('.', "-"));
        let mut messages = texts(&client, &destination, AckMode::Auto).await;
        client.send(&destination).text("hello").receipt().await.expect("a receipt");
        assert_eq!(next(&mut messages).await.payload, "hello");
        leave(client).await;
    }
}

pub(super) async fn heart_beats_keep_an_idle_session(broker: Arc<Broker>) {
    // Long enough for a broker that has just started, and has other cases to serve.
    let interval = Duration::from_secs(2);
    let builder = broker.client().heart_beat(interval, interval).reconnect(None);
    let client = builder.connect(&broker.url()).await.expect("a connection");
    // Whoever hears nothing gives up after three intervals.
    let ended = tokio::time::timeout(interval * 7 / 2, client.ended()).await;
    assert!(ended.is_err(), "{ended:?}");
    leave(client).await;
}

pub(super) async fn a_wrong_login_is_refused(broker: Arc<Broker>) {
    let builder = StompClient::builder().login("guest", "wrong");
    let error = builder.connect(&broker.url()).await.expect_err("nobody is let in");
    assert!(error.to_string().contains("the server refused the session: "), "{error}");
}

pub(super) async fn a_destination_that_does_not_exist_is_an_error(broker: Arc<Broker>) {
    let client = broker.connect().await;
    let refused = client.send("/no-such-kind/x").receipt().await;
    match (broker.kind(), refused) {
        // It does not say which frame was wrong.
        (Kind::RabbitMq, Err(StompError::Unconfirmed(ConnectionEnd::Error(error))))
        | (Kind::Tidings, Err(StompError::Refused(error))) => {
            assert!(!error.message.is_empty(), "{error:?}");
        }
        (_, other) => panic!("{other:?}"),
    }
    // There is another connection.
    client.send("/topic/after-an-error").text("x").receipt().await.expect("a receipt");
    leave(client).await;
}

pub(super) async fn a_session_survives_a_restart(broker: Arc<Broker>) {
    let backoff = Backoff { max: Duration::from_millis(500), ..Backoff::default() };
    let builder = broker.client().reconnect(Some(backoff)).receipt_timeout(super::PATIENCE * 2);
    let client = builder.connect(&broker.url()).await.expect("a connection");
    client.send("/queue/restart").text("kept").persistent().receipt().await.expect("a receipt");
    let mut topic = texts(&client, "/topic/restart", AckMode::Auto).await;
    broker.restart().await;
    // What is sent now waits for the connection, and finds the subscription there.
    client.send("/topic/restart").text("after").resend().await.expect("a receipt");
    assert_eq!(next(&mut topic).await.payload, "after");
    assert!(topic.times_made() >= 2);
    let mut queue = texts(&client, "/queue/restart", AckMode::Client).await;
    let kept = next(&mut queue).await;
    assert_eq!(kept.payload, "kept");
    kept.ack().receipt().await.expect("a receipt");
    leave(client).await;
}
