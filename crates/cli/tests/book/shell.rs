use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, fs, process, thread};

use super::commands::{Step, step};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the book's commands expect the server.
const HTTP: &str = "127.0.0.1:8080";
const STOMP: &str = "127.0.0.1:61613";

/// A directory of its own, which goes when the test ends.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tidings-book-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the commands of one block: in a directory of its own, beside a server that is the block's own.
pub struct Shell {
    // Dropped in this order: nobody is left that uses the directory.
    followers: Vec<Follower>,
    server: Option<Server>,
    _directory: Directory,
    /// Where the commands are run: in the directory, or beneath it.
    folder: PathBuf,
    /// What has to be seen by those who follow: where, and what.
    published: Vec<(String, String)>,
}

impl Shell {
    pub fn new() -> Self {
        let directory = Directory::new();
        let folder = directory.path().to_owned();
        Self {
            followers: Vec::new(),
            server: None,
            _directory: directory,
            folder,
            published: Vec::new(),
        }
    }

    /// Runs a line of the block.
    ///
    /// # Panics
    ///
    /// If nobody knows what it is, or it fails.
    pub fn run(&mut self, line: &str) {
        match step(line) {
            Step::TestedElsewhere => {}
            Step::Serve(flags) => {
                assert!(self.server.is_none(), "a second server: {line}");
                self.server = Some(Server::start(&self.folder, &flags));
            }
            Step::Restart => {
                let flags = self.server().stop();
                self.server = Some(Server::start(&self.folder, &flags));
            }
            Step::Run(arguments) => self.publish(&arguments),
            Step::Follow(arguments) => {
                let follower = Follower::subscribe(&mut self.tidings(&arguments), &arguments);
                self.followers.push(follower);
            }
            Step::NewProject(name) => {
                let mut cargo = Command::new(env!("CARGO"));
                let output = cargo.args(["new", &name]).current_dir(&self.folder).output().unwrap();
                assert!(output.status.success(), "{line}: {output:?}");
            }
            Step::ChangeDirectory(folder) => {
                self.folder.push(folder);
                assert!(self.folder.is_dir(), "{line}");
            }
            Step::Get(url) => {
                let follower = Follower::get(&url, &self.server().http);
                self.followers.push(follower);
            }
        }
    }

    /// Where the server listens for STOMP.
    pub fn stomp(&mut self) -> String {
        self.server().stomp.clone()
    }

    /// Sees that everybody who follows something gets it. Returns all lines that they have shown.
    pub fn finish(mut self) -> Vec<String> {
        let mut shown = Vec::new();
        for follower in std::mem::take(&mut self.followers) {
            let sent = self.published.iter().filter(|(to, _)| follower.listens_to(to));
            let bodies: Vec<_> = sent.map(|(_, body)| body.clone()).collect();
            for body in &bodies {
                shown.extend(follower.until(body));
            }
            // What the block does not send others would.
            for number in bodies.len()..follower.count {
                let body = format!("number {number}");
                let to = follower.destination.replace('*', "any");
                self.publish(&["pub", "--receipt", &to, &body].map(str::to_owned));
                shown.extend(follower.until(&body));
            }
            follower.end();
        }
        shown
    }

