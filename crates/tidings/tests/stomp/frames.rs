//! Frames and headers: as they are read, and as they are written.

use crate::client::{Client, Door, header, in_every_version};
use crate::support::serve;
use tidings::App;

fn app() -> App {
    App::builder().stomp("/stomp").build().unwrap()
}

/// What a subscriber of the same session gets of a SEND.
async fn echoed(client: &mut Client, send: impl AsRef<[u8]>) -> String {
    client.ask(send).await
}

#[tokio::test]
async fn frames_are_read_as_people_write_them() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let frames = [
            ("SEND\ndestination:/topic/t\n\nlf\0", "lf"),
            ("SEND\r\ndestination:/topic/t\r\n\r\ncrlf\0\r\n\n", "crlf"),
            ("\n\r\n\nSEND\ndestination:/topic/t\n\nafter line ends\0", "after line ends"),
            ("SEND\ndestination:/topic/t\ncontent-length: 3 \n\nabc\0", "abc"),
            ("SEND\ndestination:/topic/t\n\n\0", ""),
        ];
        for (frame, body) in frames {
            let message = echoed(&mut client, frame).await;
            assert!(message.ends_with(&format!("\n\n{body}\0")), "{version}: {message:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_counted_body_may_hold_nuls_and_messages_always_count() {
    in_every_version(app, async |_server, mut client, _| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        client.send("SEND\ndestination:/topic/t\ncontent-length:3\n\na\0b\0").await;
        let mut message = client.frame().await;
        // Over TCP a frame of these helpers ends at the first NUL.
        if !message.ends_with("b\0") {
            message.push_str(&client.frame().await);
        }
        assert_eq!(header(&message, "content-length"), Some("3"));
        assert!(message.ends_with("\n\na\0b\0"), "{message:?}");
        let message = echoed(&mut client, "SEND\ndestination:/topic/t\n\nhello\0").await;
        assert_eq!(header(&message, "content-length"), Some("5"));
    })
    .await;
}

#[tokio::test]
async fn headers_are_escaped_as_the_version_has_it() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let (sent, expected) = match version {
            "1.0" => ("x: a\\c:b\\\\", "a\\c:b\\\\"),
            "1.1" => ("x: a\\c:b\\\\\\n", " a\\c\\cb\\\\\\n"),
            _ => ("x: a\\c:b\\\\\\n\\r", " a\\c\\cb\\\\\\n\\r"),
        };
        let send = format!("SEND\ndestination:/topic/t\n{sent}\n\n\0");
        let message = echoed(&mut client, send).await;
        assert_eq!(header(&message, "x"), Some(expected), "{version}");
    })
    .await;
}

#[tokio::test]
async fn of_a_repeated_header_the_first_counts() {
    in_every_version(app, async |_server, mut client, _| {
        client.subscribe("id:s\ndestination:/topic/t\ndestination:/topic/other\n").await;
        let message = echoed(&mut client, "SEND\ndestination:/topic/t\nx:1\nx:2\n\n\0").await;
        assert_eq!(header(&message, "x"), Some("1"));
    })
    .await;
}

#[tokio::test]
async fn octets_of_headers_that_are_no_text_are_passed_on() {
    let server = serve(app()).await;
    let mut client = Client::connect(&server, Door::WebSocket, "1.2").await;
    client.subscribe("id:s\ndestination:/topic/t\n").await;
    let mut socket = server.websocket("/stomp").await;
    socket.send("CONNECT\naccept-version:1.2\n\n\0").await;
    socket.text().await;
    socket.send("SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:r\n\n\0").await;
    socket.text().await;
    socket.send(b"SEND\ndestination:/topic/t\nx:\xff\xfe\n\n\0".to_vec()).await;
    let tidings::endpoint::Message::Binary(frame) = socket.message().await else {
        panic!("such a frame is no text")
    };
    assert!(frame.windows(5).any(|octets| octets == b"x:\xff\xfe\n"), "{frame:?}");
}

#[tokio::test]
async fn malformed_frames_end_the_session_with_an_error() {
    let frames = [
        ("send\ndestination:/topic/a\n\n\0", "command is not in upper case"),
        ("NONSENSE\n\n\0", "unknown command"),
        ("SEND\ndestination\n\n\0", "header line has no colon"),
        ("SEND\n:value\n\n\0", "header has no name"),
        ("SEND\ndestination:/topic/a\rb\n\n\0", "carriage return without line feed"),
        ("SEND\ndestination:/topic/a\ncontent-length:-1\n\n\0", "content-length is not a number"),
        ("SEND\ndestination:/topic/a\ncontent-length:1\n\nab\0", "body does not end where"),
        ("SEND\ndestination:/topic/a\0", "frame ended within its headers"),
    ];
    for (frame, text) in frames {
        in_every_version(app, async |_server, mut client, version| {
            let error = client.ask(frame).await;
            assert!(error.starts_with(&format!("ERROR\nmessage:{text}")), "{version}: {error:?}");
            client.ends().await;
        })
        .await;
    }
}

#[tokio::test]
async fn unknown_escapes_end_the_session_where_there_are_any() {
    in_every_version(app, async |_server, mut client, version| {
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        let answer = client.ask("SEND\ndestination:/topic/t\nx:a\\tb\n\n\0").await;
        if version == "1.0" {
            assert_eq!(header(&answer, "x"), Some("a\\tb"));
        } else {
            assert!(answer.starts_with("ERROR\nmessage:undefined escape"), "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn limits_of_frames_end_the_session() {
    let long = |text: &str, count: usize| text.repeat(count);
    let frames = [
        (long("A", 100), "command line is too long"),
        (format!("SEND\nx:{}\n", long("a", 17 * 1024)), "header line is too long"),
        (format!("SEND\n{}", long("x:y\n", 257)), "too many headers"),
        ("SEND\ncontent-length:16777217\n\n".to_owned(), "body is too long"),
    ];
    for (frame, text) in &frames {
        in_every_version(app, async |_server, mut client, _| {
            let error = client.ask(frame).await;
            assert!(error.starts_with(&format!("ERROR\nmessage:{text}\n")), "{error:?}");
        })
        .await;
    }
}
