//! What broke other servers of WebSockets, SockJS and STOMP: one test for each kind of vulnerability, numbered as in
//! SECURITY.md. `rows.md` says which.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

mod compression;
mod frames;
mod logs;
mod opening;
mod rows;
mod stomp;
#[path = "../support/mod.rs"]
mod support;
mod waiting;

use std::time::Duration;

use support::{PATIENCE, Running, WebSocket, serve};
use tidings::endpoint::{
    CloseCode, CloseReason, ConnectionOptions, EndpointError, Message, Session,
};
use tidings::{App, server_endpoint};
use tidings_websocket::{FrameStart, MaskingKey, encode_frame};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Echoes, does what it is told, and tells what happens to it.
struct Target(mpsc::UnboundedSender<String>);

#[server_endpoint("/target")]
impl Target {
    #[on_open]
    fn opened(&self, session: &Session) {
        let _ = self.0.send(format!("open {}", session.id()));
    }

    #[on_message]
    async fn said(&self, session: &Session, message: Message) -> Result<(), EndpointError> {
        match message.as_octets() {
            b"close" => session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)),
            b"leave" => {
                session.send(vec![0; 512 * 1024]).await?;
                session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
            }
            b"flood" => loop {
                session.send(vec![0; 64 * 1024]).await?;
            },
            _ => session.send(message).await?,
        }
        Ok(())
    }

    #[on_error]
    fn failed(&self, _: EndpointError) {}

    #[on_close]
    fn closed(&self, reason: &CloseReason) {
        let _ = self.0.send(format!("closed {}", reason.code()));
    }
}

/// Patience for tests that wait for its end.
fn impatient() -> ConnectionOptions {
    let soon = Duration::from_millis(100);
    ConnectionOptions { send_timeout: soon, close_timeout: soon, ..ConnectionOptions::default() }
}

struct Served {
    running: Running,
    told: mpsc::UnboundedReceiver<String>,
}

async fn served(options: ConnectionOptions) -> Served {
    let (sender, told) = mpsc::unbounded_channel();
    let app = App::builder()
        .connection_options(options)
        .endpoint(move || Target(sender.clone()))
        .build()
        .unwrap();
    Served { running: serve(app).await, told }
}

impl Served {
    async fn open(&mut self) -> WebSocket {
        let client = self.running.websocket("/target").await;
        assert!(self.told().await.starts_with("open "));
        client
    }

    async fn told(&mut self) -> String {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("nothing is told").unwrap()
    }

    /// Sends octets on a connection of their own. The code that the server closes with.
    async fn close_code(&mut self, octets: &[u8]) -> u16 {
        let mut client = self.open().await;
        client.stream.write_all(octets).await.unwrap();
        let code = client.closed().await.code().as_u16();
        self.told().await;
        code
    }

    /// Whoever else is here notices nothing.
    async fn is_well(&mut self) {
        let mut bystander = self.open().await;
        bystander.send("well?").await;
        assert_eq!(bystander.text().await, "well?");
        bystander.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)).await;
        self.told().await;
    }
}

fn masked(start: impl Into<FrameStart>, payload: &[u8], out: &mut Vec<u8>) {
    encode_frame(start, payload, Some(MaskingKey([1, 2, 3, 4])), out);
}

fn handshake(headers: &[u8]) -> Vec<u8> {
    let start = b"GET /target HTTP/1.1\r\nHost: localhost\r\n";
    [&start[..], headers, b"\r\n"].concat()
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
