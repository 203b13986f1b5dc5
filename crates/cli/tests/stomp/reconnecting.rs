//! `tidings sub` and a connection that is lost.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::program::{start, text};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next connection, which has to come in time.
fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (listener, (tell, told)) = (listener.try_clone().unwrap(), mpsc::channel());
    thread::spawn(move || tell.send(listener.accept()));
    let (stream, _) = told.recv_timeout(PATIENCE).expect("nobody connects").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// The next frame, which has to be of this command.
fn frame(stream: &mut BufReader<TcpStream>, command: &str) -> String {
    let mut frame = Vec::new();
    stream.read_until(0, &mut frame).unwrap();
    let frame = text(&frame).trim_start().to_owned();
    assert!(frame.starts_with(command), "{frame:?}");
    frame
}

fn header<'f>(frame: &'f str, name: &str) -> &'f str {
    let value = frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("{frame:?} has no {name}"))
}

/// A server that is subscribed to, sends one message, and then reads on.
fn serve_one(listener: &TcpListener, body: &str) -> BufReader<TcpStream> {
    let mut stream = accept(listener);
    frame(&mut stream, "CONNECT\n");
    stream.get_mut().write_all(b"CONNECTED\nversion:1.2\n\n\0").unwrap();
    let subscribe = frame(&mut stream, "SUBSCRIBE\n");
    assert_eq!(header(&subscribe, "destination"), "/topic/news");
    let (id, receipt) = (header(&subscribe, "id"), header(&subscribe, "receipt"));
    let message = format!("MESSAGE\nsubscription:{id}\ndestination:/topic/news\nmessage-id:{body}");
    let frames = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0{message}\n\n{body}\0");
    stream.get_mut().write_all(frames.as_bytes()).unwrap();
    stream
}

#[test]
fn a_subscriber_makes_a_lost_connection_again_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let arguments = ["-U", &url, "--body", "-n", "2", "--ack", "auto", "/topic/news"];
    let mut subscriber = start("sub", &arguments);
    let mut printed = BufReader::new(subscriber.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        line
    };
    let first = serve_one(&listener, "before");
    assert_eq!(line(), "before\n");
    drop(first);
    let mut second = serve_one(&listener, "after");
    assert_eq!(line(), "after\n");
    let disconnect = frame(&mut second, "DISCONNECT\n");
    let receipt = format!("RECEIPT\nreceipt-id:{}\n\n\0", header(&disconnect, "receipt"));
    second.get_mut().write_all(receipt.as_bytes()).unwrap();
    let output = subscriber.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = text(&output.stderr);
    let told: Vec<&str> = told.lines().collect();
    assert!(told[0].starts_with("Subscribed to /topic/news"), "{told:?}");
    assert!(told.len() == 2 && told[1].contains("again"), "{told:?}");
}
