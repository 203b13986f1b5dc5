//! What requests take with them.

use std::time::Duration;

use bytes::Bytes;
use tidings::client::Client;
use tidings::client::sockjs::ClientTransport;
use tidings::endpoint::{ConnectionOptions, SendError};

use super::peer::{Answer, Peer, ok, polling, status, streaming};
use super::transports::only;

#[tokio::test]
async fn one_request_is_under_way_and_the_next_takes_all_that_waits() {
    let peer = Peer::start(polling).await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    for number in 0..100 {
        socket.send(number.to_string()).await.unwrap();
    }
    let written = socket.session().post("last").unwrap();
    written.await.unwrap();
    let bodies: Vec<_> = peer.asked("xhr_send").into_iter().map(|asked| asked.body).collect();
    let sent: Vec<String> =
        bodies.iter().flat_map(|body| serde_json::from_str::<Vec<String>>(body).unwrap()).collect();
    let expected: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(sent[..100], expected);
    assert_eq!(sent[100], "last");
    assert!(bodies.len() < 50, "{} requests", bodies.len());
}

#[tokio::test]
async fn octets_that_are_no_text_are_refused_and_what_follows_is_sent() {
    let peer = Peer::start(polling).await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    assert_eq!(socket.session().send(Bytes::from_static(b"\xff")).await, Err(SendError::NotText));
    socket.session().send(Bytes::from_static(b"a")).await.unwrap();
    assert_eq!(peer.was_asked("xhr_send", 1).await.remove(0).body, "[\"a\"]");
}

#[tokio::test]
async fn the_content_type_asks_for_no_preflight() {
    let peer = Peer::start(polling).await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    socket.send("a").await.unwrap();
    let asked = peer.was_asked("xhr_send", 1).await.remove(0);
    assert_eq!((&*asked.method, &*asked.body), ("POST", "[\"a\"]"));
    assert_eq!(asked.header("content-type"), Some("text/plain;charset=UTF-8"));
    let receive = peer.asked("xhr").remove(0);
    assert_eq!((&*receive.method, &*receive.body), ("POST", ""));
}

#[tokio::test]
async fn sending_that_fails_is_the_end() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_send" => status("500 Internal Server Error"),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    socket.send("a").await.unwrap();
    assert_eq!(socket.next().await, None);
    let reason = socket.close_reason().unwrap();
    let told = "server answered with status 500 Internal Server Error";
    assert_eq!((reason.code().as_u16(), reason.reason()), (1006, told));
    peer.is_left_alone().await;
}

#[tokio::test]
async fn what_came_before_sending_failed_is_not_lost() {
    const FRAMES: usize = 10_000;
    let frames: String = (0..FRAMES).map(|number| format!("a[\"{number}\"]\n")).collect();
    let answer = streaming(&format!("o\n{frames}"));
    let peer = Peer::start(move |asked, before| match &*asked.what {
        "xhr_send" => status("500 Internal Server Error"),
        "xhr_streaming" => Answer::Begun(answer.clone()),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = only(ClientTransport::XhrStreaming).open(&peer.url()).await.unwrap();
    socket.send("a").await.unwrap();
    for number in 0..FRAMES {
        assert_eq!(socket.next().await, Some(number.to_string()));
    }
    assert_eq!(socket.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_take_what_is_sent_is_given_up() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_send" => Answer::Begun(String::new()),
        _ => polling(asked, before),
    })
    .await;
    let options = ConnectionOptions {
        outbox_octets_max: 100,
        send_timeout: Duration::from_secs(7),
        ..ConnectionOptions::default()
    };
    let client = Client::builder().connection_options(options).sockjs();
    let client = client.transports([ClientTransport::XhrPolling]).build();
    let mut socket = client.open(&peer.url()).await.unwrap();
    let since = tokio::time::Instant::now();
    let refused = loop {
        if let Err(error) = socket.send("0123456789").await {
            break error;
        }
    };
    assert!(matches!(refused, SendError::Timeout | SendError::Closed(_)), "{refused:?}");
    assert_eq!(since.elapsed().as_secs(), 7);
    assert_eq!(socket.next().await, None);
    peer.is_left_alone().await;
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_not_used_again() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_send" => Answer::Cut("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        _ => polling(asked, before),
    })
    .await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    for times in 1..=10 {
        let written = socket.session().post("a").unwrap();
        written.await.unwrap();
        assert_eq!(peer.asked("xhr_send").len(), times);
    }
}

#[tokio::test]
async fn any_success_will_do() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr_send" => ok("ok"),
        _ => polling(asked, before),
    })
    .await;
    let socket = only(ClientTransport::XhrPolling).open(&peer.url()).await.unwrap();
    for _ in 0..3 {
        socket.session().post("a").unwrap().await.unwrap();
    }
    assert_eq!(peer.asked("xhr_send").len(), 3);
}
