//! The log.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::program::{Directory, Server, publish, run, text};

const PASSCODE: &str = "open-sesame";

/// `ann` with that passcode, as HTTP's Basic authentication writes it.
const BASIC: &str = "YW5uOm9wZW4tc2VzYW1l";

/// Writes, and reads until the server ends the connection.
fn converse(address: &str, octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(octets).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn the_log_has_no_passcode_however_much_is_logged() {
    let directory = Directory::new();
    let arguments = ["--stomp-listen", "127.0.0.1:0", "--log", "trace"];
    let server = Server::start(&directory, &arguments);
    let (stomp, http) = (server.door("STOMP").to_owned(), server.door("HTTP").to_owned());
    let http = http.trim_start_matches("http://").trim_end_matches('/');
    let user = format!("ann:{PASSCODE}");
    let path = "gs-guide-websocket";
    let urls =
        [format!("tcp://{stomp}"), format!("ws://{http}/{path}"), format!("http://{http}/{path}")];
    for url in urls {
        publish(&["-U", &url, "-u", &user, "--receipt", "/queue/q", "x"]);
    }
    let connect = format!("CONNECT\naccept-version:1.2\nhost:x\nlogin:ann\npasscode:{PASSCODE}");
    let bye = "DISCONNECT\nreceipt:bye\n\n\0";
    for frames in [
        format!("{connect}\n\n\0{bye}"),
        format!("{connect}\n\n\0{connect}\n\n\0"),
        format!("{connect}\nno header\n\n\0"),
        format!("{connect}\\q\n\n\0SEND\nx:\\q\n\n\0"),
        format!("CONNECT\naccept-version:9.9\nlogin:ann\npasscode:{PASSCODE}\n\n\0"),
        format!("{connect}\nx:{}\n\n\0", "x".repeat(100_000)),
        format!("passcode:{PASSCODE}\n\n\0"),
    ] {
        converse(&stomp, frames.as_bytes());
    }
    let invalid = [connect.as_bytes(), b"\xff\n\n\0"].concat();
    converse(&stomp, &invalid);
    let head = format!("Host: {http}\r\nAuthorization: Basic {BASIC}\r\nConnection: close\r\n\r\n");
    for path in ["/gs-guide-websocket", "/gs-guide-websocket/info", "/nowhere"] {
        let answer = converse(http, format!("GET {path} HTTP/1.1\r\n{head}").as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    }
    let log = server.stop();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    for secret in [PASSCODE, BASIC] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[test]
fn a_client_that_cannot_connect_tells_no_secrets() {
    let user = format!("ann:{PASSCODE}");
    let url = format!("ws://127.0.0.1:1/stomp?token={PASSCODE}");
    for command in ["pub", "sub"] {
        let output = run(command, &["-U", &url, "-u", &user, "/queue/q"], b"");
        let told = text(&output.stderr);
        assert!(told.contains("cannot connect to ws://127.0.0.1:1/stomp"), "{told}");
        assert!(!told.contains(PASSCODE), "{told}");
    }
}
