//! Destinations as event streams, as browsers' `EventSource` and `curl` read them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderValue;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Raw, Running, serve};
use tidings::broker::{DestinationPolicy, HistoryPolicy};
use tidings::endpoint::{EndpointConfig, Principal};
use tidings::messaging::{Access, AccessDenied, Login, Outgoing, Rules, permit, role};
use tidings::server::{AllowedOrigins, EventSourceOptions, StompOptions};
use tidings::{App, AppBuilder};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

fn builder() -> AppBuilder {
    let history = HistoryPolicy { messages_max: 5, ..HistoryPolicy::default() };
    let kept = DestinationPolicy { history: Some(history), ..DestinationPolicy::default() };
    App::builder().stomp("/stomp").destination_policy("/topic/kept.**", kept)
}

async fn start(options: EventSourceOptions) -> (App, Running) {
    let app = builder().event_source_with_options("/events", options).build().unwrap();
    let server = serve(app.clone()).await;
    (app, server)
}

/// Asks for a stream, in HTTP/1.0 so that its octets come as they are, and reads the head of the answer.
async fn open(server: &Running, query: &str, headers: &str) -> (Raw, String) {
    let mut stream = Raw::connect(server.http).await;
    let addr = server.http;
    stream.write(format!("GET /events?{query} HTTP/1.0\r\nHost: {addr}\r\n{headers}\r\n")).await;
    let head = stream.read_until("\r\n\r\n").await;
    (stream, head)
}

async fn ask(server: &Running, request: &str, headers: &str) -> String {
    let addr = server.http;
    support::http(server.http, &format!("{request} HTTP/1.0\r\nHost: {addr}\r\n{headers}\r\n"))
        .await
}

/// The next event, or whatever else ends with an empty line.
async fn event(stream: &mut Raw) -> String {
    stream.read_until("\n\n").await
}

async fn publish(app: &App, destination: &str, bodies: &[&str]) {
    for body in bodies {
        app.messenger().send(destination, (*body).to_owned()).await.unwrap();
    }
}

fn id(event: &str) -> &str {
    let line = event.lines().rfind(|line| line.starts_with("id: "));
    line.unwrap_or_else(|| panic!("no id: {event}")).strip_prefix("id: ").unwrap()
}

#[tokio::test]
async fn a_destination_is_streamed_and_resumes_behind_the_last_event() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let (mut stream, head) = open(&server, "destination=%2Ftopic%2Fkept.a", "").await;
    let head = head.to_lowercase();
    for field in [
        "200 ok",
        "content-type: text/event-stream; charset=utf-8\r\n",
        "cache-control: no-store, no-cache, no-transform",
        "x-accel-buffering: no\r\n",
        "x-content-type-options: nosniff\r\n",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
    let first = event(&mut stream).await;
    assert!(first.starts_with("retry: 2000\nid: ") && id(&first).ends_with(":0"), "{first}");
    publish(&app, "/topic/kept.a", &["one", "two\nlines"]).await;
    let one = event(&mut stream).await;
    assert!(one.ends_with(":1\ndata: one\n\n"), "{one}");
    let two = event(&mut stream).await;
    assert!(two.ends_with(":2\ndata: two\ndata: lines\n\n"), "{two}");
    drop(stream);

    publish(&app, "/topic/kept.a", &["three"]).await;
    let last = format!("Last-Event-ID: {}\r\n", id(&one));
    let (mut stream, _) = open(&server, "destination=/topic/kept.a", &last).await;
    assert_eq!(id(&event(&mut stream).await), id(&one));
    let recovered =
        "event: recovered\ndata: {\"destination\":\"/topic/kept.a\",\"recovered\":true}\n\n";
    assert_eq!(event(&mut stream).await, recovered);
    publish(&app, "/topic/kept.a", &["four"]).await;
    for data in ["data: two\ndata: lines\n\n", "data: three\n\n", "data: four\n\n"] {
        let event = event(&mut stream).await;
        assert!(event.ends_with(data), "{event}");
    }
}

