//! What is asked before anything else.

use std::time::Duration;

use tidings::client::sockjs::{SockJsClient, SockJsError};
use tidings::client::{Client, ConnectError, UrlError};

use super::peer::{Answer, Peer, ok, polling, status, with_headers};

#[tokio::test]
async fn a_server_that_does_not_answer_ends_everything() {
    let peer = Peer::start(|_, _| status("404 Not Found")).await;
    let error = SockJsClient::default().open(&peer.url()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::SockJs(SockJsError::Http(_))), "{error:?}");
    assert_eq!(error.response().unwrap().status(), 404);
    assert_eq!(error.to_string(), "server answered with status 404 Not Found");
    assert!(error.is_permanent());

    let peer = Peer::start(|_, _| Answer::Cut(String::new())).await;
    let error = SockJsClient::default().open(&peer.url()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn it_may_take_as_long_as_connecting() {
    let peer = Peer::start(|_, _| Answer::Begun(String::new())).await;
    let second = Duration::from_secs(1);
    let client = Client::builder().connect_timeout(second).sockjs().build();
    let error = client.open(&peer.url()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(timeout) if timeout == second), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_read_says_nothing_and_ends_nothing() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "info" => ok("<html>"),
        "websocket" => status("400 Bad Request"),
        "xhr_streaming" | "eventsource" => status("404 Not Found"),
        _ => polling(asked, before),
    })
    .await;
    SockJsClient::default().open(&peer.url()).await.unwrap();
}

#[tokio::test]
async fn transports_are_where_the_server_says() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "info" => ok(r#"{"websocket":false,"base_url":"/elsewhere/"}"#),
        _ => polling(asked, before),
    })
    .await;
    let client = SockJsClient::builder();
    let client = client.transports([tidings::client::sockjs::ClientTransport::XhrPolling]).build();
    client.open(&format!("{}?token=x", peer.url())).await.unwrap();
    assert_eq!(peer.asked("info")[0].target, "/echo/info?token=x");
    assert!(peer.asked("xhr")[0].target.starts_with("/elsewhere/"));
}

#[tokio::test]
async fn redirections_are_followed_and_lead_the_transports_too() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "info" if asked.target.starts_with("/echo") => {
            with_headers("302 Found", "Location: /moved/info\r\n", "")
        }
        _ => polling(asked, before),
    })
    .await;
    let client = SockJsClient::builder();
    let client = client.transports([tidings::client::sockjs::ClientTransport::XhrPolling]).build();
    client.open(&peer.url()).await.unwrap();
    assert!(peer.asked("xhr")[0].target.starts_with("/moved/"), "{:?}", peer.asked("xhr"));
}

#[tokio::test]
async fn the_query_goes_with_every_request() {
    let peer = Peer::start(polling).await;
    let socket = SockJsClient::default().open(&format!("{}/?token=x", peer.url())).await.unwrap();
    socket.send("hello").await.unwrap();
    peer.was_asked("xhr_send", 1).await;
    for asked in peer.all_asked() {
        assert!(asked.target.starts_with("/echo/") && asked.target.ends_with("?token=x"));
    }
}

#[tokio::test]
async fn only_urls_of_http_and_websocket_are_connected_to() {
    let open = async |url| SockJsClient::default().open(url).await.unwrap_err();
    let error = open("ftp://example.org/").await;
    assert!(matches!(error, ConnectError::Url(UrlError::Scheme(_))), "{error:?}");
    let error = open("http://example.org/#here").await;
    assert!(matches!(error, ConnectError::Url(UrlError::Fragment)), "{error:?}");
}
