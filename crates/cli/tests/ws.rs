//! `tidings ws`, as a person and as a program use it, against our server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tidings::endpoint::{
    CloseCode, CloseReason, ConnectionOptions, ControlPayload, DeflateOptions, Message, SendError,
};
use tidings::server::Server;
use tidings::{App, WebSocket};
use tokio::runtime::Runtime;

/// Echoes, and closes as it is told to.
async fn echo(mut socket: WebSocket) -> Result<(), SendError> {
    while let Some(message) = socket.next().await {
        match &message {
            Message::Text(text) if text == "bye" => {
                socket.close(CloseReason::truncated(CloseCode::GOING_AWAY, "as you \x07wish"));
            }
            Message::Text(text) if text == "ping me" => {
                socket.session().ping(ControlPayload::try_from("payload").unwrap())?
            }
            _ => socket.send(message).await?,
        }
    }
    Ok(())
}

/// Says hello and goes.
async fn greet(socket: WebSocket) -> Result<(), SendError> {
    socket.send("hello").await?;
    socket.close(CloseReason::from_code(CloseCode::GOING_AWAY));
    Ok(())
}

/// A server, and the URL of its echo.
fn server() -> (Runtime, String) {
    let runtime = Runtime::new().unwrap();
    let deflate = Some(DeflateOptions::default());
    let options = ConnectionOptions { deflate, ..ConnectionOptions::default() };
    let app = App::builder().connection_options(options);
    let app = app.socket("/echo", echo).socket("/greet", greet).build().unwrap();
    let server = runtime.block_on(Server::new(app).listen("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}/echo", server.http_addrs()[0]);
    runtime.spawn(server.run_until(std::future::pending()));
    (runtime, url)
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .arg("ws")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What was printed, with single spaces.
fn shown(output: &Output) -> String {
    let lines = text(&output.stdout);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    lines.lines().map(words).collect()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Only the frames, messages and the end, without times.
fn events(output: &Output) -> Vec<String> {
    let short = |event: &Value| match event["event"].as_str().unwrap() {
        "frame" => {
            let (way, opcode, octets) = (&event["direction"], &event["opcode"], &event["octets"]);
            format!("{} {} {octets}", way.as_str().unwrap(), opcode.as_str().unwrap())
        }
        "text" => format!("text {}", event["text"]),
        "binary" => format!("binary {}", event["hex"]),
        "close" => format!("close {} {}", event["code"], event["reason"]),
        other => other.to_owned(),
    };
    objects(output).iter().map(short).collect()
}

#[test]
fn lines_are_sent_and_answers_shown_and_the_end_of_input_closes() {
    let (_server, url) = server();
    let output = run(&[&url], "hello\n//slash\n");
    let shown = shown(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(shown.starts_with(&format!("Connected to {url} in ")), "{shown}");
    assert!(shown.contains("no subprotocol, no extensions"), "{shown}");
    assert!(shown.contains("< text 5 B hello\n"), "{shown}");
    assert!(shown.contains("< text 6 B /slash\n"), "{shown}");
    assert!(shown.ends_with("Closed with 1000\n"), "{shown}");
    assert!(!shown.contains('\x1b'), "no colour without a terminal: {shown:?}");
}

#[test]
fn each_event_is_an_object_for_programs() {
    let (_server, url) = server();
    let output = run(&["--json", &url], "hello\n/binary 00ff\n/ping hi\n");
    assert!(output.status.success(), "{output:?}");
    let events = events(&output);
    assert_eq!(events[0], "open");
    for expected in [
        "sent text 5",
        "received text 5",
        "text \"hello\"",
        "received binary 2",
        "binary \"00ff\"",
        "sent ping 2",
        "received pong 2",
        "received close 2",
    ] {
        assert!(events.iter().any(|event| event == expected), "{expected} in {events:?}");
    }
    assert_eq!(events.last().unwrap(), "close 1000 \"\"");
    let open = &objects(&output)[0];
    assert_eq!((&open["url"], &open["subprotocol"]), (&Value::from(url), &Value::Null));
}

#[test]
fn what_the_server_says_in_closing_is_shown_harmless() {
    let (_server, url) = server();
    let output = run(&["--wait", "60", &url], "bye\n");
    assert!(output.status.success(), "{output:?}");
    let shown = shown(&output);
    assert!(shown.ends_with("Closed with 1001 as you \\u{7}wish\n"), "{shown}");
}

#[test]
fn pings_of_the_server_and_their_answers_are_shown() {
    let (_server, url) = server();
    let output = run(&["--wait", "60", &url], "ping me\nbye\n");
    let shown = shown(&output);
    assert!(shown.contains("< ping 7 B payload\n"), "{shown}");
    assert!(shown.contains("> pong 7 B payload\n"), "{shown}");
}

#[test]
fn commands_that_make_no_sense_are_told_and_nothing_else_happens() {
    let (_server, url) = server();
    let output = run(&[&url], "/nonsense\n/binary 0\n/help\nstill here\n");
    assert!(output.status.success(), "{output:?}");
    let complaints = text(&output.stderr);
    assert!(complaints.contains("there is no command /nonsense"), "{complaints}");
    assert!(complaints.contains("pairs of hexadecimal digits"), "{complaints}");
    assert!(complaints.contains("/close [CODE [REASON]]"), "{complaints}");
    assert!(text(&output.stdout).contains("still here"));
}

#[test]
fn close_sends_its_code_and_reason() {
    let (_server, url) = server();
    let output = run(&["--json", &url], "/close 4000 enough\n");
    assert!(output.status.success(), "{output:?}");
    let events = events(&output);
    assert!(events.contains(&"sent close 8".to_owned()), "{events:?}");
    assert_eq!(events.last().unwrap(), "close 4000 \"enough\"");
}

#[test]
fn a_refusal_is_one_line_with_the_status_and_exit_code_1() {
    let (_server, url) = server();
    let url = url.replace("/echo", "/elsewhere");
    let output = run(&[&url], "");
    assert_eq!(output.status.code(), Some(1));
    let line = text(&output.stderr);
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(&url) && line.contains("404"), "{line}");
    let error = objects(&run(&["--json", &url], "")).remove(0);
    assert_eq!((&error["event"], &error["status"]), (&"error".into(), &404.into()));
}

#[test]
fn no_server_and_no_url_are_one_line_too() {
    for (url, expected) in [
        ("ws://127.0.0.1:1/", "refused"),
        ("http://127.0.0.1/", "begin it with ws://"),
        ("wss://example.org/", "--insecure is only for"),
    ] {
        let insecure: &[&str] = if url.starts_with("wss") { &["--insecure"] } else { &[] };
        let output = run(&[insecure, &[url]].concat(), "");
        assert_eq!(output.status.code(), Some(1), "{url}");
        let line = text(&output.stderr);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn with_wait_it_stays_after_the_end_of_the_input() {
    let (_server, url) = server();
    let output = run(&["--json", "--wait", "60", &url.replace("/echo", "/greet")], "");
    let events = events(&output);
    assert!(events.contains(&"text \"hello\"".to_owned()), "{events:?}");
    assert_eq!(events.last().unwrap(), "close 1001 \"\"");
    assert!(run(&["--wait", "0", &url], "").status.success());
}

#[test]
fn insecure_speaks_to_a_server_of_this_machine_whatever_its_certificate() {
    let runtime = Runtime::new().unwrap();
    let key = rcgen::generate_simple_self_signed(["elsewhere.example.org".to_owned()]).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            key.signing_key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    let app = App::builder().socket("/echo", echo).build().unwrap();
    let server = runtime.block_on(Server::new(app).listen_tls("127.0.0.1:0", config)).unwrap();
    let url = format!("wss://{}/echo", server.https_addrs()[0]);
    runtime.spawn(server.run_until(std::future::pending()));

    let output = run(&[&url], "hello\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no secure connection"), "{output:?}");
    let output = run(&["--insecure", &url], "hello\n");
    assert!(output.status.success(), "{output:?}");
    assert!(shown(&output).contains("< text 5 B hello\n"), "{output:?}");
}

#[test]
fn with_deflate_messages_are_compressed_and_the_ratio_is_shown() {
    let (_runtime, url) = server();
    let line = "the same again and again, ".repeat(100);
    let output = run(&["--json", "--deflate", &url], &format!("{line}\n"));
    let echoed = objects(&output).into_iter().find(|object| object["text"] == *line);
    assert!(echoed.is_some(), "{}", text(&output.stdout));
    let frames: Vec<Value> =
        objects(&output).into_iter().filter(|object| object["compressed"] == true).collect();
    assert!(frames.len() >= 2, "one each way: {frames:?}");

    let output = shown(&run(&["--deflate", &url], &format!("{line}\n")));
    assert!(output.contains('%'), "{output}");
}
