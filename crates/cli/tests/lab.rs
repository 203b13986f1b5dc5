//! `tidings lab`, as a person and as a program use it, against our server and against a SockJS service.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings::server::{Server, SockJsOptions, TransportType, Transports};
use tokio::runtime::Runtime;

/// `tidings serve`, on a free port.
struct Serving {
    child: Child,
    /// It would end if it had nobody to tell.
    _stdout: BufReader<ChildStdout>,
    url: String,
}

impl Serving {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidings"))
            .args(["serve", "--listen", "127.0.0.1:0", "--stomp-listen", "off"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it says nowhere where it listens");
        }
        let at = line.find("http://").unwrap();
        let url = line[at..].split_whitespace().next().unwrap().to_owned();
        Self { child, _stdout: stdout, url }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidings")).arg("lab").args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    object["rows"].as_array().unwrap().clone()
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    rows.iter().find(|row| row["transport"] == name).unwrap()
}

#[test]
fn every_transport_of_our_server_is_measured() {
    let server = Serving::start();
    let output = run(&[&server.url, "--json", "-n", "5", "--interval", "20"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(&output);
    let names: Vec<_> = rows.iter().map(|row| row["transport"].as_str().unwrap()).collect();
    let expected = [
        "polling",
        "long-polling",
        "streaming",
        "sockjs-xhr-polling",
        "sockjs-eventsource",
        "sockjs-xhr-streaming",
        "sockjs-websocket",
        "websocket",
    ];
    assert_eq!(names, expected);
    for row in &rows {
        assert_eq!(row.get("failed"), None, "{row}");
        assert!(row["latency_ms"]["median"].as_f64().unwrap() > 0.0, "{row}");
    }
    let octets = |name| row(&rows, name)["octets_per_message"].as_f64().unwrap();
    // 32 octets both ways, with headers of 6 and 2.
    assert!((octets("websocket") - 72.0).abs() < 0.1, "{}", octets("websocket"));
    assert!(octets("websocket") < octets("sockjs-websocket"));
    assert!(octets("sockjs-websocket") < octets("streaming"));
    assert!(octets("streaming") < octets("long-polling"));
    let requests = |name| row(&rows, name)["requests"].as_u64().unwrap();
    assert_eq!((requests("websocket"), requests("sockjs-websocket")), (1, 2));
    assert_eq!((requests("streaming"), requests("long-polling")), (6, 10));
    assert!(requests("polling") >= 10);
    assert!(row(&rows, "polling")["latency_ms"]["median"].as_f64().unwrap() >= 20.0);
}

#[test]
fn people_get_a_table() {
    let server = Serving::start();
    let output = run(&[&server.url, "-n", "2", "-t", "websocket", "-t", "sockjs-xhr-polling"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("2 messages of 32 octets"), "{shown}");
    assert!(shown.contains('▇') && !shown.contains('\x1b'), "{shown}");
    let lines: Vec<_> = shown.lines().filter(|line| line.contains(" ms")).collect();
    assert!(lines[0].starts_with("sockjs-xhr-polling"), "{shown}");
    assert!(lines[1].starts_with("websocket"), "{shown}");
}

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

#[test]
fn of_any_other_server_the_transports_of_its_service_are_measured() {
    let runtime = Runtime::new().unwrap();
    let transports = Transports::default().without(TransportType::XhrStreaming);
    let options = SockJsOptions { transports, ..SockJsOptions::default() };
    let app = App::builder().sockjs_with_options("/echo", options, || Echo).build().unwrap();
    let server = runtime.block_on(Server::new(app).listen("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/echo", server.http_addrs()[0]);
    runtime.spawn(server.run_until(std::future::pending()));
    let output = run(&[&url, "--json", "-n", "3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(&output);
    assert_eq!(rows.len(), 5);
    for name in ["sockjs-xhr-polling", "sockjs-eventsource", "sockjs-websocket", "websocket"] {
        assert_eq!(row(&rows, name).get("failed"), None);
    }
    let why = row(&rows, "sockjs-xhr-streaming")["failed"].as_str().unwrap();
    assert_eq!(why, "server has none of the transports that are wanted");
}

#[test]
fn a_server_that_cannot_be_reached_and_arguments_that_make_no_sense_are_told() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let server = Serving::start();
    let missing = format!("{}missing", server.url);
    for (arguments, said) in [
        (vec![&*url], "connection refused"),
        (vec!["ws://127.0.0.1:1/"], "begin it with http:// or https://"),
        (vec!["nowhere"], "begin it with http:// or https://"),
        (vec![&*missing], "neither a lab nor a SockJS service: "),
        (vec![&*server.url, "-t", "telegraph"], "there are only these transports: polling"),
        (vec![&*server.url, "--messages", "0"], "1..=100000"),
        (vec![&*server.url, "--interval", "soon"], "a number from 1 to 60000"),
    ] {
        let output = run(&arguments);
        let stderr = text(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
}
