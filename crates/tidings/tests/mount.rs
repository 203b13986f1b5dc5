//! The application inside other servers: axum, hyper alone, and any tower service.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use support::{WebSocket, http};
use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings_websocket::CloseCode;
use tokio::net::TcpListener;
use tower::ServiceExt;

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

fn app() -> App {
    App::builder().endpoint_at("/ws", || Echo).sockjs("/echo", || Echo).build().unwrap()
}

/// Messages both ways, larger than any buffer, and a clean end.
async fn check_websocket(addr: SocketAddr) {
    let mut client = WebSocket::connect(addr, "/ws", "").await.unwrap();
    for octets in [1, 1000, 300_000] {
        let message = Message::from(vec![7; octets]);
        client.send(message.clone()).await;
        assert_eq!(client.message().await, message);
    }
    client.close(CloseCode::NORMAL_CLOSURE.into()).await;
}

#[tokio::test]
async fn beneath_the_routes_of_an_axum_router() {
    let router = Router::new().route("/hello", get(|| async { "axum" })).fallback_service(app());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    check_websocket(addr).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(http(addr, &get("/hello")).await.ends_with("axum"));
    assert!(http(addr, &get("/echo")).await.ends_with("Welcome to SockJS!\n"));
    assert!(http(addr, &get("/nothing")).await.starts_with("HTTP/1.1 404 "));
    serving.abort();
}

#[tokio::test]
async fn under_hyper_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let app = app();
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(app.clone());
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
    check_websocket(addr).await;
    serving.abort();
}

#[tokio::test]
async fn over_a_stream_that_is_no_socket() {
    let (client, server) = tokio::io::duplex(1024);
    let service = TowerToHyperService::new(app());
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
    tokio::spawn(connection);

    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get("/ws")
        .header("host", "x")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut frame = vec![0x82, 0xfe, 0x40, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&[9; 0x4000]);
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let write = async { writer.write_all(&frame).await.unwrap() };
    let mut echo = vec![0; 4 + 0x4000];
    let read = async { reader.read_exact(&mut echo).await.map(drop).unwrap() };
    tokio::join!(write, read);
    assert_eq!(echo[..4], [0x82, 126, 0x40, 0]);
    assert!(echo[4..].iter().all(|octet| *octet == 9));
}

#[tokio::test]
async fn as_a_tower_service_without_a_connection() {
    let request = Request::get("/echo/").body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = app().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"Welcome to SockJS!\n");

    let request = Request::get("/ws")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED, "nothing to upgrade here");
}

#[tokio::test]
async fn an_application_in_another_server_is_shut_down_by_itself() {
    let app = app();
    let router = Router::new().fallback_service(app.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut client = WebSocket::connect(addr, "/ws", "").await.unwrap();
    let (reason, ()) = tokio::join!(client.closed(), app.shut_down());
    assert_eq!(reason.code(), CloseCode::GOING_AWAY);
    let Err(refusal) = WebSocket::connect(addr, "/ws", "").await else { panic!("let in") };
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    serving.abort();
}

#[tokio::test]
async fn a_server_that_listens_nowhere_does_not_run() {
    let error = tidings::server::Server::new(app()).run().await.unwrap_err();
    assert_eq!(error.to_string(), "server listens nowhere: call `listen` before `run`");
}
