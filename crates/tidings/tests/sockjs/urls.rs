//! What there is to ask for, and what is answered to the rest.

use super::answer::{get, post, request};
use super::services::{open_by_polling, poll, send, services};

#[tokio::test]
async fn ids_are_one_or_more_characters_without_slashes_and_dots() {
    let server = services().await;
    for ids in ["/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"] {
        let answer = post(format!("/echo{ids}/xhr")).send(&server).await;
        answer.expect(200, "o\n");
    }
    for ids in ["//", "/a./a", "/a/a.", "/./.", "///", "/a", "/a/a/a", "", "/../a"] {
        for method in ["GET", "POST"] {
            let answer = request(method, format!("/echo{ids}/xhr")).send(&server).await;
            assert_eq!(answer.status, 404, "{method} {ids}");
        }
    }
}

#[tokio::test]
async fn the_id_of_the_server_means_nothing() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let sent = post("/echo/999/s/xhr_send").body(r#"["a"]"#).send(&server).await;
    assert_eq!(sent.status, 204);
    post("/echo/17/s/xhr").send(&server).await.expect(200, "a[\"a\"]\n");
}

#[tokio::test]
async fn the_id_of_a_session_counts_in_its_service_only() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let elsewhere = "/disabled_websocket_echo/000/s";
    let sent = post(format!("{elsewhere}/xhr_send")).body("[]").send(&server).await;
    assert_eq!(sent.status, 404);
    post(format!("{elsewhere}/xhr")).send(&server).await.expect(200, "o\n");
}

#[tokio::test]
async fn a_slash_at_the_end_and_a_query_change_nothing() {
    let server = services().await;
    for path in ["/echo", "/echo/", "/echo?a", "/echo/?a=/b/c"] {
        get(path).send(&server).await.expect(200, "Welcome to SockJS!\n");
    }
    assert_eq!(get("/echo/info/?t=1").send(&server).await.status, 200);
    assert_eq!(get("/echo/iframe.html?t=1").send(&server).await.status, 200);
    post("/echo/000/s/xhr/?t=1").send(&server).await.expect(200, "o\n");
    let sent = post("/echo/000/s/xhr_send/?t=2").body("[]").send(&server).await;
    assert_eq!(sent.status, 204);
}

#[tokio::test]
async fn what_is_nothing_is_404() {
    let server = services().await;
    for path in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "/INFO", "/Websocket"] {
        let answer = get(format!("/echo{path}")).send(&server).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"), "{path}");
    }
}

#[tokio::test]
async fn other_methods_are_405_and_told_which_are_right() {
    let server = services().await;
    for (path, methods, allow) in [
        ("", &["POST", "OPTIONS", "HEAD"][..], "GET"),
        ("/info", &["POST", "PUT", "HEAD"], "OPTIONS, GET"),
        ("/iframe.html", &["POST", "OPTIONS", "HEAD"], "GET"),
        ("/websocket", &["POST", "PUT", "HEAD"], "GET"),
        ("/0/s/websocket", &["POST", "PUT", "HEAD"], "GET"),
        ("/0/s/xhr", &["GET", "PUT", "HEAD"], "OPTIONS, POST"),
        ("/0/s/xhr_streaming", &["GET", "PUT", "HEAD"], "OPTIONS, POST"),
        ("/0/s/xhr_send", &["GET", "PUT", "HEAD"], "OPTIONS, POST"),
        ("/0/s/eventsource", &["POST", "OPTIONS", "HEAD"], "GET"),
        ("/0/s/htmlfile", &["POST", "OPTIONS", "HEAD"], "GET"),
        ("/0/s/jsonp", &["POST", "OPTIONS", "HEAD"], "GET"),
        ("/0/s/jsonp_send", &["GET", "OPTIONS", "HEAD"], "POST"),
    ] {
        for method in methods {
            let answer = request(method, format!("/echo{path}")).send(&server).await;
            answer.expect(405, "");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            assert_eq!(answer.header("content-type"), None, "{method} {path}");
        }
    }
    assert_eq!(send(&server, "s", "[]").await.status, 404, "none of them makes a session");
}

#[tokio::test]
async fn a_transport_that_is_off_is_not_there() {
    use tidings::server::{SockJsOptions, TransportType, Transports};

    let transports = Transports::only([TransportType::XhrPolling, TransportType::RawWebSocket]);
    let server =
        super::services::echo_with(SockJsOptions { transports, ..super::services::open() }).await;
    for (method, path) in [
        ("GET", "websocket"),
        ("POST", "xhr_streaming"),
        ("OPTIONS", "xhr_streaming"),
        ("GET", "eventsource"),
        ("GET", "htmlfile?c=a"),
        ("GET", "jsonp?c=a"),
        ("POST", "jsonp_send"),
    ] {
        let answer = request(method, format!("/echo/0/s/{path}")).send(&server).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    poll(&server, "s").await.expect(200, "o\n");
    assert_eq!(send(&server, "s", "[]").await.status, 204);
    server.websocket("/echo/websocket").await.send("x").await;
    let info = get("/echo/info").send(&server).await.body();
    assert!(info.contains(r#""websocket":false"#), "{info}");
    assert!(info.contains(r#""transports":["websocket-raw","xhr-polling"]"#), "{info}");
}

#[tokio::test]
async fn mistakes_are_told_when_the_application_is_built() {
    use tidings::App;
    use tidings::server::{AllowedOrigins, SockJsOptions};

    use super::services::Echo;

    let mistake = |prefix, origins: &[&str]| {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let allowed_origins = Some(AllowedOrigins::List(origins));
        let options = SockJsOptions { allowed_origins, ..SockJsOptions::default() };
        let app = App::builder().sockjs_with_options(prefix, options, || Echo);
        app.build().map(drop).unwrap_err().to_string()
    };
    let variable = mistake("/rooms/{room}", &[]);
    assert!(variable.contains("`/rooms/{room}` (SockJS) has path parameters"), "{variable}");
    let star = mistake("/echo", &["https://example.org", "*"]);
    assert!(star.contains("there is AllowedOrigins::Any") && !star.contains("example"), "{star}");
    let slash = mistake("/echo", &["https://example.org/"]);
    assert!(slash.contains("allowed origin `https://example.org/` is none"), "{slash}");
}
