//! SockJS's frames in the messages of a WebSocket.

use tidings::App;
use tidings::client::{Client, HttpVersion};
use tidings::endpoint::{CloseCode, Message};
use tokio::io::AsyncReadExt;

use super::answer::{get, post, request};
use super::services::{Echo, services};
use super::support::{Raw, WebSocket, serve};

#[tokio::test]
async fn frames_are_messages() {
    let server = services().await;
    let mut client = server.websocket("/echo/000/s/websocket").await;
    assert_eq!(client.text().await, "o");
    client.send("").await;
    client.send("[]").await;
    client.send(r#"["a","b"]"#).await;
    assert_eq!(client.text().await, r#"a["a"]"#);
    assert_eq!(client.text().await, r#"a["b"]"#);
    client.send(r#""c""#).await;
    assert_eq!(client.text().await, r#"a["c"]"#);
    client.send(r#" ["d"]"#).await;
    assert_eq!(client.text().await, r#"a["d"]"#);
    client.send(br#"["e"]"#.to_vec()).await;
    assert_eq!(client.text().await, r#"a["e"]"#);
    client.send(r#"["\ud800"]"#).await;
    assert_eq!(client.text().await, r#"a["\ufffd"]"#);
    assert!(!client.head.to_lowercase().contains("content-length"), "{}", client.head);
    assert!(!client.head.to_lowercase().contains("sec-websocket-extensions"), "{}", client.head);
}

#[tokio::test]
async fn the_close_frame_tells_the_code_and_the_websocket_closes_with_1000() {
    let server = services().await;
    let mut client = server.websocket("/close/0/s/websocket").await;
    assert_eq!(client.text().await, "o");
    assert_eq!(client.text().await, r#"c[3000,"Go away!"]"#);
    let reason = client.closed().await;
    assert_eq!(reason.code(), CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn broken_json_is_3000_without_a_close_frame_of_sockjs() {
    let server = services().await;
    for broken in ["[\"x", "a", "[1,]", "\"a\" \"b\""] {
        let mut client = server.websocket("/echo/0/s/websocket").await;
        assert_eq!(client.text().await, "o");
        client.send(broken).await;
        let reason = client.closed().await;
        assert_eq!((reason.code().as_u16(), reason.reason()), (3000, "Broken framing."));
    }
}

#[tokio::test]
async fn an_id_means_nothing_and_may_be_used_again_at_once() {
    let server = services().await;
    let mut first = server.websocket("/echo/0/s/websocket").await;
    let mut second = server.websocket("/echo/0/s/websocket").await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.text().await, "o");
    }
    first.send(r#"["first"]"#).await;
    assert_eq!(first.text().await, r#"a["first"]"#);
    post("/echo/0/s/xhr").send(&server).await.expect(200, "o\n");
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so() {
    let server = services().await;
    let upgrade = "Sec-WebSocket-Version";
    for path in ["/echo/0/s/websocket", "/echo/websocket"] {
        let text = "Not a valid websocket request";
        get(path).send(&server).await.expect(400, text);
        let other = get(path).header("Upgrade", "h2c").header(upgrade, "13");
        other.send(&server).await.expect(400, text);
        // `send` closes the connection: its `Connection` asks for something else than an upgrade.
        let closing = get(path).header("Upgrade", "websocket").header(upgrade, "13");
        closing.send(&server).await.expect(400, text);
        let method = request("PUT", path).header("Upgrade", "websocket");
        assert_eq!(method.send(&server).await.status, 405);
        let no_key = Raw::connect(server.http).await;
        expect_status(no_key, path, "Sec-WebSocket-Version: 13\r\n", "400").await;
        let version = "Sec-WebSocket-Version: 9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        expect_status(Raw::connect(server.http).await, path, version, "426").await;
    }
}

async fn expect_status(mut client: Raw, path: &str, headers: &str, status: &str) {
    let head = "Host: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    client.write(format!("GET {path} HTTP/1.1\r\n{head}{headers}\r\n")).await;
    let answer = client.read_until("\r\n\r\n").await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
}

#[tokio::test]
async fn a_peer_that_closes_is_answered() {
    let server = services().await;
    let mut client: WebSocket = server.websocket("/echo/0/s/websocket").await;
    assert_eq!(client.text().await, "o");
    client.close(CloseCode::NORMAL_CLOSURE.into()).await;
}

#[tokio::test]
async fn the_oldest_handshake_is_answered_before_its_challenge_comes() {
    let server = services().await;
    let mut client = Raw::connect(server.http).await;
    client
        .write(
            "GET /echo/0/s/websocket?a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
             Host: here\r\nOrigin: http://here\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
             Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n",
        )
        .await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    assert!(head.contains("sec-websocket-origin: http://here\r\n"), "{head}");
    let location = "sec-websocket-location: ws://here/echo/0/s/websocket?a\r\n";
    assert!(head.contains(location), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    client.write("^n:ds[4U").await;
    let mut answer = [0; 18];
    client.stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer[..16], b"8jKS'y:G*Co,Wxa-");
    assert_eq!(answer[16..], [0xff, 0], "it ends as the draft ends it");
}

#[tokio::test]
async fn every_websocket_may_be_a_stream_of_http_2() {
    let app = App::builder().sockjs("/echo", || Echo).stomp("/stomp").build().unwrap();
    let server = serve(app).await;
    let client = Client::builder().http_version(HttpVersion::Http2).build();
    let open =
        async |path: &str| client.open(&format!("ws://{}{path}", server.http)).await.unwrap();
    let mut framed = open("/echo/0/s/websocket").await;
    assert_eq!(framed.next().await, Some("o".into()));
    framed.send(r#"["a"]"#).await.unwrap();
    assert_eq!(framed.next().await, Some(r#"a["a"]"#.into()));
    let mut raw = open("/echo/websocket").await;
    raw.send("a").await.unwrap();
    assert_eq!(raw.next().await, Some("a".into()));
    let mut stomp = open("/stomp").await;
    stomp.send("CONNECT\naccept-version:1.2\nhost:here\n\n\0").await.unwrap();
    let Some(Message::Text(connected)) = stomp.next().await else { panic!("no text") };
    assert!(connected.starts_with("CONNECTED\n"), "{connected}");
}
