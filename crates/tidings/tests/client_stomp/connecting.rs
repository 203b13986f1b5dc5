use std::time::Duration;

use tidings::client::stomp::{
    ConnectionEnd, StompClient, StompClientBuilder, StompConnectError, StompError, Version,
};
use tidings::endpoint::CloseCode;

use super::peer::{Peer, at_once, once, server, tcp_url, within};

#[tokio::test]
async fn connect_says_who_and_what_the_client_wants() {
    let peer = Peer::start().await;
    let builder = StompClient::builder()
        .login("ann", "se:cret")
        .host("broker.example")
        .header("client-id", "c1")
        .versions([Version::V1_1])
        .heart_beat(Duration::from_secs(1), Duration::ZERO);
    let shown = format!("{builder:?}");
    assert!(shown.contains("ann") && !shown.contains("cret"), "{shown}");
    let url = peer.url();
    let script = async {
        let mut connection = peer.accept().await;
        let connect = connection.frame("CONNECT").await;
        for (name, value) in [
            ("login", "ann"),
            ("passcode", "se:cret"),
            ("host", "broker.example"),
            ("client-id", "c1"),
            ("accept-version", "1.1"),
            ("heart-beat", "1000,0"),
        ] {
            assert_eq!(connect.header(name), Some(value), "{connect:?}");
        }
        connection.write("CONNECTED\nversion:1.1\nsession:s1\n\n\0").await;
        connection
    };
    let (client, _connection) = tokio::join!(builder.connect(&url), script);
    let client = client.unwrap();
    assert_eq!(client.version(), Some(Version::V1_1));
    assert_eq!(client.connected_headers().unwrap().get("session"), Some("s1"));
}

#[tokio::test]
async fn every_version_of_our_server_is_spoken() {
    let server = server().await;
    for version in Version::ALL {
        let client = StompClient::builder().versions([version]);
        let client = client.connect(&tcp_url(server.stomp)).await.unwrap();
        assert_eq!(client.version(), Some(version));
        let mut texts = client.subscribe::<String>("/topic/versions").await.unwrap();
        client.send("/topic/versions").header("odd", "a:b\\c\nd").text("hi").await.unwrap();
        let message = within(texts.next()).await.unwrap().unwrap();
        assert_eq!(message.payload, "hi");
        client.disconnect().await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_server() {
    let peer = Peer::start().await;
    let url = peer.url();
    let script = async {
        let mut connection = peer.accept().await;
        connection.frame("CONNECT").await;
        connection.write("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'ann'\n\0").await;
    };
    let (refused, ()) = tokio::join!(StompClient::connect(&url), script);
    let error = refused.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refused the session: Bad CONNECT: Access refused for user 'ann'"
    );
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn what_is_no_stomp_server_is_told() {
    let told = async |answer: &str, builder: StompClientBuilder| {
        let peer = Peer::start().await;
        let url = peer.url();
        let script = async {
            let mut connection = peer.accept().await;
            connection.frame("CONNECT").await;
            connection.write(answer).await;
            connection
        };
        let (failed, _connection) = tokio::join!(builder.connect(&url), script);
        failed.unwrap_err()
    };
    let error = told("HTTP/1.1 400 Bad Request\r\n\r\n", once()).await;
    assert!(matches!(error, StompConnectError::Ended(ConnectionEnd::Protocol(_))), "{error}");
    let error = told("CONNECTED\nversion:9.9\n\n\0", once()).await;
    assert!(error.to_string().contains("unknown version"), "{error}");
    let error = StompClient::connect("tcp://127.0.0.1:1").await.unwrap_err();
    assert!(error.to_string().contains("is the server running?"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_connect_is_given_up() {
    let peer = Peer::start().await;
    let url = peer.url();
    let script = async {
        let mut connection = peer.accept().await;
        connection.frame("CONNECT").await;
        // From here on time goes by as soon as nothing else happens.
        tokio::time::pause();
        connection
    };
    let timeout = Duration::from_secs(3600);
    let (failed, _connection) = tokio::join!(once().connect_timeout(timeout).connect(&url), script);
    let error = failed.unwrap_err();
    assert!(matches!(error, StompConnectError::Timeout(after) if after == timeout), "{error}");
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_is_not_kept() {
    let peer = Peer::start().await;
    let url = peer.url();
    let mut connecting = Box::pin(StompClient::connect(&url));
    let mut connection = tokio::select! {
        _ = &mut connecting => panic!("CONNECT was not answered"),
        connection = async {
            let mut connection = peer.accept().await;
            connection.frame("CONNECT").await;
            connection
        } => connection,
    };
    drop(connecting);
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn heart_beats_are_sent() {
    let peer = Peer::start().await;
    let url = peer.url();
    let builder = once().heart_beat(Duration::from_millis(200), Duration::ZERO);
    let script = async {
        let mut connection = peer.accept().await;
        connection.frame("CONNECT").await;
        connection.write("CONNECTED\nversion:1.2\nheart-beat:0,200\n\n\0").await;
        assert_eq!(connection.until("\n").await, "\n");
    };
    let (client, ()) = tokio::join!(builder.connect(&url), script);
    client.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let peer = Peer::start().await;
    let url = peer.url();
    let builder = once().heart_beat(Duration::ZERO, Duration::from_millis(200));
    let script = async {
        let mut connection = peer.accept().await;
        connection.frame("CONNECT").await;
        connection.write("CONNECTED\nversion:1.2\nheart-beat:200,0\n\n\0").await;
        connection
    };
    let (client, _connection) = tokio::join!(builder.connect(&url), script);
    let end = within(client.unwrap().ended()).await;
    let ConnectionEnd::Closed(reason) = end else { panic!("{end}") };
    assert_eq!(reason.code(), CloseCode::POLICY_VIOLATION);
}

#[tokio::test]
async fn disconnecting_sends_what_waits_and_waits_for_the_receipt() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let other = client.clone();
    for body in ["a", "b"] {
        client.send("/queue/q").text(body).await.unwrap();
    }
    let script = async {
        for body in ["a", "b"] {
            assert_eq!(connection.frame("SEND").await.body(), body);
        }
        connection.confirm("DISCONNECT").await;
    };
    let (disconnected, ()) = tokio::join!(client.disconnect(), script);
    disconnected.unwrap();
    assert!(matches!(other.send("/queue/q").await, Err(StompError::Closed)));
    assert_eq!(within(other.ended()).await, ConnectionEnd::Disconnected);
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn the_last_handle_says_goodbye_when_it_is_dropped() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let other = client.clone();
    drop(client);
    other.send("/queue/q").text("last").await.unwrap();
    drop(other);
    assert_eq!(connection.frame("SEND").await.body(), "last");
    connection.confirm("DISCONNECT").await;
    assert_eq!(connection.rest().await, "");
}
