//! How frames travel to clients.

use bytes::Bytes;
use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};

use super::answer::{get, post, request};
use super::services::{open_by_polling, poll, send, services, stream};
use super::support::{Raw, serve};

#[tokio::test]
async fn polling_opens_delivers_and_closes() {
    let server = services().await;
    let answer = poll(&server, "s").await;
    assert_eq!(answer.chunks(), ["o\n"]);
    assert_eq!(answer.header("content-type"), Some("application/javascript; charset=UTF-8"));
    assert_eq!(send(&server, "s", r#"["a","b"]"#).await.status, 204);
    let mut got = String::new();
    // The two may come in one poll or in two.
    while !got.contains('b') {
        got += &poll(&server, "s").await.body();
    }
    assert_eq!(got.replace("\"]\na[\"", "\",\""), "a[\"a\",\"b\"]\n");
}

#[tokio::test]
async fn streaming_sends_a_prelude_and_one_chunk_a_frame() {
    let server = services().await;
    let mut stream = Raw::connect(server.http).await;
    stream.write(post("/echo/0/s/xhr_streaming").octets()).await;
    let head = stream.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-type: application/javascript; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert!(head.contains("x-accel-buffering: no\r\n"), "{head}");
    let prelude = format!("801\r\n{}\n\r\n", "h".repeat(2048));
    assert_eq!(stream.read_until("\n\r\n").await, prelude);
    assert_eq!(stream.read_until("\n\r\n").await, "2\r\no\n\r\n");
    send(&server, "s", r#"["x"]"#).await;
    assert_eq!(stream.read_until("\n\r\n").await, "7\r\na[\"x\"]\n\r\n");
}

#[tokio::test]
async fn eventsource_sends_events_with_percent_signs_encoded() {
    let server = services().await;
    let mut stream = Raw::connect(server.http).await;
    stream.write(get("/echo/0/s/eventsource").octets()).await;
    let head = stream.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    assert_eq!(stream.read_until("data: o").await, "2\r\n\r\n\r\nB\r\ndata: o");
    stream.read_until("\r\n\r\n\r\n").await;
    send(&server, "s", r#"["100% %41","\u0000\n "]"#).await;
    assert_eq!(stream.read_until("%25").await, "1B\r\ndata: a[\"100%25");
    assert_eq!(stream.read_until("\r\n\r\n\r\n").await, " %2541\"]\r\n\r\n\r\n");
    let rest = stream.read_until("\r\n\r\n\r\n").await;
    assert!(rest.ends_with("data: a[\"\\u0000\\n \"]\r\n\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn htmlfile_sends_scripts_that_no_message_ends() {
    let server = services().await;
    for callback in ["c", "callback"] {
        let mut stream = Raw::connect(server.http).await;
        let path = format!("/echo/0/{callback}/htmlfile?{callback}=%63allback");
        stream.write(get(path).octets()).await;
        let head = stream.read_until("\r\n\r\n").await.to_lowercase();
        assert!(head.contains("content-type: text/html; charset=utf-8\r\n"), "{head}");
        let page = stream.read_until("\r\n\r\n\r\n").await;
        let (size, page) = page.split_once("\r\n").unwrap();
        assert!(usize::from_str_radix(size, 16).unwrap() > 1024);
        let lines = [
            "<!doctype html>",
            "<html><head>",
            "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />",
            "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />",
            "</head><body><h2>Don't panic!</h2>",
            "  <script>",
            "    document.domain = document.domain;",
            "    var c = parent.callback;",
            "    c.start();",
            "    function p(d) {c.message(d);};",
            "    window.onload = function() {c.stop();};",
            "  </script>",
        ];
        assert_eq!(page.trim(), lines.join("\n"));
        let open = "1C\r\n<script>\np(\"o\");\n</script>\r\n\r\n";
        assert_eq!(stream.read_until("</script>\r\n\r\n").await, open);
        send(&server, callback, r#"["</script>"]"#).await;
        let message = stream.read_until("</script>\r\n\r\n").await;
        let (_, message) = message.split_once("\r\n").unwrap();
        let expected = "<script>\np(\"a[\\\"\\u003c/script>\\\"]\");\n</script>\r\n\r\n";
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn jsonp_sends_one_call_for_each_request() {
    let server = services().await;
    let answer = get("/echo/0/s/jsonp?c=_jp.a1").send(&server).await;
    assert_eq!(answer.chunks(), ["/**/_jp.a1(\"o\");\r\n"]);
    assert_eq!(answer.header("content-type"), Some("application/javascript; charset=UTF-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    send(&server, "s", r#"["\"\u2028"]"#).await;
    let answer = get("/echo/0/s/jsonp?callback=x").send(&server).await;
    answer.expect(200, "/**/x(\"a[\\\"\\\\\\\"\\\\u2028\\\"]\");\r\n");
}

#[tokio::test]
async fn without_the_name_of_a_function_there_is_no_session() {
    let server = services().await;
    for transport in ["htmlfile", "jsonp"] {
        for (query, text) in [
            ("", "\"callback\" parameter required"),
            ("?c=", "\"callback\" parameter required"),
            ("?t=1", "\"callback\" parameter required"),
            ("?c=%20", "invalid \"callback\" parameter"),
            ("?c=a;b", "invalid \"callback\" parameter"),
            ("?c=a&c=b", "invalid \"callback\" parameter"),
            ("?c=%3Cscript%3E", "invalid \"callback\" parameter"),
        ] {
            let answer = get(format!("/echo/0/s/{transport}{query}")).send(&server).await;
            answer.expect(500, text);
            let plain = Some("text/plain; charset=UTF-8");
            assert_eq!(answer.header("content-type"), plain, "{transport}{query}");
        }
    }
    let long = format!("/echo/0/s/jsonp?c={}", "a".repeat(33));
    get(long).send(&server).await.expect(500, "invalid \"callback\" parameter");
    assert_eq!(send(&server, "s", "[]").await.status, 404);
}

#[tokio::test]
async fn what_clients_misread_is_escaped_and_nothing_else() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let mut raw = String::new();
    for range in [0x200c..=0x200f, 0x2028..=0x202f, 0x2060..=0x206f, 0xfff0..=0xffff] {
        raw.extend(range.filter_map(char::from_u32));
    }
    assert_eq!(raw.chars().count(), 44);
    let escaped: String = raw.chars().map(|char| format!("\\u{:04x}", char as u32)).collect();
    send(&server, "s", &format!("[\"{raw}\"]")).await;
    poll(&server, "s").await.expect(200, &format!("a[\"{escaped}\"]\n"));
    send(&server, "s", r#"["\u0000\u001f é/ 😀"]"#).await;
    let expected = "a[\"\\u0000\\u001f é/ \\ud83d\\ude00\"]\n";
    poll(&server, "s").await.expect(200, expected);
}

#[tokio::test]
async fn a_lone_surrogate_is_a_replacement_character_and_ends_nothing() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    assert_eq!(send(&server, "s", r#"["a\ud800","b"]"#).await.status, 204);
    let mut got = String::new();
    while !got.contains("\"b\"") {
        got += &poll(&server, "s").await.body();
    }
    assert!(got.contains("a\\ufffd"), "{got}");
}

#[tokio::test]
async fn a_streaming_response_ends_at_its_limit_and_the_session_goes_on() {
    let server = services().await;
    let mut stream = stream(&server, "s").await;
    // `o` and its line feed, and 31 frames of 134 octets, are the first to come to 4096.
    let message = format!("[\"{}\"]", "x".repeat(128));
    for _ in 0..31 {
        assert_eq!(send(&server, "s", &message).await.status, 204);
    }
    let body = stream.read_until("0\r\n\r\n").await;
    let frames = body.matches("a[").count();
    let array: usize = body.matches("xxxx\"").count();
    assert_eq!(array, 31, "{frames} frames: {body}");
    send(&server, "s", r#"["more"]"#).await;
    let again = post("/echo/0/s/xhr_streaming").octets();
    let mut stream = Raw::connect(server.http).await;
    stream.write(again).await;
    stream.read_until("h\n\r\n").await;
    assert_eq!(stream.read_until("\n\r\n").await, "A\r\na[\"more\"]\n\r\n");
}

#[tokio::test]
async fn every_transport_ends_with_the_close_frame() {
    let server = services().await;
    let close = r#"c[3000,"Go away!"]"#;
    let quoted = serde_json::to_string(close).unwrap();
    for (session, method, path, frames) in [
        ("a", "POST", "xhr_streaming", vec!["o\n".to_owned(), format!("{close}\n")]),
        (
            "b",
            "GET",
            "eventsource",
            vec!["data: o\r\n\r\n".to_owned(), format!("data: {close}\r\n\r\n")],
        ),
        (
            "c",
            "GET",
            "htmlfile?c=cb",
            ["\"o\"", &quoted].map(|it| format!("<script>\np({it});\n</script>\r\n")).into(),
        ),
    ] {
        let path = format!("/close/0/{session}/{path}");
        let answer = request(method, path).send(&server).await;
        assert_eq!(answer.chunks()[1..], frames, "after the prelude");
    }
    post("/close/0/s/xhr").send(&server).await.expect(200, "o\n");
    for _ in 0..2 {
        post("/close/0/s/xhr").send(&server).await.expect(200, &format!("{close}\n"));
        let call = format!("/**/cb({quoted});\r\n");
        get("/close/0/s/jsonp?c=cb").send(&server).await.expect(200, &call);
    }
}

/// Tries to send what is no text, to its client and to all, and says what came of that.
struct NoText;

impl Endpoint for NoText {
    async fn on_message(&mut self, session: &Session, _: Message) -> Result<(), EndpointError> {
        let octets = Bytes::from_static(b"\xff");
        let sent = session.send(octets.clone()).await;
        let took = session.peers().broadcast(octets);
        session.send(format!("{sent:?} {took}")).await?;
        Ok(session.send(Bytes::from("größe")).await?)
    }
}

#[tokio::test]
async fn octets_that_are_no_text_are_refused() {
    let server = serve(App::builder().sockjs("/s", || NoText).build().unwrap()).await;
    let mut client = server.websocket("/s/0/a/websocket").await;
    assert_eq!(client.text().await, "o");
    client.send(r#"["x"]"#).await;
    assert_eq!(client.text().await, r#"a["Err(NotText) 0"]"#);
    assert_eq!(client.text().await, r#"a["größe"]"#);

    post("/s/0/b/xhr").send(&server).await.expect(200, "o\n");
    let sent = post("/s/0/b/xhr_send").body(r#"["x"]"#).send(&server).await;
    assert_eq!(sent.status, 204);
    let answer = post("/s/0/b/xhr").send(&server).await;
    answer.expect(200, "a[\"Err(NotText) 0\",\"größe\"]\n");
}
