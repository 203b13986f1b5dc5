//! A client that says frames as they are written.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;
use crate::broker::Broker;

pub(super) struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// With a session opened by these headers of CONNECT, besides the login.
    pub(super) async fn connect(broker: &Broker, headers: &str) -> Self {
        let stream = TcpStream::connect(broker.addr()).await.expect("a connection");
        let mut raw = Self { stream, received: Vec::new() };
        raw.say(&format!("CONNECT\nlogin:guest\npasscode:guest\n{headers}\n")).await;
        raw.hear("CONNECTED").await;
        raw
    }

    /// Sends a frame; what ends it is added.
    pub(super) async fn say(&mut self, frame: &str) {
        self.stream.write_all(frame.as_bytes()).await.expect("it reads");
        self.stream.write_all(b"\0").await.expect("it reads");
    }

    /// The next frame, which has to be of this command. Line ends between frames do not count.
    pub(super) async fn hear(&mut self, command: &str) -> Heard {
        let hearing = async {
            loop {
                if let Some(end) = self.received.iter().position(|octet| *octet == 0) {
                    let rest = self.received.split_off(end + 1);
                    let frame = std::mem::replace(&mut self.received, rest);
                    return String::from_utf8_lossy(&frame[..end]).into_owned();
                }
                let read = self.stream.read_buf(&mut self.received).await.expect("it is there");
                assert_ne!(read, 0, "it ended before {command}");
            }
        };
        let frame = tokio::time::timeout(PATIENCE, hearing).await;
        let frame = Heard(frame.unwrap_or_else(|_| panic!("{command} did not come")));
        assert!(frame.0.trim_start_matches(['\n', '\r']).starts_with(command), "{frame:?}");
        frame
    }

    /// Waits for the receipt of this id.
    pub(super) async fn receipt(&mut self, id: &str) {
        assert_eq!(self.hear("RECEIPT").await.header("receipt-id"), Some(id));
    }
}

#[derive(Debug)]
pub(super) struct Heard(String);

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\n\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    pub(super) fn body(&self) -> &str {
        self.0.split_once("\n\n").map_or("", |(_, body)| body)
    }
}
