use futures_util::StreamExt;
use tidings::client::Client;
use tidings::endpoint::{CloseCode, CloseReason, Message, SendError};
use tidings::{App, WebSocket};
use tokio::sync::oneshot;

use super::support::{Running, serve};

async fn echo(mut socket: WebSocket) -> Result<(), SendError> {
    while let Some(message) = socket.next().await {
        match &message {
            Message::Text(text) if text == "panic" => panic!("asked to"),
            Message::Text(text) if text == "return" => return Ok(()),
            Message::Text(text) if text == "fail" => return Err(SendError::Full),
            _ => socket.send(message).await?,
        }
    }
    Ok(())
}

async fn server() -> (Running, String) {
    let app = App::builder().socket("/echo/{name}", echo).build().unwrap();
    let server = serve(app).await;
    let url = format!("ws://{}/echo/x", server.http);
    (server, url)
}

fn code(socket: &WebSocket) -> CloseCode {
    socket.close_reason().unwrap().code()
}

#[tokio::test]
async fn a_loop_echoes_to_a_loop() {
    let (_server, url) = server().await;
    let mut socket = Client::default().open(&url).await.unwrap();
    for i in 0..1_000 {
        socket.send(format!("{i}")).await.unwrap();
    }
    for i in 0..1_000 {
        assert_eq!(socket.next().await, Some(Message::from(format!("{i}"))));
    }
    assert_eq!(socket.close_reason(), None);
    socket.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    assert_eq!(socket.next().await, None);
    assert_eq!(code(&socket), CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_socket_is_a_stream() {
    let (_server, url) = server().await;
    let socket = Client::default().open(&url).await.unwrap();
    socket.send("a").await.unwrap();
    socket.send("b").await.unwrap();
    socket.send("return").await.unwrap();
    let messages: Vec<Message> = StreamExt::collect(socket).await;
    assert_eq!(messages, ["a".into(), "b".into()]);
}

#[tokio::test]
async fn the_end_of_the_function_closes_as_it_ended() {
    let cases = [
        ("return", CloseCode::NORMAL_CLOSURE),
        ("fail", CloseCode::INTERNAL_ERROR),
        ("panic", CloseCode::INTERNAL_ERROR),
    ];
    for (order, expected) in cases {
        let (_server, url) = server().await;
        let mut socket = Client::default().open(&url).await.unwrap();
        socket.send(order).await.unwrap();
        assert_eq!(socket.next().await, None);
        assert_eq!(code(&socket), expected, "{order}");
    }
}

#[tokio::test]
async fn a_function_may_pass_its_socket_on() {
    let (sender, receiver) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let app = App::builder()
        .socket("/", move |socket: WebSocket| {
            let _ = sender.lock().unwrap().take().unwrap().send(socket);
            async {}
        })
        .build()
        .unwrap();
    let server = serve(app).await;
    let mut client = Client::default().open(&format!("ws://{}/", server.http)).await.unwrap();
    let mut socket = receiver.await.unwrap();
    client.send("still here").await.unwrap();
    assert_eq!(socket.next().await, Some("still here".into()));
    drop(socket);
    assert_eq!(client.next().await, None);
    assert_eq!(code(&client), CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_dropped_socket_is_closed_normally() {
    let (sender, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let app = App::builder()
        .socket("/", move |mut socket: WebSocket| {
            let sender = sender.clone();
            async move {
                while socket.next().await.is_some() {}
                let _ = sender.send(socket.close_reason());
            }
        })
        .build()
        .unwrap();
    let server = serve(app).await;
    let client = Client::default();
    drop(client.open(&format!("ws://{}/", server.http)).await.unwrap());
    let reason = closed.recv().await.unwrap().unwrap();
    assert_eq!(reason.code(), CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn shutting_down_closes_sockets_with_1001() {
    let (server, url) = server().await;
    let mut socket = Client::default().open(&url).await.unwrap();
    socket.send("hi").await.unwrap();
    socket.next().await.unwrap();
    let stopped = server.stop();
    assert_eq!(socket.next().await, None);
    assert_eq!(code(&socket), CloseCode::GOING_AWAY);
    stopped.await.unwrap();
}
