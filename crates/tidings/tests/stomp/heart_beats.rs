//! Heart-beats: what is agreed on, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, Door, FROM_1_1, IN_1_0, header};
use crate::support::{Raw, Running, http, serve};
use tidings::server::{SockJsOptions, StompOptions};
use tidings::{App, controller};
use tokio::sync::Notify;

fn fast() -> StompOptions {
    let interval = Duration::from_millis(20);
    StompOptions {
        heart_beat: (interval, interval),
        heart_beat_min: interval,
        ..StompOptions::default()
    }
}

#[tokio::test]
async fn the_server_says_its_own_preference_and_the_longer_interval_holds() {
    let server = serve(App::builder().stomp("/stomp").build().unwrap()).await;
    for (door, version) in FROM_1_1.each() {
        let connect = format!("CONNECT\naccept-version:{version}\nheart-beat:");
        let mut client = Client::open(&server, door).await;
        let connected = client.ask(format!("{connect}1500,700\n\n\0")).await;
        assert_eq!(header(&connected, "heart-beat"), Some("10000,10000"));
        for value in ["x", "1000", "-1,0", "1,2,3"] {
            let mut client = Client::open(&server, door).await;
            let error = client.ask(format!("{connect}{value}\n\n\0")).await;
            assert_eq!(header(&error, "message"), Some("invalid heart-beat"), "{value}");
            client.ends().await;
        }
    }
}

#[tokio::test]
async fn heart_beats_are_nothing_of_1_0() {
    let server = serve(App::builder().stomp("/stomp").build().unwrap()).await;
    for (door, version) in IN_1_0.each() {
        for value in ["1500,700", "x"] {
            let mut client = Client::open(&server, door).await;
            let connect = format!("CONNECT\naccept-version:{version}\nheart-beat:{value}\n\n\0");
            assert_eq!(header(&client.ask(connect).await, "heart-beat"), None, "{value}");
            client.send("\n\n").await;
            client.goes_on().await;
        }
    }
}

#[tokio::test]
async fn no_client_gets_heart_beats_more_often_than_allowed() {
    let options = StompOptions { heart_beat_min: Duration::from_secs(1), ..fast() };
    let app = App::builder().stomp("/stomp").stomp_options(options).build().unwrap();
    let server = serve(app).await;
    for (door, version) in FROM_1_1.each() {
        let mut client = Client::open(&server, door).await;
        let connect = format!("CONNECT\naccept-version:{version}\nheart-beat:10,10\n\n\0");
        assert_eq!(header(&client.ask(connect).await, "heart-beat"), Some("1000,1000"));
    }
}

#[tokio::test]
async fn heart_beats_come_by_every_door() {
    let app = || App::builder().stomp("/stomp").stomp_options(fast()).build().unwrap();
    let server = serve(app()).await;
    for (door, version) in FROM_1_1.each() {
        let connect = format!("CONNECT\naccept-version:{version}\nheart-beat:0,20\n\n\0");
        if door == Door::Tcp {
            let mut tcp = Raw::connect(server.stomp).await;
            tcp.write(connect).await;
            assert!(tcp.read_until("\0").await.starts_with("CONNECTED\n"));
            assert_eq!(tcp.read_until("\n\n").await, "\n\n");
        } else {
            let mut socket = server.websocket("/stomp").await;
            socket.send(connect).await;
            assert!(socket.text().await.starts_with("CONNECTED\n"));
            assert_eq!(socket.text().await, "\n");
        }
    }

    let mut sockjs = server.websocket("/stomp/000/beats/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\nheart-beat:0,20\n\n\u0000"]"#).await;
    assert!(sockjs.text().await.starts_with(r#"a["CONNECTED\n"#));
    assert_eq!(sockjs.text().await, r#"a["\n"]"#);
}

/// The body of the answer to a request of a SockJS session.
async fn request(server: &Running, transport: &str, body: &str) -> String {
    let head = format!("POST /stomp/000/beats/{transport} HTTP/1.0\r\nHost: {}\r\n", server.http);
    let length = body.len();
    let answer = http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await;
    answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned())
}

#[tokio::test]
async fn over_sockjs_somebody_sends_something_from_time_to_time() {
    let delay = Duration::from_millis(10);
    let sockjs = SockJsOptions { heartbeat_delay: delay, ..SockJsOptions::default() };
    // Who promises beats and wants none still needs those of SockJS, for the proxies on the way.
    for (heart_beat, options, expected) in [
        ("10000,0", StompOptions::default(), "h"),
        ("0,20", fast(), r#"a["\n"]"#),
        ("0,0", fast(), "h"),
    ] {
        let app = App::builder().stomp_with_options("/stomp", sockjs.clone());
        let server = serve(app.stomp_options(options).build().unwrap()).await;
        let connect =
            format!(r#"["CONNECT\naccept-version:1.2\nheart-beat:{heart_beat}\n\n\u0000"]"#);
        let mut socket = server.websocket("/stomp/000/beats/websocket").await;
        socket.send(connect.clone()).await;
        while !socket.text().await.contains("CONNECTED") {}
        for _ in 0..2 {
            assert_eq!(socket.text().await, expected, "{heart_beat}, websocket");
        }
        assert_eq!(request(&server, "xhr", "").await, "o\n");
        request(&server, "xhr_send", &connect).await;
        while !request(&server, "xhr", "").await.contains("CONNECTED") {}
        for _ in 0..2 {
            // A client that comes late finds several.
            let beats = request(&server, "xhr", "").await;
            let beat = beats.replace(r#","\n""#, "");
            assert_eq!(beat, format!("{expected}\n"), "{heart_beat}, xhr: {beats}");
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_told() {
    let app = App::builder().stomp("/stomp").stomp_options(fast()).build().unwrap();
    let server = serve(app).await;
    for (door, version) in FROM_1_1.each() {
        let client = Client::connect_with(&server, door, version, "heart-beat:20,0\n").await;
        client.ends_for("no heart-beat from the other end").await;
    }
}

struct Slow(Arc<Notify>);

#[controller]
impl Slow {
    #[message_mapping("/slow")]
    async fn slow(&self) {
        self.0.notified().await;
    }
}

#[tokio::test]
async fn a_client_that_is_not_read_is_not_taken_for_dead() {
    let handled = Arc::new(Notify::new());
    let slow = Slow(Arc::clone(&handled));
    let app = App::builder().stomp("/stomp").controller(slow).stomp_options(fast());
    let server = serve(app.build().unwrap()).await;
    for (door, version) in FROM_1_1.each() {
        // Long enough for what is sent next to come in time on a machine that is busy.
        let beats = "heart-beat:250,0\n";
        let mut waiting = Client::connect_with(&server, door, version, beats).await;
        waiting.send("SEND\ndestination:/app/slow\nreceipt:handled\n\n\0\n\n\n").await;

        let silent = Client::connect_with(&server, door, version, beats).await;
        silent.ends_for("no heart-beat from the other end").await;

        handled.notify_one();
        let receipt = waiting.frame().await;
        assert_eq!(header(&receipt, "receipt-id"), Some("handled"));
    }
}
