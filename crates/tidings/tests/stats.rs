//! What an application tells of its sessions.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use support::Log;
use tidings::endpoint::Principal;
use tidings::http::Request;
use tidings::messaging::{AccessDenied, Authenticator, Login};
use tidings::server::{Server, ServerOptions};
use tidings::stats::Stats;
use tidings::testing::TestApp;
use tidings::{App, server_endpoint};

struct Echo;

#[server_endpoint("/echo")]
impl Echo {
    #[on_message]
    fn echo(&self, text: String) -> String {
        text
    }
}

/// Lets nobody in whose name is Mallory's.
struct Guard;

impl Authenticator for Guard {
    async fn authenticate(&self, login: Login) -> Result<Principal, AccessDenied> {
        match login.login.as_deref() {
            Some("mallory") => Err(AccessDenied::new("go away")),
            name => Ok(Principal::new(name.unwrap_or_default())),
        }
    }
}

fn app() -> TestApp {
    let app = App::builder()
        .stomp("/stomp")
        .endpoint(|| Echo)
        .sockjs("/sockjs", || Echo)
        .authenticator(Guard);
    TestApp::new(app.build().expect("nothing is deployed twice"))
}

fn abnormal(stats: &Stats) -> (u64, u64, u64) {
    let it = &stats.sessions.closed_abnormally;
    (it.connect_failure, it.send_limit, it.transport_error)
}

#[tokio::test(start_paused = true)]
async fn sessions_are_counted_by_their_doors_and_frames_of_stomp_by_their_commands() {
    let app = app();
    let bob = app.stomp().login("bob", "secret").connect().await;
    let socket = app.websocket("/echo").connect().await;
    let poll = |path: &str| {
        let request = Request::post(path).header("host", "localhost").body(String::new());
        app.app().respond(request.expect("a request"))
    };
    let opened = poll("/sockjs/000/one/xhr").await.expect("SockJS is there");
    assert_eq!(opened.status(), 200);
    let streaming = poll("/sockjs/000/two/xhr_streaming").await.expect("SockJS is there");
    let stats = until(&app, |stats| stats.sessions.open() == 4).await;
    let sessions = &stats.sessions;
    let by_door =
        (sessions.websocket, sessions.http_streaming, sessions.http_polling, sessions.tcp);
    assert_eq!(by_door, (1, 1, 1, 1), "{stats}");
    assert_eq!((sessions.open(), sessions.total), (4, 4));
    assert_eq!((stats.stomp.users, stats.stomp.connect, stats.stomp.connected), (1, 1, 1));

    bob.disconnect().await;
    socket.close().await;
    drop((opened, streaming));
    let stats = until(&app, |it| it.sessions.websocket + it.sessions.tcp == 0).await;
    assert_eq!((stats.stomp.users, stats.stomp.disconnect, stats.sessions.total), (0, 1, 4));
    assert_eq!(abnormal(&stats), (0, 0, 0), "{stats}");
}

#[tokio::test(start_paused = true)]
async fn what_ends_by_nobody_s_will_is_counted_by_what_was_wrong() {
    let app = app();
    let refused = app.stomp().login("mallory", "secret").try_connect().await;
    assert!(refused.is_err());
    until(&app, |stats| abnormal(stats) == (1, 0, 0)).await;

    let mut lazy = app.stomp().login("bob", "secret").connect().await;
    lazy.subscribe("/topic/news").await;
    for _ in 0..1000 {
        app.messenger().send("/topic/news", vec![0; 16 * 1024]).await.expect("a topic takes all");
    }
    until(&app, |stats| abnormal(stats) == (1, 1, 0)).await;

    drop(app.stomp().login("bob", "secret").connect().await);
    let log = until(&app, |stats| abnormal(stats) == (1, 1, 1)).await.to_string();
    assert!(log.contains("3 closed abnormally (1 connect failures, 1 send limits"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_connect_failure_is_a_client_that_was_not_let_in_and_no_other_end() {
    let app = app();
    // It says nothing.
    let silent = app.websocket("/stomp").connect().await;
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(abnormal(&app.app().stats()), (0, 0, 0));
    until(&app, |stats| abnormal(stats) == (1, 0, 0)).await;
    // It says something else.
    let mut rude = app.websocket("/stomp").connect().await;
    rude.send("SEND\ndestination:/topic/a\n\n\0").await;
    until(&app, |stats| abnormal(stats) == (2, 0, 0)).await;
    // It goes before it has said what it wants.
    app.websocket("/stomp").connect().await.close().await;
    until(&app, |stats| stats.sessions.open() == 0).await;
    // The server goes before that.
    let early = app.websocket("/stomp").connect().await;
    let app = app.app().clone();
    app.shut_down().await;
    assert_eq!(abnormal(&app.stats()), (2, 0, 0));
    drop((silent, rude, early));
}

#[tokio::test(start_paused = true)]
async fn a_server_logs_them_as_often_as_is_set() {
    let log = Log::capture();
    let minute = Duration::from_secs(60);
    let options = ServerOptions { stats_interval: minute, ..ServerOptions::default() };
    let server = Server::new(app().app().clone()).options(options);
    let server = server.listen("127.0.0.1:0").await.unwrap();
    server.run_until(tokio::time::sleep_until(tokio::time::Instant::now() + 7 * minute / 2)).await;
    let log = log.take();
    assert_eq!(log.matches("sessions: 0 open (0 WebSocket").count(), 3, "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_server_logs_them_for_each_application_that_it_serves() {
    let log = Log::capture();
    let minute = Duration::from_secs(60);
    let options = ServerOptions { stats_interval: minute, ..ServerOptions::default() };
    let plain = || App::builder().build().expect("nothing is in it");
    let (first, innermost, alone) = (App::builder(), plain(), plain());
    let inner = App::builder().beside(innermost).build().expect("nothing is in it");
    let first = first.beside(inner.clone()).build().expect("nothing is in it");
    let server = Server::new(first).options(options);
    let server = server.stomp_listen_app(&alone, "127.0.0.1:0").await.unwrap();
    let server = server.stomp_listen_app(&inner, "127.0.0.1:0").await.unwrap();
    server.run_until(tokio::time::sleep_until(tokio::time::Instant::now() + 3 * minute / 2)).await;
    let log = log.take();
    for number in 1..=4 {
        let own = format!("application={number}");
        assert_eq!(log.lines().filter(|line| line.contains(&own)).count(), 1, "{log}");
    }
    assert_eq!(log.matches("sessions: 0 open").count(), 4, "{log}");
}

/// Lets time pass until it is so.
async fn until(app: &TestApp, is_so: impl Fn(&Stats) -> bool) -> Stats {
    for _ in 0..100 {
        let stats = app.app().stats();
        if is_so(&stats) {
            return stats;
        }
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    panic!("{}", app.app().stats());
}
