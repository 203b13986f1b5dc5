//! SockJS over HTTP, byte for byte as a client sees it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use support::{PATIENCE, Raw, Running, http, serve};
use tidings::App;
use tidings::endpoint::{
    CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Message, Session,
};
use tidings::server::SockJsOptions;
use tokio::sync::mpsc;

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if message == Message::from("close") {
            let code = CloseCode::new(3000).expect("in range");
            session.close(CloseReason::truncated(code, "Go away!"));
        } else {
            session.send(message).await?;
        }
        Ok(())
    }
}

fn app() -> App {
    App::builder().sockjs("/echo", || Echo).build().unwrap()
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// The data of an answer's chunks, joined by `|`.
fn chunks(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = body.split("\r\n");
    let mut data = Vec::new();
    while let (Some(size), Some(chunk)) = (lines.next(), lines.next()) {
        if size != "0" {
            data.push(chunk);
        }
    }
    data.join("|")
}

async fn poll(server: &Running, session: &str) -> String {
    chunks(&http(server.http, &post(&format!("/echo/000/{session}/xhr"), "")).await)
}

async fn send(server: &Running, session: &str, body: &str) -> String {
    http(server.http, &post(&format!("/echo/000/{session}/xhr_send"), body)).await
}

#[tokio::test]
async fn greeting_and_info() {
    let server = serve(app()).await;
    for path in ["/echo", "/echo/"] {
        assert!(http(server.http, &get(path)).await.ends_with("\r\n\r\nWelcome to SockJS!\n"));
    }
    let info = http(server.http, &get("/echo/info")).await;
    assert!(info.to_lowercase().contains("access-control-allow-origin: *"), "{info}");
    for field in [r#""websocket":true"#, r#""origins":["*:*"]"#, r#""cookie_needed":"#] {
        assert!(info.contains(field), "{info}");
    }
    for path in ["/echo/a", "/echo//", "/echo/a/a", "/echo/a.b/c/xhr", "/elsewhere"] {
        assert!(http(server.http, &get(path)).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[tokio::test]
async fn polling_opens_delivers_and_closes() {
    let server = serve(app()).await;
    assert_eq!(poll(&server, "s").await, "o\n");
    assert!(send(&server, "s", r#"["a","ö\u2028"]"#).await.starts_with("HTTP/1.1 204 "));
    let mut got = String::new();
    // The two may come in one poll or in two.
    while !got.contains("2028") {
        got += &poll(&server, "s").await;
    }
    assert_eq!(got.replace("\"]\na[\"", "\",\""), "a[\"a\",\"ö\\u2028\"]\n");
    send(&server, "s", r#"["close"]"#).await;
    assert_eq!(poll(&server, "s").await, "c[3000,\"Go away!\"]\n");
    assert_eq!(poll(&server, "s").await, "c[3000,\"Go away!\"]\n", "repeated to whoever asks");
}

#[tokio::test]
async fn streaming_sends_a_prelude_and_one_chunk_a_frame() {
    let server = serve(app()).await;
    let mut stream = Raw::connect(server.http).await;
    stream.write("POST /echo/000/s/xhr_streaming HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = stream.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-type: application/javascript; charset=utf-8"), "{head}");
    assert!(head.contains("no-store, no-cache, no-transform, must-revalidate, max-age=0"));
    let prelude = format!("801\r\n{}\n\r\n", "h".repeat(2048));
    assert_eq!(stream.read_until("\n\r\n").await, prelude);
    assert_eq!(stream.read_until("\n\r\n").await, "2\r\no\n\r\n");
    send(&server, "s", r#"["x"]"#).await;
    assert_eq!(stream.read_until("\n\r\n").await, "7\r\na[\"x\"]\n\r\n");

    let second = poll(&server, "s").await;
    assert_eq!(second, "c[2010,\"Another connection still open\"]\n");
    send(&server, "s", r#"["still here"]"#).await;
    assert!(stream.read_until("\n\r\n").await.contains("still here"));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_session_and_may_come_back_at_once() {
    let server = serve(app()).await;
    let mut stream = Raw::connect(server.http).await;
    stream.write("POST /echo/000/s/xhr_streaming HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.read_until("\r\no\n").await;
    drop(stream);
    let again = poll(&server, "s").await;
    assert!(again == "o\n" || again.starts_with("c[1002,"), "{again:?}");
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_500_with_the_standards_words() {
    let server = serve(app()).await;
    assert_eq!(poll(&server, "s").await, "o\n");
    let answer = send(&server, "s", "").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Payload expected."));
    let answer = send(&server, "s", "[\"x").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Broken JSON encoding."));
    assert!(send(&server, "unknown", "[]").await.starts_with("HTTP/1.1 404 "));
    let get_send = http(server.http, &get("/echo/000/s/xhr_send")).await;
    assert!(get_send.starts_with("HTTP/1.1 405 "), "{get_send}");
    send(&server, "s", r#"["unharmed"]"#).await;
    assert_eq!(poll(&server, "s").await, "a[\"unharmed\"]\n");
}

#[tokio::test]
async fn preflight_is_answered_without_a_session() {
    let server = serve(app()).await;
    let request = "OPTIONS /echo/000/s/xhr HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\
                   Access-Control-Request-Headers: a, b\r\nConnection: close\r\n\r\n";
    let answer = http(server.http, request).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 204 "), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://x\r\n"), "{answer}");
    assert!(answer.contains("access-control-allow-headers: a, b\r\n"), "{answer}");
    assert!(send(&server, "s", "[]").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn websocket_framed_and_raw() {
    let server = serve(app()).await;
    let mut framed = server.websocket("/echo/000/s/websocket").await;
    assert_eq!(framed.text().await, "o");
    framed.send("").await;
    framed.send("[]").await;
    framed.send(r#"["a","b"]"#).await;
    assert_eq!(framed.text().await, r#"a["a"]"#);
    assert_eq!(framed.text().await, r#"a["b"]"#);
    framed.send(r#"["close"]"#).await;
    assert_eq!(framed.text().await, r#"c[3000,"Go away!"]"#);
    assert_eq!(framed.closed().await.code(), CloseCode::NORMAL_CLOSURE);

    let mut broken = server.websocket("/echo/000/s/websocket").await;
    broken.text().await;
    broken.send("[\"x").await;
    assert_eq!(broken.closed().await.code().as_u16(), 3000);

    let mut raw = server.websocket("/echo/websocket").await;
    raw.send(r#"["a"]"#).await;
    assert_eq!(raw.text().await, r#"["a"]"#);
    raw.send("close").await;
    assert_eq!(raw.closed().await.code().as_u16(), 3000);
}

#[tokio::test]
async fn a_foreign_origin_is_403_on_every_transport() {
    let server = serve(app()).await;
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (method, path, more) in [
        ("GET", "/echo/info", ""),
        ("POST", "/echo/000/s/xhr", ""),
        ("POST", "/echo/000/s/xhr_streaming", ""),
        ("POST", "/echo/000/s/xhr_send", ""),
        ("OPTIONS", "/echo/000/s/xhr", ""),
        ("GET", "/echo/000/s/websocket", upgrade),
        ("GET", "/echo/websocket", upgrade),
    ] {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nOrigin: http://evil\r\n{more}\
             Content-Length: 0\r\n\r\n"
        );
        let mut client = Raw::connect(server.http).await;
        client.write(request).await;
        let answer = client.read_until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "{path}: {answer}");
    }
}

/// Tells what it hears, and closes when it hears `close`.
struct Recorder(mpsc::UnboundedSender<Message>);

impl Endpoint for Recorder {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if message == Message::from("close") {
            session.close(CloseCode::NORMAL_CLOSURE.into());
        }
        let _ = self.0.send(message);
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, _: &CloseInfo) {
        let _ = self.0.send("closed".into());
    }
}

#[tokio::test]
async fn nothing_is_delivered_to_an_endpoint_that_has_closed_its_session() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let app = App::builder().sockjs("/echo", move || Recorder(sender.clone())).build().unwrap();
    let server = serve(app).await;
    let body = r#"["before","close","after"]"#;

    let mut websocket = server.websocket("/echo/000/s/websocket").await;
    websocket.send(body).await;
    websocket.closed().await;
    poll(&server, "s").await;
    send(&server, "s", body).await;
    for _ in 0..2 {
        for expected in ["before", "close", "closed"] {
            assert_eq!(heard.recv().await.unwrap(), Message::from(expected));
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let server = serve(app()).await;
    poll(&server, "s").await;
    let answer = send(&server, "s", &"x".repeat(16 * 1024 * 1024 + 1)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = send(&server, "s", &format!("[{}1]", "1,".repeat(65_536))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_431() {
    let server = serve(app()).await;
    let request = format!("GET /echo HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let answer = http(server.http, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn messages_that_an_endpoint_does_not_take_hold_up_their_sender_only() {
    struct Busy;
    impl Endpoint for Busy {
        async fn on_message(&mut self, _: &Session, _: Message) -> Result<(), EndpointError> {
            std::future::pending().await
        }
    }
    let app = App::builder().sockjs("/echo", || Busy).build().unwrap();
    let server = serve(app).await;
    poll(&server, "s").await;
    let large = format!("[{0},{0},{0}]", serde_json::to_string(&"x".repeat(600_000)).unwrap());
    let mut held_up = Raw::connect(server.http).await;
    held_up.write(post("/echo/000/s/xhr_send", &large)).await;
    let mut also_held_up = Raw::connect(server.http).await;
    also_held_up.write(post("/echo/000/s/xhr_send", &large)).await;
    // Another session is served meanwhile, and the end of this one answers those who wait.
    assert_eq!(poll(&server, "other").await, "o\n");
    let stopped = server.stop();
    assert!(also_held_up.read_to_end().await.starts_with("HTTP/1.1 204 "));
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

fn impatient() -> App {
    let options = SockJsOptions {
        heartbeat_delay: Duration::from_millis(10),
        disconnect_delay: Duration::from_millis(10),
        ..SockJsOptions::default()
    };
    App::builder().sockjs_with_options("/echo", options, || Echo).build().unwrap()
}

#[tokio::test]
async fn heartbeats_keep_coming_while_nothing_else_does() {
    let server = serve(impatient()).await;
    let mut stream = Raw::connect(server.http).await;
    stream.write("POST /echo/000/s/xhr_streaming HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.read_until("\r\no\n").await;
    stream.read_until("\r\nh\n").await;
    stream.read_until("\r\nh\n").await;

    let mut websocket = server.websocket("/echo/000/s/websocket").await;
    assert_eq!(websocket.text().await, "o");
    assert_eq!(websocket.text().await, "h");
    assert_eq!(websocket.text().await, "h");
}

#[tokio::test]
async fn a_session_that_nobody_asks_for_is_forgotten() {
    let server = serve(impatient()).await;
    assert_eq!(poll(&server, "s").await, "o\n");
    // Until the delay is over, sending is answered 204.
    while !send(&server, "s", "[]").await.starts_with("HTTP/1.1 404 ") {}
    assert_eq!(poll(&server, "s").await, "o\n", "the id begins a new session");
}

#[tokio::test]
async fn shutdown_closes_a_streaming_session_with_1001() {
    let server = serve(app()).await;
    let mut stream = Raw::connect(server.http).await;
    stream.write("POST /echo/000/s/xhr_streaming HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.read_until("\r\no\n").await;
    let stopped = server.stop();
    assert!(stream.read_to_end().await.contains("c[1001,"));
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}
