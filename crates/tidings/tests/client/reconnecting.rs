use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings::App;
use tidings::client::{Backoff, Client, ReconnectEnd};
use tidings::endpoint::{CloseCode, CloseReason};

use super::handshake::Nothing;
use super::peer::{Peer, accept, accept_with, status};
use super::support::serve;

fn at_once() -> Backoff {
    Backoff { initial: Duration::ZERO, ..Backoff::default() }
}

#[tokio::test]
async fn a_lost_session_is_followed_by_one_with_a_new_endpoint() {
    let going_away = || accept_with("", b"\x88\x02\x03\xe9");
    let peer = Peer::start([going_away(), going_away(), status("403 Forbidden", "")]).await;
    let made = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&made);
    let factory = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Nothing
    };
    let url = peer.url("/");
    let connection = Client::default().reconnecting(url, factory).backoff(at_once()).start();
    let end = connection.ended().await;
    assert!(matches!(end, ReconnectEnd::Failed(error) if error.is_permanent()));
    assert_eq!(made.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_open_session_is_at_hand_and_stop_closes_it() {
    let app = App::builder().endpoint_at("/", || Nothing).build().unwrap();
    let server = serve(app).await;
    let url = format!("ws://{}/", server.http);
    let connection = Client::default().reconnecting(url, || Nothing).start();
    let session = connection.connected().await.unwrap();
    assert_eq!(connection.session().as_ref(), Some(&session));
    connection.stop().await;
    assert!(!session.is_open());
}

#[tokio::test]
async fn a_session_that_this_end_closes_is_the_last() {
    let app = App::builder().endpoint_at("/", || Nothing).build().unwrap();
    let server = serve(app).await;
    let url = format!("ws://{}/", server.http);
    let connection = Client::default().reconnecting(url, || Nothing).start();
    let session = connection.connected().await.unwrap();
    session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    let ReconnectEnd::Disconnected(info) = connection.ended().await else { panic!("not closed") };
    assert!(info.clean);
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_is_connected_to_again() {
    // A text frame that is masked, as those of servers must not be.
    let broken = accept_with("", &[0x81, 0x80, 0, 0, 0, 0]);
    let peer = Peer::start([broken, accept()]).await;
    let connection =
        Client::default().reconnecting(peer.url("/"), || Nothing).backoff(at_once()).start();
    assert_eq!(peer.requests().await.len(), 2);
    connection.stop().await;
}

#[tokio::test]
#[should_panic(expected = "of the factory")]
async fn a_panic_of_the_factory_is_not_taken_for_a_stop() {
    let connection = Client::default()
        .reconnecting("ws://localhost:1/", || -> Nothing { panic!("of the factory") })
        .start();
    connection.ended().await;
}
