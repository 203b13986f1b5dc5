//! What options change.

use super::*;
use crate::LineEnds;

fn open_with(options: ServerOptions, version: Version) -> Server {
    open(Server::new(now(), options), version)
}

fn strict(version: Version) -> Server {
    open_with(ServerOptions { strict: true, ..ServerOptions::default() }, version)
}

fn keeping(version: Version) -> Server {
    open_with(ServerOptions { error_keeps_connection: true, ..ServerOptions::default() }, version)
}

#[test]
fn strict_refuses_what_does_no_harm() {
    let options = ServerOptions { strict: true, ..ServerOptions::default() };
    let input = "CONNECT\naccept-version:1.2\n\n\0";
    check_failure(Server::new(now(), options.clone()), input, "CONNECT without host");
    let mut old = Server::new(now(), options);
    assert!(matches!(event(&mut old, "CONNECT\n\n\0"), Event::Connect(_)), "1.0 has no host");

    let body = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\nstray\0";
    check_failure(strict(Version::V1_2), body, "SUBSCRIBE with a body");
    check_failure(strict(Version::V1_1), body, "SUBSCRIBE with a body");
    assert!(matches!(event(&mut strict(Version::V1_0), body), Event::Subscribe(_)));
    let of_1_1 = "ACK\nsubscription:s\nmessage-id:1\n\n\0";
    check_failure(strict(Version::V1_2), of_1_1, "ACK without id");
    assert!(matches!(event(&mut strict(Version::V1_1), of_1_1), Event::Ack(_)));

    let mut server = strict(Version::V1_2);
    event(&mut server, "UNSUBSCRIBE\nid:1\n\n\0");
    server.unknown_subscription(None, None);
    assert!(server.is_closed());
}

#[test]
fn errors_that_keep_the_session_let_it_go_on() {
    let frames = [
        ("SEND\n\n\0", "SEND without destination"),
        ("SUBSCRIBE\nid:1\n\n\0", "SUBSCRIBE without destination"),
        ("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:maybe\n\n\0", "unknown ack mode"),
        ("COMMIT\ntransaction:t\n\n\0", "unknown transaction"),
        ("MESSAGE\n\n\0", "unexpected MESSAGE"),
    ];
    for version in Version::ALL {
        let mut server = keeping(version);
        for (frame, message) in frames {
            let event = event(&mut server, frame);
            assert!(
                matches!(&event, Event::Failed(error) if error.message == message),
                "{event:?}"
            );
            let sent = transmitted(&mut server);
            assert!(sent.starts_with(&format!("ERROR\nmessage:{message}\n")), "{sent}");
        }
        let send = "SEND\ndestination:/queue/a\n\n\0";
        assert!(matches!(event(&mut server, send), Event::Send(_)));
        check_failure(server, "CONNECT\n\n\0", "already connected");
        check_failure(keeping(version), "SEND\nno colon\n\n\0", "header line has no colon");
    }
}

#[test]
fn an_unknown_command_is_answered_and_skipped_where_errors_keep_the_session() {
    for version in Version::ALL {
        let mut server = keeping(version);
        let frame = "NONSENSE\nreceipt:r\ncontent-length:3\n\na\0b\0";
        let refused = event(&mut server, frame);
        assert!(
            matches!(&refused, Event::Failed(error) if error.message == "unknown command"),
            "{refused:?}"
        );
        let sent = transmitted(&mut server);
        assert!(sent.starts_with("ERROR\nmessage:unknown command\n"), "{sent}");
        assert!(sent.contains("\nreceipt-id:r\n"), "{sent}");
        let refused = event(&mut server, "send\ndestination:/queue/a\n\nlow\0");
        let Event::Failed(error) = refused else { panic!("{refused:?}") };
        assert_eq!(error.message, "command is not in upper case");
        let send = "SEND\ndestination:/queue/a\n\n\0";
        assert!(matches!(event(&mut server, send), Event::Send(_)));
        let options = ServerOptions { error_keeps_connection: true, ..ServerOptions::default() };
        check_failure(Server::new(now(), options), "NONSENSE\n\n\0", "unknown command");
    }
}

#[test]
fn a_refused_subscription_gives_its_id_back() {
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0";
    let mut server = keeping(Version::V1_2);
    let Event::Subscribe(refused) = event(&mut server, subscribe) else { panic!("refused") };
    server.refuse_subscription(&refused.id, &Error::new("no such queue", ""));
    assert!(matches!(event(&mut server, subscribe), Event::Subscribe(_)));
}