#[tokio::test]
async fn a_gap_is_told_and_what_is_kept_follows() {
    let (app, server) = start(EventSourceOptions::default()).await;
    publish(&app, "/topic/kept.a", &["1", "2", "3", "4", "5", "6"]).await;
    let gap = "event: recovered\ndata: {\"destination\":\"/topic/kept.a\",\"recovered\":false}\n\n";
    // Of a server before this one; of something else; as a parameter, as the first request has it.
    for (query, headers) in [
        ("", "Last-Event-ID: 0badcafe-1:5\r\n"),
        ("", "Last-Event-ID: whatever\r\n"),
        ("&last-event-id=0badcafe-1:5", ""),
    ] {
        let query = format!("destination=/topic/kept.a{query}");
        let (mut stream, _) = open(&server, &query, headers).await;
        assert!(id(&event(&mut stream).await).ends_with(":1"));
        assert_eq!(event(&mut stream).await, gap);
        assert!(event(&mut stream).await.ends_with("\ndata: 2\n\n"));
    }
    // A topic without a history cannot be recovered, and says so to whoever comes back.
    let (mut stream, _) = open(&server, "destination=/topic/plain", "").await;
    let first = event(&mut stream).await;
    assert_eq!(id(&first), "-");
    let (mut stream, _) = open(&server, "destination=/topic/plain", "Last-Event-ID: -\r\n").await;
    event(&mut stream).await;
    assert!(event(&mut stream).await.contains("\"recovered\":false"));
}

#[tokio::test]
async fn a_retained_message_does_not_put_a_stream_back() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let retained = Outgoing::to("/topic/kept.a", "retained").unwrap().header("retain", "set");
    app.messenger().publish(retained).await.unwrap();
    publish(&app, "/topic/kept.a", &["later"]).await;
    let (mut stream, _) = open(&server, "destination=/topic/kept.a", "").await;
    assert!(id(&event(&mut stream).await).ends_with(":2"));
    assert_eq!(event(&mut stream).await, "data: retained\n\n");
}

#[tokio::test]
async fn several_destinations_resume_each_behind_its_own_last_event() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let query = "destination=/topic/kept.a&destination=/topic/kept.b,/topic/plain&format=json";
    let (mut stream, _) = open(&server, query, "").await;
    for _ in 0..3 {
        event(&mut stream).await;
    }
    publish(&app, "/topic/kept.a", &["a1"]).await;
    let a1 = event(&mut stream).await;
    publish(&app, "/topic/kept.b", &["b1"]).await;
    let b1 = event(&mut stream).await;
    publish(&app, "/topic/plain", &["plain"]).await;
    let plain = event(&mut stream).await;
    assert!(plain.starts_with("data: {\"destination\":\"/topic/plain\","), "no id: {plain}");
    let data: serde_json::Value =
        serde_json::from_str(b1.split_once("data: ").unwrap().1.trim()).unwrap();
    assert_eq!(data["destination"], "/topic/kept.b");
    assert_eq!((&data["body"], &data["headers"]["history-offset"]), (&"b1".into(), &"1".into()));
    drop(stream);

    publish(&app, "/topic/kept.a", &["a2"]).await;
    publish(&app, "/topic/kept.b", &["b2"]).await;
    let last = format!("Last-Event-ID: {}\r\n", id(&a1));
    let (mut stream, _) = open(&server, query, &last).await;
    let mut got = String::new();
    while !got.contains("/topic/plain\",\"recovered\":false") {
        got += &event(&mut stream).await;
    }
    let at = |text: &str| got.find(text).unwrap_or_else(|| panic!("{text}: {got}"));
    assert!(at("\"body\":\"a2\"") < at("\"body\":\"b1\"") && at("b1\"") < at("\"body\":\"b2\""));
    assert!(!got.contains("\"body\":\"a1\""), "it was seen: {got}");
}

