//! The binary: as a client, and as a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process, thread};

pub fn start(command: &str, arguments: &[&str]) -> Child {
    let mut tidings = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let tidings = tidings.arg(command).args(arguments);
    tidings.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn run(command: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(command, arguments);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

pub fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// Publishes, which has to succeed.
pub fn publish(arguments: &[&str]) -> String {
    let output = run("pub", arguments, b"");
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

/// A directory of this test alone, which goes when the test ends.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tidings-stomp-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `tidings serve`.
pub struct Server {
    process: Child,
    /// What it listens at: a word for what, and the address.
    doors: Vec<(String, String)>,
    log: thread::JoinHandle<String>,
}

impl Server {
    /// Starts it with a data directory in `directory`, at ports that are free.
    pub fn start(directory: &Directory, arguments: &[&str]) -> Self {
        let mut process = serve(directory, arguments).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut doors = Vec::new();
        // Where its queues are is the last thing that it says.
        for line in lines.by_ref().map(Result::unwrap) {
            let mut words = line.split_whitespace().map(str::to_owned);
            match (words.next(), words.next()) {
                (Some(word), _) if word == "Queues" => break,
                (Some(word), Some(address)) => doors.push((word, address)),
                _ => {}
            }
        }
        // Whatever else it says must find a reader.
        thread::spawn(move || lines.for_each(drop));
        let log = process.stderr.take().unwrap();
        Self { process, doors, log: thread::spawn(move || read_all(log)) }
    }

    /// Where it listens: `HTTP`, `STOMP` or `STOMPS`.
    pub fn door(&self, word: &str) -> &str {
        let door = self.doors.iter().find(|(of, _)| of == word);
        &door.unwrap_or_else(|| panic!("it does not listen for {word}: {:?}", self.doors)).1
    }

    /// Ends it, and gives what it has logged.
    pub fn stop(mut self) -> String {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.wait().unwrap();
        self.log.join().unwrap()
    }
}

/// `tidings serve` that is about to be started.
pub fn serve(directory: &Directory, arguments: &[&str]) -> Command {
    let data = directory.path("data");
    let mut tidings = Command::new(env!("CARGO_BIN_EXE_tidings"));
    tidings
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", &data, "--control", "off"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    tidings
}

fn read_all(mut log: ChildStderr) -> String {
    let mut text = Vec::new();
    log.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}
