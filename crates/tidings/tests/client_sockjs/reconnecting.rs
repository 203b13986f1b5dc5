//! Sessions that are made again.

use std::time::Duration;

use tidings::client::sockjs::{ClientTransport, SockJsClient};
use tidings::client::{Backoff, Jitter, ReconnectEnd};
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tokio::sync::mpsc;

use super::peer::{Answer, Peer, polling, status, streaming};

struct Tells(mpsc::UnboundedSender<String>);

impl Endpoint for Tells {
    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        if let Message::Text(text) = message {
            self.0.send(text).unwrap();
        }
        Ok(())
    }
}

fn soon() -> Backoff {
    let initial = Duration::from_millis(1);
    Backoff { initial, max: initial, jitter: Jitter::None, ..Backoff::default() }
}

#[tokio::test]
async fn a_session_that_is_lost_is_made_again() {
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("xhr_streaming", 0..=1) => Answer::Cut(streaming("o\na[\"hello\"]\n")),
        ("xhr_streaming", _) => Answer::Begun(streaming("o\na[\"here to stay\"]\n")),
        _ => polling(asked, before),
    })
    .await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let client = SockJsClient::builder().transports([ClientTransport::XhrStreaming]).build();
    let factory = move || Tells(tell.clone());
    let connection = client.reconnecting(peer.url(), factory).backoff(soon()).start();
    for expected in ["hello", "hello", "here to stay"] {
        assert_eq!(told.recv().await.as_deref(), Some(expected));
    }
    assert!(connection.connected().await.is_some());
    connection.stop().await;
    peer.is_left_alone().await;
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    let peer = Peer::start(|_, _| status("403 Forbidden")).await;
    let (tell, _told) = mpsc::unbounded_channel();
    let factory = move || Tells(tell.clone());
    let connection = SockJsClient::default().reconnecting(peer.url(), factory).start();
    let end = connection.ended().await;
    assert!(matches!(end, ReconnectEnd::Failed(error) if error.is_permanent()));
    assert_eq!(peer.all_asked().len(), 1);
}
