//! STOMP over WebSocket and SockJS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::endpoint::Message;
use tidings::{App, controller};

use crate::apps::app;
use crate::client::{Client, DOORS, Door, EVERYWHERE, OVER_WEBSOCKET, header};
use crate::support::{WebSocket, http, serve};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

#[tokio::test]
async fn who_sends_binary_is_answered_in_binary_until_they_send_text() {
    OVER_WEBSOCKET
        .attempt(app, async |server, mut text, version| {
            let mut socket = server.websocket("/stomp").await;
            text.subscribe("id:s\ndestination:/topic/t\n").await;
            let connect = format!("CONNECT\naccept-version:{version}\n\n\0");
            socket.send(connect.into_bytes()).await;
            assert!(matches!(socket.message().await, Message::Binary(_)));
            socket.send(b"SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:r\n\n\0".to_vec()).await;
            assert!(matches!(socket.message().await, Message::Binary(_)));
            text.send("SEND\ndestination:/topic/t\n\nto both\0").await;
            let Message::Binary(frame) = socket.message().await else { panic!("expected binary") };
            assert!(frame.ends_with(b"to both\0"));
            assert!(text.frame().await.ends_with("to both\0"));

            // As @stomp/stompjs does, also where it sends everything else as binary messages.
            socket.send("\n").await;
            socket.send(b"SUBSCRIBE\nid:t\ndestination:/topic/t\nreceipt:t\n\n\0".to_vec()).await;
            assert!(matches!(socket.message().await, Message::Binary(_)));
            socket.send("\r\n").await;
            text.send("SEND\ndestination:/topic/t\n\nstill\0").await;
            assert!(
                matches!(socket.message().await, Message::Binary(_)),
                "a heart-beat says nothing"
            );
            assert!(matches!(socket.message().await, Message::Binary(_)));
            assert!(text.frame().await.ends_with("still\0"));

            socket.send("SEND\ndestination:/topic/t\n\nas text\0").await;
            assert!(socket.text().await.ends_with("as text\0"));
            assert!(text.frame().await.ends_with("as text\0"));
        })
        .await;
}

/// Answers with how often others have had their turn.
struct Turns(Arc<AtomicUsize>);

#[controller]
impl Turns {
    #[message_mapping("/turns")]
    #[send_to("/topic/turns")]
    fn turns(&self) -> String {
        self.0.load(Ordering::Relaxed).to_string()
    }
}

