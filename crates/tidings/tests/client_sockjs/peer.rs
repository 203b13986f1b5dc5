//! A server of SockJS that follows a script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// The last segment of the path: `info`, or the transport.
    pub what: String,
    pub target: String,
    head: String,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What a peer does about a request.
pub enum Answer {
    /// Answers, and waits for the next request on the same connection.
    Whole(String),
    /// Answers this much and keeps the connection.
    Begun(String),
    /// Answers this much and closes the connection.
    Cut(String),
}

/// A whole answer with status 200.
pub fn ok(body: &str) -> Answer {
    with_headers("200 OK", "", body)
}

pub fn status(status: &str) -> Answer {
    with_headers(status, "", "")
}

/// `headers` are lines, each with its line end.
pub fn with_headers(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Whole(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
}

/// The beginning of an answer that stays open, with one chunk.
pub fn streaming(chunk: &str) -> String {
    let length = chunk.len();
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{chunk}\r\n")
}

/// A peer whose connections all follow one script.
#[derive(Clone)]
pub struct Peer {
    pub addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    count: watch::Sender<usize>,
    connections: watch::Sender<usize>,
}

impl Peer {
    /// `script` is given each request, with how many there were before it for the same thing.
    pub async fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (count, connections) = (watch::Sender::new(0), watch::Sender::new(0));
        let peer = Self { addr, asked: Arc::default(), count, connections };
        let (accepting, script) = (peer.clone(), Arc::new(script));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepting.connections.send_modify(|connections| *connections += 1);
                let (peer, script) = (accepting.clone(), Arc::clone(&script));
                tokio::spawn(async move { peer.serve(stream, &*script).await });
            }
        });
        peer
    }

    pub fn url(&self) -> String {
        format!("http://{}/echo", self.addr)
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        script: &(dyn Fn(&Asked, usize) -> Answer + Send + Sync),
    ) {
        while let Some(asked) = read_request(&mut stream).await {
            let answer = {
                let mut all = self.asked.lock().unwrap();
                let before = all.iter().filter(|other| other.what == asked.what).count();
                let answer = script(&asked, before);
                all.push(asked);
                answer
            };
            self.count.send_modify(|count| *count += 1);
            match answer {
                Answer::Whole(octets) => stream.write_all(octets.as_bytes()).await.unwrap(),
                Answer::Begun(octets) => {
                    stream.write_all(octets.as_bytes()).await.unwrap();
                    // Until the client goes.
                    while stream.read_u8().await.is_ok() {}
                    break;
                }
                Answer::Cut(octets) => {
                    stream.write_all(octets.as_bytes()).await.unwrap();
                    break;
                }
            }
        }
        drop(stream);
        self.connections.send_modify(|connections| *connections -= 1);
    }

    /// All that were asked so far for one thing.
    pub fn asked(&self, what: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.what == what).cloned().collect()
    }

    pub fn all_asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests were made for one thing.
    pub async fn was_asked(&self, what: &str, times: usize) -> Vec<Asked> {
        let mut count = self.count.subscribe();
        count.wait_for(|_| self.asked(what).len() >= times).await.unwrap();
        self.asked(what)
    }

    /// Waits until no client is connected any more.
    pub async fn is_left_alone(&self) {
        let mut connections = self.connections.subscribe();
        connections.wait_for(|connections| *connections == 0).await.unwrap();
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, _) = head.split_once("\r\n").unwrap();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let path = target.split('?').next().unwrap();
    let what = path.rsplit('/').next().unwrap().to_owned();
    let mut asked = Asked { method, what, target, head, body: String::new() };
    let length = asked.header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// The answers of a server without WebSocket that opens sessions by polling, and then never says anything.
pub fn polling(asked: &Asked, before: usize) -> Answer {
    match (&*asked.what, before) {
        ("info", _) => ok(r#"{"websocket":false}"#),
        ("xhr", 0) => ok("o\n"),
        ("xhr", _) => Answer::Begun(String::new()),
        ("xhr_send", _) => status("204 No Content"),
        _ => status("404 Not Found"),
    }
}
