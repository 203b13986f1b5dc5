//! How this end closes.

use tidings::client::sockjs::ClientTransport;
use tidings::endpoint::{CloseCode, CloseReason};

use super::peer::{Answer, Peer, polling};
use super::transports::only;

fn bye() -> CloseReason {
    CloseReason::truncated(CloseCode::new(3500).unwrap(), "bye")
}

#[tokio::test]
async fn whoever_closes_sees_the_own_reason_and_leaves_no_connection() {
    let peer = Peer::start(polling).await;
    let mut socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    socket.close(bye());
    assert!(socket.send("late").await.is_err());
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason(), Some(bye()));
    peer.is_left_alone().await;
}

#[tokio::test]
async fn a_socket_that_is_dropped_is_closed() {
    let peer = Peer::start(polling).await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    drop(socket);
    peer.is_left_alone().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_send_has_no_longer_than_the_close_timeout() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_send" => Answer::Begun(String::new()),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    socket.send("a").await.unwrap();
    let since = tokio::time::Instant::now();
    socket.close(bye());
    assert_eq!(socket.next().await, None);
    assert_eq!(since.elapsed().as_secs(), 3);
    peer.is_left_alone().await;
}
