//! Requests, before there is a session.

use std::collections::HashSet;

use tidings::App;
use tidings::endpoint::{CloseCode, CloseReason, ConnectionOptions};
use tidings::server::{Server, ServerOptions};
use tidings_websocket::Opcode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PATIENCE, Raw, WebSocket, http, serve};
use crate::{UPGRADE, handshake, masked, served};

#[tokio::test]
async fn row_04_octets_may_drip() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut raw = Raw::connect(server.running.http).await;
    raw.stream.set_nodelay(true).unwrap();
    let padding = format!("X-Padding: {}\r\n{UPGRADE}", "x".repeat(2_000));
    for octet in handshake(padding.as_bytes()) {
        raw.write([octet]).await;
    }
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    let mut frame = Vec::new();
    masked(Opcode::Text, "drip ".repeat(100).as_bytes(), &mut frame);
    for octet in frame {
        raw.write([octet]).await;
    }
    let mut echo = [0; 504];
    let read = tokio::time::timeout(PATIENCE, raw.stream.read_exact(&mut echo)).await;
    read.expect("nothing came").unwrap();
    assert!(echo.ends_with(b"drip drip "));
    server.is_well().await;
}

#[tokio::test]
async fn row_04_a_head_has_limits() {
    let mut server = served(ConnectionOptions::default()).await;
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let long_value = format!("X: {}\r\n", "x".repeat(1024 * 1024));
    let long_name = format!("{}: x\r\n", "x".repeat(1024 * 1024));
    for headers in [many, long_value, long_name] {
        let mut raw = Raw::connect(server.running.http).await;
        // The answer may come, and the connection end, before all is written.
        let _ = raw.stream.write_all(&handshake(format!("{headers}{UPGRADE}").as_bytes())).await;
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    // A head that never ends: the server does not wait for it.
    let mut raw = Raw::connect(server.running.http).await;
    let line = format!("X: {}\r\n", "x".repeat(1000));
    raw.write("GET /target HTTP/1.1\r\n").await;
    let endless = async { while raw.stream.write_all(line.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, endless).await.expect("it takes headers for ever");
    server.is_well().await;
}

#[tokio::test]
async fn row_05_any_octet_in_any_header_is_answered() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut bystander = server.open().await;
    let names = [
        "Connection",
        "Upgrade",
        "Host",
        "Origin",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
    ];
    for name in names {
        for octet in 0..=u8::MAX {
            let lines = [name.as_bytes(), b": ", &[octet], b"\r\nConnection: close\r\n"].concat();
            let head = handshake(&[UPGRADE.as_bytes(), &lines].concat());
            let mut raw = Raw::connect(server.running.http).await;
            raw.write(head).await;
            let answer = raw.read_until(" ").await + &raw.read_until(" ").await;
            let status: u16 = answer.trim_start_matches("HTTP/1.1 ").trim().parse().unwrap();
            assert!(status == 101 || (400..500).contains(&status), "{name} {octet:#x}: {answer}");
        }
    }
    bystander.send("well?").await;
    assert_eq!(bystander.text().await, "well?");
}

#[tokio::test]
async fn row_09_a_name_that_was_made_to_mean_this_machine_is_not_its_own() {
    let app = App::builder().stomp("/stomp").event_source("/events").build().unwrap();
    let server = serve(app).await;
    let port = server.http.port();
    for request in [
        "GET /stomp",
        "GET /stomp/info",
        "GET /stomp/websocket",
        "POST /stomp/000/s/xhr",
        "POST /stomp/000/s/xhr_send",
        "GET /events?destination=/topic/a",
    ] {
        for (host, is_known) in [
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("localhost", true),
            ("127.0.0.1", true),
        ] {
            let mut raw = Raw::connect(server.http).await;
            let host = format!("{host}:{port}");
            let head = format!("{request} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n");
            raw.write(format!("{head}Content-Length: 0\r\n\r\n")).await;
            let status = raw.read_until("\r\n").await;
            assert_eq!(
                !status.starts_with("HTTP/1.1 421 "),
                is_known,
                "{request}, {host}: {status}"
            );
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn row_09_names_that_were_given_hold_at_unix_sockets_too() {
    for (hosts, host, is_known) in [
        (vec!["tidings.example"], "evil.example", false),
        (vec!["tidings.example"], "tidings.example", true),
        (vec!["tidings.example"], "localhost", true),
        (vec![], "evil.example", true),
    ] {
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        let name = format!("tidings-hosts-{}-{}.sock", std::process::id(), hosts.len());
        let path = std::env::temp_dir().join(name);
        let app = App::builder().stomp("/stomp").build().unwrap();
        let server = Server::new(app).options(ServerOptions { hosts, ..ServerOptions::default() });
        tokio::spawn(server.listen_unix(&path).unwrap().run_until(std::future::pending()));
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let head = format!("GET /stomp/info HTTP/1.0\r\nHost: {host}\r\n");
        let request = format!("{head}Origin: http://{host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.expect("no answer").unwrap();
        assert_eq!(!answer.starts_with("HTTP/1.0 421 "), is_known, "{host}: {answer}");
    }
}

#[tokio::test]
async fn row_09_a_page_of_another_origin_may_not_connect() {
    let server = served(ConnectionOptions::default()).await;
    let addr = server.running.http;
    let port = addr.port();
    let other_port = port ^ 1;
    let foreign = [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("http://evil{addr}"),
        format!("http://{addr}.evil.example"),
        format!("http://{addr}@evil.example"),
        format!("http://user@{addr}"),
        format!("http://evil.example:{port}"),
        format!("http://127.0.0.1:{other_port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1.:{port}"),
        format!("ftp://{addr}"),
        format!("http://{addr}/path"),
        format!("http://{addr}\r\nOrigin: http://evil.example"),
        format!("http://xn--127-0-0-1-evil:{port}"),
        String::new(),
    ];
    for origin in foreign {
        let header = format!("Origin: {origin}\r\n");
        let refused = WebSocket::connect(addr, "/target", &header).await.map(|it| it.head);
        assert!(refused.is_err_and(|head| head.starts_with("HTTP/1.1 403 ")), "{origin}");
    }
    for header in [String::new(), format!("Origin: http://{addr}\r\n")] {
        assert!(WebSocket::connect(addr, "/target", &header).await.is_ok(), "{header}");
    }
}

#[tokio::test]
async fn row_09_no_door_is_for_pages_of_another_origin() {
    let app = App::builder().stomp("/stomp").event_source("/events").build().unwrap();
    let server = serve(app).await;
    let addr = server.http;
    let own = format!("Origin: http://{addr}\r\n");
    // What another page loads as a script or a frame has no origin.
    let origin = "Origin: http://evil.example\r\n";
    let loaded = ["Sec-Fetch-Site: cross-site\r\n", "Referer: http://evil.example/\r\n"];
    for (number, (method, path, others)) in [
        ("GET", "/stomp", &[origin][..]),
        ("GET", "/stomp/websocket", &[origin]),
        ("GET", "/stomp/0/S/websocket", &[origin]),
        ("GET", "/stomp/info", &[origin]),
        ("POST", "/stomp/0/S/xhr", &[origin]),
        ("POST", "/stomp/0/S/xhr_streaming", &[origin]),
        ("POST", "/stomp/0/S/xhr_send", &[origin]),
        ("GET", "/stomp/0/S/eventsource", &[origin]),
        ("GET", "/stomp/0/S/htmlfile?c=a", &[origin, loaded[0], loaded[1]]),
        ("GET", "/stomp/0/S/jsonp?c=a", &[origin, loaded[0], loaded[1]]),
        ("POST", "/stomp/0/S/jsonp_send", &[origin]),
        ("GET", "/events?destination=/topic/a", &[origin]),
    ]
    .into_iter()
    .enumerate()
    {
        let is_upgrade = path == "/stomp" || path.ends_with("websocket");
        let asked = if is_upgrade { UPGRADE } else { "Content-Length: 0\r\n" };
        let head = async |from: &str| {
            let path = path.replace("/S/", &format!("/{number}/"));
            let mut client = Raw::connect(addr).await;
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n");
            client.write(format!("{head}{from}{asked}\r\n")).await;
            client.read_until("\r\n\r\n").await.to_lowercase()
        };
        for from in others {
            let answer = head(from).await;
            assert!(answer.starts_with("http/1.1 403 "), "{path} {from}: {answer}");
            assert!(!answer.contains("access-control-allow"), "{path} {from}: {answer}");
        }
        let answer = head(&own).await;
        assert!(!answer.starts_with("http/1.1 403 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn row_14_session_ids_have_128_bits_that_nobody_can_predict() {
    let mut server = served(ConnectionOptions::default()).await;
    let mut ids = HashSet::new();
    let (mut ones, mut zeros) = (0_u128, 0_u128);
    for _ in 0..200 {
        let mut client = server.running.websocket("/target").await;
        let told = server.told().await;
        let id = u128::from_str_radix(told.strip_prefix("open ").unwrap(), 16).unwrap();
        ones |= id;
        zeros |= !id;
        assert!(ids.insert(id), "an id came twice");
        client.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)).await;
        server.told().await;
    }
    assert_eq!((ones, zeros), (u128::MAX, u128::MAX), "every bit varies");
}

#[tokio::test]
async fn also_no_other_spelling_of_a_path_reaches_its_endpoint() {
    let server = served(ConnectionOptions::default()).await;
    let spellings = [
        "//target",
        "/target/",
        "/target/.",
        "/TARGET",
        "/target;x=1",
        "/target%00",
        "/target%2f",
        "/target\\",
        "/target//",
    ];
    for path in spellings {
        let connected = WebSocket::connect(server.running.http, path, "").await;
        let head = connected.map(|it| it.head);
        assert!(head.as_ref().is_err_and(|head| head.starts_with("HTTP/1.1 4")), "{path} {head:?}");
    }
    let absolute = format!("http://{}/target?x=1", server.running.http);
    // By RFC 3986, section 6.2.2, these are the same path.
    let same = ["/%74arget", "/./target", "/x/../target", "/x/%2e%2E/target", "/../target"];
    for path in ["/target", "/target?x=/other", &absolute].into_iter().chain(same) {
        let connected = WebSocket::connect(server.running.http, path, "").await;
        assert!(connected.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn also_every_method_with_an_upgrade_is_answered() {
    let mut server = served(ConnectionOptions::default()).await;
    for method in ["POST", "PUT", "HEAD", "OPTIONS", "TRACE", "DELETE", "CONNECT", "X"] {
        for path in ["/target", "/nothing"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}Connection: close\r\n\r\n"
            );
            let answer = http(server.running.http, &request).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
        }
    }
    server.is_well().await;
}
