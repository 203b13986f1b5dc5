use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE};
use tidings::client::{Client, ConnectError, Credentials, UrlError};

use super::peer::{Answer, Peer, accept, status};

fn redirect(location: &str) -> Answer {
    status("302 Found", &format!("Location: {location}\r\n"))
}

#[tokio::test]
async fn a_redirection_is_followed_within_a_server_and_to_another() {
    let other = Peer::start([accept()]).await;
    let to_other = format!("http://{}/there?x", other.addr);
    let peer = Peer::start([redirect("/moved"), redirect(&to_other)]).await;
    let url = peer.url("/old");
    let socket = Client::default().open(&url).await.unwrap();
    assert_eq!(socket.session().handshake().uri(), other.url("/there?x"));
    let lines: Vec<_> = peer.requests().await.into_iter().map(|it| it.line).collect();
    assert_eq!(lines, ["GET /old HTTP/1.1", "GET /moved HTTP/1.1"]);
    let request = other.requests().await.remove(0);
    assert_eq!(request.line, "GET /there?x HTTP/1.1");
}

#[tokio::test]
async fn each_redirecting_status_is_followed() {
    for code in [
        "301 Moved Permanently",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let peer = Peer::start([status(code, "Location: /new\r\n"), accept()]).await;
        Client::default().open(&peer.url("/")).await.unwrap();
    }
}

#[tokio::test]
async fn credentials_do_not_go_along_to_another_origin() {
    let challenge = "WWW-Authenticate: Basic realm=\"r\"\r\n";
    let other = Peer::start([status("401 Unauthorized", challenge)]).await;
    let peer = Peer::start([redirect(&other.url("/"))]).await;
    let client = Client::builder()
        .credentials(Credentials::new("user", "password"))
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer token"))
        .header(COOKIE, HeaderValue::from_static("a=b"))
        .build();
    let error = client.open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 401);
    assert_eq!(peer.requests().await[0].header("authorization"), Some("Bearer token"));
    let request = other.requests().await.remove(0);
    assert_eq!((request.header("authorization"), request.header("cookie")), (None, None));
}

#[tokio::test]
async fn nor_does_what_a_hook_adds_to_each_request() {
    let other = Peer::start([accept()]).await;
    let peer = Peer::start([redirect(&other.url("/"))]).await;
    let client = Client::builder()
        .before_request(|headers| {
            headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer token"));
            headers.insert("sec-websocket-protocol", HeaderValue::from_static("not-offered"));
            headers.insert("x-kept", HeaderValue::from_static("yes"));
        })
        .build();
    client.open(&peer.url("/")).await.unwrap();
    let request = peer.requests().await.remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    let request = other.requests().await.remove(0);
    assert_eq!((request.header("authorization"), request.header("x-kept")), (None, Some("yes")));
    assert_eq!(request.header("sec-websocket-protocol"), None, "it is of the handshake");
}

#[tokio::test]
async fn a_circle_is_noticed() {
    let peer = Peer::start([redirect("/b"), redirect("/a")]).await;
    let error = Client::default().open(&peer.url("/a")).await.unwrap_err();
    let expected = peer.url("/a");
    assert!(matches!(&error, ConnectError::RedirectLoop(url) if *url == expected), "{error:?}");
}

#[tokio::test]
async fn no_more_redirections_are_followed_than_allowed() {
    let peer = Peer::start([redirect("/1"), redirect("/2"), redirect("/3")]).await;
    let client = Client::builder().redirects_max(2).build();
    let error = client.open(&peer.url("/")).await.unwrap_err();
    assert!(matches!(error, ConnectError::TooManyRedirects { max: 2 }), "{error:?}");

    let peer = Peer::start([redirect("/1")]).await;
    let client = Client::builder().redirects_max(0).build();
    let error = client.open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 302);
}

#[tokio::test]
async fn a_redirection_to_what_is_no_websocket_is_an_error() {
    let peer = Peer::start([redirect("ftp://127.0.0.1/")]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    let expected = UrlError::Scheme("ftp".into());
    assert!(matches!(&error, ConnectError::Url(error) if *error == expected), "{error:?}");

    let peer = Peer::start([status("302 Found", "")]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 302);
}
