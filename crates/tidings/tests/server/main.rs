//! Listeners and limits of the server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tls")]
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use support::{PATIENCE, WebSocket};
use tidings::App;
use tidings::client::{Client, HttpVersion};
use tidings::endpoint::{CloseCode, Endpoint, EndpointError, Message, Session};
use tidings::server::{Server, ServerOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &str = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// `hi`, masked with zeros.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

fn app() -> App {
    App::builder().endpoint_at("/echo", || Echo).build().unwrap()
}

/// Opens a WebSocket over any stream, with a message sent together with the request, and waits for
/// the message to come back.
async fn echo_over(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&[REQUEST.as_bytes(), HI].concat()).await.unwrap();
    let mut answer = Vec::new();
    let echoed = async {
        while !answer.ends_with(b"\x81\x02hi") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
    };
    tokio::time::timeout(PATIENCE, echoed).await.expect("no echo");
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[cfg(unix)]
#[tokio::test]
async fn a_websocket_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("tidings-{}.sock", std::process::id()));
    let server = Server::new(app()).listen_unix(&path).unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    echo_over(&mut stream).await;
}

async fn serve(options: ServerOptions) -> SocketAddr {
    let server = Server::new(app()).options(options).listen("127.0.0.1:0").await.unwrap();
    let addr = server.http_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    addr
}

#[tokio::test]
async fn a_client_that_sends_half_a_head_is_let_go() {
    let head_read_timeout = Duration::from_millis(10);
    let addr = serve(ServerOptions { head_read_timeout, ..ServerOptions::default() }).await;
    for half in ["", "P", "PR", "GET /echo HTTP/1.1\r\nHost: lo"] {
        let rest = support::http(addr, half).await;
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408 "), "{half}: {rest:?}");
    }
}

#[tokio::test]
async fn an_address_may_have_so_many_connections_as_sessions_too() {
    let options = ServerOptions { connections_per_addr_max: Some(1), ..ServerOptions::default() };
    let addr = serve(options).await;
    let mut first = WebSocket::connect(addr, "/echo", "").await.unwrap();
    first.send("one").await;
    assert_eq!(first.text().await, "one", "the HTTP connection is a session now");

    let mut second = TcpStream::connect(addr).await.unwrap();
    let mut octet = [0];
    let ended = second.read(&mut octet);
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("still open");
    assert!(matches!(ended, Ok(0) | Err(_)));

    drop(first);
    let third = async {
        loop {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let _ = stream.write_all(REQUEST.as_bytes()).await;
            let mut answer = [0; 12];
            if stream.read_exact(&mut answer).await.is_ok() {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, third).await.expect("never let in again");
    assert_eq!(&answer, b"HTTP/1.1 101");
}

#[tokio::test]
async fn websockets_over_http_2_by_prior_knowledge() {
    let addr = serve(ServerOptions::default()).await;
    let client = Client::builder().http_version(HttpVersion::Http2).build();
    echo_through(&client, &format!("ws://{addr}/echo")).await;
}

#[tokio::test]
async fn a_foreign_origin_is_refused_over_http_2_too() {
    let addr = serve(ServerOptions::default()).await;
    let client = |origin: String| {
        let origin = origin.try_into().unwrap();
        Client::builder().http_version(HttpVersion::Http2).origin(origin).build()
    };
    let url = format!("ws://{addr}/echo");
    client(format!("http://{addr}")).open(&url).await.unwrap();
    let refused = client("http://elsewhere.example".to_owned()).open(&url).await.unwrap_err();
    assert_eq!(refused.response().unwrap().status(), 403);
}

async fn echo_through(client: &Client, url: &str) {
    let mut socket = client.open(url).await.unwrap();
    let messages = ["one".into(), Message::from(vec![7; 300_000]), "three".into()];
    for message in &messages {
        socket.send(message.clone()).await.unwrap();
    }
    for message in messages {
        assert_eq!(socket.next().await, Some(message));
    }
    socket.close(CloseCode::NORMAL_CLOSURE.into());
    assert_eq!(socket.next().await, None);
}
