//! ERROR: what it says, and what is over with it.

use crate::apps::{app, app_with, keeping};
use crate::client::{EVERYWHERE, OVER_WEBSOCKET, header};
use crate::support::serve;
use tidings::App;
use tidings::server::StompOptions;
use tidings_websocket::CloseCode;

fn strict() -> App {
    app_with(StompOptions { strict: true, ..StompOptions::default() })
}

/// Frames that are understood and cannot be done.
const REFUSED: [(&str, &str); 10] = [
    ("SEND\nreceipt:r\n\n\0", "SEND without destination"),
    ("SEND\nreceipt:r\ndestination:/nowhere/a\n\n\0", "unknown destination"),
    ("SUBSCRIBE\nreceipt:r\nid:1\n\n\0", "SUBSCRIBE without destination"),
    ("SUBSCRIBE\nreceipt:r\nid:1\ndestination:/nowhere/a\n\n\0", "unknown destination"),
    ("SUBSCRIBE\nreceipt:r\nid:1\ndestination:/queue/a\nack:no\n\n\0", "unknown ack mode"),
    (
        "SUBSCRIBE\nreceipt:r\nid:/temp-queue/1\ndestination:/queue/a\n\n\0",
        "reserved subscription id",
    ),
    ("SUBSCRIBE\nreceipt:r\nid:1\ndestination:/queue/a\nselector:=\n\n\0", "invalid selector"),
    ("SEND\nreceipt:r\ndestination:/topic/a\ntransaction:t\n\n\0", "unknown transaction"),
    ("COMMIT\nreceipt:r\ntransaction:t\n\n\0", "unknown transaction"),
    ("MESSAGE\nreceipt:r\n\n\0", "unexpected MESSAGE"),
];

#[tokio::test]
async fn an_error_says_what_was_wrong_and_what_to_do_and_ends_the_session() {
    for (frame, message) in REFUSED {
        EVERYWHERE
            .attempt(app, async |_server, mut client, version| {
                let error = client.ask(frame).await;
                assert!(error.starts_with("ERROR\n"), "{version}: {error:?}");
                assert_eq!(header(&error, "message"), Some(message), "{version}");
                assert_eq!(header(&error, "receipt-id"), Some("r"), "{version}");
                assert_eq!(header(&error, "content-type"), Some("text/plain"));
                assert_eq!(header(&error, "version"), Some("1.0,1.1,1.2"));
                let body = error.split_once("\n\n").unwrap().1;
                assert!(body.len() > 10, "advice: {body:?}");
                client.ends().await;
            })
            .await;
    }
}

#[tokio::test]
async fn errors_can_leave_the_session_usable() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, version| {
            for (frame, message) in REFUSED {
                let error = client.ask(frame).await;
                assert_eq!(header(&error, "message"), Some(message), "{version}");
            }
            client.goes_on().await;
            client.subscribe("id:1\ndestination:/queue/a\n").await;
            let error = client.ask("CONNECT\n\n\0").await;
            assert_eq!(header(&error, "message"), Some("already connected"));
            client.ends().await;
        })
        .await;
}

/// Headers with a value that they cannot have, in frames that a client would believe done.
const MISTYPED: [(&str, &str); 14] = [
    ("SEND\ndestination:/queue/a\npersistent:maybe\n\nm", "true or false"),
    ("SEND\ndestination:/queue/a\npriority:high\n\nm", "a whole number"),
    ("SEND\ndestination:/topic/a\nretain:foo\n\nm", "set or remove"),
    ("SEND\ndestination:a\ndestination-type:foo\n\nm", "ANYCAST or MULTICAST"),
    ("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:maybe\n\n", "true or false"),
    ("SUBSCRIBE\nid:1\ndestination:/queue/a\nbrowser:yes\n\n", "true or false"),
    ("SUBSCRIBE\nid:1\ndestination:/queue/a\nexclusive:2\n\n", "true or false"),
    ("UNSUBSCRIBE\nid:1\ndurable:maybe\n\n", "true or false"),
    ("SEND\ndestination:/user/ann/a\npersistent:maybe\n\nm", "true or false"),
    ("SEND\ndestination:/queue/a\nretain:set\n\nm", "none where no topic is sent to"),
    ("SEND\ndestination:/topic/a\nreply-to:/temp-queue/\n\nm", "a name behind it"),
    ("SEND\ndestination:/queue/a\nx-delivery-limit:5\n\nm", "none: how often"),
    ("SUBSCRIBE\nid:1\ndestination:/queue/a\nx-delivery-limit:5\n\n", "none: how often"),
    (
        "SUBSCRIBE\nid:1\ndestination:/queue/a\nconsumer-window-size:-2\n\n",
        "a number of octets from 0",
    ),
];

