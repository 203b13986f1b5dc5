//! What the server says of its data when it starts, and a place where it may not write.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::server::{Directory, PATIENCE, Server, header, output, serve};

/// What it says of its queues. It is killed then.
fn said_of_queues(directory: &Directory) -> String {
    let mut server = serve(directory.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.map(|line| line.trim().to_owned()).find(|line| line.starts_with("Queues"));
    server.kill().unwrap();
    server.wait().unwrap();
    line.unwrap()
}

#[test]
fn what_was_found_is_said_and_no_directory_made_for_nothing() {
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    assert_eq!(said_of_queues(&directory), format!("Queues {path}   nothing there yet"));
    assert!(!directory.path().exists());
    let server = Server::start(directory.path());
    for queue in ["/queue/a", "/queue/a", "/queue/b"] {
        assert!(server.connect().send(queue, "kept").starts_with("RECEIPT"));
    }
    server.kill();
    let recovered = "recovered 3 messages in 2 queues";
    assert_eq!(said_of_queues(&directory), format!("Queues {path}   {recovered}"));
}

/// A server whom the permissions of files hold for, as they do not for root.
fn serve_as_nobody(directory: &Directory) -> Command {
    const NOBODY: u32 = 65_534;
    let server = serve(directory.path());
    if fs::metadata(directory.root()).unwrap().uid() != 0 {
        return server;
    }
    // Where the project lies nobody else may be allowed to look.
    let program = directory.root().join("tidings");
    if !program.exists() {
        fs::copy(server.get_program(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(server.get_args()).current_dir("/").uid(NOBODY).gid(NOBODY);
    command
}

fn allow(directory: &Directory, mode: u32) {
    fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_policy_of_nothing_is_told_by_its_pattern() {
    let directory = Directory::new();
    let mut command = serve(directory.path());
    let refused = output(command.args(["--destination", "/jobs/* messages-max=1"]));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{why}");
    assert!(why.starts_with("tidings: policy of `/jobs/*`, which matches nothing: "), "{why}");
}

#[test]
fn a_setting_that_can_do_nothing_is_told_at_the_start() {
    for (policy, expected) in [
        (
            "/topic/x message-ttl=1h",
            "policy of `/topic/x`: message-ttl is for queues, and does nothing for a topic",
        ),
        (
            "/queue/x history=5",
            "policy of `/queue/x`: history is for topics, and does nothing for a queue",
        ),
        (
            "/queue/x dead-letters=/queue/x",
            "policy of `/queue/x`: dead-letters names the queue that gives the messages up",
        ),
        ("/temp-queue/x message-ttl=1h", "policy of `/temp-queue/x`, which matches nothing"),
        ("/queue/x messages-max=0", "expected more than 0"),
        ("/queue/x overflow=wait,overflow=wait", "overflow is there twice"),
    ] {
        let directory = Directory::new();
        let refused = output(serve(directory.path()).args(["--destination", policy]));
        let why = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && why.contains(expected), "{why}");
    }
}

#[test]
fn a_place_where_no_directory_can_be_is_told_at_the_start() {
    let directory = Directory::new();
    fs::write(directory.path(), "in the way").unwrap();
    for place in [directory.path().to_owned(), directory.path().join("beneath")] {
        let refused = output(&mut serve(&place));
        let why = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success(), "{why}");
        assert!(why.contains("data is no directory") && why.contains("--data-dir"), "{why}");
    }
    fs::remove_file(directory.path()).unwrap();

    // It may come to be allowed later, and who sends nothing persistent does not mind.
    let mut command = serve_as_nobody(&directory);
    fs::set_permissions(directory.root(), Permissions::from_mode(0o555)).unwrap();
    let mut server = Server::spawn(command.stderr(Stdio::piped()));
    let mut told = server.process.stderr.take().unwrap();
    server.kill();
    fs::set_permissions(directory.root(), Permissions::from_mode(0o755)).unwrap();
    let mut why = String::new();
    told.read_to_string(&mut why).unwrap();
    assert!(why.contains("persistent messages are going to be refused"), "{why}");
    assert!(why.contains("may not be written"), "{why}");
}

#[test]
fn a_read_only_directory_is_told_and_works_once_it_may_be_written() {
    let directory = Directory::new();
    fs::create_dir(directory.path()).unwrap();
    allow(&directory, 0o555);
    let server = Server::spawn(&mut serve_as_nobody(&directory));
    let error = server.connect().send("/queue/a", "refused");
    assert_eq!(header(&error, "message"), Some("cannot store"), "{error}");
    allow(&directory, 0o777);
    // The next attempt, and those of clients, succeed sooner or later.
    let begun = Instant::now();
    while !server.connect().send("/queue/a", "kept").starts_with("RECEIPT") {
        assert!(begun.elapsed() < PATIENCE, "waited for the store to work again");
    }
    server.kill();

    let file = directory.path().join("queues.redb");
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    allow(&directory, 0o555);
    let refused = output(&mut serve_as_nobody(&directory));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("queues.redb"), "{why}");
    assert!(why.contains("may not be"), "{why}");

    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    allow(&directory, 0o777);
    let bodies = Server::start(directory.path()).connect().drain("/queue/a");
    assert!(bodies.contains(&"kept".to_owned()), "{bodies:?}");
}
