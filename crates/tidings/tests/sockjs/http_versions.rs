//! Connections of HTTP/1.0 and HTTP/1.1, as proxies and old clients make them.

use super::services::services;
use super::support::Raw;

#[tokio::test]
async fn http_1_0_gets_no_chunks_and_may_keep_its_connection() {
    let server = services().await;
    let mut client = Raw::connect(server.http).await;
    client.write("GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: here\r\n\r\n").await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-length: 19\r\n"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(client.read_until("SockJS!\n").await, "Welcome to SockJS!\n");
    if head.contains("connection: keep-alive") {
        client.write("GET /echo HTTP/1.0\r\nHost: here\r\n\r\n").await;
        client.read_until("SockJS!\n").await;
    }
    assert_eq!(client.read_to_end().await, "");
}

#[tokio::test]
async fn a_stream_of_http_1_0_ends_with_its_connection() {
    let server = services().await;
    let mut client = Raw::connect(server.http).await;
    let head = "POST /close/000/s/xhr_streaming HTTP/1.0\r\nConnection: keep-alive\r\n";
    client.write(format!("{head}Host: here\r\nContent-Length: 0\r\n\r\n")).await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    let body = client.read_to_end().await;
    assert_eq!(body.trim_start_matches('h'), "\no\nc[3000,\"Go away!\"]\n");
}

#[tokio::test]
async fn http_1_1_goes_on_with_its_connection() {
    let server = services().await;
    let mut client = Raw::connect(server.http).await;
    for _ in 0..2 {
        client.write("GET /echo HTTP/1.1\r\nHost: here\r\n\r\n").await;
        let head = client.read_until("\r\n\r\n").await.to_lowercase();
        assert!(!head.contains("connection: close"), "{head}");
        client.read_until("SockJS!\n").await;
    }
    // Neither length nor chunks are no body.
    client.write("POST /echo/0/s/xhr HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert!(client.read_until("0\r\n\r\n").await.ends_with("2\r\no\n\r\n0\r\n\r\n"));
    client.write("POST /echo/0/s/xhr_send HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[\"a\"]\r\n0\r\n\r\n").await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
    client.write("POST /echo/0/s/xhr HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert!(client.read_until("0\r\n\r\n").await.contains("a[\"a\"]\n"));
}

#[tokio::test]
async fn a_post_that_says_nothing_of_a_body_is_answered() {
    let server = services().await;
    let mut client = Raw::connect(server.http).await;
    client.write("POST /echo/000/quirk/xhr HTTP/1.1\r\nHost: here\r\n\r\n").await;
    let head = client.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(client.read_until("o\n").await.ends_with("o\n"));
}
