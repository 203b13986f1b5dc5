//! Frames and headers: as they are read, and as they are written.

use crate::apps::app;
use crate::client::{Client, EVERYWHERE, FROM_1_1, header};
use crate::support::serve;

#[tokio::test]
async fn frames_are_read_as_people_write_them() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            let frames = [
                ("SEND\ndestination:/topic/t\n\nlf\0", "lf"),
                ("SEND\r\ndestination:/topic/t\r\n\r\ncrlf\0\r\n\n", "crlf"),
                ("\n\r\n\nSEND\ndestination:/topic/t\n\nafter line ends\0", "after line ends"),
                ("SEND\ndestination:/topic/t\ncontent-length: 3 \n\nabc\0", "abc"),
                ("SEND\ndestination:/topic/t\ncontent-length:0\n\n\0", ""),
                ("SEND\ndestination:/topic/t\n\n\0", ""),
                ("SEND\ndestination:/topic/t\n\nend\n\0", "end\n"),
            ];
            for (frame, body) in frames {
                client.send(frame).await;
                client.message(body).await;
            }
        })
        .await;
}

#[tokio::test]
async fn frames_may_be_cut_and_joined_anywhere() {
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::open(&server, door).await;
        let connect = format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0");
        for octet in connect.chars() {
            client.send(octet.to_string()).await;
        }
        assert!(client.frame().await.starts_with("CONNECTED\n"));
        let send = |receipt| format!("\nSEND\ndestination:/topic/t\nreceipt:{receipt}\n\n\0");
        let all: String = (1..=5).map(send).collect();
        let (start, rest) = all.split_at(all.len() / 3);
        client.send(start).await;
        client.send(rest).await;
        for receipt in 1..=5 {
            let frame = client.frame().await;
            assert_eq!(header(&frame, "receipt-id"), Some(&*receipt.to_string()));
        }
    }
}

#[tokio::test]
async fn a_counted_body_may_hold_nuls_and_messages_always_count() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            client.send("SEND\ndestination:/topic/t\ncontent-length:3\n\na\0b\0").await;
            assert_eq!(header(&client.message("a\0b").await, "content-length"), Some("3"));
            client.send("SEND\ndestination:/topic/t\n\nhello\0").await;
            assert_eq!(header(&client.message("hello").await, "content-length"), Some("5"));
        })
        .await;
}

#[tokio::test]
async fn headers_are_escaped_as_the_version_has_it() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            let (sent, expected) = match version {
                "1.0" => ("x: a\\c:b\\\\ ", "a\\c:b\\\\ "),
                "1.1" => ("x: a\\c:b\\\\\\n ", " a\\c\\cb\\\\\\n "),
                _ => ("x: a\\c:b\\\\\\n\\r ", " a\\c\\cb\\\\\\n\\r "),
            };
            client.send(format!("SEND\ndestination:/topic/t\n{sent}\nempty:\n\n\0")).await;
            let message = client.message("").await;
            assert_eq!(header(&message, "x"), Some(expected), "{version}");
            assert_eq!(header(&message, "empty"), Some(""), "{version}");
        })
        .await;
}

#[tokio::test]
async fn names_of_headers_are_escaped_too() {
    FROM_1_1
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            client.send("SEND\ndestination:/topic/t\na\\cb\\\\c\\n:1\n\n\0").await;
            let message = client.message("").await;
            assert_eq!(header(&message, "a\\cb\\\\c\\n"), Some("1"), "{version}");
        })
        .await;
}

#[tokio::test]
async fn one_message_is_written_for_each_receiver_as_its_version_reads_it() {
    let server = serve(app()).await;
    let mut receivers = Vec::new();
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        receivers.push((version, client));
    }
    for (door, version) in EVERYWHERE.each() {
        let mut sender = Client::connect(&server, door, version).await;
        let colon = if version == "1.0" { "a:b" } else { "a\\cb" };
        sender.done(&format!("SEND\ndestination:/topic/t\nx:{colon}\n\nto all")).await;
        for (version, receiver) in &mut receivers {
            let message = receiver.message("to all").await;
            let colon = if *version == "1.0" { "a:b" } else { "a\\cb" };
            assert_eq!(header(&message, "x"), Some(colon), "{version}: {message:?}");
            assert_eq!(header(&message, "subscription"), Some("s"));
        }
    }
}

