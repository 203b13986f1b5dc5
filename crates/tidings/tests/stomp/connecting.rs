//! CONNECT and CONNECTED, and the end of the connection.

use std::time::Duration;

use crate::apps::{app, app_with, holding};
use crate::client::{Client, DOORS, Door, EVERYWHERE, OVER_TCP, header};
use crate::support::{Raw, frame, http, serve};
use tidings::endpoint::CloseCode;
use tidings::server::StompOptions;
use tidings_websocket::Event;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn the_highest_common_version_is_chosen() {
    let server = serve(app()).await;
    let lists = [
        ("", "1.0"),
        ("accept-version:1.0\n", "1.0"),
        ("accept-version:1.0,1.1,2.0\n", "1.1"),
        ("accept-version:1.1,1.0\n", "1.1"),
        ("accept-version:1.2,1.1\n", "1.2"),
        ("accept-version:1.1, 1.2\n", "1.2"),
    ];
    for (door, version) in EVERYWHERE.each() {
        for command in ["CONNECT", "STOMP"] {
            for (list, _) in lists.into_iter().filter(|(_, expected)| *expected == version) {
                let mut client = Client::open(&server, door).await;
                let connected = client.ask(format!("{command}\n{list}\n\0")).await;
                assert!(connected.starts_with("CONNECTED\n"), "{connected:?}");
                assert_eq!(header(&connected, "version"), Some(version), "{list:?}");
                assert!(header(&connected, "session").is_some_and(|id| !id.is_empty()));
                assert!(header(&connected, "server").is_some_and(|it| it.starts_with("tidings/")));
                assert!(connected.ends_with("\n\n\0"), "CONNECTED has no body");
            }
        }
    }
}

#[tokio::test]
async fn without_a_common_version_the_server_says_which_it_has() {
    let server = serve(app()).await;
    for door in DOORS {
        let mut client = Client::open(&server, door).await;
        let error = client.ask("CONNECT\naccept-version:2.7\nhost:x\n\n\0").await;
        assert_eq!(header(&error, "message"), Some("no common version"));
        assert_eq!(header(&error, "version"), Some("1.0,1.1,1.2"));
        assert_eq!(header(&error, "content-type"), Some("text/plain"));
        client.ends().await;
    }
}

#[tokio::test]
async fn nothing_comes_before_connect_and_no_second_one_after() {
    let server = serve(app()).await;
    for door in DOORS {
        let mut client = Client::open(&server, door).await;
        let error = client.ask("SEND\ndestination:/topic/a\n\n\0").await;
        assert_eq!(header(&error, "message"), Some("expected CONNECT"));
        client.ends().await;
    }
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let error = client.ask("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
            assert_eq!(header(&error, "message"), Some("already connected"));
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_receipt_on_connect_is_not_answered() {
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        Client::connect_with(&server, door, version, "receipt:r\n").await.goes_on().await;
        let mut client = Client::open(&server, door).await;
        let connect = format!("CONNECT\nreceipt:r\naccept-version:{version}\n\n\0");
        assert_eq!(header(&client.ask(connect).await, "receipt-id"), None);
    }
}

#[tokio::test]
async fn login_and_passcode_are_never_escaped() {
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        for command in ["CONNECT", "STOMP"] {
            let mut client = Client::open(&server, door).await;
            let login = "a\\c\\d:e\\t";
            let connect = format!("{command}\naccept-version:{version}\nlogin:{login}\n\n\0");
            let connected = client.ask(connect).await;
            assert_eq!(header(&connected, "user-name"), Some(login));
        }
    }
}

#[tokio::test]
async fn any_host_is_the_default_one_unless_hosts_are_named() {
    let named = StompOptions { hosts: vec!["here".to_owned()], ..StompOptions::default() };
    let strict = StompOptions { strict: true, ..StompOptions::default() };
    let connect =
        |version: &str, host: &str| format!("CONNECT\naccept-version:{version}\n{host}\n\0");
    for (app, known, refused) in [
        (app(), &["host:anywhere\n", "host:/\n", ""][..], None),
        (app_with(named), &["host:here\n", "host:/\n", ""], Some("host:elsewhere\n")),
        (app_with(strict), &["host:anywhere\n", "host:/\n"], None),
    ] {
        let server = serve(app).await;
        for (door, version) in EVERYWHERE.each() {
            for host in known {
                let answer = Client::open(&server, door).await.ask(connect(version, host)).await;
                assert!(answer.starts_with("CONNECTED\n"), "{host:?}: {answer:?}");
            }
            if let Some(host) = refused {
                let mut client = Client::open(&server, door).await;
                let error = client.ask(connect(version, host)).await;
                assert_eq!(header(&error, "message"), Some("unknown host"), "{error:?}");
                client.ends().await;
            }
        }
    }
}

