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
    for limit in ["0", "10001"] {
        let refused = queues(&directory, &["browse", "jobs", "--limit", limit]).unwrap_err();
        assert!(refused.contains("1..=10000"), "{refused}");
    }

    reject(&mut client, "/queue/jobs", 3);
    let shown = queues(&directory, &["browse", "DLQ.jobs"]).unwrap();
    let id = header(&shown, "message-id").unwrap().to_owned();
    let moved = queues(&directory, &["move", "DLQ.jobs", "--message", &id]).unwrap();
    assert_eq!(
        moved,
        "Moved 1 message from /queue/DLQ.jobs back to where they came from. \
         2 messages left there: 2 not asked for.\n"
    );
    client.send("/queue/DLQ.jobs", "no dead letter");
    let moved = queues(&directory, &["move", "DLQ.jobs", "--limit", "1", "--to", "other"]).unwrap();
    assert_eq!(
        moved,
        "Moved 1 message from /queue/DLQ.jobs to /queue/other. 2 messages left there: 2 beyond --limit.\n"
    );
    let moved = queues(&directory, &["move", "DLQ.jobs", "--json"]).unwrap();
    let expected = "{\"moved\":1,\"left\":1,\"unsettled\":0,\"delayed\":0}\n";
    assert_eq!(moved, expected, "what has nowhere to go back to is left");
    let moved = queues(&directory, &["move", "DLQ.jobs"]).unwrap();
    assert!(moved.contains("1 that cannot go back to where they were sent to (--to "), "{moved}");
    let moved = queues(&directory, &["move", "DLQ.jobs", "--to", "rest", "--json"]).unwrap();
    assert_eq!(moved, "{\"moved\":1,\"left\":0,\"unsettled\":0,\"delayed\":0}\n");
    let why = queues(&directory, &["move", "rest", "--to", "rest"]).unwrap_err();
    assert!(why.contains("/queue/rest is where they are"), "{why}");
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
fn a_queue_is_deleted_with_its_arguments_messages_and_consumers() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    let mut client = server.connect();
    let send = |length| {
        let queue = format!("destination:/queue/jobs\nx-max-length:{length}\n");
        format!("SEND\n{queue}persistent:true\nreceipt:r\n\nm\0")
    };
    client.write(&send(5)).unwrap();
    assert_eq!(header(&client.frame().unwrap(), "receipt-id"), Some("r"));
    client.write("SUBSCRIBE\nid:s\ndestination:/queue/jobs\nack:client\n\n\0").unwrap();
    client.frame().unwrap();
    let why = queues(&directory, &["delete", "jobs"]).unwrap_err();
    assert!(why.contains("Delete /queue/jobs with 1 message and 1 consumer?"), "{why}");
    assert!(why.contains("--yes"), "nobody can be asked: {why}");
    let deleted = queues(&directory, &["delete", "jobs", "--yes"]).unwrap();
    assert_eq!(deleted, "Deleted /queue/jobs with 1 message and 1 consumer.\n");
    let told = client.frame().unwrap();
    assert_eq!(header(&told, "message"), Some("Server cancelled subscription"));
    for arguments in [&["delete", "jobs"][..], &["delete", "jobs", "--yes"]] {
        let why = queues(&directory, arguments).unwrap_err();
        assert!(why.contains("there is no queue /queue/jobs"), "{why}");
    }
    client.write(&send(6)).unwrap();
    assert_eq!(header(&client.frame().unwrap(), "receipt-id"), Some("r"), "it is another queue");
    let json = queues(&directory, &["delete", "/queue/jobs", "--yes", "--json"]).unwrap();
    assert_eq!(json, "{\"messages\":1,\"consumers\":0}\n");
    server.kill();
    let _again = Server::start(directory.path());
    assert_eq!(queues(&directory, &[]), Ok("There are no queues.\n".to_owned()));
}

#[test]
fn a_stored_queue_with_arguments_is_forgotten_when_it_is_empty() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    let mut client = server.connect();
    let queue = "destination:/queue/jobs\nx-max-length:5\n";
    client.write(&format!("SEND\n{queue}persistent:true\nreceipt:r\n\nm\0")).unwrap();
    assert_eq!(header(&client.frame().unwrap(), "receipt-id"), Some("r"));
    server.kill();
    let server = Server::start(directory.path());
    assert!(queues(&directory, &[]).unwrap().contains("/queue/jobs"), "it has a message");
    let mut client = server.connect();
    assert_eq!(client.drain("/queue/jobs"), ["m"]);
    client.write("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0").unwrap();
    assert_eq!(header(&client.frame().unwrap(), "receipt-id"), Some("u"));
    assert_eq!(queues(&directory, &[]), Ok("There are no queues.\n".to_owned()));
    server.kill();
    let _again = Server::start(directory.path());
    assert_eq!(queues(&directory, &[]), Ok("There are no queues.\n".to_owned()));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let directory = Directory::new();
    let why = queues(&directory, &[]).unwrap_err();
    assert!(why.contains("data.sock") && why.contains("tidings serve"), "{why}");
    let server = Server::start(directory.path());
    server.connect().send("/queue/orders", "m");
    let why = queues(&directory, &["browse", "order"]).unwrap_err();
    assert!(why.contains("no queue /queue/order: did you mean /queue/orders?"), "{why}");
    for arguments in [&["browse", "mail"][..], &["purge", "mail", "--yes"], &["move", "mail"]] {
        let why = queues(&directory, arguments).unwrap_err();
        assert!(why.contains("there is no queue /queue/mail; `tidings queues` lists"), "{why}");
    }
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
