use std::time::Duration;

use tidings::WebSocket;
use tidings::client::Client;
use tidings::endpoint::{
    CloseCode, CloseInfo, CloseReason, ConnectionOptions, Endpoint, EndpointError, KeepAlive,
    Message, Session,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::peer::{Peer, accept, accept_with, read_frame};

const TICK: Duration = Duration::from_millis(1);

fn code(code: u16) -> CloseReason {
    CloseReason::from_code(CloseCode::new(code).unwrap())
}

async fn connected(options: ConnectionOptions) -> (WebSocket, TcpStream) {
    let peer = Peer::start([accept()]).await;
    let client = Client::builder().connection_options(options).build();
    let socket = client.open(&peer.url("/")).await.unwrap();
    (socket, peer.stream().await)
}

/// How the socket ends.
async fn end(mut socket: WebSocket) -> CloseReason {
    while socket.next().await.is_some() {}
    socket.close_reason().unwrap()
}

/// Closes when it is told to.
struct Closes {
    at: &'static str,
    closed: mpsc::UnboundedSender<CloseReason>,
}

impl Endpoint for Closes {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        if self.at == "on_open" {
            session.close(code(4001));
            session.close(code(4002));
        }
        Ok(())
    }

    async fn on_message(&mut self, session: &Session, _: Message) -> Result<(), EndpointError> {
        session.close(code(4001));
        session.close(code(4002));
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let reason = &info.reason;
        let _ = self.closed.send(reason.clone());
    }
}

#[tokio::test]
async fn closing_in_a_handler_counts_once_and_the_first_reason_holds() {
    for at in ["on_open", "on_message"] {
        let (closed, mut reasons) = mpsc::unbounded_channel();
        let peer = Peer::start([accept_with("", b"\x81\x01x")]).await;
        let _session =
            Client::default().connect(&peer.url("/"), Closes { at, closed }).await.unwrap();
        let mut stream = peer.stream().await;
        let (first, payload) = read_frame(&mut stream).await;
        assert_eq!((first, &payload[..]), (0x88, &4001_u16.to_be_bytes()[..]), "{at}");
        stream.write_all(b"\x88\x02\x0f\xa1").await.unwrap();
        assert_eq!(reasons.recv().await, Some(code(4001)), "{at}");
        assert_eq!(reasons.recv().await, None, "{at}");
    }
}

#[tokio::test]
async fn a_close_frame_without_code_is_1005_and_is_answered() {
    let (socket, mut stream) = connected(ConnectionOptions::default()).await;
    stream.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(read_frame(&mut stream).await.0, 0x88);
    assert_eq!(end(socket).await, code(1005));
}

#[tokio::test]
async fn what_follows_the_close_frame_of_the_server_is_ignored() {
    let (mut socket, mut stream) = connected(ConnectionOptions::default()).await;
    stream.write_all(b"\x81\x01a\x88\x02\x03\xe8\x81\x01b\x83").await.unwrap();
    assert_eq!(socket.next().await, Some("a".into()));
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason(), Some(code(1000)));
}

#[tokio::test]
async fn messages_sent_before_close_still_go_out() {
    let (socket, mut stream) = connected(ConnectionOptions::default()).await;
    socket.send("last words").await.unwrap();
    socket.close(code(1000));
    assert_eq!(read_frame(&mut stream).await, (0x81, b"last words".to_vec()));
    assert_eq!(read_frame(&mut stream).await.0, 0x88);
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_close_is_left() {
    let options = ConnectionOptions { close_timeout: TICK, ..ConnectionOptions::default() };
    let (socket, mut stream) = connected(options).await;
    socket.close(code(1000));
    assert_eq!(end(socket).await, code(1000));
    assert_eq!(read_frame(&mut stream).await.0, 0x88);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0, "the stream has ended");
}

#[tokio::test]
async fn an_idle_session_ends_with_1006_and_the_server_sees_1001() {
    let options = ConnectionOptions { idle_timeout: Some(TICK), ..ConnectionOptions::default() };
    let (socket, mut stream) = connected(options).await;
    let (first, payload) = read_frame(&mut stream).await;
    assert_eq!((first, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
    stream.write_all(b"\x88\x02\x03\xe9").await.unwrap();
    assert_eq!(end(socket).await.code().as_u16(), 1006);
}

#[tokio::test]
async fn a_silent_server_is_asked_and_then_given_up() {
    let keepalive = Some(KeepAlive { every: TICK, timeout: TICK });
    let options = ConnectionOptions { keepalive, ..ConnectionOptions::default() };
    let (socket, mut stream) = connected(options).await;
    assert_eq!(read_frame(&mut stream).await, (0x89, vec![]));
    assert_eq!(end(socket).await, code(1006));
}

#[tokio::test]
async fn invalid_text_of_a_server_closes_with_1007() {
    let (socket, mut stream) = connected(ConnectionOptions::default()).await;
    stream.write_all(b"\x81\x01\xff").await.unwrap();
    let (first, payload) = read_frame(&mut stream).await;
    assert_eq!((first, &payload[..2]), (0x88, &1007_u16.to_be_bytes()[..]));
    assert_eq!(end(socket).await.code().as_u16(), 1007);
}
