//! What a service answers beside its transports: the greeting, what it can do, the page for iframes.

use tidings::server::{AllowedOrigins, SockJsOptions};

use super::answer::{get, request};
use super::services::{echo_with, open, services};

#[tokio::test]
async fn the_greeting_greets() {
    let server = services().await;
    let answer = get("/echo").send(&server).await;
    answer.expect(200, "Welcome to SockJS!\n");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("content-length"), Some("19"));
}

#[tokio::test]
async fn info_tells_what_the_service_can_do() {
    let server = services().await;
    let info = async |path: &str| {
        let answer = get(path).send(&server).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
        serde_json::from_str::<serde_json::Value>(&answer.body()).unwrap()
    };
    let first = info("/echo/info").await;
    assert_eq!(first["websocket"], true);
    assert_eq!(first["cookie_needed"], false);
    assert_eq!(first["origins"], serde_json::json!(["*:*"]));
    assert_eq!(first["transports"].as_array().unwrap().len(), 7);
    assert_eq!(first.get("base_url"), None);
    let second = info("/echo/info").await;
    assert_ne!(first["entropy"].as_u64().unwrap(), second["entropy"].as_u64().unwrap());
    assert_eq!(info("/disabled_websocket_echo/info").await["websocket"], false);
}

#[tokio::test]
async fn info_tells_where_the_transports_are_if_they_are_elsewhere() {
    let base_url = Some("https://other.example/echo".to_owned());
    let server = echo_with(SockJsOptions { base_url, ..open() }).await;
    let info = get("/echo/info").send(&server).await.body();
    assert!(info.contains(r#""base_url":"https://other.example/echo""#), "{info}");
}

#[tokio::test]
async fn the_page_for_iframes_is_the_same_under_all_its_names() {
    let server = services().await;
    let page = get("/echo/iframe.html").send(&server).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=UTF-8"));
    assert_eq!(page.header("cache-control"), Some("public, max-age=31536000"));
    assert!(page.header("expires").is_some() && page.header("last-modified").is_none());
    assert_eq!(page.header("content-security-policy"), None, "it is for everybody's pages");
    let etag = page.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let lines = [
        "<!DOCTYPE html>",
        "<html>",
        "<head>",
        "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />",
        "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />",
        "  <script src=\"/sockjs.min.js\"></script>",
        "  <script>",
        "    document.domain = document.domain;",
        "    SockJS.bootstrap_iframe();",
        "  </script>",
        "</head>",
        "<body>",
        "  <h2>Don't panic!</h2>",
        "  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>",
        "</body>",
        "</html>",
    ];
    assert_eq!(page.body().trim(), lines.join("\n"));
    for name in ["iframe-a.html", "iframe-.html", "iframe-0.1.2abc-dirty.2144.html"] {
        let same = get(format!("/echo/{name}?t=1")).send(&server).await;
        same.expect(200, &page.body());
        assert_eq!(same.header("etag"), Some(etag));
    }
    for name in
        ["iframe", "iframe.htm", "IFRAME.HTML", "iframe.HTML", "iframe.xml", "iframe-/.html"]
    {
        assert_eq!(get(format!("/echo/{name}")).send(&server).await.status, 404, "{name}");
    }
    let known = get("/echo/iframe.html").header("If-None-Match", etag).send(&server).await;
    known.expect(304, "");
    assert_eq!(known.header("content-type"), None);
    assert_eq!(known.header("etag"), Some(etag));
}

#[tokio::test]
async fn pages_of_other_origins_may_not_hold_the_page_unless_they_are_allowed() {
    for (origins, policy) in [
        (AllowedOrigins::SameOrigin, "frame-ancestors 'self'"),
        (
            AllowedOrigins::List(vec!["https://example.org".into()]),
            "frame-ancestors 'self' https://example.org",
        ),
    ] {
        let options = SockJsOptions { allowed_origins: Some(origins), ..open() };
        let server = echo_with(options).await;
        let page = get("/echo/iframe.html").send(&server).await;
        assert_eq!(page.header("content-security-policy"), Some(policy));
    }
}

#[tokio::test]
async fn without_a_script_there_is_no_page() {
    let server = echo_with(SockJsOptions::default()).await;
    assert_eq!(get("/echo/iframe.html").send(&server).await.status, 404);
    let options = SockJsOptions { sockjs_url: Some("sockjs.js".to_owned()), ..open() };
    let app =
        tidings::App::builder().sockjs_with_options("/echo", options, || super::services::Echo);
    let error = app.build().unwrap_err().to_string();
    assert!(error.contains("sockjs_url \"sockjs.js\" must begin with / or http"), "{error}");
}

#[tokio::test]
async fn a_foreign_origin_is_refused_everywhere_by_default() {
    let server = echo_with(SockJsOptions::default()).await;
    for (method, path) in [
        ("GET", "info"),
        ("POST", "0/s/xhr"),
        ("POST", "0/s/xhr_streaming"),
        ("POST", "0/s/xhr_send"),
        ("OPTIONS", "0/s/xhr"),
        ("GET", "0/s/eventsource"),
        ("GET", "0/s/htmlfile?c=a"),
        ("GET", "0/s/jsonp?c=a"),
        ("POST", "0/s/jsonp_send"),
        ("GET", "0/s/websocket"),
        ("GET", "websocket"),
    ] {
        let answer = request(method, format!("/echo/{path}"))
            .header("Origin", "http://evil")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = answer.send(&server).await;
        let text = "This origin may not connect here: it is not among the allowed_origins.\n";
        answer.expect(403, text);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn scripts_and_pages_that_pages_of_others_load_are_refused_by_default() {
    let server = echo_with(SockJsOptions::default()).await;
    for path in ["htmlfile?c=a", "jsonp?c=a"] {
        for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Referer", "http://evil/")] {
            let answer = get(format!("/echo/0/s/{path}")).header(name, value).send(&server).await;
            assert_eq!(answer.status, 403, "{path} {name}");
        }
    }
    let answer = get("/echo/0/s/jsonp?c=a").header("Sec-Fetch-Site", "same-origin");
    answer.send(&server).await.expect(200, "/**/a(\"o\");\r\n");
}