#[test]
fn a_transaction_that_lacks_a_frame_is_aborted() {
    let mut server = keeping(Version::V1_2);
    let begin = "BEGIN\ntransaction:t\n\n\0";
    let good = "SEND\ndestination:/queue/a\ntransaction:t\n\n\0";
    assert_eq!(events(&mut server, &format!("{begin}{good}")), []);
    let Event::Failed(error) = event(&mut server, "SEND\ntransaction:t\n\n\0") else {
        panic!("accepted")
    };
    assert!(error.body.ends_with("Its transaction was aborted."), "{}", error.body);
    assert_eq!(events(&mut server, &format!("{begin}{good}")), []);
    let low = event(&mut server, "send\ntransaction:t\n\n\0");
    let Event::Failed(error) = low else { panic!("accepted") };
    assert!(error.body.ends_with("Its transaction was aborted."), "{}", error.body);
    let commit = event(&mut server, "COMMIT\ntransaction:t\n\n\0");
    assert!(matches!(&commit, Event::Failed(error) if error.message == "unknown transaction"));
}

#[test]
fn hosts_that_are_not_known_are_refused() {
    let options = ServerOptions { hosts: vec!["here".to_owned()], ..ServerOptions::default() };
    let connect = |header: &str| format!("CONNECT\naccept-version:1.2\n{header}\n\0");
    for header in ["host:here\n", "host:/\n", ""] {
        let mut server = Server::new(now(), options.clone());
        assert!(matches!(event(&mut server, &connect(header)), Event::Connect(_)), "{header}");
    }
    check_failure(Server::new(now(), options), &connect("host:there\n"), "unknown host");
    let mut anywhere = server();
    assert!(matches!(event(&mut anywhere, &connect("host:there\n")), Event::Connect(_)));
}

#[test]
fn no_client_gets_heart_beats_more_often_than_the_least_interval() {
    let (wish, min) = (Duration::from_millis(100), Duration::from_secs(1));
    let check = |heart_beat_min, expected_ms: u64| {
        let options =
            ServerOptions { heart_beat: (wish, wish), heart_beat_min, ..ServerOptions::default() };
        let mut server = Server::new(now(), options);
        event(&mut server, "CONNECT\naccept-version:1.2\nheart-beat:10,10\n\n\0");
        server.accept("s", None);
        let sent = transmitted(&mut server);
        assert!(sent.contains(&format!("\nheart-beat:{expected_ms},{expected_ms}\n")), "{sent}");
        let beat = server.heart_beat().unwrap();
        let expected = Some(Duration::from_millis(expected_ms));
        assert_eq!((beat.outgoing(), beat.incoming()), (expected, expected));
    };
    check(min, 1000);
    check(Duration::from_millis(10), 100);
}

#[test]
fn telnet_may_end_lines_with_nul() {
    let options = ServerOptions { line_ends: LineEnds::Telnet, ..ServerOptions::default() };
    let input = "\r\0CONNECT\r\0login:a\r\0\r\0\0\r\0SEND\r\0destination:/queue/a\r\0\r\0a\r\0";
    for size in [1, 2, 3, 100] {
        let mut server = Server::new(now(), options.clone());
        let mut told = Vec::new();
        for piece in input.as_bytes().chunks(size) {
            feed(&mut server, std::str::from_utf8(piece).unwrap());
            while let Some(event) = server.poll_event() {
                if let Event::Connect(_) = event {
                    server.accept("s", None);
                }
                told.push(event);
            }
        }
        let [Event::Connect(connect), Event::Send(send)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(connect.login.as_deref(), Some("a"));
        assert_eq!(&send.body[..], b"a\r", "a body ends at its NUL");
    }
    check_failure(server(), "CONNECT\r\0", "frame ended within its headers");
}

#[test]
fn only_what_is_passed_on_may_be_no_text() {
    let feed_octets = |server: &mut Server, input: &[u8]| {
        server.handle_input(now(), Bytes::copy_from_slice(input));
        server.poll_event()
    };
    let mut server = connected(Version::V1_2);
    let sent = feed_octets(&mut server, b"SEND\ndestination:/queue/a\nx:\xff\\n\n\n\0");
    let Some(Event::Send(send)) = sent else { panic!("{sent:?}") };
    assert_eq!(send.headers.iter_octets().next(), Some((&b"x"[..], &b"\xff\n"[..])));
    for input in [&b"SEND\ndestination:/queue/\xff\n\n\0"[..], b"SUBSCRIBE\nid:\xff\n\n\0"] {
        let failed = feed_octets(&mut connected(Version::V1_2), input);
        let is_told = |error: &Error| error.message.ends_with("with a header that is not UTF-8");
        assert!(matches!(&failed, Some(Event::Failed(error)) if is_told(error)), "{failed:?}");
    }
}
