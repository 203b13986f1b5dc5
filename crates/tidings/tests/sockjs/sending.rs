//! How messages travel from clients.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::answer::{Answer, post};
use super::services::{open_by_polling, poll, send, services, stream};
use super::support::Running;

async fn send_as(server: &Running, content_type: Option<&str>, body: &str) -> Answer {
    let mut request = post("/echo/0/s/xhr_send").body(body);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    request.send(server).await
}

async fn jsonp_send(server: &Running, content_type: &str, body: &str) -> Answer {
    let request = post("/echo/0/s/jsonp_send").header("Content-Type", content_type).body(body);
    request.send(server).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn what_was_sent_is_204_without_a_body() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let answer = send(&server, "s", r#"["a"]"#).await;
    answer.expect(204, "");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(send(&server, "s", "[]").await.status, 204, "a heartbeat of the client");
    poll(&server, "s").await.expect(200, "a[\"a\"]\n");
}

#[tokio::test]
async fn every_content_type_that_clients_have_sent_is_read() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let types =
        ["text/plain", "T", "application/json", "application/xml", "text/xml", "TEXT/Plain"];
    for content_type in types {
        for parameter in ["", ";charset=utf-8", "; charset=utf-8"] {
            let content_type = format!("{content_type}{parameter}");
            let answer = send_as(&server, Some(&content_type), r#"["a"]"#).await;
            answer.expect(204, "");
            poll(&server, "s").await.expect(200, "a[\"a\"]\n");
        }
    }
    send_as(&server, None, r#"["a"]"#).await.expect(204, "");
    send_as(&server, Some(""), r#"["a"]"#).await.expect(204, "");
    send_as(&server, Some("image/png"), r#"["a"]"#).await.expect(500, "Payload expected.");
}

#[tokio::test]
async fn a_body_that_is_no_array_is_500_and_harms_nothing() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    for (body, text) in [
        ("", "Payload expected."),
        ("[\"x", "Broken JSON encoding."),
        ("{}", "Payload expected."),
        ("\"x\"", "Payload expected."),
        ("null", "Payload expected."),
    ] {
        for session in ["s", "unknown"] {
            let answer = send(&server, session, body).await;
            answer.expect(500, text);
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        }
    }
    send(&server, "unknown", "[]").await.expect(404, "404 Error: Page not found\n");
    send(&server, "s", r#"["unharmed"]"#).await.expect(204, "");
    poll(&server, "s").await.expect(200, "a[\"unharmed\"]\n");
}

#[tokio::test]
async fn elements_that_are_not_strings_become_their_json_text() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let body = r#"[1,null,true,{"a":"b"},["c"]]"#;
    send(&server, "s", body).await.expect(204, "");
    let mut got = String::new();
    while !got.contains("c\\\"") {
        got += &poll(&server, "s").await.body();
    }
    let expected = r#"a["1","null","true","{\"a\":\"b\"}","[\"c\"]"]"#;
    assert_eq!(got.replace("\"]\na[\"", "\",\"").trim_end(), expected);
}

#[tokio::test]
async fn octets_that_are_not_utf8_become_replacement_characters() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let server = services().await;
    open_by_polling(&server, "s").await;
    let mut stream = tokio::net::TcpStream::connect(server.http).await.unwrap();
    let head = "POST /echo/0/s/xhr_send HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\
                Content-Length: 6\r\n\r\n";
    stream.write_all(&[head.as_bytes(), b"[\"a\xff\"]"].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    Answer::parse(&answer).expect(204, "");
    poll(&server, "s").await.expect(200, "a[\"a\\ufffd\"]\n");
}

#[tokio::test]
async fn a_form_brings_messages_in_its_field_d() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let answer = jsonp_send(&server, FORM, "d=%5B%22a+%26%22%5D").await;
    answer.expect(200, "ok");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("content-length"), Some("2"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    poll(&server, "s").await.expect(200, "a[\"a &\"]\n");
    jsonp_send(&server, "text/plain", r#"["%61bc"]"#).await.expect(200, "ok");
    poll(&server, "s").await.expect(200, "a[\"%61bc\"]\n");
    jsonp_send(&server, FORM, "d=%5B%5D").await.expect(200, "ok");
    for (content_type, body, text) in [
        (FORM, "", "Payload expected."),
        (FORM, "d=", "Payload expected."),
        (FORM, "p=[]", "Payload expected."),
        (FORM, "d=%5B%22x", "Broken JSON encoding."),
        ("text/plain", "", "Payload expected."),
        ("application/json", "[]", "Payload expected."),
    ] {
        jsonp_send(&server, content_type, body).await.expect(500, text);
    }
    let unknown = post("/echo/0/unknown/jsonp_send").header("Content-Type", FORM).body("d=[]");
    assert_eq!(unknown.send(&server).await.status, 404);
}

#[tokio::test]
async fn a_request_that_is_cut_off_brings_nothing_and_harms_nothing() {
    let server = services().await;
    let mut receiver = stream(&server, "s").await;
    for cut in [10, 60, 150] {
        let request = post("/echo/000/s/xhr_send").body("[\"whole\",\"or not at all\"]").octets();
        let mut sender = TcpStream::connect(server.http).await.unwrap();
        sender.write_all(&request.as_bytes()[..cut.min(request.len() - 1)]).await.unwrap();
        // A reset, as when a network goes away.
        sender.set_zero_linger().unwrap();
        drop(sender);
    }
    assert_eq!(send(&server, "s", "[\"still here\"]").await.status, 204);
    assert!(receiver.read_until("\n\r\n").await.ends_with("a[\"still here\"]\n\r\n"));
}
