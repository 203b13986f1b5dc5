use bytes::Bytes;
use http_body_util::Full;
use tidings::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, advance};

use super::*;

type Asks = Request<Full<Bytes>>;

fn lab(limits: Limits) -> Lab {
    Lab::with_limits(limits).unwrap()
}

fn asks(method: Method, path: &str, body: impl Into<Bytes>) -> Asks {
    let request = Request::builder().method(method).uri(path).header(HOST, "here");
    request.body(Full::new(body.into())).unwrap()
}

async fn call(lab: &Lab, request: Asks) -> Response<Body> {
    lab.respond(request).await.unwrap()
}

async fn text_of(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json_of(response: Response<Body>) -> serde_json::Value {
    serde_json::from_str(&text_of(response).await).unwrap()
}

/// A row of a new run.
struct Visitor {
    lab: Lab,
    run: String,
    row: String,
}

impl Visitor {
    async fn new(limits: Limits) -> Self {
        Self::of(&lab(limits)).await
    }

    async fn of(lab: &Lab) -> Self {
        let response = call(lab, asks(Method::POST, RUNS, "")).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let run = json_of(response).await["run"].as_str().unwrap().to_owned();
        Self { lab: lab.clone(), row: format!("{RUNS}/{run}/row"), run: format!("{RUNS}/{run}") }
    }

    async fn get(&self, rest: &str) -> Response<Body> {
        call(&self.lab, asks(Method::GET, &format!("{}/{rest}", self.row), "")).await
    }

    async fn post(&self, message: &str) -> StatusCode {
        let path = format!("{}/messages", self.row);
        call(&self.lab, asks(Method::POST, &path, message.to_owned())).await.status()
    }

    async fn delete(&self, path: &str) -> StatusCode {
        call(&self.lab, asks(Method::DELETE, path, "")).await.status()
    }

    async fn tally(&self) -> serde_json::Value {
        json_of(call(&self.lab, asks(Method::GET, &self.run, "")).await).await["rows"]["row"]
            .clone()
    }
}

/// The next piece of a body; `None` at its end.
async fn piece(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_poll_has_what_was_posted_before_it_once() {
    let visitor = Visitor::new(Limits::default()).await;
    assert_eq!(visitor.get("poll").await.status(), StatusCode::NO_CONTENT);
    for message in ["one", "zwölf", ""] {
        assert_eq!(visitor.post(message).await, StatusCode::NO_CONTENT);
    }
    let response = visitor.get("poll").await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(text_of(response).await, "one\nzwölf\n\n");
    assert_eq!(visitor.get("poll").await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_a_message_but_not_for_ever() {
    let visitor = Visitor::new(Limits::default()).await;
    let posting = async {
        advance(Duration::from_secs(10)).await;
        visitor.post("at last").await
    };
    let (response, posted) = tokio::join!(visitor.get("wait"), posting);
    assert_eq!(posted, StatusCode::NO_CONTENT);
    assert_eq!(text_of(response).await, "at last\n");

    for (query, seconds) in [("wait", 25), ("wait?timeout=3000", 3), ("wait?timeout=999000", 25)] {
        let begun = Instant::now();
        assert_eq!(visitor.get(query).await.status(), StatusCode::NO_CONTENT, "{query}");
        assert_eq!(begun.elapsed().as_secs(), seconds, "{query}");
    }
}

#[tokio::test]
async fn the_last_request_that_waits_gets_the_messages() {
    let visitor = Visitor::new(Limits::default()).await;
    let mut first = visitor.get("stream").await.into_body();
    assert_eq!(piece(&mut first).await.unwrap(), "\n");
    let mut second = visitor.get("stream").await.into_body();
    assert_eq!(piece(&mut first).await, None);
    visitor.post("one").await;
    assert_eq!(piece(&mut second).await.unwrap(), "\n");
    assert_eq!(piece(&mut second).await.unwrap(), "one\n");
    let (long_poll, ()) = tokio::join!(visitor.get("wait"), async {
        assert_eq!(piece(&mut second).await, None);
        visitor.post("two").await;
    });
    assert_eq!(text_of(long_poll).await, "two\n");
}

#[tokio::test(start_paused = true)]
async fn streams_say_something_now_and_then_and_end() {
    let limits = Limits { stream_max: Duration::from_secs(60), ..Limits::default() };
    let visitor = Visitor::new(limits).await;
    for (rest, opening, message, heartbeat) in [
        ("stream", "\n", "hello\n", "\n"),
        ("events", "event: opened\ndata: -\n\n", "data: hello\n\n", ":\n\n"),
    ] {
        let begun = Instant::now();
        let mut body = visitor.get(rest).await.into_body();
        assert_eq!(piece(&mut body).await.unwrap(), opening);
        visitor.post("hello").await;
        assert_eq!(piece(&mut body).await.unwrap(), message);
        for seconds in [25, 50] {
            assert_eq!(piece(&mut body).await.unwrap(), heartbeat);
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
        assert_eq!(piece(&mut body).await, None);
        assert_eq!(begun.elapsed().as_secs(), 60);
    }
}

#[tokio::test]
async fn streams_end_with_their_row_their_run_and_the_server() {
    let visitor = Visitor::new(Limits::default()).await;
    let mut body = visitor.get("events").await.into_body();
    piece(&mut body).await.unwrap();
    assert_eq!(visitor.delete(&visitor.row).await, StatusCode::NO_CONTENT);
    assert_eq!(piece(&mut body).await, None);

    let mut body = visitor.get("stream").await.into_body();
    piece(&mut body).await.unwrap();
    assert_eq!(visitor.delete(&visitor.run).await, StatusCode::NO_CONTENT);
    assert_eq!(piece(&mut body).await, None);
    assert_eq!(visitor.get("poll").await.status(), StatusCode::NOT_FOUND);

    let visitor = Visitor::of(&visitor.lab).await;
    let mut body = visitor.get("stream").await.into_body();
    piece(&mut body).await.unwrap();
    visitor.lab.shut_down().await;
    assert_eq!(piece(&mut body).await, None);
}

#[tokio::test]
async fn runs_have_ids_that_cannot_be_guessed() {
    let lab = lab(Limits::default());
    let (one, other) = (Visitor::of(&lab).await, Visitor::of(&lab).await);
    assert_ne!(one.run, other.run);
    let id = one.run.rsplit('/').next().unwrap();
    assert_eq!(id.len(), 20);
    assert!(id.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')), "{id}");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let visitor = Visitor::new(Limits::default()).await;
    let messages = format!("{}/messages", visitor.row);
    let poll = format!("{}/poll", visitor.row);
    for (origin, allowed) in [("http://here", true), ("http://evil", false), ("null", false)] {
        for (method, path) in
            [(Method::POST, RUNS), (Method::POST, &messages), (Method::GET, &poll)]
        {
            let mut request = asks(method, path, "");
            request.headers_mut().insert(ORIGIN, HeaderValue::from_static(origin));
            let response = call(&visitor.lab, request).await;
            assert_eq!(response.status() != StatusCode::FORBIDDEN, allowed, "{origin} {path}");
            if !allowed {
                let text = text_of(response).await;
                assert!(text.contains(origin) && text.contains("here"), "{text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_than_there_may_be_until_one_is_forgotten() {
    let limits = Limits { runs_max: 2, idle_max: Duration::from_secs(60), ..Limits::default() };
    let lab = lab(limits);
    let (kept, streaming) = (Visitor::of(&lab).await, Visitor::of(&lab).await);
    let body = streaming.get("stream").await.into_body();
    let begin = async || call(&lab, asks(Method::POST, RUNS, "")).await.status();
    assert_eq!(begin().await, StatusCode::SERVICE_UNAVAILABLE);
    advance(Duration::from_secs(40)).await;
    assert_eq!(kept.get("poll").await.status(), StatusCode::NO_CONTENT);
    advance(Duration::from_secs(40)).await;
    assert_eq!(begin().await, StatusCode::SERVICE_UNAVAILABLE, "both are in use");
    advance(Duration::from_secs(21)).await;
    assert_eq!(kept.get("poll").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(begin().await, StatusCode::CREATED);
    assert_eq!(begin().await, StatusCode::SERVICE_UNAVAILABLE, "the stream goes on");
    drop(body);
    advance(Duration::from_secs(61)).await;
    assert_eq!(begin().await, StatusCode::CREATED);
}

#[tokio::test]
async fn what_waits_is_limited_in_number_and_in_octets() {
    let limits = Limits { waiting_messages_max: 3, waiting_octets_max: 10, ..Limits::default() };
    let visitor = Visitor::new(limits).await;
    let post = async |message| visitor.post(message).await;
    assert_eq!(post("1234567").await, StatusCode::NO_CONTENT);
    assert_eq!(post("1234").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(post("").await, StatusCode::NO_CONTENT);
    assert_eq!(post("123").await, StatusCode::NO_CONTENT);
    assert_eq!(post("").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text_of(visitor.get("poll").await).await, "1234567\n\n123\n");
    assert_eq!(post("1234567890").await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_message_is_one_line_and_no_longer_than_it_may_be() {
    let visitor = Visitor::new(Limits { message_octets_max: 4, ..Limits::default() }).await;
    for (message, status) in [
        ("1234", StatusCode::NO_CONTENT),
        ("12345", StatusCode::PAYLOAD_TOO_LARGE),
        ("1\n2", StatusCode::BAD_REQUEST),
        ("\r", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(visitor.post(message).await, status, "{message:?}");
    }
    assert_eq!(text_of(visitor.get("poll").await).await, "1234\n");
}

#[tokio::test]
async fn rows_and_sessions_are_limited() {
    let visitor = Visitor::new(Limits { rows_max: 2, sessions_max: 1, ..Limits::default() }).await;
    let ask = async |method, rest: &str| {
        call(&visitor.lab, asks(method, &format!("{}/{rest}", visitor.run), "")).await
    };
    assert_eq!(ask(Method::GET, "one/poll").await.status(), StatusCode::NO_CONTENT);
    let session = ask(Method::POST, "two/sockjs/0/a/xhr").await;
    assert_eq!(text_of(session).await, "o\n");
    // Whoever comes at the same moment is let in and told afterwards.
    let path = format!("{}/two/sockjs/0/a/xhr_send", visitor.run);
    call(&visitor.lab, asks(Method::POST, &path, "[\"hello\"]")).await;
    let session = ask(Method::POST, "two/sockjs/0/a/xhr").await;
    assert_eq!(text_of(session).await, "a[\"hello\"]\n");
    let session = ask(Method::POST, "two/sockjs/0/b/xhr").await;
    assert_eq!(session.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(Method::GET, "three/poll").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(Method::GET, "one/poll").await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_is_not_the_labs_is_left_to_others() {
    let lab = lab(Limits::default());
    for path in ["/", "/lab/", "/lab/runsx", "/lab/index.html"] {
        assert!(lab.respond(asks(Method::GET, path, "")).await.is_err(), "{path}");
    }
    let visitor = Visitor::of(&lab).await;
    for rest in ["nothing", "sockjs/nothing", "websocket", "poll/x"] {
        let status = visitor.get(rest).await.status();
        assert!(status.is_client_error(), "{rest}: {status}");
    }
    for (method, path, allow) in [
        (Method::GET, RUNS.to_owned(), "POST"),
        (Method::POST, visitor.run.clone(), "GET, DELETE"),
        (Method::GET, visitor.row.clone(), "DELETE"),
        (Method::GET, format!("{}/messages", visitor.row), "POST"),
        (Method::POST, format!("{}/wait", visitor.row), "GET"),
    ] {
        let response = call(&lab, asks(method, &path, "")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[ALLOW], allow);
    }
}

#[tokio::test]
async fn pages_for_iframes_load_the_script_that_the_lab_has() {
    let visitor = Visitor::new(Limits::default()).await;
    let page = text_of(visitor.get("sockjs/iframe.html").await).await;
    assert!(page.contains(&format!("<script src=\"{SOCKJS_URL}\">")), "{page}");
    let script = Request::get(SOCKJS_URL).body(()).unwrap();
    let Ok(script) = crate::site::bundled().call(script).await;
    assert_eq!(script.status(), StatusCode::OK);
}

#[tokio::test]
async fn errors_upgrades_and_proxies_are_told_of() {
    let visitor = Visitor::new(Limits::default()).await;
    visitor.get("websocket").await;
    let mut request = asks(Method::GET, &format!("{}/nothing", visitor.row), "");
    request.headers_mut().insert("upgrade", HeaderValue::from_static("WebSocket"));
    request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
    call(&visitor.lab, request).await;
    let stream = visitor.get("stream").await;
    let tally = visitor.tally().await;
    assert_eq!(tally["requests"], 3);
    assert_eq!(tally["open"], 1);
    assert_eq!(tally["upgrades_asked"], 1);
    assert_eq!(tally["upgrades_done"], 0);
    assert_eq!(tally["forwarded"], 1);
    assert_eq!(tally["last_error"], 404);
    assert_eq!(tally["http"], "HTTP/1.1");
    drop(stream);
    assert_eq!(visitor.tally().await["open"], 0);
}

/// A connection that counts what goes through it.
struct Wire {
    stream: TcpStream,
    sent: usize,
    received: usize,
}

impl Wire {
    async fn send(&mut self, octets: &str) {
        self.stream.write_all(octets.as_bytes()).await.unwrap();
        self.sent += octets.len();
    }

    /// Reads what ends with `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let octets = self.stream.read_buf(&mut read).await.unwrap();
            assert_ne!(octets, 0, "{}", String::from_utf8_lossy(&read));
            self.received += octets;
        }
        String::from_utf8(read).unwrap()
    }
}

#[tokio::test]
async fn the_tally_is_what_the_socket_sent_and_received() {
    let lab = lab(Limits::default());
    let visitor = Visitor::of(&lab).await;
    let server = Server::new(App::builder().build().unwrap());
    let server =
        server.listen("127.0.0.1:0").await.unwrap().fallback(lab.before(crate::site::bundled()));
    let address = server.http_addrs()[0];
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));

    let stream = TcpStream::connect(address).await.unwrap();
    let mut wire = Wire { stream, sent: 0, received: 0 };
    let head = "Host: localhost\r\nUser-Agent: a test\r\nAccept: */*\r\n";
    let exchanges = [
        ("GET", "poll?t=1", "", "\r\n\r\n"),
        ("POST", "messages", "a message", "\r\n\r\n"),
        ("GET", "poll", "", "a message\n"),
        ("GET", "poll/nothing", "", "Nothing is here.\n"),
        ("POST", "sockjs/0/a/xhr", "", "\n\r\n0\r\n\r\n"),
        ("POST", "sockjs/0/a/xhr_send", "[\"hello\"]", "\r\n\r\n"),
        ("POST", "sockjs/0/a/xhr", "", "\n\r\n0\r\n\r\n"),
        ("GET", "sockjs/iframe.html", "", "</html>\n"),
        ("GET", "stream", "", "\r\n\r\n1\r\n\n\r\n"),
    ];
    for (method, rest, body, end) in exchanges {
        let row = &visitor.row;
        let length = body.len();
        wire.send(&format!(
            "{method} {row}/{rest} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await;
        let answer = wire.until(end).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");

        let tally = visitor.tally().await;
        let octets = |name: &str| usize::try_from(tally[name].as_u64().unwrap()).unwrap();
        let received = octets("request_head_octets") + octets("request_body_octets");
        assert_eq!(received, wire.sent, "{rest}");
        let sent = octets("response_head_octets") + octets("response_body_octets");
        assert_eq!(sent, wire.received, "{rest}: {answer}");
    }
    // The stream goes on: its messages are counted as they are sent, and its end too.
    visitor.post("more").await;
    wire.until("5\r\nmore\n\r\n").await;
    visitor.delete(&visitor.row).await;
    wire.until("0\r\n\r\n").await;
    let tally = visitor.tally().await;
    let octets = |name: &str| tally[name].as_u64().unwrap();
    let posted = "HTTP/1.1 204 No Content\r\ncache-control: no-store, no-transform\r\ndate: Sun, 06 Nov \
        1994 08:49:37 GMT\r\n\r\n";
    let sent = octets("response_head_octets") + octets("response_body_octets");
    assert_eq!(sent, (wire.received + posted.len()) as u64);
    assert_eq!(octets("requests"), exchanges.len() as u64 + 1);
    serving.abort();
}

#[tokio::test]
async fn the_handshake_of_a_websocket_is_counted() {
    let lab = lab(Limits::default());
    let visitor = Visitor::of(&lab).await;
    let server = Server::new(App::builder().build().unwrap());
    let server =
        server.listen("127.0.0.1:0").await.unwrap().fallback(lab.before(crate::site::bundled()));
    let address = server.http_addrs()[0];
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut wire = Wire { stream, sent: 0, received: 0 };
    wire.send(&format!(
        "GET {}/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        visitor.row
    ))
    .await;
    let answer = wire.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let tally = visitor.tally().await;
    assert_eq!(tally["request_head_octets"], wire.sent);
    assert_eq!(tally["response_head_octets"], wire.received);
    assert_eq!(tally["upgrades_done"], 1);
    serving.abort();
}
