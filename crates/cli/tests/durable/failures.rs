//! Disks that are full, files that are damaged or taken: each is told, and nothing acknowledged lost.

use std::fs::{self, OpenOptions};
use std::process::Command;
use std::time::Instant;

use crate::server::{Client, Directory, PATIENCE, Server, header, output, serve};

const FILE: &str = "queues.redb";

fn sent(client: &mut Client, body: &str) -> bool {
    // ERROR has the id of the receipt, too.
    client.send("/queue/a", body).starts_with("RECEIPT")
}

/// What the server says that cannot start.
fn refusal(command: &mut Command) -> String {
    let output = output(command);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// As on a full disk, writing beyond a limit fails, here by that of files.
fn with_little_room(directory: &Directory, kibibytes: u32) -> Command {
    let server = serve(directory.path());
    let mut command = Command::new("sh");
    // Without the signal that the limit would send, writing fails as it does where there is no room.
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kibibytes * 2));
    command.arg("sh").arg(server.get_program()).args(server.get_args());
    command
}

#[test]
fn a_full_disk_refuses_what_it_cannot_store_and_keeps_the_rest() {
    let directory = Directory::new();
    // Whatever is written to create the file fits.
    let server = Server::spawn(&mut with_little_room(&directory, 4 * 1024));
    let body = "x".repeat(100_000);
    let mut receipted = 0;
    let mut client = server.connect();
    let error = loop {
        let answer = client.send("/queue/a", &format!("{receipted} {body}"));
        if !answer.starts_with("RECEIPT") {
            break answer;
        }
        receipted += 1;
        assert!(receipted < 1000, "the limit has no effect");
    };
    assert!(receipted > 0, "{error}");
    assert_eq!(header(&error, "message"), Some("cannot store"), "{error}");
    assert!(error.contains("no room left"), "{error}");
    assert!(client.frame().is_none(), "that is the end of the session");

    // Without a receipt it is refused as well, and not dropped in silence.
    let mut client = server.connect();
    client.write("SEND\ndestination:/queue/a\npersistent:true\n\nrefused\0").unwrap();
    let error = client.frame().unwrap();
    assert_eq!(header(&error, "message"), Some("cannot store"), "{error}");
    assert!(error.contains("try again later"), "{error}");

    // Everything else goes on.
    let mut client = server.connect();
    client.write("SUBSCRIBE\nid:t\ndestination:/topic/t\n\n\0").unwrap();
    client.write("SEND\ndestination:/topic/t\npersistent:true\n\nnews\0").unwrap();
    assert!(client.frame().unwrap().ends_with("news"));

    server.kill();
    let server = Server::start(directory.path());
    let mut client = server.connect();
    assert!(sent(&mut client, "after"), "there is room again");
    let bodies = client.drain("/queue/a");
    let numbers: Vec<&str> = bodies.iter().filter_map(|body| body.split(' ').next()).collect();
    let expected: Vec<String> = (0..receipted).map(|number: u32| number.to_string()).collect();
    assert_eq!(numbers[..expected.len()], expected, "what has a receipt is there, in order");
    assert_eq!(bodies.last().map(String::as_str), Some("after"));
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_works_once_it_can() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    // A file in place of the directory stops root, too.
    fs::write(directory.path(), "in the way").unwrap();
    let mut client = server.connect();
    let error = client.send("/queue/a", "refused");
    assert_eq!(header(&error, "message"), Some("cannot store"), "{error}");
    fs::remove_file(directory.path()).unwrap();
    // The next attempt, and those of clients, succeed sooner or later.
    let begun = Instant::now();
    while !sent(&mut server.connect(), "kept") {
        assert!(begun.elapsed() < PATIENCE, "waited for the store to work again");
    }
    server.kill();
    let bodies = Server::start(directory.path()).connect().drain("/queue/a");
    assert!(bodies.contains(&"kept".to_owned()), "{bodies:?}");
}

#[test]
fn a_second_server_is_told_that_the_data_is_in_use() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    assert!(sent(&mut server.connect(), "kept"));
    let why = refusal(&mut serve(directory.path()));
    assert!(why.contains(FILE) && why.contains("in use by another process"), "{why}");
    assert!(why.contains("choose another data directory") && why.contains("--data-dir"), "{why}");
    assert!(!why.contains("cannot be built"), "{why}");
    assert_eq!(server.connect().drain("/queue/a"), ["kept"]);
}

#[test]
fn of_two_servers_that_start_without_data_one_stores() {
    let directory = Directory::new();
    let (first, second) = (Server::start(directory.path()), Server::start(directory.path()));
    assert!(sent(&mut first.connect(), "kept"));
    assert!(!sent(&mut second.connect(), "refused"));
    first.kill();
    assert!(!sent(&mut second.connect(), "refused"), "it does not know what is there");
    second.kill();
    assert_eq!(Server::start(directory.path()).connect().drain("/queue/a"), ["kept"]);
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    assert!(sent(&mut server.connect(), "kept"));
    server.kill();
    let file = directory.path().join(FILE);
    fs::write(&file, vec![7; 10_000]).unwrap();
    let why = refusal(&mut serve(directory.path()));
    assert!(why.contains(FILE) && why.contains("cannot be understood"), "{why}");
    assert!(why.contains("restore it from a backup"), "{why}");
    assert_eq!(fs::read(&file).unwrap(), vec![7; 10_000]);
}

#[test]
fn a_file_that_was_cut_short_is_told_and_never_a_crash() {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    let mut client = server.connect();
    for number in 0..50 {
        assert!(sent(&mut client, &format!("{number} {}", "x".repeat(2000))));
    }
    server.kill();
    let file = directory.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let length = u64::try_from(whole.len()).unwrap();
    for part in 0..8 {
        fs::write(&file, &whole).unwrap();
        let torn = OpenOptions::new().write(true).open(&file).unwrap();
        torn.set_len(length * part / 8).unwrap();
        let why = refusal(&mut serve(directory.path()));
        assert!(why.contains(FILE) && !why.contains("panicked"), "{part}: {why}");
    }
    fs::write(&file, &whole).unwrap();
    let bodies = Server::start(directory.path()).connect().drain("/queue/a");
    assert_eq!(bodies.len(), 50);
}
