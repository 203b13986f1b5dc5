//! What becomes of what a client has sent that is gone.

use std::time::Duration;

use crate::apps::holding;
use crate::client::{Client, DOORS, Door};
use crate::support::{PATIENCE, Raw, http, serve};
use tidings::App;
use tidings::broker::DestinationPolicy;
use tidings::endpoint::{CloseCode, CloseReason};
use tidings::messaging::{Messenger, SessionEvent};
use tidings::server::StompOptions;
use tokio::sync::mpsc;

#[tokio::test]
async fn what_requests_have_brought_is_done_although_the_client_is_gone() {
    let (app, go_on) = holding();
    let server = serve(app).await;
    let mut observer = Client::connect(&server, Door::Tcp, "1.2").await;
    go_on.add_permits(1);
    observer.subscribe("id:o\ndestination:/topic/o\n").await;

    let request = async |transport: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /stomp/0/s/{transport} HTTP/1.0\r\nHost: x\r\n");
        http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    };
    let mut receiver = Raw::connect(server.http).await;
    let open = "POST /stomp/0/s/xhr_streaming HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    receiver.write(open).await;
    receiver.read_until("o\n").await;
    let connect = r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#;
    assert!(request("xhr_send", connect).await.starts_with("HTTP/1.0 204"));
    receiver.read_until("CONNECTED").await;
    let subscribe = r#"["SUBSCRIBE\nid:1\ndestination:/topic/s\n\n\u0000"]"#;
    assert!(request("xhr_send", subscribe).await.starts_with("HTTP/1.0 204"));
    let send = |it| format!(r#""SEND\ndestination:/topic/o\nreceipt:r{it}\n\n{it}\u0000""#);
    let sends = format!("[{}]", [1, 2, 3].map(send).join(","));
    assert!(request("xhr_send", &sends).await.starts_with("HTTP/1.0 204"));

    drop(receiver);
    let until_gone = async {
        loop {
            let polled = request("xhr", "").await;
            if polled.contains("c[1002") || polled.ends_with("o\n") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, until_gone).await.expect("the server does not notice");
    go_on.add_permits(1);
    for number in 1..=3 {
        let message = observer.frame().await;
        assert!(message.ends_with(&format!("\n\n{number}\0")), "{message:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_does_not_wait_for_room() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let listen = move |event: SessionEvent, _: Messenger| {
        if let SessionEvent::Disconnected { .. } = event {
            let _ = tell.send(());
        }
        async {}
    };
    let full = DestinationPolicy { messages_max: Some(1), ..DestinationPolicy::default() };
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let app = App::builder()
        .stomp("/stomp")
        .stomp_options(options)
        .destination_policy("/queue/full", full)
        .publish_wait_max(Duration::from_secs(3600))
        .session_listener(listen)
        .build()
        .unwrap();
    let messenger = app.messenger().clone();
    let server = serve(app).await;
    messenger.send("/queue/full", "first").await.unwrap();
    let sends = "SEND\ndestination:/queue/full\n\nno room\0".repeat(3);
    for door in DOORS {
        for waits_already in [false, true] {
            let mut gone = Client::connect(&server, door, "1.2").await;
            gone.subscribe("id:s\ndestination:/topic/s\n").await;
            if waits_already {
                let first = "SEND\ndestination:/topic/nobody\nreceipt:first\n\n\0";
                let receipt = gone.ask(format!("{first}{sends}")).await;
                assert!(receipt.contains("receipt-id:first\n"), "{receipt:?}");
            } else {
                gone.send(&sends).await;
            }
            gone.vanish();
            // By this the server learns that it is gone.
            messenger.send("/topic/s", "for nobody").await.unwrap();
            let ended = tokio::time::timeout(PATIENCE, told.recv()).await;
            ended.unwrap_or_else(|_| panic!("{door:?} waits: {waits_already}")).unwrap();
        }
    }
}

#[tokio::test]
async fn what_comes_behind_the_close_of_a_listener_is_not_done() {
    let listen = |event: SessionEvent, _: Messenger| async move {
        if let SessionEvent::Subscribed { session, destination, .. } = event
            && destination.contains("forbidden")
        {
            session.close(CloseReason::from_code(CloseCode::POLICY_VIOLATION));
        }
    };
    let app = App::builder().stomp("/stomp").session_listener(listen).build().unwrap();
    let server = serve(app).await;
    let mut observer = Client::connect(&server, Door::Tcp, "1.2").await;
    observer.subscribe("id:o\ndestination:/topic/o\n").await;
    for door in DOORS {
        let mut closed = Client::connect(&server, door, "1.2").await;
        let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/forbidden\n\n\0";
        let send = "SEND\ndestination:/topic/o\n\nbehind\0";
        closed.send(format!("{subscribe}{send}")).await;
        if door == Door::Tcp {
            assert!(closed.frame().await.starts_with("ERROR\n"));
        }
        closed.ends().await;
        let message = observer.ask("SEND\ndestination:/topic/o\n\nafter\0").await;
        assert!(message.ends_with("\n\nafter\0"), "{message:?}");
    }
}
