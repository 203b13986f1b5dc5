//! A WebSocket of a SockJS service without SockJS's frames.

use super::services::services;
use tidings::endpoint::Message;

#[tokio::test]
async fn messages_are_passed_as_they_are() {
    let server = services().await;
    let mut client = server.websocket("/echo/websocket").await;
    for text in ["a", r#"["a"]"#, "", "\u{ffff}", "o"] {
        client.send(text).await;
        assert_eq!(client.text().await, text);
    }
    client.send(vec![0, 0xff]).await;
    assert_eq!(client.message().await, Message::from(vec![0, 0xff]));
}

#[tokio::test]
async fn the_application_closes_with_its_own_code() {
    let server = services().await;
    let mut client = server.websocket("/close/websocket").await;
    let reason = client.closed().await;
    assert_eq!((reason.code().as_u16(), reason.reason()), (3000, "Go away!"));
}