#[tokio::test]
async fn the_strict_want_a_host_from_1_1_on() {
    let strict = StompOptions { strict: true, ..StompOptions::default() };
    let server = serve(app_with(strict)).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::open(&server, door).await;
        let answer = client.ask(format!("CONNECT\naccept-version:{version}\n\n\0")).await;
        if version == "1.0" {
            assert!(answer.starts_with("CONNECTED\n"), "{answer:?}");
            continue;
        }
        assert_eq!(header(&answer, "message"), Some("CONNECT without host"));
        client.ends().await;
    }
}

#[tokio::test]
async fn a_client_has_so_much_time_for_connect() {
    let connect_timeout = Duration::from_millis(20);
    let options = StompOptions { connect_timeout, ..StompOptions::default() };
    let server = serve(app_with(options)).await;
    for door in DOORS {
        // What is no whole CONNECT wins no time.
        for start in ["", "\n", "\r\n\n", "CONNECT\n", "CONNECT\naccept-version:1.2\n\n"] {
            let mut client = Client::open(&server, door).await;
            client.send(start).await;
            let error = client.frame().await;
            assert_eq!(header(&error, "message"), Some("no CONNECT in time"), "{start:?}");
            client.ends().await;
        }
    }
}

/// A SockJS array of one message.
fn array(message: &str) -> String {
    format!("[\"{}\"]", message.replace('\n', "\\n").replace('\0', "\\u0000"))
}

#[tokio::test]
async fn before_login_no_door_takes_long_messages() {
    let server = serve(app()).await;
    let connect = "CONNECT\naccept-version:1.2\n\n\0";
    let long = format!("SEND\ndestination:/topic/a\nreceipt:r\n\n{}\0", "a".repeat(100_000));
    for (path, framed) in [
        ("/stomp", str::to_owned as fn(&str) -> String),
        ("/stomp/websocket", str::to_owned),
        ("/stomp/000/long/websocket", array),
    ] {
        let mut socket = server.websocket(path).await;
        socket.send(framed(&long)).await;
        assert_eq!(socket.closed().await.code(), CloseCode::MESSAGE_TOO_BIG, "{path}");
        let mut socket = server.websocket(path).await;
        socket.send(framed(connect)).await;
        while !socket.text().await.contains("CONNECTED") {}
        socket.send(framed(&long)).await;
        assert!(socket.text().await.contains("receipt-id:r"), "{path}");
    }
    let request = async |transport: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /stomp/000/long/{transport} HTTP/1.0\r\nHost: x\r\n");
        http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    };
    assert!(request("xhr_send", &array(&long)).await.starts_with("HTTP/1.0 413"));
    assert!(request("xhr", "").await.ends_with("o\n"));
    assert!(request("xhr_send", &array(&long)).await.starts_with("HTTP/1.0 413"));
    assert!(request("xhr_send", &array(connect)).await.starts_with("HTTP/1.0 204"));
    assert!(request("xhr", "").await.contains("CONNECTED"));
    assert!(request("xhr_send", &array(&long)).await.starts_with("HTTP/1.0 204"));
    assert!(request("xhr", "").await.contains("receipt-id:r"));
}

#[tokio::test]
async fn after_login_long_messages_are_taken_although_what_came_with_it_is_still_handled() {
    let (app, go_on) = holding();
    let server = serve(app).await;
    let mut socket = server.websocket("/stomp").await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0";
    socket.send(format!("CONNECT\naccept-version:1.2\n\n\0{subscribe}")).await;
    assert!(socket.text().await.starts_with("CONNECTED\n"));
    let long = "a".repeat(20_000);
    socket.send(format!("SEND\ndestination:/topic/b\nreceipt:r\n\n{long}\0")).await;
    // The server reads on while the listener takes its time.
    socket.stream.write_all(&frame(0x89, b"read?")).await.unwrap();
    assert!(matches!(socket.event().await, Event::Pong(_)));
    go_on.add_permits(1);
    assert!(socket.text().await.contains("receipt-id:r\n"));
}