/// The client, the server and the others share one thread.
#[tokio::test]
async fn others_have_their_turn_during_a_long_message() {
    let turns = Arc::<AtomicUsize>::default();
    let controller = Turns(Arc::clone(&turns));
    let app = App::builder().stomp("/stomp").controller(controller).build().unwrap();
    let server = serve(app).await;
    let others = tokio::spawn(async move {
        loop {
            turns.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let mut client = Client::connect(&server, Door::WebSocket, "1.2").await;
    client.subscribe("id:s\ndestination:/topic/turns\n").await;
    let ask = "SEND\ndestination:/app/turns\n\n\0";
    let many = "SEND\ndestination:/topic/t\n\n\0".repeat(100_000);
    client.send(format!("{ask}{many}{ask}")).await;
    let mut turns = async || {
        let message = client.frame().await;
        message.trim_end_matches('\0').rsplit('\n').next().unwrap().parse::<usize>().unwrap()
    };
    let (before, after) = (turns().await, turns().await);
    assert!(after > before, "the whole message was one turn");
    others.abort();
}

#[tokio::test]
async fn each_frame_is_a_message_of_the_websocket() {
    let server = serve(app()).await;
    for (_, version) in OVER_WEBSOCKET.each() {
        let mut socket = server.websocket("/stomp").await;
        socket.send(format!("CONNECT\naccept-version:{version}\n\n\0")).await;
        assert!(socket.text().await.starts_with("CONNECTED\n"));
        let send = |receipt| format!("SEND\ndestination:/topic/t\nreceipt:{receipt}\n\n\0");
        socket.send((1..=3).map(send).collect::<String>()).await;
        for receipt in 1..=3 {
            let text = socket.text().await;
            assert!(text.starts_with("RECEIPT\n") && text.ends_with('\0'), "{text:?}");
            assert_eq!(header(&text, "receipt-id"), Some(&*receipt.to_string()));
        }
    }
}

#[tokio::test]
async fn the_first_subprotocol_of_the_client_that_is_known_is_chosen() {
    let server = serve(app()).await;
    let offers = [
        (None, None),
        (Some("v12.stomp"), Some("v12.stomp")),
        (Some("v11.stomp"), Some("v11.stomp")),
        (Some("v10.stomp"), Some("v10.stomp")),
        (Some("v10.stomp, v11.stomp, v12.stomp"), Some("v10.stomp")),
        (Some("v13.stomp, v11.stomp"), Some("v11.stomp")),
        (Some("mqtt"), None),
        (Some("V12.STOMP"), None),
    ];
    for (_, version) in OVER_WEBSOCKET.each() {
        for (offer, chosen) in offers {
            let offer = offer.map(|it| format!("Sec-WebSocket-Protocol: {it}\r\n"));
            let offer = offer.unwrap_or_default();
            let mut socket = WebSocket::connect(server.http, "/stomp", &offer).await.unwrap();
            let head = socket.head.to_lowercase();
            let answer = head.lines().find_map(|it| it.strip_prefix("sec-websocket-protocol: "));
            assert_eq!(answer, chosen, "{offer}");
            // It is CONNECT that says which version is spoken.
            socket.send(format!("CONNECT\naccept-version:{version}\n\n\0")).await;
            assert_eq!(header(&socket.text().await, "version"), Some(version), "{offer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_text_arrives_as_it_is() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            client.send(b"SEND\ndestination:/topic/t\ncontent-length:3\n\n\xff\0\xfe\0").await;
            let frame = client.octets().await;
            assert!(frame.ends_with(b"\ncontent-length:3\n\n\xff\0\xfe\0"), "{frame:?}");
        })
        .await;
}

#[tokio::test]
async fn every_door_leads_to_the_same_destinations() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            let mut others = Vec::new();
            for door in DOORS {
                others.push(Client::connect(&server, door, version).await);
            }
            for other in &mut others {
                other.done("SEND\ndestination:/topic/t\n\nhello").await;
                client.message("hello").await;
            }
            let mut sockjs = server.websocket("/stomp/000/abcdefgh/websocket").await;
            assert_eq!(sockjs.text().await, "o");
            let connect = format!("CONNECT\\naccept-version:{version}\\nheart-beat:0,0");
            sockjs.send(format!(r#"["{connect}\n\n\u0000"]"#)).await;
            assert!(sockjs.text().await.starts_with(r#"a["CONNECTED\n"#));
            sockjs.send(r#"["SEND\ndestination:/topic/t\n\nby SockJS\u0000"]"#).await;
            client.message("by SockJS").await;
            let get = "GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            assert!(http(server.http, get).await.ends_with("Welcome to SockJS!\n"));
        })
        .await;
}

#[tokio::test]
async fn over_sockjs_a_body_that_is_no_text_arrives_as_base64() {
    let server = serve(app()).await;
    let mut sockjs = server.websocket("/stomp/000/binary/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#).await;
    sockjs.text().await;
    sockjs.send(r#"["SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:r\n\n\u0000"]"#).await;
    sockjs.text().await;
    let mut socket = server.websocket("/stomp").await;
    socket.send(CONNECT).await;
    socket.text().await;
    socket.send(b"SEND\ndestination:/topic/t\ncontent-length:3\n\n\xff\0\xfe\0".to_vec()).await;
    let frame = sockjs.text().await;
    let expected = r"\ncontent-transfer-encoding:base64\ncontent-length:4\n\n/wD+\u0000";
    assert!(frame.contains(expected), "{frame}");
}
