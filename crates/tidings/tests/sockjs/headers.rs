//! Headers that answers have in common: caching, CORS, cookies.

use tidings::server::SockJsOptions;

use super::answer::{Answer, get, post, request};
use super::services::{echo_with, open_by_polling, services};
use super::support::{Log, Raw, Running};

const RECEIVING: [(&str, &str); 5] = [
    ("POST", "xhr"),
    ("POST", "xhr_streaming"),
    ("GET", "eventsource"),
    ("GET", "htmlfile?c=cb"),
    ("GET", "jsonp?c=cb"),
];

/// The head of an answer that may go on for long.
async fn head(server: &Running, octets: String) -> Answer {
    let mut client = Raw::connect(server.http).await;
    client.write(octets).await;
    Answer::parse(&client.read_until("\r\n\r\n").await)
}

#[tokio::test]
async fn nothing_of_a_session_is_cached_and_errors_neither() {
    let server = services().await;
    get("/echo/info").send(&server).await.expect_no_cache();
    for (index, (method, path)) in RECEIVING.into_iter().enumerate() {
        let octets = request(method, format!("/echo/0/{index}/{path}")).octets();
        let answer = head(&server, octets).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.expect_no_cache();
    }
    open_by_polling(&server, "s").await;
    for (path, body, status) in [
        ("s/xhr_send", "[]", 204),
        ("s/jsonp_send", "[]", 200),
        ("s/xhr_send", "", 500),
        ("s/jsonp_send", "", 500),
        ("unknown/xhr_send", "[]", 404),
        ("unknown/jsonp_send", "[]", 404),
    ] {
        let answer = post(format!("/echo/0/{path}")).body(body).send(&server).await;
        assert_eq!(answer.status, status, "{path}");
        answer.expect_no_cache();
    }
    let answer = get("/echo/0/s/jsonp").send(&server).await;
    assert_eq!(answer.status, 500);
    answer.expect_no_cache();
}

