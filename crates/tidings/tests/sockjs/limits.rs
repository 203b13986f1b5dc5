//! What a request may bring, and what happens where an endpoint does not take it.

use std::time::Duration;

use tidings::App;
use tidings::endpoint::{
    CloseInfo, ConnectionOptions, Endpoint, EndpointConfig, EndpointError, Message, Session,
};
use tidings::server::SockJsOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::answer::post;
use super::services::{echo_with, open_by_polling, poll, send, services};
use super::support::{PATIENCE, Raw, http, serve};

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let options = SockJsOptions { body_octets_max: 100, ..SockJsOptions::default() };
    let server = echo_with(SockJsOptions { body_messages_max: 3, ..options }).await;
    open_by_polling(&server, "s").await;
    let body = |len: usize| format!("[\"{}\"]", "x".repeat(len - 4));
    assert_eq!(send(&server, "s", &body(100)).await.status, 204);
    let refused = send(&server, "s", &body(101)).await;
    refused.expect(413, "The body is larger than 100 octets.\n");
    refused.expect_no_cache();
    assert_eq!(send(&server, "s", "[1,2,3]").await.status, 204);
    send(&server, "s", "[1,2,3,4]").await.expect(413, "Too many messages.");
}

#[tokio::test]
async fn a_body_may_have_16_mib_by_default() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let answer = send(&server, "s", &"x".repeat(16 * 1024 * 1024 + 1)).await;
    assert_eq!(answer.status, 413);
    let answer = send(&server, "s", &format!("[{}1]", "1,".repeat(65_536))).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_head_over_the_limit_is_431() {
    let server = services().await;
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
    open_by_polling(&server, "s").await;
    let large = format!("[{0},{0},{0}]", serde_json::to_string(&"x".repeat(600_000)).unwrap());
    let sending = post("/echo/000/s/xhr_send").body(large);
    let mut held_up = Raw::connect(server.http).await;
    held_up.write(sending.octets()).await;
    let mut also_held_up = Raw::connect(server.http).await;
    also_held_up.write(sending.octets()).await;
    // Another session is served meanwhile, and the end of this one answers those who wait.
    poll(&server, "other").await.expect(200, "o\n");
    let stopped = server.stop();
    assert!(also_held_up.read_to_end().await.starts_with("HTTP/1.1 204 "));
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

/// Sends each new session more than its connection takes, and tells when it is over.
struct Pour(mpsc::UnboundedSender<u16>);

const MESSAGES: usize = 14;
const MESSAGE_OCTETS: usize = 32 * 1024;

impl Endpoint for Pour {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        for _ in 0..MESSAGES {
            session.send("x".repeat(MESSAGE_OCTETS)).await?;
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let _ = self.0.send(info.reason.code().as_u16());
    }
}

/// The application inside somebody else's server, whose connections hold little, and a client of it that has
/// asked for messages and reads none.
async fn pour(send_timeout: Duration) -> (TcpStream, mpsc::UnboundedReceiver<u16>) {
    let (tell, told) = mpsc::unbounded_channel();
    let connection = ConnectionOptions { send_timeout, ..ConnectionOptions::default() };
    let options = SockJsOptions {
        response_limit: usize::MAX,
        endpoint: Some(EndpointConfig::default().connection_options(connection)),
        ..SockJsOptions::default()
    };
    let app = App::builder().sockjs_with_options("/echo", options, move || Pour(tell.clone()));
    let router = axum::Router::new().fallback_service(app.build().unwrap());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let mut client = client.connect(addr).await.unwrap();
    client.write_all(post("/echo/000/s/xhr_streaming").octets().as_bytes()).await.unwrap();
    (client, told)
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_after_the_send_timeout() {
    let (_deaf, mut ended) = pour(Duration::from_millis(100)).await;
    let code = tokio::time::timeout(PATIENCE, ended.recv()).await.unwrap();
    assert_eq!(code, Some(1002));
}

#[tokio::test]
async fn a_client_that_reads_little_at_a_time_is_not_given_up() {
    let (mut slow, mut ended) = pour(PATIENCE).await;
    let mut read = 0;
    let mut octets = [0; 1024];
    while read < MESSAGES * MESSAGE_OCTETS {
        read += slow.read(&mut octets).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(ended.try_recv().is_err());
}
