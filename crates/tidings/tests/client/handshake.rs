use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{HeaderValue, SEC_WEBSOCKET_KEY, USER_AGENT};
use http::{HeaderMap, HeaderName, StatusCode};
use tidings::client::{Client, ConnectError, HandshakeError, UrlError};
use tidings::endpoint::{Endpoint, EndpointError, Session};
use tidings::{App, client_endpoint};
use tokio::net::TcpListener;

use super::peer::{Peer, accept, accept_with, say, status};
use super::support::serve;

/// Sends back what the handshake told.
struct Facts;

impl Endpoint for Facts {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let handshake = session.handshake();
        let header = |name| handshake.header(name).unwrap_or("none").to_owned();
        let facts =
            [handshake.uri().to_owned(), header("Host"), header("X-TOKEN"), header("origin")];
        session.send(facts.join(" ")).await?;
        Ok(())
    }
}

async fn open(client: &Client, url: &str) -> Result<String, ConnectError> {
    let mut socket = client.open(url).await?;
    Ok(format!("{:?}", socket.next().await))
}

#[tokio::test]
async fn the_server_sees_target_host_origin_and_headers() {
    let app = App::builder()
        .allowed_origins(tidings::server::AllowedOrigins::Any)
        .endpoint_at("/a/{b}", || Facts)
        .build()
        .unwrap();
    let server = serve(app).await;
    let client = Client::builder()
        .header(HeaderName::from_static("x-token"), HeaderValue::from_static("secret"))
        .origin(HeaderValue::from_static("https://example.org"))
        .build();
    let url = format!("ws://{}/a/b%20c?d=e", server.http);
    let facts = open(&client, &url).await.unwrap();
    let expected = format!("/a/b%20c?d=e {} secret https://example.org", server.http);
    assert!(facts.contains(&expected), "{facts}");
}

#[tokio::test]
async fn a_field_set_by_before_request_is_sent_and_one_set_by_the_server_is_seen_after_response() {
    let peer = Peer::start([accept_with("X-Answer: 42\r\n", b"")]).await;
    let seen = Arc::new(Mutex::new(None));
    let seen_by_hook = Arc::clone(&seen);
    let client = Client::builder()
        .before_request(|headers| {
            headers.insert(USER_AGENT, HeaderValue::from_static("test"));
        })
        .after_response(move |response| {
            *seen_by_hook.lock().unwrap() = Some((response.status(), response.headers().clone()));
        })
        .build();
    let session = client.connect(&peer.url("/"), Nothing).await.unwrap();
    assert_eq!(session.handshake().header("x-answer"), Some("42"));
    assert_eq!(peer.requests().await[0].header("user-agent"), Some("test"));
    let (status, headers) = seen.lock().unwrap().take().unwrap();
    assert_eq!(
        (status, &headers["x-answer"]),
        (StatusCode::SWITCHING_PROTOCOLS, &"42".parse().unwrap())
    );
}

#[tokio::test]
async fn before_request_cannot_break_the_handshake() {
    let peer = Peer::start([accept()]).await;
    let break_it = |headers: &mut HeaderMap| {
        headers.clear();
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("nonsense"));
    };
    let client = Client::builder().before_request(break_it).build();
    client.open(&peer.url("/")).await.unwrap();
}

#[tokio::test]
async fn the_session_shows_the_whole_url_and_the_address_of_the_server() {
    let peer = Peer::start([accept()]).await;
    let session = Client::default().connect(&peer.url("/a?b=c"), Nothing).await.unwrap();
    assert_eq!(session.handshake().uri(), peer.url("/a?b=c"));
    assert_eq!(session.handshake().query(), Some("b=c"));
    assert_eq!(session.handshake().remote_addr(), Some(peer.addr));
}

#[tokio::test]
async fn a_subprotocol_is_agreed_on_or_there_is_none() {
    for (answer, agreed) in [("Sec-WebSocket-Protocol: b\r\n", Some("b")), ("", None)] {
        let peer = Peer::start([accept_with(answer, b"")]).await;
        let client = Client::builder().subprotocols(["a", "b"]).build();
        let session = client.connect(&peer.url("/"), Nothing).await.unwrap();
        assert_eq!(session.handshake().subprotocol(), agreed);
        assert_eq!(peer.requests().await[0].header("sec-websocket-protocol"), Some("a, b"));
    }
}

struct Offers;

#[client_endpoint(subprotocols = ["a", "b"])]
impl Offers {}

/// The same, programmatic.
struct PlainOffers;

impl Endpoint for PlainOffers {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["a", "b"]
    }
}

async fn check_offer(client: &Client, endpoint: impl Endpoint, expected: &str) {
    let peer = Peer::start([accept_with("Sec-WebSocket-Protocol: b\r\n", b"")]).await;
    let session = client.connect(&peer.url("/"), endpoint).await.unwrap();
    assert_eq!(session.subprotocol(), Some("b"));
    assert_eq!(peer.requests().await[0].header("sec-websocket-protocol"), Some(expected));
}

