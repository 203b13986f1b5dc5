use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, process, thread};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Child,
    stomp: String,
}

/// What the server is started with.
pub(crate) fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--stomp-listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(data);
    command
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::spawn(&mut serve(data))
    }

    /// Starts what listens for STOMP, and says where.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // Whatever else it says must find a reader.
            for line in lines.map_while(Result::ok) {
                if line.trim_start().starts_with("STOMP") {
                    let _ = tell.send(line);
                }
            }
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let _ = process.kill();
            panic!("waited for the server to say where it listens for STOMP: {error}")
        });
        let stomp = line.split_whitespace().nth(1).unwrap().to_owned();
        Self { process, stomp }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.stomp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        client.write("CONNECT\naccept-version:1.2\nhost:x\nclient-id:c\n\n\0").unwrap();
        assert!(client.frame().unwrap().starts_with("CONNECTED"));
        client
    }

    /// Ends it without warning.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A durable subscription, for which the client may be away: what the head of its SUBSCRIBE has.
pub(crate) const DURABLY: &str = "destination:/topic/news\nactivemq.subscriptionName:news";

/// A client of STOMP.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// The next frame; `None` once the server is gone.
    ///
    /// # Panics
    ///
    /// If there is none in time: a server that hangs is not gone.
    pub(crate) fn frame(&mut self) -> Option<String> {
        let mut octets = Vec::new();
        match self.reader.read_until(0, &mut octets) {
            Ok(1..) if octets.pop() == Some(0) => {
                Some(String::from_utf8(octets).unwrap().trim_start_matches('\n').to_owned())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("waited for a frame of the server, which has said {octets:?}")
            }
            _ => None,
        }
    }

    /// Sends a persistent message with a receipt, and returns what is answered.
    pub(crate) fn send(&mut self, queue: &str, body: &str) -> String {
        let head = format!("SEND\ndestination:{queue}\npersistent:true\nreceipt:r\n\n");
        self.write(&format!("{head}{body}\0")).unwrap();
        self.frame().unwrap()
    }

    /// Subscribes to a topic so that it keeps its messages while the client is away.
    pub(crate) fn subscribe_durably(mut self) {
        self.write(&format!("SUBSCRIBE\nid:s\n{DURABLY}\nreceipt:s\n\n\0")).unwrap();
        assert!(self.frame().unwrap().starts_with("RECEIPT"));
    }

    /// Takes the messages of a queue up to one that is sent for the purpose.
    pub(crate) fn drain(&mut self, queue: &str) -> Vec<String> {
        self.write(&format!(
            "SUBSCRIBE\nid:s\ndestination:{queue}\n\n\0SEND\ndestination:{queue}\n\nend\0"
        ))
        .unwrap();
        let frames = std::iter::from_fn(|| self.frame());
        let bodies = frames.map(|frame| frame.split_once("\n\n").unwrap().1.to_owned());
        bodies.take_while(|body| body != "end").collect()
    }
}

pub(crate) fn header<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let head = frame.split("\n\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// A directory of its own for data, which need not exist; removed with it.
pub(crate) struct Directory {
    root: PathBuf,
    data: PathBuf,
}

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidings-durable-{}-{number}", process::id());
        let root = env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        let data = root.join("data");
        Self { root, data }
    }

    /// What the data's own directory is in, and is there.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the data goes.
    pub(crate) fn path(&self) -> &Path {
        &self.data
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Runs a command to its end, which has to come in time.
pub(crate) fn output(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let stdout = read_to_end(process.stdout.take().unwrap());
    let stderr = read_to_end(process.stderr.take().unwrap());
    let mut all = |from: &mpsc::Receiver<Vec<u8>>| {
        from.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let _ = process.kill();
            let _ = process.wait();
            let said = [&stdout, &stderr].map(|it| it.recv().unwrap_or_default());
            let said = said.map(|octets| String::from_utf8_lossy(&octets).into_owned());
            panic!("waited for the end of {command:?}, which has said {said:?}: {error}")
        })
    };
    let (stdout, stderr) = (all(&stdout), all(&stderr));
    Output { status: process.wait().unwrap(), stdout, stderr }
}

fn read_to_end(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = Vec::new();
        from.read_to_end(&mut octets).unwrap();
        let _ = tell.send(octets);
    });
    told
}
