//! `tidings queues`, with the running server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use crate::server::{Client, Directory, Server, header, output, serve};

fn queues(directory: &Directory, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.arg("queues").args(arguments).arg("--data-dir").arg(directory.path());
    let output = output(&mut command);
    let text = |octets| String::from_utf8(octets).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn socket(directory: &Directory) -> PathBuf {
    directory.path().with_file_name("data.sock")
}

/// Refuses the messages of a queue for good.
fn reject(client: &mut Client, queue: &str, count: usize) {
    let subscribe = format!("SUBSCRIBE\nid:s\ndestination:{queue}\nack:client-individual\n\n\0");
    client.write(&subscribe).unwrap();
    for _ in 0..count {
        let message = client.frame().unwrap();
        let ack = header(&message, "ack").unwrap();
        client.write(&format!("NACK\nid:{ack}\nrequeue:false\n\n\0")).unwrap();
    }
    client.write("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0").unwrap();
    assert_eq!(header(&client.frame().unwrap(), "receipt-id"), Some("u"));
}

#[test]
fn queues_are_listed_browsed_moved_and_purged() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    let mode = fs::metadata(socket(&directory)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its user may give commands");
    assert_eq!(queues(&directory, &[]), Ok("There are no queues.\n".to_owned()));
    let mut client = server.connect();
    for body in ["one", "two", "three"] {
        client.send("/queue/jobs", body);
    }
    let list = queues(&directory, &["list"]).unwrap();
    assert!(list.starts_with("NAME") && list.contains("/queue/jobs"), "{list}");
    let json = queues(&directory, &["--json"]).unwrap();
    assert!(json.contains("\"name\": \"/queue/jobs\"") && json.contains("\"ready\": 3"), "{json}");

    let shown = queues(&directory, &["browse", "jobs", "--limit", "2"]).unwrap();
    assert!(shown.contains("persistent:true\n\none\n") && shown.contains("two"), "{shown}");
    assert!(!shown.contains("three"), "{shown}");

    reject(&mut client, "/queue/jobs", 3);
    let shown = queues(&directory, &["browse", "DLQ.jobs"]).unwrap();
    let id = header(&shown, "message-id").unwrap().to_owned();
    let moved = queues(&directory, &["move", "DLQ.jobs", "--message", &id]).unwrap();
    assert_eq!(
        moved,
        "Moved 1 message from /queue/DLQ.jobs back to where they came from. 2 messages left there.\n"
    );
    client.send("/queue/DLQ.jobs", "no dead letter");
    let moved = queues(&directory, &["move", "DLQ.jobs", "--limit", "1", "--to", "other"]).unwrap();
    assert_eq!(
        moved,
        "Moved 1 message from /queue/DLQ.jobs to /queue/other. 2 messages left there.\n"
    );
    let moved = queues(&directory, &["move", "DLQ.jobs", "--json"]).unwrap();
    assert_eq!(moved, "{\"moved\":1,\"left\":1}\n", "what has nowhere to go back to is left");
    let moved = queues(&directory, &["move", "DLQ.jobs", "--to", "rest", "--json"]).unwrap();
    assert_eq!(moved, "{\"moved\":1,\"left\":0}\n");
    assert_eq!(client.drain("/queue/jobs"), ["one", "three"]);

    let why = queues(&directory, &["purge", "other"]).unwrap_err();
    assert!(why.contains("--yes"), "{why}");
    let purged = queues(&directory, &["purge", "other", "--yes"]).unwrap();
    assert_eq!(purged, "Removed 1 message of /queue/other.\n");
    server.kill();
    let left = Server::start(directory.path()).connect().drain("/queue/other");
    assert!(left.is_empty(), "what was removed stays so: {left:?}");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let directory = Directory::new();
    let why = queues(&directory, &[]).unwrap_err();
    assert!(why.contains("data.sock") && why.contains("tidings serve"), "{why}");
    let server = Server::start(directory.path());
    server.connect().send("/queue/orders", "m");
    let why = queues(&directory, &["browse", "order"]).unwrap_err();
    assert!(why.contains("no queue /queue/order; there is /queue/orders"), "{why}");
    server.kill();
    let why = queues(&directory, &[]).unwrap_err();
    assert!(why.contains("is not running any more"), "{why}");
}

#[test]
fn sockets_that_are_left_are_replaced_and_others_are_not() {
    let directory = Directory::new();
    Server::start(directory.path()).kill();
    assert!(socket(&directory).exists(), "it was killed");
    let server = Server::start(directory.path());
    queues(&directory, &[]).unwrap();
    drop(server);

    // One that somebody listens at, and a file that is none.
    let taken = directory.path().with_file_name("taken.sock");
    let _listener = UnixListener::bind(&taken).unwrap();
    let file = directory.path().with_file_name("file");
    fs::write(&file, "precious").unwrap();
    for (path, why) in [(&taken, "another server listens there"), (&file, "no socket")] {
        let output = output(serve(directory.path()).arg("--control").arg(path));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{said}");
        assert!(said.contains("--control"), "{said}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}