    fn publish(&mut self, arguments: &[String]) {
        let output = self.tidings(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if let ["pub", .., destination, body] = &words[..] {
            let seen = match *destination {
                "/app/hello" => ("/topic/greetings", "Hello, Spring!"),
                destination => (destination, *body),
            };
            self.published.push((seen.0.to_owned(), seen.1.to_owned()));
        }
    }

    /// A client of the block's server.
    fn tidings(&mut self, arguments: &[String]) -> Command {
        let (http, stomp) = (self.server().http.clone(), self.server().stomp.clone());
        let mut tidings = Command::new(env!("CARGO_BIN_EXE_tidings"));
        tidings.current_dir(&self.folder).stdin(Stdio::null());
        tidings.args(arguments.iter().map(|word| word.replace(HTTP, &http).replace(STOMP, &stomp)));
        let talks_stomp = matches!(arguments[0].as_str(), "pub" | "sub");
        if talks_stomp && !arguments.iter().any(|word| word == "--url") {
            tidings.args(["--url", &format!("stomp://{stomp}")]);
        }
        tidings
    }

    fn server(&mut self) -> &mut Server {
        self.server.get_or_insert_with(|| Server::start(&self.folder, &[]))
    }
}

/// `tidings serve`.
struct Server {
    process: Child,
    flags: Vec<String>,
    http: String,
    stomp: String,
}

impl Server {
    fn start(directory: &Path, flags: &[String]) -> Self {
        let mut tidings = Command::new(env!("CARGO_BIN_EXE_tidings"));
        tidings.arg("serve").args(flags).current_dir(directory).stdin(Stdio::null());
        for flag in ["--listen", "--stomp-listen"] {
            if !flags.iter().any(|given| given == flag) {
                tidings.args([flag, "127.0.0.1:0"]);
            }
        }
        let mut process = tidings.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines(process.stdout.take().unwrap());
        let mut address = |door: &str| loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                let _ = process.kill();
                panic!("a server with {flags:?} does not say where it listens for {door}")
            });
            let mut words = line.split_whitespace();
            if words.next() == Some(door) {
                let address = words.next().unwrap().trim_start_matches("http://");
                return address.trim_end_matches('/').to_owned();
            }
        };
        let (http, stomp) = (address("HTTP"), address("STOMP"));
        Self { process, flags: flags.to_vec(), http, stomp }
    }

    /// Stops it as Ctrl-C does, and gives what it was started with.
    fn stop(&mut self) -> Vec<String> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
        std::mem::take(&mut self.flags)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Something that shows messages as they come.
struct Follower {
    destination: String,
    /// After how many it ends by itself; 1 if it does not.
    count: usize,
    shown: Receiver<String>,
    process: Option<Child>,
}

impl Follower {
    /// `tidings sub`.
    fn subscribe(tidings: &mut Command, arguments: &[String]) -> Self {
        let mut process = tidings.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let shown = lines(process.stdout.take().unwrap());
        let told = lines(process.stderr.take().unwrap());
        if !arguments.iter().any(|word| word == "--json") {
            let told = told.recv_timeout(PATIENCE).unwrap();
            assert!(told.starts_with("Subscribed to "), "{arguments:?}: {told}");
        }
        let mut words = arguments.iter().skip_while(|word| *word != "--count");
        let count = words.nth(1).map_or(1, |count| count.parse().unwrap());
        Self {
            destination: arguments.last().unwrap().clone(),
            count,
            shown,
            process: Some(process),
        }
    }

    /// An event stream.
    fn get(url: &str, http: &str) -> Self {
        let target = url.strip_prefix("http://").and_then(|url| url.strip_prefix(HTTP)).unwrap();
        let mut stream = TcpStream::connect(http).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {http}\r\n\r\n").unwrap();
        let shown = lines(stream);
        let status = shown.recv_timeout(PATIENCE).unwrap();
        assert_eq!(status.trim(), "HTTP/1.1 200 OK", "{url}");
        let (_, destination) = target.split_once("destination=").unwrap();
        Self { destination: destination.to_owned(), count: 1, shown, process: None }
    }

    fn listens_to(&self, destination: &str) -> bool {
        let (mut pattern, mut name) = (self.destination.split('.'), destination.split('.'));
        loop {
            match (pattern.next(), name.next()) {
                (None, None) => return true,
                (Some(word), Some(own)) if word == "*" || word == own => {}
                _ => return false,
            }
        }
    }

    /// What is shown up to the line with a body, which has to come.
    fn until(&self, body: &str) -> Vec<String> {
        let mut shown = Vec::new();
        loop {
            let line = self.shown.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("`{body}` did not come, but {shown:?}"));
            let is_last = line.contains(body);
            shown.push(line);
            if is_last {
                return shown;
            }
        }
    }

    fn end(mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = process.id().to_string();
        // Whoever has got all that was counted may be gone already.
        let _ = Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status();
        assert!(process.wait().unwrap().success(), "{}", self.destination);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// What is read, line by line, in a thread of its own.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    told
}