/// A connection of HTTP/2.
async fn connect_http2(server: &Running) -> http2::SendRequest<Empty<Bytes>> {
    let socket = TokioIo::new(TcpStream::connect(server.http).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request for `/topic/a`, from a user.
fn request(server: &Running, credentials: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::get(format!("http://{}/events?destination=/topic/a", server.http));
    let basic = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    request.header("authorization", basic).body(Empty::new()).unwrap()
}

/// Publishes to `/topic/a` once its stream has begun, and reads that.
async fn streams(app: &App, body: &mut Incoming) {
    let mut received = Vec::new();
    while !received.ends_with(b"data: over HTTP/2\n\n") {
        let frame = tokio::time::timeout(support::PATIENCE, body.frame()).await.unwrap();
        let is_first = received.is_empty();
        received.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
        if is_first {
            publish(app, "/topic/a", &["over HTTP/2"]).await;
        }
    }
}

#[tokio::test]
async fn a_destination_is_streamed_over_http_2() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let mut connection = connect_http2(&server).await;
    let response = connection.send_request(request(&server, "ann:secret")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    streams(&app, &mut response.into_body()).await;
}

#[tokio::test]
async fn a_body_that_is_no_text_is_an_event_in_base64() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let (mut text, _) = open(&server, "destination=/topic/a", "").await;
    let (mut json, _) = open(&server, "destination=/topic/a&format=json", "").await;
    event(&mut text).await;
    event(&mut json).await;
    app.messenger().send("/topic/a", vec![0_u8, 0xff]).await.unwrap();
    assert_eq!(event(&mut text).await, "event: binary\ndata: AP8=\n\n");
    assert!(event(&mut json).await.contains("\"base64\":\"AP8=\"}"));
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused_and_says_why() {
    let options = EventSourceOptions { destinations_max: 2, ..Default::default() };
    let (_, server) = start(options).await;
    for (query, expected) in [
        ("", "A destination is missing."),
        ("destination=", "the destination is empty"),
        ("destination=/queue/a", "/queue/a is a queue"),
        ("destination=/nowhere", "/topic/NAME"),
        ("destination=/topic/a&format=xml", "format is `text` or `json`"),
        (
            "destination=/topic/a&history=some",
            "The parameter history has the value \"some\", expected all, ",
        ),
        ("destination=/topic/a&selector=(", "selector"),
        (
            "destination=/topic/a&histroy=all",
            "There is no parameter \"histroy\". Did you mean history?",
        ),
        ("destination=/app/x", "/app/x cannot be streamed: a handler of the application "),
        ("destination=/topic/a&destination=/topic/b,/topic/c", "At most 2 destinations"),
    ] {
        let answer = ask(&server, &format!("GET /events?{query}"), "").await;
        assert!(answer.starts_with("HTTP/1.0 400 "), "{query}: {answer}");
        assert!(answer.contains("text/plain") && answer.contains(expected), "{query}: {answer}");
    }
    let answer = ask(&server, "POST /events?destination=/topic/a", "Content-Length: 0\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 405 "), "{answer}");
    assert!(answer.to_lowercase().contains("allow: get, head, options\r\n"), "{answer}");
    let known = "format=json&lastEventId=a-1:7&access_token=t&_=1764444444";
    let head = ask(&server, &format!("HEAD /events?destination=/topic/a&{known}"), "").await;
    assert!(head.starts_with("HTTP/1.0 200 ") && head.contains("text/event-stream"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
}

#[tokio::test]
async fn other_origins_read_only_if_they_are_allowed() {
    let (_, server) = start(EventSourceOptions {
        allowed_origins: Some(AllowedOrigins::List(vec!["https://good.example".into()])),
        ..EventSourceOptions::default()
    })
    .await;
    let query = "GET /events?destination=/topic/a";
    for headers in [
        "Origin: https://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/\r\n",
    ] {
        let answer = ask(&server, query, headers).await;
        assert!(answer.starts_with("HTTP/1.0 403 "), "{headers}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    let origin = "Origin: https://good.example\r\n";
    let (_, head) = open(&server, "destination=/topic/a", origin).await;
    let head = head.to_lowercase();
    assert!(head.contains("access-control-allow-origin: https://good.example\r\n"), "{head}");
    assert!(head.contains("vary: origin\r\n"), "{head}");
    let preflight = ask(&server, "OPTIONS /events", origin).await.to_lowercase();
    assert!(preflight.starts_with("http/1.0 204 "), "{preflight}");
    assert!(preflight.contains("access-control-allow-methods: get, head, options"), "{preflight}");
}

#[tokio::test]
async fn guards_of_the_endpoint_hold() {
    let endpoint = EndpointConfig::new().sessions_max(1);
    let (_, server) = start(EventSourceOptions { endpoint, ..Default::default() }).await;
    let (mut first, _) = open(&server, "destination=/topic/a", "").await;
    event(&mut first).await;
    let answer = ask(&server, "GET /events?destination=/topic/a", "").await;
    assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let heartbeat_delay = Duration::from_millis(10);
    let (_, server) = start(EventSourceOptions { heartbeat_delay, ..Default::default() }).await;
    let (mut stream, _) = open(&server, "destination=/topic/a", "").await;
    event(&mut stream).await;
    assert_eq!(event(&mut stream).await, ":\n\n");
    assert_eq!(event(&mut stream).await, ":\n\n");
}

#[tokio::test]
async fn a_client_that_goes_away_and_a_server_that_stops_end_the_stream() {
    let (app, server) = start(EventSourceOptions::default()).await;
    let (mut gone, _) = open(&server, "destination=/topic/a", "").await;
    event(&mut gone).await;
    drop(gone);
    // Each message is offered to the stream until its connection is found to be lost.
    let nobody = async {
        while app.messenger().send("/topic/a", "x".to_owned()).await.unwrap().subscribers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, nobody).await.expect("the subscription stays");
    let (mut stream, _) = open(&server, "destination=/topic/a", "").await;
    event(&mut stream).await;
    server.stop().await.unwrap();
    assert_eq!(stream.read_to_end().await, "");
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_stream_and_not_its_messages() {
    let options = EventSourceOptions { outbox_octets_max: 64 * 1024, ..Default::default() };
    let (app, server) = start(options).await;
    let (mut slow, _) = open(&server, "destination=/topic/kept.a", "").await;
    event(&mut slow).await;
    let body = "x".repeat(1024 * 1024);
    let closed = async {
        // More than sockets hold.
        while app.messenger().send("/topic/kept.a", body.clone()).await.unwrap().subscribers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, closed).await.expect("the stream stays");
    let rest = slow.read_to_end().await;
    let read = &rest[..rest.rfind("\n\n").unwrap()];
    let last = format!("Last-Event-ID: {}\r\n", id(read));
    let (mut back, _) = open(&server, "destination=/topic/kept.a", &last).await;
    event(&mut back).await;
    assert!(event(&mut back).await.starts_with("event: recovered\n"));
}

async fn only_ann(login: Login) -> Result<Principal, AccessDenied> {
    match (login.login.as_deref(), login.passcode.as_deref()) {
        (Some("ann"), Some("secret")) => Ok(Principal::new("ann")),
        (Some("slow"), _) => std::future::pending().await,
        (Some("panics"), _) => panic!("as asked"),
        _ => Err(AccessDenied::new("Log in as ann.")),
    }
}

#[tokio::test]
async fn the_authenticator_of_stomp_says_who_may_have_a_stream() {
    let stomp = StompOptions {
        authentication_timeout: Duration::from_millis(20),
        ..StompOptions::default()
    };
    let endpoint = EndpointConfig::new().challenge(HeaderValue::from_static("Basic realm=\"x\""));
    let options = EventSourceOptions { endpoint, ..EventSourceOptions::default() };
    let app = builder().authenticator(only_ann).stomp_options(stomp);
    let app = app.event_source_with_options("/events", options).build().unwrap();
    let server = serve(app.clone()).await;
    let basic = |credentials: &str| {
        format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials))
    };
    for destination in ["/topic/a", "/topic/**"] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} /events?destination={destination}");
            for headers in ["".to_owned(), basic("bob:secret"), basic("ann:wrong")] {
                let refusal = ask(&server, &request, &headers).await;
                assert!(refusal.starts_with("HTTP/1.0 401"), "{headers:?}: {refusal}");
                assert!(refusal.to_lowercase().contains("www-authenticate: basic"), "{refusal}");
                assert_eq!(refusal.contains("Log in as ann."), method == "GET", "{refusal}");
            }
        }
    }
    let refusal = ask(&server, "GET /events?destination=/topic/a", &basic("slow:x")).await;
    assert!(refusal.starts_with("HTTP/1.0 503"), "{refusal}");
    let (mut stream, head) = open(&server, "destination=/topic/a", &basic("ann:secret")).await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    event(&mut stream).await;
    publish(&app, "/topic/a", &["for ann"]).await;
    assert!(event(&mut stream).await.ends_with("data: for ann\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_login() {
    let expiring = |_: Login| async {
        let ends = tokio::time::Instant::now() + Duration::from_secs(60);
        Ok::<_, AccessDenied>(Principal::new("ann").expiring_at(ends.into_std()))
    };
    let app = builder().authenticator(expiring).event_source("/events").build().unwrap();
    let began = tokio::time::Instant::now();
    let request = http::Request::get("/events?destination=/topic/a").header("host", "localhost");
    let response = app.respond(request.body(String::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"retry: "), "{text:?}");
    let lasted = began.elapsed();
    assert!((60..62).contains(&lasted.as_secs()), "{lasted:?}");
    assert_eq!(app.stats().sessions.open(), 0);
}

#[tokio::test]
async fn an_authenticator_that_panics_costs_one_request_and_no_other_of_its_connection() {
    let app = builder().authenticator(only_ann).event_source("/events").build().unwrap();
    let server = serve(app.clone()).await;
    let mut connection = connect_http2(&server).await;
    let response = connection.send_request(request(&server, "ann:secret")).await.unwrap();
    let refusal = connection.send_request(request(&server, "panics:x")).await.unwrap();
    assert_eq!(refusal.status(), 500);
    let text = refusal.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"The stream was refused: login failed"), "{text:?}");
    streams(&app, &mut response.into_body()).await;
}

#[tokio::test]
async fn logins_of_streams_wait_for_each_other_only_and_no_more_than_may() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let authenticator = move |login: Login| {
        let gate = Arc::clone(&gate);
        async move {
            if login.login.as_deref() == Some("slow") {
                drop(gate.acquire().await);
            }
            Ok(Principal::new("somebody"))
        }
    };
    let stomp = StompOptions { authentications_max: 1, ..StompOptions::default() };
    let options = EventSourceOptions {
        authentications_max: 1,
        authentications_waiting_max: 1,
        ..EventSourceOptions::default()
    };
    let app = builder().authenticator(authenticator).stomp_options(stomp);
    let app = app.event_source_with_options("/events", options).build().unwrap();
    let server = serve(app).await;
    let slow = format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("slow:x"));
    let ask = || ask(&server, "HEAD /events?destination=/topic/a", &slow);
    let mut answers: FuturesUnordered<_> = [ask(), ask(), ask()].into_iter().collect();
    // One has its turn, one waits for it, and one is too many.
    let refusal = answers.next().await.unwrap().to_lowercase();
    assert!(refusal.starts_with("http/1.0 503 "), "{refusal}");
    assert!(refusal.contains("retry-after: 2\r\n"), "{refusal}");
    let mut client = Raw::connect(server.stomp).await;
    client.write("CONNECT\naccept-version:1.2\n\n\0").await;
    client.read_until("CONNECTED\n").await;
    opened.close();
    while let Some(answer) = answers.next().await {
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_stream_has_the_destinations_of_its_user_and_without_one_has_none() {
    let app = builder().authenticator(only_ann).event_source("/events").build().unwrap();
    let server = serve(app.clone()).await;
    let basic = format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("ann:secret"));
    let query = "destination=/user/queue/a&format=json";
    let (mut stream, head) = open(&server, query, &basic).await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    event(&mut stream).await;
    publish(&app, "/user/bob/queue/a", &["for bob"]).await;
    let sent = app.messenger().send_to_user("ann", "/queue/a", "for ann").await.unwrap();
    assert_eq!(sent.subscribers(), 1);
    let message = event(&mut stream).await;
    let is_it = ["\"destination\":\"/user/queue/a\"", "\"body\":\"for ann\""];
    assert!(is_it.iter().all(|it| message.contains(it)), "{message}");

    let (_, server) = start(EventSourceOptions::default()).await;
    let refusal = ask(&server, "GET /events?destination=/user/queue/a", "").await;
    assert!(refusal.starts_with("HTTP/1.0 400") && refusal.contains("nobody"), "{refusal}");
}