#[tokio::test]
async fn what_a_version_cannot_write_is_left_out_or_becomes_a_blank() {
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut sender = Client::connect(&server, door, "1.2").await;
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:s\ndestination:/topic/t\n").await;
        sender.done("SEND\ndestination:/topic/t\nx:a\\rb\\nc\ny\\cz:1\n\nm").await;
        let message = client.message("m").await;
        let (x, yz) = match version {
            "1.0" => ("a b c", None),
            "1.1" => ("ab\\nc", Some("1")),
            _ => ("a\\rb\\nc", Some("1")),
        };
        assert_eq!(header(&message, "x"), Some(x), "{version}: {message:?}");
        assert_eq!(header(&message, "y\\cz"), yz, "{version}: {message:?}");
    }
}

#[tokio::test]
async fn of_a_repeated_header_the_first_counts() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\nid:t\ndestination:/topic/t\ndestination:/topic/u\n").await;
            client.send("SEND\ndestination:/topic/t\nx:1\nx:2\ndestination:/topic/u\n\n\0").await;
            let message = client.message("").await;
            assert_eq!(header(&message, "subscription"), Some("s"));
            assert_eq!(header(&message, "x"), Some("1"));
        })
        .await;
}

#[tokio::test]
async fn octets_of_headers_that_are_no_text_are_passed_on() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            client.send(b"SEND\ndestination:/topic/t\nx:\xff\xfe\n\n\0").await;
            let message = client.octets().await;
            let is_there = message.windows(5).any(|octets| octets == b"x:\xff\xfe\n");
            assert!(is_there, "{version}: {message:?}");
        })
        .await;
}

#[tokio::test]
async fn headers_that_the_server_acts_on_are_text() {
    let frames = [
        (&b"SEND\ndestination:/topic/\xff\n\n\0"[..], "SEND"),
        (b"SUBSCRIBE\nid:\xff\ndestination:/topic/t\n\n\0", "SUBSCRIBE"),
    ];
    for (frame, command) in frames {
        EVERYWHERE
            .attempt(app, async |_server, mut client, _| {
                let error = client.ask(frame).await;
                let expected = format!("{command} with a header that is not UTF-8");
                assert_eq!(header(&error, "message"), Some(&*expected));
                client.ends().await;
            })
            .await;
    }
}

#[tokio::test]
async fn malformed_frames_end_the_session_with_an_error() {
    let frames = [
        ("send\ndestination:/topic/a\n\n\0", "command is not in upper case"),
        ("NONSENSE\n\n\0", "unknown command"),
        ("SEND\ndestination\n\n\0", "header line has no colon"),
        ("SEND\n:value\n\n\0", "header has no name"),
        ("SEND\ndestination:/topic/a\rb\n\n\0", "carriage return without line feed"),
        ("SEND\ncontent-length:-1\n\n\0", "content-length is not a number of octets"),
        ("SEND\ncontent-length:+3\n\nabc\0", "content-length is not a number of octets"),
        ("SEND\ncontent-length:3.0\n\nabc\0", "content-length is not a number of octets"),
        ("SEND\ncontent-length:\n\n\0", "content-length is not a number of octets"),
        ("SEND\ncontent-length:1\n\nab\0", "body does not end where content-length says"),
        ("SEND\ndestination:/topic/a\0", "frame ended within its headers"),
    ];
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        for (frame, text) in frames {
            let mut client = Client::connect(&server, door, version).await;
            let error = client.ask(frame).await;
            assert!(error.starts_with("ERROR\n"), "{version}: {error:?}");
            assert_eq!(header(&error, "message"), Some(text), "{version}: {frame:?}");
            client.ends().await;
        }
        let mut client = Client::connect(&server, door, version).await;
        let error = client.ask("SEND\ncontent-length:99999999999999999999\n\n\0").await;
        assert!(error.starts_with("ERROR\n"), "{version}: {error:?}");
        client.ends().await;
    }
}

#[tokio::test]
async fn unknown_escapes_end_the_session_where_there_are_any() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            // RabbitMQ takes the second one in 1.1, which has none for a carriage return.
            for value in ["a\\tb", "a\\rb", "a\\", "\\C"] {
                let frame = format!("SEND\ndestination:/topic/t\nx:{value}\n\n\0");
                if version == "1.0" {
                    let message = client.ask(frame).await;
                    assert_eq!(header(&message, "x"), Some(value));
                    continue;
                }
                if version == "1.2" && value == "a\\rb" {
                    continue;
                }
                let mut client = Client::connect(&server, client.door, version).await;
                let error = client.ask(frame).await;
                let expected = "undefined escape sequence in a header";
                assert_eq!(header(&error, "message"), Some(expected), "{value}: {error:?}");
                client.ends().await;
            }
        })
        .await;
}
