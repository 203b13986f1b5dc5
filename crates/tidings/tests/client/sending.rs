use std::time::Duration;

use tidings::WebSocket;
use tidings::client::Client;
use tidings::endpoint::{
    ConnectionOptions, ControlPayload, Message, OverflowPolicy, SendError, Session,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::peer::{Peer, accept, read_frame};

async fn connected(client: &Client) -> (WebSocket, TcpStream) {
    let peer = Peer::start([accept()]).await;
    let socket = client.open(&peer.url("/")).await.unwrap();
    (socket, peer.stream().await)
}

async fn pair() -> (WebSocket, TcpStream) {
    connected(&Client::default()).await
}

#[tokio::test]
async fn parts_are_the_frames_of_one_message() {
    let (socket, mut stream) = pair().await;
    let mut text = socket.session().start_text().await.unwrap();
    text.write("a").await.unwrap();
    text.write("").await.unwrap();
    text.write("b").await.unwrap();
    text.finish().await.unwrap();
    let mut binary = socket.session().start_binary().await.unwrap();
    binary.write(&[1]).await.unwrap();
    binary.finish().await.unwrap();
    let expected: [(u8, &[u8]); 6] =
        [(0x01, b"a"), (0, b""), (0, b"b"), (0x80, b""), (0x02, &[1]), (0x80, b"")];
    for (first, payload) in expected {
        assert_eq!(read_frame(&mut stream).await, (first, payload.to_vec()));
    }
}

#[tokio::test]
async fn a_last_part_without_others_is_a_single_frame() {
    let (socket, mut stream) = pair().await;
    drop(socket.session().start_text().await.unwrap());
    socket.session().start_text().await.unwrap().finish().await.unwrap();
    socket.session().start_text().await.unwrap().finish_with("").await.unwrap();
    assert_eq!(read_frame(&mut stream).await, (0x81, vec![]));
}

#[tokio::test]
async fn a_whole_message_waits_behind_one_in_parts() {
    let (socket, mut stream) = pair().await;
    let mut text = socket.session().start_text().await.unwrap();
    text.write("a").await.unwrap();
    socket.send("whole").await.unwrap();
    text.write("b").await.unwrap();
    text.finish().await.unwrap();
    let expected: [(u8, &[u8]); 4] = [(0x01, b"a"), (0, b"b"), (0x80, b""), (0x81, b"whole")];
    for (first, payload) in expected {
        assert_eq!(read_frame(&mut stream).await, (first, payload.to_vec()));
    }
}

#[tokio::test]
async fn pings_and_pongs_carry_up_to_125_octets() {
    let (socket, mut stream) = pair().await;
    let longest = vec![b'x'; 125];
    socket.session().ping(ControlPayload::try_from(&longest[..]).unwrap()).unwrap();
    socket.session().pong(ControlPayload::try_from("unasked").unwrap()).unwrap();
    assert_eq!(read_frame(&mut stream).await, (0x89, longest));
    assert_eq!(read_frame(&mut stream).await, (0x8a, b"unasked".to_vec()));
    assert!(ControlPayload::try_from(&[0; 126][..]).is_err());
}

#[tokio::test]
async fn messages_of_every_length_encoding_arrive_whole() {
    let (socket, mut stream) = pair().await;
    for len in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        socket.send(payload.clone()).await.unwrap();
        assert_eq!(read_frame(&mut stream).await, (0x82, payload), "{len} octets");
    }
}

#[tokio::test]
async fn a_batch_leaves_at_its_end() {
    let (socket, mut stream) = pair().await;
    let batch = socket.session().batch();
    socket.send("a").await.unwrap();
    socket.send("b").await.unwrap();
    batch.end().unwrap();
    assert_eq!(read_frame(&mut stream).await, (0x81, b"a".to_vec()));
    assert_eq!(read_frame(&mut stream).await, (0x81, b"b".to_vec()));
}

#[tokio::test]
async fn a_ticket_tells_when_its_message_is_written() {
    let (socket, mut stream) = pair().await;
    let ticket = socket.session().post("a").unwrap();
    assert_eq!(ticket.session_id(), socket.session().id());
    assert_eq!(ticket.await, Ok(()));
    assert_eq!(read_frame(&mut stream).await, (0x81, b"a".to_vec()));
}

#[tokio::test]
async fn a_ticket_of_a_message_that_never_leaves_fails() {
    let (mut socket, stream) = pair().await;
    // More than the buffers of a loopback connection take.
    let ticket = socket.session().post(vec![0; 64 * 1024 * 1024]).unwrap();
    drop(stream);
    assert!(matches!(ticket.await, Err(SendError::Closed(_))));
    assert_eq!(socket.next().await, None);
}

/// Sends until that fails.
async fn flood(session: &Session) -> SendError {
    loop {
        if let Err(error) = session.send(vec![0; 256 * 1024]).await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_is_given_up() {
    let send_timeout = Duration::from_millis(10);
    let options = ConnectionOptions { send_timeout, ..ConnectionOptions::default() };
    let client = Client::builder().connection_options(options).build();
    let (mut socket, _stream) = connected(&client).await;
    assert!(matches!(flood(socket.session()).await, SendError::Timeout | SendError::Closed(_)));
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code().as_u16(), 1006);
}

#[tokio::test]
async fn an_overflow_closes_where_that_is_the_policy() {
    let options =
        ConnectionOptions { overflow: OverflowPolicy::Close, ..ConnectionOptions::default() };
    let client = Client::builder().connection_options(options).build();
    let (socket, _stream) = connected(&client).await;
    let SendError::Closed(reason) = flood(socket.session()).await else { panic!("not closed") };
    assert_eq!(reason.code().as_u16(), 1013);
}

#[tokio::test]
async fn a_broadcast_reaches_every_session_of_the_client_masked() {
    let client = Client::default();
    let mut connections = Vec::new();
    for _ in 0..3 {
        let (mut socket, mut stream) = connected(&client).await;
        // Once it takes messages it counts among the peers.
        stream.write_all(b"\x81\x02up").await.unwrap();
        assert_eq!(socket.next().await, Some(Message::from("up")));
        connections.push((socket, stream));
    }
    assert_eq!(connections[0].0.session().peers().broadcast("hi"), 3);
    for (_, stream) in &mut connections {
        assert_eq!(read_frame(stream).await, (0x81, b"hi".to_vec()));
    }
}
