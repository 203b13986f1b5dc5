//! Against our server, by every door.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;
use tidings::broker::Limits;
use tidings::server::Server;
use tidings::{App, AppBuilder};
use tokio::runtime::Runtime;

use super::program::{publish, run, start, text};

/// A server, and its URLs: TCP, WebSocket, SockJS.
fn server() -> (Runtime, [String; 3]) {
    server_of(App::builder())
}

fn server_of(app: AppBuilder) -> (Runtime, [String; 3]) {
    let runtime = Runtime::new().unwrap();
    let app = app.stomp("/stomp").build().unwrap();
    let server = runtime.block_on(async {
        let server = Server::new(app).listen("127.0.0.1:0").await.unwrap();
        server.stomp_listen("127.0.0.1:0").await.unwrap()
    });
    let (http, stomp) = (server.http_addrs()[0], server.stomp_addrs()[0]);
    runtime.spawn(server.run_until(std::future::pending()));
    let urls =
        [format!("tcp://{stomp}"), format!("ws://{http}/stomp"), format!("http://{http}/stomp")];
    (runtime, urls)
}

/// Bodies of a queue, which are taken from it.
fn bodies(url: &str, queue: &str, count: usize) -> Vec<String> {
    let count = count.to_string();
    let output = run("sub", &["-U", url, "--body", "-n", &count, queue], b"");
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// What Ctrl-C does.
fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

/// A subscriber that listens, with what it prints.
struct Subscriber {
    child: Child,
    printed: BufReader<std::process::ChildStdout>,
    told: BufReader<std::process::ChildStderr>,
}

impl Subscriber {
    fn start(arguments: &[&str]) -> Self {
        let mut child = start("sub", arguments);
        let printed = BufReader::new(child.stdout.take().unwrap());
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert!(line.starts_with("Subscribed to "), "{line}");
        Self { child, printed, told }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.printed.read_line(&mut line).unwrap();
        line
    }

    fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// The exit code, and what was told.
    fn end(mut self) -> (Option<i32>, String) {
        let mut told = String::new();
        self.told.read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

#[test]
fn what_is_published_by_any_door_is_seen_and_ctrl_c_ends_it() {
    let (_server, urls) = server();
    let mut subscriber = Subscriber::start(&["-U", &urls[0], "/topic/a.*"]);
    for (n, url) in urls.iter().enumerate() {
        let said = publish(&["-U", url, "-H", "odd:x:y", "/topic/a.b", "grüße\n\x1b[2Jclear"]);
        assert_eq!(said, "Sent 1 message to /topic/a.b\n", "{n}");
        let head = subscriber.line();
        assert!(head.starts_with("/topic/a.b  "), "{head}");
        assert!(head.contains("  odd:x:y") && head.contains("content-type:text/plain"), "{head}");
        assert_eq!(subscriber.line(), "grüße\n");
        assert_eq!(subscriber.line(), "\\u{1b}[2Jclear\n");
        assert_eq!(subscriber.line(), "\n");
    }
    subscriber.interrupt();
    assert_eq!(subscriber.end(), (Some(0), String::new()));
}

#[test]
fn lines_of_the_input_are_messages_and_a_file_is_one() {
    let (_server, [url, ..]) = server();
    let output = run("pub", &["-U", &url, "--receipt", "/queue/q"], b"one\r\n\ntwo\nthree");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "Sent 4 messages to /queue/q; the server has confirmed\n");
    let file = std::env::temp_dir().join(format!("tidings-pub-{}", std::process::id()));
    std::fs::write(&file, "a file").unwrap();
    publish(&["-U", &url, "--file", file.to_str().unwrap(), "/queue/q"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(bodies(&url, "/queue/q", 5), ["one", "", "two", "three", "a file"]);
}

#[test]
fn count_repeats_a_message_and_rate_spaces_them() {
    let (_server, [url, ..]) = server();
    publish(&["-U", &url, "-n", "600", "--receipt", "/queue/q", "again"]);
    publish(&["-U", &url, "-n", "3", "--rate", "1000", "/queue/q", "paced"]);
    let all = bodies(&url, "/queue/q", 603);
    assert_eq!(all.iter().filter(|body| *body == "again").count(), 600);
    assert_eq!(all[600..], ["paced", "paced", "paced"]);
}

#[test]
fn each_message_is_an_object_for_programs() {
    let (_server, [url, ..]) = server();
    publish(&["-U", &url, "--persistent", "-H", "colour:blue", "/queue/q", "text"]);
    let output = run("pub", &["-U", &url, "/queue/q"], b"\xff\x00\n");
    assert!(output.status.success(), "{output:?}");
    let output = run("sub", &["-U", &url, "--json", "-n", "2", "/queue/q"], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let printed = text(&output.stdout);
    let objects: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["destination"], "/queue/q");
    assert_eq!(objects[0]["body"], "text");
    assert_eq!(objects[0]["headers"]["colour"], "blue");
    assert_eq!(objects[0]["headers"]["persistent"], "true");
    assert!(objects[0]["message_id"].is_string());
    assert_eq!(objects[1]["hex"], "ff00");
}

#[test]
fn with_count_a_queue_keeps_the_rest() {
    let (_server, [url, ..]) = server();
    publish(&["-U", &url, "-n", "5", "--receipt", "/queue/q", "x"]);
    assert_eq!(bodies(&url, "/queue/q", 2).len(), 2);
    assert_eq!(bodies(&url, "/queue/q", 3).len(), 3);
    let output = run("sub", &["-U", &url, "-n", "1", "--wait", "0", "/queue/q"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("tidings: 0 of 1 message came\n"), "{output:?}");
    assert!(run("sub", &["-U", &url, "--wait", "0", "/queue/q"], b"").status.success());
}

#[test]
fn selectors_choose_and_several_destinations_are_one_stream() {
    let (_server, [url, ..]) = server();
    for (destination, size, body) in [
        ("/queue/a", "size:1", "small"),
        ("/queue/a", "size:9", "large"),
        ("/queue/b", "size:5", "b"),
    ] {
        publish(&["-U", &url, "--receipt", "-H", size, destination, body]);
    }
    let arguments = ["-U", &url, "--body", "-n", "2", "-s", "size > 3", "/queue/a", "/queue/b"];
    let output = run("sub", &arguments, b"");
    assert!(output.status.success(), "{output:?}");
    let mut came: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    came.sort();
    assert_eq!(came, ["b", "large"]);
    assert_eq!(bodies(&url, "/queue/a", 1), ["small"]);
}

#[test]
fn durable_subscriptions_are_told_apart_by_the_id_that_they_are_given() {
    let (_server, [url, ..]) = server();
    let subscribe = |id: &str, more: &[&str]| {
        let durable = ["-U", &url, "-H", id, "-H", "durable:true"];
        run("sub", &[&durable, more, &["/topic/t"]].concat(), b"")
    };
    for id in ["id:news", "id:sport"] {
        assert!(subscribe(id, &["--wait", "0"]).status.success(), "{id}");
    }
    publish(&["-U", &url, "--receipt", "/topic/t", "kept"]);
    for id in ["id:news", "id:sport"] {
        let output = subscribe(id, &["--body", "-n", "1", "--wait", "30"]);
        assert_eq!(text(&output.stdout), "kept\n", "{id}: {output:?}");
    }
    let refused = subscribe("ack:client", &["--wait", "0"]);
    assert!(text(&refused.stderr).contains("say it with --ack"), "{refused:?}");
}

#[test]
fn what_goes_wrong_is_one_line_and_exit_code_1() {
    let (_server, [url, websocket, _]) = server();
    let nowhere = ["-U", &url, "/nowhere/at-all", "x"];
    let without_path = websocket.trim_end_matches("/stomp");
    let http_port = without_path.replace("ws://", "stomp://");
    let stomp_port = url.split_once("://").unwrap().1;
    let [over_http, over_ws] = ["http", "ws"].map(|scheme| format!("{scheme}://{stomp_port}"));
    let instead = format!("; use --url stomp://{stomp_port}\n");
    let cases: [(&str, &[&str], &str); 10] = [
        ("pub", &["-U", &over_http, "/queue/q", "x"], &instead),
        ("pub", &["-U", &over_ws, "/queue/q", "x"], &instead),
        ("sub", &["-U", &http_port, "/queue/q"], "the server speaks HTTP here"),
        ("sub", &["-U", without_path, "/queue/q"], "lacks the path of STOMP"),
        ("pub", &["-U", "tcp://127.0.0.1:1", "/queue/q", "x"], "is the server running?"),
        ("sub", &["-U", "ftp://x", "/queue/q"], "begin it with stomp://"),
        ("pub", &["-U", &url, "--receipt", "/nowhere/at-all", "x"], "the server refused it"),
        ("pub", &nowhere, "the server sent an error"),
        ("sub", &["-U", &url, "/nowhere/at-all"], "/nowhere/at-all: the server refused it"),
        ("pub", &["-U", &url, "--file", "/no/such/file", "/queue/q"], "/no/such/file"),
    ];
    for (command, arguments, expected) in cases {
        let output = run(command, arguments, b"");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
        assert!(told.starts_with("tidings: ") && told.contains(expected), "{told}");
        assert!(!told.contains("not known") && !told.contains("again"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let selector = ["-U", &url, "-s", "size >", "/queue/q"];
    assert!(text(&run("sub", &selector, b"").stderr).contains("selector"));
}

#[test]
fn a_publisher_is_told_that_a_queue_is_full() {
    let limits = Limits { queue_messages_max: 1, ..Limits::default() };
    let impatient = App::builder().publish_wait_max(Duration::from_millis(50));
    let (_server, [url, ..]) = server_of(impatient.broker_limits(limits));
    publish(&["-U", &url, "--receipt", "/queue/q", "x"]);
    for more in [&[][..], &["--receipt"]] {
        let output = run("pub", &[&["-U", &*url, "/queue/q", "x"], more].concat(), b"");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("queue is full"), "{output:?}");
    }
    // It is asked to say so at once.
    let (_server, [url, ..]) = server();
    let refusing = ["-U", &url, "-H", "x-max-length:1", "-H", "x-overflow:reject-publish"];
    publish(&[&refusing[..], &["--receipt", "/queue/q", "x"]].concat());
    for more in [&[][..], &["--receipt"]] {
        let arguments = [&refusing[..], &["/queue/q", "x"], more].concat();
        let output = run("pub", &arguments, b"");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("queue is full"), "{output:?}");
    }
}

#[test]
fn nothing_is_coloured_without_a_terminal() {
    let (_server, [url, ..]) = server();
    publish(&["-U", &url, "/queue/q", "x"]);
    let output = run("sub", &["-U", &url, "-n", "1", "/queue/q"], b"");
    assert!(!text(&output.stdout).contains('\x1b') && !text(&output.stderr).contains('\x1b'));
}

#[test]
fn octets_that_a_door_does_not_carry_are_told() {
    let (_server, [.., sockjs]) = server();
    for more in [&[][..], &["--receipt"]] {
        let output = run("pub", &[&["-U", &sockjs, "/topic/a"], more].concat(), b"\xff\n");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("SockJS carries text only"), "{output:?}");
    }
}

#[test]
fn ctrl_c_ends_a_publisher_that_waits_for_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let publisher = start("pub", &["-U", &url, "/queue/q", "hello"]);
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let mut read = |command: &str| {
        let mut frame = Vec::new();
        stream.read_until(0, &mut frame).unwrap();
        assert!(text(&frame).trim_start().starts_with(command), "{frame:?}");
        stream.get_ref().try_clone().unwrap()
    };
    read("CONNECT").write_all(b"CONNECTED\nversion:1.2\n\n\0").unwrap();
    read("SEND");
    read("DISCONNECT");
    interrupt(&publisher);
    let output = publisher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("interrupted"), "{output:?}");
}
