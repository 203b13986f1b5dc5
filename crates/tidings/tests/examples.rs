//! The examples, tested as applications are.
#![allow(dead_code, reason = "an example's main is not called")]

#[path = "../../../examples/endpoint.rs"]
mod endpoint;
#[path = "../../../examples/greetings.rs"]
mod greetings;
#[path = "../../../examples/rooms.rs"]
mod rooms;

use serde_json::{Value, json};
use tidings::endpoint::Json;
use tidings::testing::TestApp;

/// The integration test of Spring's guide.
#[tokio::test(start_paused = true)]
async fn greetings() {
    let app = TestApp::new(greetings::app().build().unwrap());
    let mut client = app.stomp().connect().await;
    client.subscribe("/topic/greetings").await;
    client.send("/app/hello", Json(json!({ "name": "Spring" }))).await;
    assert_eq!(client.next_json::<Value>().await, json!({ "content": "Hello, Spring!" }));
    client.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn rooms() {
    let app = TestApp::new(rooms::app().build().unwrap());
    let mut ann = app.websocket("/rooms/rust?name=ann").connect().await;
    assert_eq!(ann.next_json::<Value>().await, json!({ "type": "joined", "name": "ann" }));
    let mut bob = app.websocket("/rooms/rust?name=bob").connect().await;
    let mut eve = app.websocket("/rooms/go?name=eve").connect().await;
    for member in [&mut ann, &mut bob] {
        assert_eq!(member.next_json::<Value>().await, json!({ "type": "joined", "name": "bob" }));
    }
    assert_eq!(eve.next_json::<Value>().await, json!({ "type": "joined", "name": "eve" }));

    ann.send(r#"{"text":"hello"}"#).await;
    for member in [&mut ann, &mut bob] {
        let said = json!({ "type": "said", "name": "ann", "text": "hello" });
        assert_eq!(member.next_json::<Value>().await, said);
    }
    eve.assert_silent().await;

    bob.send(r#"{"text":"quit"}"#).await;
    assert_eq!(bob.closed().await.code().as_u16(), 4000);
    assert_eq!(ann.next_json::<Value>().await, json!({ "type": "left", "name": "bob" }));
    assert!(app.websocket("/rooms/rust?name=").try_connect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn endpoint() {
    let app = TestApp::new(endpoint::app().build().unwrap());
    let mut eight = app.websocket("/websocket/8").connect().await;
    let mut nine = app.websocket("/websocket/9").connect().await;
    for number in 1..=2 {
        eight.send("hi").await;
        assert_eq!(nine.next_text().await, "user 8: hi");
        assert_eq!(eight.next_text().await, "user 8: hi");
        assert_eq!(eight.next_text().await, format!("that was your message no. {number}"));
    }
}
