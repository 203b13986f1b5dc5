//! The token that only pages of the application know.

use crate::client::{Client, DOORS, Door, header};
use crate::support::{Running, WebSocket, http, serve};
use tidings::App;
use tidings::endpoint::{Configurator, EndpointConfig, Handshake, HandshakeResponse, Reject};
use tidings::messaging::Csrf;
use tidings::server::SockJsOptions;

/// What CONNECT with these headers is answered with, after an opening handshake with these fields.
async fn connect(server: &Running, fields: &str, headers: &str) -> String {
    let mut socket = WebSocket::connect(server.http, "/stomp", fields).await.unwrap();
    socket.send(format!("CONNECT\naccept-version:1.2\nhost:x\n{headers}\n\0")).await;
    let answer = socket.text().await;
    if answer.starts_with("ERROR\n") {
        socket.closed().await;
    }
    answer
}

/// Whether CONNECT was answered so; if not, it was for the lack of the token.
#[track_caller]
fn is_let_in(answer: &str) -> bool {
    if answer.starts_with("CONNECTED\n") {
        return true;
    }
    assert_eq!(header(answer, "message"), Some("access denied"), "{answer}");
    assert!(answer.contains("Show the CSRF token"), "{answer}");
    false
}

#[tokio::test]
async fn row_09_only_who_knows_the_token_may_connect() {
    let app = App::builder().stomp("/stomp").csrf(Csrf::cookie("XSRF-TOKEN")).build().unwrap();
    let server = serve(app).await;
    let cookie = "Cookie: a=b; XSRF-TOKEN=t0ken\r\n";
    for (fields, headers, expected) in [
        (cookie, "X-CSRF-TOKEN:t0ken\n", true),
        (cookie, "x-csrf-token:t0ken\n", true),
        (cookie, "X-CSRF-TOKEN:t0keN\n", false),
        (cookie, "X-CSRF-TOKEN:t0ke\n", false),
        (cookie, "X-CSRF-TOKEN:\n", false),
        (cookie, "", false),
        (cookie, "X-XSRF-TOKEN:t0ken\n", false),
        ("Cookie: XSRF-TOKEN=\r\n", "X-CSRF-TOKEN:\n", false),
        ("", "X-CSRF-TOKEN:\n", false),
        ("", "X-CSRF-TOKEN:t0ken\n", false),
    ] {
        let answer = connect(&server, fields, headers).await;
        assert_eq!(is_let_in(&answer), expected, "{fields} {headers}");
    }
    // By SockJS, too.
    let request = async |transport: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /stomp/0/s/{transport} HTTP/1.0\r\nHost: x\r\n{cookie}");
        http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    };
    assert!(request("xhr", "").await.ends_with("o\n"));
    request("xhr_send", r#"["CONNECT\nX-CSRF-TOKEN:other\n\n\u0000"]"#).await;
    assert!(request("xhr", "").await.contains("message:access denied"));
}

#[tokio::test]
async fn the_token_may_be_anywhere_and_is_in_the_header_of_that_name() {
    struct Knows;
    impl Configurator for Knows {
        async fn handshake(
            &self,
            handshake: &Handshake,
            response: &mut HandshakeResponse,
        ) -> Result<(), Reject> {
            let token = handshake.query().unwrap_or("of-handshake");
            response.user_properties().set("csrf", token);
            Ok(())
        }
    }
    let endpoint = Some(EndpointConfig::new().configurator(Knows));
    let options = SockJsOptions { endpoint, ..SockJsOptions::default() };
    let csrf = Csrf::user_property("csrf").header("x-token");
    let app = App::builder().stomp_with_options("/stomp", options).csrf(csrf).build().unwrap();
    let server = serve(app).await;
    for (headers, expected) in [
        ("X-Token:of-handshake\n", true),
        ("x-token:another\n", false),
        ("X-CSRF-TOKEN:of-handshake\n", false),
    ] {
        let answer = connect(&server, "", headers).await;
        assert_eq!(is_let_in(&answer), expected, "{headers}");
    }
    let csrf = Csrf::new(|session| session.handshake().header("x-known").map(str::to_owned));
    let server = serve(App::builder().stomp("/stomp").csrf(csrf).build().unwrap()).await;
    assert!(is_let_in(&connect(&server, "X-Known: it\r\n", "X-CSRF-TOKEN:it\n").await));
    assert!(!is_let_in(&connect(&server, "X-Known: it\r\n", "X-CSRF-TOKEN:is\n").await));
}

#[tokio::test]
async fn where_no_page_comes_from_nobody_is_asked() {
    let app = App::builder().stomp("/stomp").csrf(Csrf::cookie("XSRF-TOKEN")).build().unwrap();
    let server = serve(app).await;
    for door in DOORS {
        let mut client = Client::open(&server, door).await;
        let answer = client.ask("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
        assert_eq!(is_let_in(&answer), door == Door::Tcp);
    }
}