#[tokio::test]
async fn a_value_that_a_header_cannot_have_is_refused_with_what_it_can_be() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, version| {
            for (frame, expected) in MISTYPED {
                let error = client.refused(frame, "invalid header").await;
                let value = frame.split("\n\n").next().unwrap().rsplit(['\n', ':']).next().unwrap();
                assert!(error.contains(&format!("the value \"{value}\", expected {expected}")));
            }
            if version != "1.0" {
                let nack = "NACK\nid:1.1\nsubscription:1\nmessage-id:m\nrequeue:never\n\n";
                client.refused(nack, "invalid header").await;
            }
            // A subscription ends, whatever else its UNSUBSCRIBE says.
            client.subscribe("id:1\ndestination:/topic/a\n").await;
            client.refused(MISTYPED[7].0, "invalid header").await;
            client.subscribe("id:1\ndestination:/topic/b\n").await;
            // What clients write.
            for value in ["True", "FALSE", ""] {
                let send = format!("SEND\ndestination:/topic/a\npersistent:{value}\n\nm");
                client.done(&send).await;
            }
        })
        .await;
}

/// UNSUBSCRIBE and ACK of what is not there.
fn of_nothing(version: &str) -> [&'static str; 2] {
    let unsubscribe = "UNSUBSCRIBE\nid:none\nreceipt:r\n\n\0";
    match version {
        "1.2" => [unsubscribe, "ACK\nid:9.9\nreceipt:r\n\n\0"],
        _ => [unsubscribe, "ACK\nsubscription:s\nmessage-id:none\nreceipt:r\n\n\0"],
    }
}

#[tokio::test]
async fn what_does_not_exist_is_an_error_that_ends_only_strict_sessions() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            for frame in of_nothing(version) {
                let error = client.ask(frame).await;
                assert!(error.starts_with("ERROR\nmessage:unknown "), "{version}: {error:?}");
                assert_eq!(header(&error, "receipt-id"), Some("r"));
                client.goes_on().await;
            }
        })
        .await;
    for nth in 0..2 {
        EVERYWHERE
            .attempt(strict, async |_server, mut client, version| {
                let error = client.ask(of_nothing(version)[nth]).await;
                assert!(error.starts_with("ERROR\nmessage:unknown "), "{version}: {error:?}");
                client.ends().await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_websocket_is_closed_with_1002_after_an_error_and_with_1000_after_disconnect() {
    let server = serve(app()).await;
    for (_, version) in OVER_WEBSOCKET.each() {
        for (frame, code) in [
            ("NONSENSE\n", CloseCode::PROTOCOL_ERROR),
            ("DISCONNECT\n\n\0", CloseCode::NORMAL_CLOSURE),
        ] {
            let mut socket = server.websocket("/stomp").await;
            socket.send(format!("CONNECT\naccept-version:{version}\n\n\0")).await;
            socket.send(frame).await;
            assert_eq!(socket.closed().await.code(), code, "{frame:?}");
        }
    }
}

#[tokio::test]
async fn a_body_where_none_should_be_is_dropped_or_refused_by_the_strict() {
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\nbody";
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.done(subscribe).await;
            client.goes_on().await;
        })
        .await;
    EVERYWHERE
        .attempt(strict, async |_server, mut client, version| {
            client.done("SEND\ndestination:/topic/a\n\nbody").await;
            if version == "1.0" {
                return client.done(subscribe).await;
            }
            client.refused(subscribe, "SUBSCRIBE with a body").await;
            client.ends().await;
        })
        .await;
}
