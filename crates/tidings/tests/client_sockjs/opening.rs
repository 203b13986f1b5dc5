//! Which transport is tried, and when the next one is.

use std::time::Duration;

use tidings::client::ConnectError;
use tidings::client::sockjs::{ClientTransport, SockJsClient, SockJsError};
use tidings::server::TransportType;

use super::peer::{Answer, Asked, Peer, ok, polling, status, streaming};

#[tokio::test]
async fn transports_are_tried_one_after_the_other() {
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("info", _) => ok("{}"),
        ("websocket", _) => status("400 Bad Request"),
        ("xhr_streaming", _) => Answer::Cut(streaming("hhh\n")),
        ("eventsource", _) => Answer::Cut(String::new()),
        _ => polling(asked, before),
    })
    .await;
    let socket = SockJsClient::default().open(&peer.url()).await.unwrap();
    assert_eq!(socket.session().transport(), Some(TransportType::XhrPolling));
    let order: Vec<_> = peer.all_asked().into_iter().map(|asked| asked.what).collect();
    assert_eq!(order[..5], ["info", "websocket", "xhr_streaming", "eventsource", "xhr"]);
    let sessions: Vec<_> = peer.all_asked()[1..].iter().map(session_of).collect();
    assert_eq!(sessions.len(), 4.max(sessions.len()));
    for (index, session) in sessions[..4].iter().enumerate() {
        assert!(!sessions[..index].contains(session), "each attempt is another session");
    }
}

fn session_of(asked: &Asked) -> String {
    asked.target.split('/').nth(3).unwrap().to_owned()
}

#[tokio::test]
async fn ids_are_as_the_protocol_wants_them() {
    let peer = Peer::start(polling).await;
    let _socket = SockJsClient::default().open(&peer.url()).await.unwrap();
    let asked = peer.was_asked("xhr", 1).await.remove(0);
    let segments: Vec<_> = asked.target.split('/').collect();
    let [_, "echo", server, session, "xhr"] = segments[..] else { panic!("{segments:?}") };
    assert!(server.len() == 3 && server.bytes().all(|octet| octet.is_ascii_digit()));
    assert!(session.len() == 32 && session.bytes().all(|octet| octet.is_ascii_hexdigit()));
}

#[tokio::test]
async fn when_none_works_all_failures_are_told() {
    let peer = Peer::start(|asked, _| match &*asked.what {
        "info" => ok("{}"),
        _ => status("403 Forbidden"),
    })
    .await;
    let error = SockJsClient::default().open(&peer.url()).await.unwrap_err();
    let ConnectError::SockJs(SockJsError::AllTransportsFailed(failures)) = &error else {
        panic!("{error:?}")
    };
    let tried: Vec<_> = failures.iter().map(|failure| failure.transport).collect();
    assert_eq!(tried, ClientTransport::ALL);
    assert!(error.is_permanent());
    assert_eq!(
        error.to_string(),
        "all transports failed: websocket (server answered with status 403 Forbidden instead of 101), \
         xhr-streaming (server answered with status 403 Forbidden), \
         eventsource (server answered with status 403 Forbidden), \
         xhr-polling (server answered with status 403 Forbidden)"
    );
}

#[tokio::test]
async fn a_server_without_the_wanted_transports_says_so() {
    let peer = Peer::start(|_, _| ok(r#"{"websocket":false}"#)).await;
    let client = SockJsClient::builder().transports([ClientTransport::WebSocket]).build();
    let error = client.open(&peer.url()).await.unwrap_err();
    assert_eq!(error.to_string(), "server has none of the transports that are wanted");
    assert_eq!(peer.all_asked().len(), 1);
}

#[tokio::test]
async fn a_close_frame_in_place_of_the_opening_one_ends_everything() {
    let peer = Peer::start(|asked, _| match &*asked.what {
        "info" => ok(r#"{"websocket":false}"#),
        _ => ok("c[2010,\"Another connection still open\"]\n"),
    })
    .await;
    let error = SockJsClient::default().open(&peer.url()).await.unwrap_err();
    let ConnectError::SockJs(SockJsError::Closed(reason)) = &error else { panic!("{error:?}") };
    assert_eq!((reason.code().as_u16(), reason.reason()), (2010, "Another connection still open"));
    assert_eq!(peer.all_asked().len(), 2, "no other transport is tried");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_says_nothing_is_given_up_after_its_time() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        // As behind a proxy that keeps everything until the end.
        "xhr_streaming" | "eventsource" => Answer::Begun(String::new()),
        _ => polling(asked, before),
    })
    .await;
    let client = SockJsClient::builder().transport_timeout_min(Duration::from_secs(30)).build();
    let since = tokio::time::Instant::now();
    let socket = client.open(&peer.url()).await.unwrap();
    assert_eq!(socket.session().transport(), Some(TransportType::XhrPolling));
    assert_eq!(since.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn an_attempt_that_is_dropped_leaves_no_connection() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_streaming" => Answer::Begun(String::new()),
        _ => polling(asked, before),
    })
    .await;
    let url = peer.url();
    let opening = tokio::spawn(async move { SockJsClient::default().open(&url).await });
    peer.was_asked("xhr_streaming", 1).await;
    opening.abort();
    peer.is_left_alone().await;
}
