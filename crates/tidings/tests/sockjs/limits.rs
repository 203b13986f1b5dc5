//! What a request may bring, and what happens where an endpoint does not take it.

use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings::server::SockJsOptions;

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
