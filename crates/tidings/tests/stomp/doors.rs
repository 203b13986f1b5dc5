//! STOMP over WebSocket and SockJS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::endpoint::Message;
use tidings::{App, controller};

use crate::client::{Client, Door};
use crate::support::serve;

fn app() -> App {
    App::builder().stomp("/stomp").build().unwrap()
}

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

#[tokio::test]
async fn who_sends_binary_is_answered_in_binary_until_they_send_text() {
    let server = serve(app()).await;
    let mut socket = server.websocket("/stomp").await;
    let mut text = Client::connect(&server, Door::WebSocket, "1.2").await;
    text.subscribe("id:s\ndestination:/topic/t\n").await;
    socket.send(CONNECT.as_bytes().to_vec()).await;
    assert!(matches!(socket.message().await, Message::Binary(_)));
    socket.send(b"SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:r\n\n\0".to_vec()).await;
    assert!(matches!(socket.message().await, Message::Binary(_)));
    text.send("SEND\ndestination:/topic/t\n\nto both\0").await;
    let Message::Binary(frame) = socket.message().await else { panic!("expected binary") };
    assert!(frame.ends_with(b"to both\0"));
    assert!(text.frame().await.ends_with("to both\0"));

    // As @stomp/stompjs does, also where it sends everything else as binary messages.
    socket.send("\n").await;
    socket.send(b"SUBSCRIBE\nid:t\ndestination:/topic/t\nreceipt:t\n\n\0".to_vec()).await;
    assert!(matches!(socket.message().await, Message::Binary(_)));
    socket.send("\r\n").await;
    text.send("SEND\ndestination:/topic/t\n\nstill\0").await;
    assert!(matches!(socket.message().await, Message::Binary(_)), "a heart-beat says nothing");
    assert!(matches!(socket.message().await, Message::Binary(_)));
    assert!(text.frame().await.ends_with("still\0"));

    socket.send("SEND\ndestination:/topic/t\n\nas text\0").await;
    assert!(socket.text().await.ends_with("as text\0"));
    assert!(text.frame().await.ends_with("as text\0"));
}

/// Answers with how often others have had their turn.
struct Turns(Arc<AtomicUsize>);

#[controller]
impl Turns {
    #[message_mapping("/turns")]
    #[send_to("/topic/turns")]
    fn turns(&self) -> String {
        self.0.load(Ordering::Relaxed).to_string()
    }
}

/// The client, the server and the others share one thread.
#[tokio::test]
async fn others_have_their_turn_during_a_long_message() {
    let turns = Arc::<AtomicUsize>::default();
    let controller = Turns(Arc::clone(&turns));
    let app = App::builder().stomp("/stomp").controller(controller).build().unwrap();
    let server = serve(app).await;
    let others = tokio::spawn(async move {
        loop {
            turns.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let mut client = Client::connect(&server, Door::WebSocket, "1.2").await;
    client.subscribe("id:s\ndestination:/topic/turns\n").await;
    let ask = "SEND\ndestination:/app/turns\n\n\0";
    let many = "SEND\ndestination:/topic/t\n\n\0".repeat(100_000);
    client.send(format!("{ask}{many}{ask}")).await;
    let mut turns = async || {
        let message = client.frame().await;
        message.trim_end_matches('\0').rsplit('\n').next().unwrap().parse::<usize>().unwrap()
    };
    let (before, after) = (turns().await, turns().await);
    assert!(after > before, "the whole message was one turn");
    others.abort();
}

#[tokio::test]
async fn frames_may_be_cut_and_joined_anywhere() {
    let server = serve(app()).await;
    let mut socket = server.websocket("/stomp").await;
    for octet in CONNECT.chars() {
        socket.send(octet.to_string()).await;
    }
    assert!(socket.text().await.starts_with("CONNECTED\n"));
    let two = "\nSEND\ndestination:/topic/t\nreceipt:1\n\n\0\nSEND\ndestination:/topic/t\nreceipt:2\n\n\0";
    socket.send(two).await;
    assert!(socket.text().await.contains("receipt-id:1\n"), "a frame for each message");
    assert!(socket.text().await.contains("receipt-id:2\n"));
}

#[tokio::test]
async fn over_sockjs_a_body_that_is_no_text_arrives_as_base64() {
    let server = serve(app()).await;
    let mut sockjs = server.websocket("/stomp/000/binary/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#).await;
    sockjs.text().await;
    sockjs.send(r#"["SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:r\n\n\u0000"]"#).await;
    sockjs.text().await;
    let mut socket = server.websocket("/stomp").await;
    socket.send(CONNECT).await;
    socket.text().await;
    socket.send(b"SEND\ndestination:/topic/t\ncontent-length:3\n\n\xff\0\xfe\0".to_vec()).await;
    let frame = sockjs.text().await;
    let expected = r"\ncontent-transfer-encoding:base64\ncontent-length:4\n\n/wD+\u0000";
    assert!(frame.contains(expected), "{frame}");
}
