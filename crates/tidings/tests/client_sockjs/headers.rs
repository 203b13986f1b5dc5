//! What goes with every request: header fields, cookies, credentials.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tidings::client::sockjs::{ClientTransport, SockJsClient};
use tidings::client::{Client, Credentials};

use super::peer::{Peer, ok, polling, status, with_headers};

#[tokio::test]
async fn header_fields_of_the_user_go_with_every_request() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "info" => ok("{}"),
        "websocket" | "eventsource" | "xhr_streaming" => status("404 Not Found"),
        _ => polling(asked, before),
    })
    .await;
    let client = Client::builder()
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer secret"))
        .before_request(|headers| {
            headers.insert(HeaderName::from_static("x-call"), HeaderValue::from_static("yes"));
        })
        .sockjs()
        .build();
    let socket = client.open(&peer.url()).await.unwrap();
    socket.send("hello").await.unwrap();
    peer.was_asked("xhr_send", 1).await;
    let all = peer.all_asked();
    assert!(all.len() >= 6, "{all:?}");
    for asked in all {
        assert_eq!(asked.header("authorization"), Some("Bearer secret"), "{asked:?}");
        assert_eq!(asked.header("x-call"), Some("yes"), "{asked:?}");
    }
}

#[tokio::test]
async fn cookies_are_kept_within_a_session_and_not_beyond() {
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("info", _) => with_headers("200 OK", "Set-Cookie: route=1; path=/\r\n", "{}"),
        ("xhr", 0 | 2) => with_headers("200 OK", "Set-Cookie: JSESSIONID=x; path=/\r\n", "o\n"),
        ("websocket" | "eventsource" | "xhr_streaming", _) => status("404 Not Found"),
        _ => polling(asked, before),
    })
    .await;
    let client = SockJsClient::default();
    let socket = client.open(&peer.url()).await.unwrap();
    socket.send("hello").await.unwrap();
    let sent = peer.was_asked("xhr_send", 1).await;
    assert_eq!(sent[0].header("cookie"), Some("route=1; JSESSIONID=x"));
    for what in ["websocket", "eventsource", "xhr_streaming"] {
        assert_eq!(peer.asked(what)[0].header("cookie"), Some("route=1"), "{what}");
    }
    drop(socket);
    peer.is_left_alone().await;
    let _other = client.open(&peer.url()).await;
    assert_eq!(peer.asked("info")[1].header("cookie"), None);
}

#[tokio::test]
async fn a_server_that_asks_who_is_there_is_answered() {
    let peer = Peer::start(|asked, before| match asked.header("authorization") {
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") => match (&*asked.what, before) {
            ("xhr", 1) => ok("h\n"),
            ("info", _) => polling(asked, before),
            _ => polling(asked, before),
        },
        _ => with_headers("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "no"),
    })
    .await;
    let client = Client::builder()
        .credentials(Credentials::new("Aladdin", "open sesame"))
        .sockjs()
        .transports([ClientTransport::XhrPolling])
        .build();
    let socket = client.open(&peer.url()).await.unwrap();
    socket.send("hello").await.unwrap();
    peer.was_asked("xhr_send", 1).await;
    // Once it has asked, it need not ask again.
    assert_eq!(peer.asked("info").len(), 2);
    assert!(peer.all_asked()[1..].iter().all(|asked| asked.header("authorization").is_some()));
}

#[tokio::test]
async fn secrets_do_not_go_to_another_origin() {
    let other = Peer::start(polling).await;
    let elsewhere = format!(r#"{{"websocket":false,"base_url":"{}"}}"#, other.url());
    let peer = Peer::start(move |_, _| {
        with_headers("200 OK", "Set-Cookie: route=1; path=/\r\n", &elsewhere)
    })
    .await;
    let client = Client::builder()
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer secret"))
        .header(HeaderName::from_static("x-plain"), HeaderValue::from_static("yes"))
        .sockjs()
        .transports([ClientTransport::XhrPolling])
        .build();
    let socket = client.open(&peer.url()).await.unwrap();
    socket.send("hello").await.unwrap();
    other.was_asked("xhr_send", 1).await;
    for asked in other.all_asked() {
        assert_eq!(asked.header("authorization"), None, "{asked:?}");
        assert_eq!(asked.header("x-plain"), Some("yes"), "{asked:?}");
    }
}
