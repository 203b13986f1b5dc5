//! Heart-beats: what is agreed on, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, DOORS, Door, header};
use crate::support::{Raw, serve};
use tidings::server::StompOptions;
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
    for door in DOORS {
        for version in ["1.1", "1.2"] {
            let mut client = Client::open(&server, door).await;
            let connect = format!("CONNECT\naccept-version:{version}\nheart-beat:1500,700\n\n\0");
            let connected = client.ask(connect).await;
            assert_eq!(header(&connected, "heart-beat"), Some("10000,10000"));
        }
        for value in ["x", "1000", "-1,0", "1,2,3"] {
            let mut client = Client::open(&server, door).await;
            let connect = format!("CONNECT\naccept-version:1.2\nheart-beat:{value}\n\n\0");
            let error = client.ask(connect).await;
            assert_eq!(header(&error, "message"), Some("invalid heart-beat"), "{value}");
            client.ends().await;
        }
    }
}

#[tokio::test]
async fn no_client_gets_heart_beats_more_often_than_allowed() {
    let options = StompOptions { heart_beat_min: Duration::from_secs(1), ..fast() };
    let server = serve(App::builder().stomp_options(options).build().unwrap()).await;
    let mut client = Client::open(&server, Door::Tcp).await;
    let connected = client.ask("CONNECT\naccept-version:1.2\nheart-beat:10,10\n\n\0").await;
    assert_eq!(header(&connected, "heart-beat"), Some("1000,1000"));
}

#[tokio::test]
async fn heart_beats_come_by_every_door() {
    let app = || App::builder().stomp("/stomp").stomp_options(fast()).build().unwrap();
    let server = serve(app()).await;
    let connect = "CONNECT\naccept-version:1.2\nheart-beat:0,20\n\n\0";
    let mut tcp = Raw::connect(server.stomp).await;
    tcp.write(connect).await;
    assert!(tcp.read_until("\0").await.starts_with("CONNECTED\n"));
    assert_eq!(tcp.read_until("\n\n").await, "\n\n");

    let mut socket = server.websocket("/stomp").await;
    socket.send(connect).await;
    assert!(socket.text().await.starts_with("CONNECTED\n"));
    assert_eq!(socket.text().await, "\n");

    let mut sockjs = server.websocket("/stomp/000/beats/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\nheart-beat:0,20\n\n\u0000"]"#).await;
    assert!(sockjs.text().await.starts_with(r#"a["CONNECTED\n"#));
    assert_eq!(sockjs.text().await, r#"a["\n"]"#);
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_told() {
    let server = serve(App::builder().stomp_options(fast()).build().unwrap()).await;
    let mut client = Client::open(&server, Door::Tcp).await;
    client.ask("CONNECT\naccept-version:1.2\nheart-beat:20,0\n\n\0").await;
    let error = client.frame().await;
    assert_eq!(header(&error, "message"), Some("no heart-beat from the other end"));
    client.ends().await;
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
    let server =
        serve(App::builder().controller(slow).stomp_options(fast()).build().unwrap()).await;
    let connect = "CONNECT\naccept-version:1.2\nheart-beat:20,0\n\n\0";
    let mut waiting = Client::open(&server, Door::Tcp).await;
    waiting.ask(connect).await;
    waiting.send("SEND\ndestination:/app/slow\nreceipt:handled\n\n\0\n\n\n").await;

    let mut silent = Client::open(&server, Door::Tcp).await;
    silent.ask(connect).await;
    let error = silent.frame().await;
    assert_eq!(header(&error, "message"), Some("no heart-beat from the other end"));

    handled.notify_one();
    let receipt = waiting.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("handled"));
}