#[tokio::test]
async fn the_last_frame_arrives_although_the_server_left_input_unread() {
    let server = serve(app()).await;
    let unread = "SEND\ndestination:/topic/a\n\nx\0".repeat(20_000);
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        let error = client.ask(format!("NONSENSE\n{unread}")).await;
        assert_eq!(header(&error, "message"), Some("unknown command"));
        client.ends().await;

        let mut client = Client::connect(&server, door, version).await;
        let receipt = client.ask(format!("DISCONNECT\nreceipt:last\n\n\0{unread}")).await;
        assert_eq!(header(&receipt, "receipt-id"), Some("last"));
        client.ends().await;
    }
}

#[tokio::test]
async fn what_a_client_has_sent_is_done_although_it_is_gone_and_cannot_be_answered() {
    let app = app();
    let messenger = app.messenger().clone();
    let server = serve(app).await;
    let mut observer = Client::connect(&server, Door::Tcp, "1.2").await;
    observer.subscribe("id:o\ndestination:/topic/o\n").await;
    for (door, version) in EVERYWHERE.each() {
        let mut gone = Client::connect(&server, door, version).await;
        gone.subscribe("id:s\ndestination:/topic/s\n").await;
        // Nothing waits meanwhile, and so the server does nothing.
        let send = |it| format!("SEND\ndestination:/topic/o\nreceipt:r{it}\n\n{it}\0");
        gone.send((1..=3).map(send).collect::<String>()).await;
        // It learns by writing that the client is gone, before it has read what was sent.
        gone.vanish();
        messenger.send("/topic/s", "for nobody").await.unwrap();
        for number in 1..=3 {
            let message = observer.frame().await;
            assert!(message.ends_with(&format!("\n\n{number}\0")), "{message:?}");
        }
    }
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_done_without_disconnect() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            let mut observer = Client::connect(&server, client.door, version).await;
            observer.subscribe("id:s\ndestination:/topic/t\n").await;
            let send = |body: usize| format!("SEND\ndestination:/topic/t\n\n{body}\0");
            client.send((0..100).map(send).collect::<String>() + "SEND\ndest").await;
            drop(client);
            for body in 0..100 {
                observer.message(&body.to_string()).await;
            }
            observer.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn who_takes_the_port_for_another_is_told_so() {
    let server = serve(app()).await;
    let mut http = Raw::connect(server.stomp).await;
    http.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = http.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer:?}");
    assert!(answer.contains("This port speaks STOMP"), "{answer:?}");

    let mut tls = Raw::connect(server.stomp).await;
    tls.write([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]).await;
    assert_eq!(tls.read_to_end().await, "");
}

#[tokio::test]
async fn telnet_may_send_nul_for_enter_where_that_is_wanted() {
    let server = serve(app_with(StompOptions { telnet: true, ..StompOptions::default() })).await;
    for (_, version) in OVER_TCP.each() {
        let mut person = Raw::connect(server.stomp).await;
        person.write(format!("CONNECT\r\0accept-version:{version}\r\0\r\0\0")).await;
        assert!(person.read_until("\0").await.starts_with("CONNECTED\n"));
        let subscribe = "SUBSCRIBE\r\0id:s\r\0destination:/topic/t\r\0\r\0\0";
        person.write(format!("\r\0{subscribe}")).await;
        person.write("SEND\r\0destination:/topic/t\r\0\r\0hello\0\r\0").await;
        assert!(person.read_until("\0").await.ends_with("\n\nhello\0"));
    }
}

#[tokio::test]
async fn a_person_with_telnet_connects_subscribes_sends_and_sees() {
    let server = serve(app()).await;
    for (_, version) in OVER_TCP.each() {
        let mut person = Raw::connect(server.stomp).await;
        person.write(format!("\r\nCONNECT\r\naccept-version:{version}\r\n\r\n\0\r\n")).await;
        assert!(person.read_until("\0").await.contains("CONNECTED\n"));
        let subscribe = "SUBSCRIBE\r\nid:s\r\ndestination:/topic/a\r\n\r\n\0\r\n";
        person.write(subscribe).await;
        person.write("\r\nSEND\r\ndestination:/topic/a\r\n\r\nhello\0\r\n").await;
        let message = person.read_until("\0").await;
        assert!(message.contains("MESSAGE\n") && message.ends_with("\n\nhello\0"), "{message:?}");
    }
}