#[tokio::test]
async fn scripts_of_every_origin_may_read_what_is_for_scripts() {
    let server = services().await;
    let of = async |method, path: String, origin: Option<&str>| {
        let mut request = request(method, path);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let answer = head(&server, request.octets()).await;
        let header = |name| answer.header(name).map(str::to_owned);
        let allowed = header("access-control-allow-origin");
        (allowed, header("access-control-allow-credentials"), header("vary"))
    };
    let answers = |origin: &str, credentials: Option<&str>| {
        (Some(origin.to_owned()), credentials.map(str::to_owned), Some("Origin".to_owned()))
    };
    for (index, (method, path)) in [
        ("GET", "info"),
        ("POST", "0/S/xhr"),
        ("POST", "0/S/xhr_streaming"),
        ("GET", "0/S/eventsource"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = |number| format!("/echo/{}", path.replace('S', &format!("{index}-{number}")));
        assert_eq!(of(method, path(1), None).await, answers("*", None), "{}", path(1));
        for (number, origin) in [(2, "http://example.org"), (3, "https://a.b:8443")] {
            let (path, expected) = (path(number), answers(origin, Some("true")));
            assert_eq!(of(method, path.clone(), Some(origin)).await, expected, "{path}");
        }
        let null = match path(4).ends_with("eventsource") {
            true => answers("*", None),
            false => answers("null", Some("true")),
        };
        assert_eq!(of(method, path(4), Some("null")).await, null, "{}", path(4));
    }
    for path in ["htmlfile?c=a", "jsonp?c=a"] {
        let none = of("GET", format!("/echo/0/of-{}/{path}", path.len()), Some("http://x")).await;
        assert_eq!(none, (None, None, None), "{path}");
    }
}

#[tokio::test]
async fn requested_headers_are_allowed_as_they_were_requested() {
    let server = services().await;
    let requested = "a, b,C";
    let name = "Access-Control-Request-Headers";
    let answer = post("/echo/0/s/xhr").header(name, requested).send(&server).await;
    assert_eq!(answer.header("access-control-allow-headers"), Some(requested));
    let answer = post("/echo/0/t/xhr").header(name, "").send(&server).await;
    assert_eq!(answer.header("access-control-allow-headers"), None);
}

#[tokio::test]
async fn refusals_can_be_read_by_scripts_too() {
    let server = services().await;
    for (path, body, status) in [("unknown", "[]", 404), ("unknown", "", 500)] {
        let answer = post(format!("/echo/0/{path}/xhr_send"))
            .header("Origin", "http://x")
            .body(body)
            .send(&server)
            .await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://x"));
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_a_year_and_makes_no_session() {
    let server = services().await;
    for (path, methods) in [
        ("/info", "OPTIONS, GET"),
        ("/0/s/xhr", "OPTIONS, POST"),
        ("/0/s/xhr_streaming", "OPTIONS, POST"),
        ("/0/s/xhr_send", "OPTIONS, POST"),
    ] {
        let answer = request("OPTIONS", format!("/echo{path}"))
            .header("Origin", "http://x")
            .header("Access-Control-Request-Headers", "a")
            .send(&server)
            .await;
        answer.expect(204, "");
        let header = |name| answer.header(name);
        assert_eq!(header("cache-control"), Some("public, max-age=31536000"), "{path}");
        assert_eq!(header("access-control-max-age"), Some("31536000"), "{path}");
        assert_eq!(header("access-control-allow-methods"), Some(methods), "{path}");
        assert_eq!(header("access-control-allow-origin"), Some("http://x"), "{path}");
        assert_eq!(header("access-control-allow-headers"), Some("a"), "{path}");
        assert!(header("expires").is_some_and(|date| date.ends_with(" GMT")), "{path}");
    }
    let sent = post("/echo/0/s/xhr_send").body("[]").send(&server).await;
    assert_eq!(sent.status, 404);
}

#[tokio::test]
async fn a_cookie_comes_with_every_answer_of_a_session_where_it_is_asked_for() {
    let server = services().await;
    let cookie = |answer: &Answer| answer.header("set-cookie").map(str::to_owned);
    for (index, (method, path)) in RECEIVING.into_iter().enumerate() {
        let path = format!("/cookie_needed_echo/0/{index}/{path}");
        let answer = head(&server, request(method, &path).octets()).await;
        assert_eq!(cookie(&answer).as_deref(), Some("JSESSIONID=dummy; path=/"), "{path}");
    }
    for path in ["0/0/xhr_send", "0/0/jsonp_send", "0/unknown/xhr_send"] {
        let request = post(format!("/cookie_needed_echo/{path}")).body("[]");
        let answer = request.header("Cookie", "a=b; JSESSIONID=abcdef").send(&server).await;
        assert_eq!(cookie(&answer).as_deref(), Some("JSESSIONID=abcdef; path=/"), "{path}");
    }
    for path in ["/info", "/0/s/xhr", "/0/s/xhr_send"] {
        let path = format!("/cookie_needed_echo{path}");
        let answer = request("OPTIONS", &path).send(&server).await;
        assert_eq!(cookie(&answer).as_deref(), Some("JSESSIONID=dummy; path=/"), "{path}");
    }
    for path in ["", "/info", "/iframe.html"] {
        let answer = get(format!("/cookie_needed_echo{path}")).send(&server).await;
        assert_eq!((answer.status, cookie(&answer)), (200, None), "{path}");
    }
    let info = get("/cookie_needed_echo/info").send(&server).await.body();
    assert!(info.contains(r#""cookie_needed":true"#), "{info}");
    assert_eq!(cookie(&head(&server, post("/echo/0/s/xhr").octets()).await), None);
}

#[tokio::test]
async fn who_is_refused_for_its_origin_is_logged() {
    let server = echo_with(SockJsOptions::default()).await;
    let log = Log::capture();
    let paths = ["info", "websocket", "0/s/websocket", "0/s/xhr", "0/s/htmlfile?c=a"];
    for path in paths {
        let method = if path.ends_with("xhr") { "POST" } else { "GET" };
        let request =
            request(method, format!("/echo/{path}")).header("Origin", "http://else.where");
        assert_eq!(request.send(&server).await.status, 403, "{path}");
    }
    let logged = log.take();
    assert_eq!(logged.matches("handshake refused").count(), paths.len(), "{logged}");
    assert!(logged.contains("http://else.where") && !logged.contains("c=a"), "{logged}");
}