#[tokio::test]
async fn rules_say_what_may_be_streamed_and_to_whom() {
    let authenticator = |login: Login| async move {
        let name = login.login.unwrap_or_else(|| "nobody".to_owned());
        let principal = Principal::new(name.clone());
        Ok(if name == "ann" { principal.with_role("USER") } else { principal })
    };
    let is_ann = |access: &Access| access.principal().is_some_and(|it| it.name() == "ann");
    let rules = Rules::new()
        .connect(|access: &Access| access.principal().is_some_and(|it| it.name() != "nobody"))
        .subscribe("/topic/secret", role("USER"))
        .subscribe("/topic/open.*", permit())
        .subscribe("/topic/{whose}/ann", is_ann);
    let app = builder().authenticator(authenticator).rules(rules).event_source("/events");
    let server = serve(app.build().unwrap()).await;
    for (login, query, refused) in [
        ("ann", "destination=/topic/secret", None),
        ("bob", "destination=/topic/secret", Some("SUBSCRIBE to /topic/secret")),
        ("bob", "destination=/exchange/amq.topic/secret", Some("SUBSCRIBE to /topic/secret")),
        ("bob", "destination=/topic/open.a", None),
        ("bob", "destination=/topic/open.a,/topic/secret", Some("SUBSCRIBE to /topic/secret")),
        ("bob", "destination=/topic/open.a&destination=/topic/b", Some("SUBSCRIBE to /topic/b")),
        ("bob", "destination=/topic/*", Some("SUBSCRIBE to /topic/*")),
        ("ann", "destination=/topic/x/ann", None),
        ("bob", "destination=/topic/x/ann", Some("SUBSCRIBE to /topic/x/ann")),
        ("nobody", "destination=/topic/open.a", Some("CONNECT")),
    ] {
        let basic = BASE64_STANDARD.encode(format!("{login}:x"));
        let basic = format!("Authorization: Basic {basic}\r\n");
        for method in ["HEAD", "GET"] {
            if refused.is_none() && method == "GET" {
                let (_, head) = open(&server, query, &basic).await;
                assert!(head.starts_with("HTTP/1.0 200 "), "{login} {query}: {head}");
                continue;
            }
            let answer = ask(&server, &format!("{method} /events?{query}"), &basic).await;
            let status = if refused.is_some() { "HTTP/1.0 403 " } else { "HTTP/1.0 200 " };
            assert!(answer.starts_with(status), "{login} {method} {query}: {answer}");
            if let Some(what) = refused.filter(|_| method == "GET") {
                let text = format!("The stream was refused: {what} is not allowed to you.\n");
                assert!(answer.ends_with(&text), "{login} {query}: {answer}");
            }
        }
    }
}
