//! A server that follows a script, one connection after the other.

use std::collections::VecDeque;
use std::net::SocketAddr;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Version};
use tidings_websocket::handshake::server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, target and version.
    pub line: String,
    pub headers: HeaderMap,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What to say to a request.
pub type Answer = Box<dyn FnOnce(&Request) -> Vec<u8> + Send>;

/// These octets, whatever was asked.
pub fn say(octets: impl Into<Vec<u8>>) -> Answer {
    let octets = octets.into();
    Box::new(move |_| octets)
}

/// A status and header lines, each with its line end, and no body.
pub fn status(status: &str, headers: &str) -> Answer {
    say(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n"))
}

/// The right answer, with more header lines and then more octets.
pub fn accept_with(headers: &'static str, early: &'static [u8]) -> Answer {
    Box::new(move |request| {
        let accepted = server::accept(&Method::GET, Version::HTTP_11, &request.headers).unwrap();
        let key = accepted.accept_key().unwrap();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {key}\r\n{headers}\r\n"
        );
        [head.as_bytes(), early].concat()
    })
}

pub fn accept() -> Answer {
    accept_with("", b"")
}

/// A peer that gives the answers in turn, each on a connection of its own.
pub struct Peer {
    pub addr: SocketAddr,
    script: JoinHandle<(Vec<Request>, Option<TcpStream>)>,
}

impl Peer {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let script = tokio::spawn(async move {
            let (mut requests, mut last) = (Vec::new(), None);
            while let Some(answer) = answers.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                stream.write_all(&answer(&request)).await.unwrap();
                requests.push(request);
                last = Some(stream);
            }
            (requests, last)
        });
        Self { addr, script }
    }

    pub fn url(&self, target: &str) -> String {
        format!("ws://{}{target}", self.addr)
    }

    /// What was asked, once all answers are given.
    pub async fn requests(self) -> Vec<Request> {
        self.script.await.unwrap().0
    }

    /// The last connection, once all answers are given.
    pub async fn stream(self) -> TcpStream {
        self.script.await.unwrap().1.unwrap()
    }
}

/// Reads the head of a request, and nothing after it.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    Request { line, headers: map }
}

/// The next frame of a client: its first octet, and its payload unmasked.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.unwrap();
    let second = stream.read_u8().await.unwrap();
    assert_ne!(second & 0x80, 0, "the frames of a client are masked");
    let len = match second & 0x7f {
        126 => stream.read_u16().await.unwrap().into(),
        127 => stream.read_u64().await.unwrap(),
        len => len.into(),
    };
    let mut key = [0; 4];
    stream.read_exact(&mut key).await.unwrap();
    let mut payload = vec![0; len.try_into().unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(octet, key)| *octet ^= key);
    (first, payload)
}