#[tokio::test]
async fn the_subprotocols_of_the_endpoint_are_offered_unless_the_client_has_its_own() {
    let client = Client::default();
    check_offer(&client, Offers, "a, b").await;
    check_offer(&client, PlainOffers, "a, b").await;
    let client = Client::builder().subprotocols(["c", "b"]).build();
    check_offer(&client, Offers, "c, b").await;
    check_offer(&client, PlainOffers, "c, b").await;
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_fails_the_connection() {
    for offered in [vec![], vec!["a"]] {
        let peer = Peer::start([accept_with("Sec-WebSocket-Protocol: b\r\n", b"")]).await;
        let client = Client::builder().subprotocols(offered).build();
        let error = client.open(&peer.url("/")).await.unwrap_err();
        let expected = HandshakeError::SubprotocolNotOffered;
        assert!(matches!(error, ConnectError::Handshake(error) if error == expected), "{error:?}");
    }
}

#[tokio::test]
async fn an_extension_that_was_not_offered_fails_the_connection() {
    let peer = Peer::start([accept_with("Sec-WebSocket-Extensions: x\r\n", b"")]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    let expected = HandshakeError::ExtensionNotOffered;
    assert!(matches!(error, ConnectError::Handshake(error) if error == expected), "{error:?}");
}

#[tokio::test]
async fn an_answer_to_another_key_fails_the_connection() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let peer = Peer::start([say(answer)]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    let expected = HandshakeError::WrongAcceptKey;
    assert!(matches!(error, ConnectError::Handshake(error) if error == expected), "{error:?}");
}

#[tokio::test]
async fn a_missing_path_is_a_404_and_both_hooks_are_called() {
    let app = App::builder().endpoint_at("/there", || Nothing).build().unwrap();
    let server = serve(app).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (before, after) = (Arc::clone(&calls), Arc::clone(&calls));
    let client = Client::builder()
        .before_request(move |_| before.lock().unwrap().push(0))
        .after_response(move |response| after.lock().unwrap().push(response.status().as_u16()))
        .build();
    let error = client.open(&format!("ws://{}/elsewhere", server.http)).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(*calls.lock().unwrap(), [0, 404]);
}

#[tokio::test]
async fn a_refusal_carries_status_headers_and_body() {
    for code in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"] {
        let answer = format!("HTTP/1.1 {code}\r\nX-Why: {code}\r\nContent-Length: 3\r\n\r\nno!");
        let peer = Peer::start([say(answer)]).await;
        let error = Client::default().open(&peer.url("/")).await.unwrap_err();
        let response = error.response().unwrap();
        assert_eq!(response.status().as_str(), &code[..3]);
        assert_eq!(response.headers()["x-why"], code);
        assert_eq!(&response.body()[..], b"no!");
        assert!(error.to_string().contains(&code[..3]), "{error}");
    }
}

#[tokio::test]
async fn of_a_refusal_no_more_of_the_body_is_kept_than_64_kib() {
    let mut answer = b"HTTP/1.1 500 Internal Server Error\r\n\r\n".to_vec();
    answer.resize(answer.len() + 200_000, b'x');
    let peer = Peer::start([say(answer)]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().body().len(), 64 * 1024);
}

#[tokio::test]
async fn what_is_no_websocket_url_is_an_error_before_anything_is_sent() {
    let cases = [
        ("http://127.0.0.1/", UrlError::Scheme("http".into())),
        ("ws:///path", UrlError::Malformed),
        ("ws://127.0.0.1/#fragment", UrlError::Fragment),
    ];
    for (url, expected) in cases {
        let error = Client::default().open(url).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Url(error) if *error == expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_a_lost_one_and_one_without_http_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = Client::default().open(&format!("ws://{closed}/")).await.unwrap_err();
    assert!(
        matches!(&refused, ConnectError::Io(error)
        if error.kind() == std::io::ErrorKind::ConnectionRefused),
        "{refused:?}"
    );

    let peer = Peer::start([say("HTTP/1.1 101 Swi")]).await;
    let url = peer.url("/");
    drop(peer.stream());
    let lost = Client::default().open(&url).await.unwrap_err();
    assert!(matches!(lost, ConnectError::Io(_)), "{lost:?}");

    let peer = Peer::start([say("220 mail.example.org ESMTP\r\n")]).await;
    let other = Client::default().open(&peer.url("/")).await.unwrap_err();
    assert!(matches!(other, ConnectError::InvalidResponse(_)), "{other:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let timeout = Duration::from_millis(1);
    let client = Client::builder().connect_timeout(timeout).build();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let error = client.open(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(given) if given == timeout), "{error:?}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    for (octets_max, refused) in [(16 * 1024, true), (32 * 1024, false)] {
        let peer = Peer::start([status("404 Not Found", &long)]).await;
        let client = Client::builder().response_head_octets_max(octets_max).build();
        let error = client.open(&peer.url("/")).await.unwrap_err();
        let is_too_long = matches!(error, ConnectError::ResponseHeadTooLong { octets_max: max }
            if max == octets_max);
        assert_eq!(is_too_long, refused, "{error:?}");
    }
}

#[tokio::test]
async fn octets_that_come_with_the_answer_are_the_first_message() {
    let peer = Peer::start([accept_with("", b"\x81\x05hello")]).await;
    let mut socket = Client::default().open(&peer.url("/")).await.unwrap();
    assert_eq!(socket.next().await, Some("hello".into()));
}

#[tokio::test]
async fn a_malformed_subprotocol_cannot_be_offered() {
    let client = Client::builder().subprotocols(["a b"]).build();
    let error = client.open("ws://127.0.0.1/").await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidSubprotocol(_)), "{error:?}");
}

/// Does nothing.
pub struct Nothing;

impl Endpoint for Nothing {}
