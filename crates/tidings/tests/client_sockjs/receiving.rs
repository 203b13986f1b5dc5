//! What answers bring, and how they break.

use std::time::Duration;

use tidings::client::sockjs::{ClientTransport, SockJs, SockJsClient, Watchdog};
use tidings::endpoint::{CloseReason, Endpoint, EndpointError, Message, Session};
use tokio::sync::{mpsc, oneshot};

use super::peer::{Answer, Peer, ok, polling, status, streaming};
use super::support::PATIENCE;
use super::transports::only;

async fn open(peer: &Peer, transport: ClientTransport) -> SockJs {
    only(transport).open(&peer.url()).await.unwrap()
}

/// Serves one transport with one answer, after the opening frame.
async fn answering(transport: ClientTransport, answer: fn() -> Answer) -> Peer {
    let path = transport.path();
    Peer::start(move |asked, before| match &*asked.what {
        what if what == path => answer(),
        _ => polling(asked, before),
    })
    .await
}

/// Code and reason of the end.
async fn end(socket: &mut SockJs) -> (u16, String) {
    assert_eq!(socket.next().await, None);
    let reason: CloseReason = socket.close_reason().unwrap();
    (reason.code().as_u16(), reason.reason().to_owned())
}

#[tokio::test]
async fn frames_may_be_cut_anywhere() {
    let peer = answering(ClientTransport::XhrStreaming, || {
        let chunks: String = "hhh\no\r\na[\"one\",\"two\"]\n\nh\na[\"thr\u{e9}e\"]\n"
            .chars()
            .map(|char| format!("{:x}\r\n{char}\r\n", char.len_utf8()))
            .collect();
        Answer::Begun(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))
    })
    .await;
    let mut socket = open(&peer, ClientTransport::XhrStreaming).await;
    for expected in ["one", "two", "thr\u{e9}e"] {
        assert_eq!(socket.next().await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_server_of_http_1_0_without_prelude_is_understood() {
    let peer = answering(ClientTransport::EventSource, || {
        let events = "data: o\n\ndata: a[\"100%25\"]\n\ndata: c[3001,\"bye\"]\n\n";
        Answer::Cut(format!("HTTP/1.0 200 OK\r\n\r\n{events}"))
    })
    .await;
    let mut socket = open(&peer, ClientTransport::EventSource).await;
    assert_eq!(socket.next().await.as_deref(), Some("100%"));
    assert_eq!(end(&mut socket).await, (3001, "bye".to_owned()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_the_end() {
    let peer = answering(ClientTransport::XhrStreaming, || {
        Answer::Cut(streaming("o\na[\"whole\"]\na[\"broken"))
    })
    .await;
    let mut socket = open(&peer, ClientTransport::XhrStreaming).await;
    assert_eq!(socket.next().await.as_deref(), Some("whole"));
    let (code, reason) = end(&mut socket).await;
    assert_eq!(code, 1006);
    assert!(reason.starts_with("connection failed"), "{reason}");
}

#[tokio::test]
async fn a_server_that_refuses_to_go_on_is_the_end() {
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("xhr", 1) => status("404 Not Found"),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = open(&peer, ClientTransport::XhrPolling).await;
    let told = "server answered with status 404 Not Found".to_owned();
    assert_eq!(end(&mut socket).await, (1006, told));
    peer.is_left_alone().await;
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_session_is_the_end() {
    let peer = Peer::start(|asked, before| match &*asked.what {
        "xhr" => ok("o\n"),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = open(&peer, ClientTransport::XhrPolling).await;
    assert_eq!(end(&mut socket).await, (1006, "Server lost session".to_owned()));
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_the_end() {
    let peer = answering(ClientTransport::XhrStreaming, || {
        Answer::Begun(streaming(&format!("o\na[\"{}", "x".repeat(2_000))))
    })
    .await;
    let client = SockJsClient::builder()
        .transports([ClientTransport::XhrStreaming])
        .frame_octets_max(1_000)
        .build();
    let mut socket = client.open(&peer.url()).await.unwrap();
    assert_eq!(end(&mut socket).await, (1006, "a frame has more than 1000 octets".to_owned()));
    peer.is_left_alone().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_after_a_heartbeat_is_the_end() {
    let peer =
        answering(ClientTransport::XhrStreaming, || Answer::Begun(streaming("o\nh\n"))).await;
    let mut socket = open(&peer, ClientTransport::XhrStreaming).await;
    let since = tokio::time::Instant::now();
    assert_eq!(end(&mut socket).await, (1006, "No heartbeat".to_owned()));
    assert!(since.elapsed() <= Duration::from_secs(51));
    peer.is_left_alone().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_beats_may_be_silent_unless_it_must_not() {
    let peer = answering(ClientTransport::XhrStreaming, || Answer::Begun(streaming("o\n"))).await;
    let mut socket = open(&peer, ClientTransport::XhrStreaming).await;
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, socket.next()).await.is_err());

    let client = SockJsClient::builder()
        .transports([ClientTransport::XhrStreaming])
        .watchdog(Watchdog::Always(Duration::from_secs(30)))
        .build();
    let mut socket = client.open(&peer.url()).await.unwrap();
    assert_eq!(end(&mut socket).await, (1006, "No heartbeat".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_answers_are_empty_is_not_asked_without_pause() {
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("xhr", 1..=3) => ok(""),
        ("xhr", 4) => ok("a[\"at last\"]\n"),
        _ => polling(asked, before),
    })
    .await;
    let mut socket = open(&peer, ClientTransport::XhrPolling).await;
    let since = tokio::time::Instant::now();
    assert_eq!(socket.next().await.as_deref(), Some("at last"));
    assert_eq!(since.elapsed().as_secs(), 3);
}

/// An endpoint that takes its first message only once it is allowed to.
struct Slow {
    allowed: Option<oneshot::Receiver<()>>,
    took: mpsc::UnboundedSender<String>,
}

impl Endpoint for Slow {
    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        if let Some(allowed) = self.allowed.take() {
            let _ = allowed.await;
        }
        if let Message::Text(text) = message {
            let _ = self.took.send(text);
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_server_is_asked_on_while_a_handler_takes_its_time() {
    // Each answer to a poll has one frame.
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("xhr", 1..=9) => ok(&format!("a[\"{before}\"]\n")),
        _ => polling(asked, before),
    })
    .await;
    let (allow, allowed) = oneshot::channel();
    let (took, mut taken) = mpsc::unbounded_channel();
    let endpoint = Slow { allowed: Some(allowed), took };
    only(ClientTransport::XhrPolling).connect(&peer.url(), endpoint).await.unwrap();
    let asked = tokio::time::timeout(PATIENCE, peer.was_asked("xhr", 11)).await;
    assert_eq!(asked.expect("it is not asked on").len(), 11);
    assert!(taken.is_empty(), "the first message is still being handled");
    allow.send(()).unwrap();
    for number in 1..=9 {
        assert_eq!(taken.recv().await, Some(number.to_string()));
    }
}

#[tokio::test]
async fn what_waits_for_a_handler_is_at_most_a_mebibyte_and_a_frame() {
    // Every poll brings more.
    let peer = Peer::start(|asked, before| match (&*asked.what, before) {
        ("xhr", 1..) => ok(&format!("a[\"{}\"]\n", "x".repeat(100_000))),
        _ => polling(asked, before),
    })
    .await;
    let (allow, allowed) = oneshot::channel();
    let (took, mut taken) = mpsc::unbounded_channel();
    let endpoint = Slow { allowed: Some(allowed), took };
    let client = only(ClientTransport::XhrPolling);
    let session = client.connect(&peer.url(), endpoint).await.unwrap();
    // The first message is being handled, and eleven wait; what is sent goes out all the same.
    let asked = tokio::time::timeout(PATIENCE, peer.was_asked("xhr", 13)).await;
    assert_eq!(asked.expect("it is not asked on").len(), 13);
    for number in 0..10 {
        session.send(number.to_string()).await.unwrap();
        let sent = tokio::time::timeout(PATIENCE, peer.was_asked("xhr_send", number + 1)).await;
        sent.expect("nothing is sent");
    }
    assert_eq!(peer.asked("xhr").len(), 13, "nothing more is asked for");
    allow.send(()).unwrap();
    for _ in 0..20 {
        assert_eq!(taken.recv().await.map(|message| message.len()), Some(100_000));
    }
}
