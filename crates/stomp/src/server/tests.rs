use super::*;
use crate::{AckMode, Limits, MessageId};

mod switches;

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn now() -> Instant {
    Instant::now()
}

/// A server that has not heard anything yet.
fn server() -> Server {
    Server::new(now(), ServerOptions::default())
}

fn server_with(limits: Limits) -> Server {
    Server::new(now(), ServerOptions { limits, ..ServerOptions::default() })
}

/// Opens the session, and takes CONNECTED.
fn open(mut server: Server, version: Version) -> Server {
    feed(&mut server, &format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0"));
    assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
    server.accept("s1", None);
    assert!(server.poll_transmit().is_some());
    server
}

fn connected(version: Version) -> Server {
    open(server(), version)
}

fn feed(server: &mut Server, input: &str) {
    server.handle_input(now(), Bytes::copy_from_slice(input.as_bytes()));
}

/// The events of `input`.
fn events(server: &mut Server, input: &str) -> Vec<Event> {
    feed(server, input);
    std::iter::from_fn(|| server.poll_event()).collect()
}

/// The one event of `input`.
fn event(server: &mut Server, input: &str) -> Event {
    let mut events = events(server, input);
    assert_eq!(events.len(), 1, "{input:?} gave {events:?}");
    events.remove(0)
}

/// Everything that waits to be sent, as text.
fn transmitted(server: &mut Server) -> String {
    let frames = std::iter::from_fn(|| server.poll_transmit());
    frames.map(|frame| String::from_utf8(frame.into()).unwrap()).collect()
}

/// That `input` ends the session with an ERROR frame of this message, and nothing follows.
fn check_failure(mut server: Server, input: &str, message: &str) {
    let follow_up = "SEND\ndestination:/queue/a\n\n\0";
    let event = event(&mut server, &format!("{input}{follow_up}"));
    let Event::Failed(error) = event else { panic!("{input:?} gave {event:?}") };
    assert_eq!(error.message, message, "{input:?}");
    assert!(error.body.ends_with('.'), "{input:?} needs advice");
    let sent = transmitted(&mut server);
    assert!(sent.starts_with(&format!("ERROR\nmessage:{message}\n")), "{sent}");
    assert_eq!(sent.matches('\0').count(), 1, "{sent}");
    assert!(server.is_closed());
    assert_eq!(events(&mut server, follow_up), []);
    server.receipt(ReceiptId::from("late"));
    server.error(&Error::new("late", ""), Severity::Session);
    assert_eq!(transmitted(&mut server), "");
}

fn check_failure_in_every_version(input: &str, message: &str) {
    for version in Version::ALL {
        check_failure(connected(version), input, message);
    }
}

const FRAMES: [&str; 15] = [
    "CONNECT\naccept-version:1.2\nhost:h\n\n\0",
    "STOMP\naccept-version:1.2\nhost:h\n\n\0",
    "CONNECTED\nversion:1.2\n\n\0",
    "SEND\ndestination:/queue/a\n\n\0",
    "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0",
    "UNSUBSCRIBE\nid:0\n\n\0",
    "ACK\nid:k\n\n\0",
    "NACK\nid:k\n\n\0",
    "BEGIN\ntransaction:u\n\n\0",
    "COMMIT\ntransaction:t\n\n\0",
    "ABORT\ntransaction:t\n\n\0",
    "DISCONNECT\n\n\0",
    "MESSAGE\ndestination:/queue/a\nmessage-id:1\n\n\0",
    "RECEIPT\nreceipt-id:1\n\n\0",
    "ERROR\n\n\0",
];

#[test]
fn before_connect_nothing_but_connect_will_do() {
    for frame in FRAMES {
        if frame.starts_with("CONNECT\n") || frame.starts_with("STOMP\n") {
            let mut server = server();
            assert!(matches!(event(&mut server, frame), Event::Connect(_)));
            assert!(!server.is_closed());
        } else {
            check_failure(server(), frame, "expected CONNECT");
        }
    }
}

#[test]
fn while_connect_is_decided_on_everything_waits() {
    for frame in FRAMES {
        let mut server = server();
        let events = events(&mut server, &format!("{}{frame}", FRAMES[0]));
        assert!(matches!(events[..], [Event::Connect(_)]), "{events:?}");
        feed(&mut server, frame);
        assert_eq!(server.poll_event(), None);
        assert_eq!(transmitted(&mut server), "");
        server.refuse(Error::new("access denied", "Log in."));
        assert!(transmitted(&mut server).starts_with("ERROR\nmessage:access denied\n"));
        assert_eq!(server.poll_event(), None);
    }
}

#[test]
fn a_client_that_waits_for_its_login_may_have_sent_so_much() {
    let limits = Limits { before_login_octets_max: 100, ..Limits::default() };
    for (further, is_too_much) in [(100, false), (101, true)] {
        let mut server = server_with(limits);
        let input = format!("{}{}", FRAMES[0], "\n".repeat(further));
        assert!(matches!(event(&mut server, &input), Event::Connect(_)));
        let error = server.too_much_before_login();
        let message = error.map(|error| error.message);
        assert_eq!(message.is_some(), is_too_much, "{message:?}");
    }
}

#[test]
fn every_command_has_its_effect_in_an_open_session() {
    for (command, frame) in Command::ALL.into_iter().zip(FRAMES) {
        assert!(frame.starts_with(command.as_str()));
        let mut server = connected(Version::V1_2);
        feed(&mut server, "SUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0");
        assert!(matches!(server.poll_event(), Some(Event::Subscribe(_))));
        feed(&mut server, "BEGIN\ntransaction:t\n\n\0");
        let events = events(&mut server, frame);
        let as_expected = match command {
            Command::Connect
            | Command::Stomp
            | Command::Connected
            | Command::Message
            | Command::Receipt
            | Command::Error => matches!(events[..], [Event::Failed(_)]),
            Command::Send => matches!(events[..], [Event::Send(_)]),
            Command::Subscribe => matches!(events[..], [Event::Subscribe(_)]),
            Command::Unsubscribe => matches!(events[..], [Event::Unsubscribe { .. }]),
            Command::Ack => matches!(events[..], [Event::Ack(_)]),
            Command::Nack => matches!(events[..], [Event::Nack(_)]),
            Command::Begin | Command::Abort => events.is_empty(),
            Command::Commit => matches!(events[..], [Event::Transaction(..)]),
            Command::Disconnect => matches!(events[..], [Event::Disconnect { .. }]),
        };
        assert!(as_expected, "{command}: {events:?}");
    }
}

#[test]
fn after_disconnect_and_after_error_nothing_has_any_effect() {
    for end in ["DISCONNECT\n\n\0", "NONSENSE\n"] {
        for frame in FRAMES {
            let mut server = connected(Version::V1_2);
            assert_eq!(events(&mut server, &format!("{end}{frame}")).len(), 1);
            assert!(server.is_closed());
            transmitted(&mut server);
            assert_eq!(events(&mut server, frame), []);
            assert_eq!(transmitted(&mut server), "");
        }
    }
}

#[test]
fn a_second_connect_is_an_error() {
    check_failure_in_every_version("CONNECT\n\n\0", "already connected");
    check_failure_in_every_version("STOMP\naccept-version:1.2\nhost:h\n\n\0", "already connected");
}

#[test]
fn connected_answers_in_the_negotiated_version() {
    let check = |headers: &str, expected: &str| {
        let options = ServerOptions { server_name: "tidings/1".into(), ..Default::default() };
        let mut server = Server::new(now(), options);
        let event = event(&mut server, &format!("CONNECT\n{headers}\n\0"));
        assert!(matches!(event, Event::Connect(_)), "{event:?}");
        assert_eq!(server.version(), None);
        server.accept("s1", Some("ann"));
        assert_eq!(transmitted(&mut server), expected);
        server.version()
    };
    let version = check(
        "accept-version:1.1,1.2\nhost:h\n",
        "CONNECTED\nversion:1.2\nsession:s1\nserver:tidings/1\nheart-beat:10000,10000\n\
         user-name:ann\n\n\0",
    );
    assert_eq!(version, Some(Version::V1_2));
    let version =
        check("", "CONNECTED\nversion:1.0\nsession:s1\nserver:tidings/1\nuser-name:ann\n\n\0");
    assert_eq!(version, Some(Version::V1_0));
}

#[test]
fn no_common_version_is_told_which_there_are() {
    let mut server = server();
    let event = event(&mut server, "CONNECT\naccept-version:2.7\nhost:h\n\n\0");
    assert!(matches!(event, Event::Failed(_)));
    let sent = transmitted(&mut server);
    assert!(sent.contains("\nversion:1.0,1.1,1.2\n"), "{sent}");
    assert!(sent.contains("\ncontent-type:text/plain\n"), "{sent}");
}

#[test]
fn login_and_passcode_are_taken_as_they_are() {
    let headers = "accept-version:1.2\nlogin:a\\b:c\npasscode: p\\n \n";
    let Event::Connect(connect) = event(&mut server(), &format!("STOMP\n{headers}\n\0")) else {
        panic!("no CONNECT");
    };
    assert_eq!(connect.login.as_deref(), Some("a\\b:c"));
    assert_eq!(connect.passcode.as_deref(), Some(" p\\n "));
    assert_eq!((connect.host, connect.version), (None, Version::V1_2));

    let headers = "login: ann \npasscode: secret\n";
    let Event::Connect(connect) = event(&mut server(), &format!("CONNECT\n{headers}\n\0")) else {
        panic!("no CONNECT");
    };
    assert_eq!(connect.login.as_deref(), Some("ann"));
    assert_eq!(connect.passcode.as_deref(), Some("secret"));
    let shown = format!("{connect:?}");
    assert!(shown.contains("ann") && !shown.contains("secret"), "{shown}");
}

#[test]
fn heart_beats_are_negotiated_with_the_clients_wishes() {
    let negotiate = |accept_version: &str, value: &str| {
        let mut server = server();
        feed(
            &mut server,
            &format!("CONNECT\naccept-version:{accept_version}\nheart-beat:{value}\n\n\0"),
        );
        assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
        server.accept("s1", None);
        let beat = server.heart_beat()?;
        Some((beat.outgoing().map(|d| d.as_millis()), beat.incoming().map(|d| d.as_millis())))
    };
    assert_eq!(negotiate("1.2", "20000,5000"), Some((Some(10_000), Some(20_000))));
    assert_eq!(negotiate("1.1", "0,30000"), Some((Some(30_000), None)));
    assert_eq!(negotiate("1.2", "0,0"), None);
    assert_eq!(negotiate("1.0", "5000,5000"), None);
    assert_eq!(connected(Version::V1_2).heart_beat(), None);
    for value in ["", "x,y", "1000", "-1,0"] {
        let input = format!("CONNECT\naccept-version:1.2\nheart-beat:{value}\n\n\0");
        check_failure(server(), &input, "invalid heart-beat");
    }
}

#[test]
fn a_receipt_on_connect_is_not_answered() {
    let mut server = server();
    feed(&mut server, "CONNECT\nreceipt:r\n\n\0");
    assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
    server.receipt(ReceiptId::from("r"));
    server.accept("s1", None);
    assert!(!transmitted(&mut server).contains("receipt"));
}

#[test]
fn a_client_that_does_not_connect_in_time_is_told_so() {
    let start = now();
    let mut server = Server::new(start, ServerOptions::default());
    server.handle_input(start, Bytes::from("CONN"));
    let deadline = server.next_deadline().unwrap();
    assert_eq!(deadline, start + Duration::from_secs(10));
    server.handle_timeout(deadline - Duration::from_nanos(1));
    assert!(!server.is_closed());
    server.handle_timeout(deadline);
    assert!(server.is_closed());
    assert_eq!(server.next_deadline(), None);
    assert!(matches!(server.poll_event(), Some(Event::Failed(_))));
    let farewell = Server::connect_timeout_error(&server.options);
    assert_eq!(server.poll_transmit().as_ref(), Some(&farewell));
    let farewell = String::from_utf8(farewell.into()).unwrap();
    assert!(farewell.contains("Send CONNECT within 10s"), "{farewell}");
}

#[test]
fn a_trickle_of_input_does_not_put_the_connect_timeout_off() {
    let start = now();
    let mut server = Server::new(start, ServerOptions::default());
    for second in 0..=10 {
        assert!(!server.is_closed());
        server.handle_input(start + Duration::from_secs(second), Bytes::from("\n"));
        while server.poll_event().is_some() {}
    }
    assert!(server.is_closed());
    let late = Server::new(start, ServerOptions::default()).next_deadline().unwrap();
    let mut connected = connected(Version::V1_2);
    connected.handle_timeout(late + Duration::from_secs(100));
    assert!(!connected.is_closed());
}

#[test]
fn a_timeout_beyond_all_time_is_no_panic() {
    let options = ServerOptions { connect_timeout: Duration::MAX, ..Default::default() };
    assert!(Server::new(now(), options).next_deadline().is_some());
}

#[test]
fn before_login_little_is_taken() {
    let long = "x".repeat(8 * 1024);
    check_failure(
        server(),
        &format!("CONNECT\nlogin:{long}\n\n\0"),
        "frame is too long before login",
    );
    let mut server = server();
    feed(&mut server, "CONNECT\n\n\0");
    assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
    feed(&mut server, &long);
    assert_eq!(server.poll_event(), None);
    feed(&mut server, "x");
    let Some(Event::Failed(error)) = server.poll_event() else { panic!("not refused") };
    assert_eq!(error.message, "too much sent before login");
}

#[test]
fn a_send_keeps_the_headers_of_its_message_only() {
    let mut server = connected(Version::V1_2);
    let event = event(
        &mut server,
        "SEND\ndestination:/queue/a\nreceipt:r\\c1\ncontent-type:text/plain\nmessage-id:forged\n\
         subscription:forged\nack:forged\nredelivered:true\ncolour:red\ncontent-length:2\n\nhi\0",
    );
    let expected = Send {
        destination: "/queue/a".into(),
        headers: Headers::from([("content-type", "text/plain"), ("colour", "red")]),
        body: Bytes::from("hi"),
        receipt: Some(ReceiptId::from("r:1")),
    };
    assert_eq!(event, Event::Send(expected));
    server.receipt(ReceiptId::from("r:1"));
    assert_eq!(transmitted(&mut server), "RECEIPT\nreceipt-id:r\\c1\n\n\0");
}

#[test]
fn a_destination_is_required() {
    check_failure_in_every_version("SEND\n\n\0", "SEND without destination");
    check_failure_in_every_version("SEND\ndestination:\n\n\0", "SEND without destination");
    check_failure_in_every_version("SUBSCRIBE\nid:1\n\n\0", "SUBSCRIBE without destination");
}

#[test]
fn a_subscription_needs_an_id_from_1_1() {
    let input = "SUBSCRIBE\ndestination:/topic/a\n\n\0";
    check_failure(connected(Version::V1_2), input, "SUBSCRIBE without id");
    check_failure(connected(Version::V1_1), input, "SUBSCRIBE without id");
    let mut server = connected(Version::V1_0);
    let Event::Subscribe(subscribe) = event(&mut server, input) else { panic!("refused") };
    assert_eq!(subscribe.id.as_str(), "/topic/a");
    assert_eq!(subscribe.id.on_wire(), None);
    check_failure(server, input, "subscription id is in use");
}

#[test]
fn a_subscription_of_1_0_may_have_an_id_and_padding() {
    let mut server = connected(Version::V1_0);
    let input = "SUBSCRIBE\nid: 1 \ndestination: /topic/a \nack: client \nreceipt: r \n\n\0";
    let Event::Subscribe(subscribe) = event(&mut server, input) else { panic!("refused") };
    assert_eq!(subscribe.id.on_wire().as_ref().map(SubscriptionId::as_str), Some("1"));
    assert_eq!(subscribe.destination, "/topic/a");
    assert_eq!(subscribe.ack, AckMode::Client);
    assert_eq!(subscribe.receipt, Some(ReceiptId::from("r")));
}

#[test]
fn an_unknown_ack_mode_is_an_error() {
    let subscribe = |ack| format!("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:{ack}\n\n\0");
    check_failure_in_every_version(&subscribe("sometimes"), "unknown ack mode");
    for version in Version::ALL {
        let event = event(&mut connected(version), &subscribe("client-individual"));
        let Event::Subscribe(subscribe) = event else { panic!("{event:?}") };
        assert_eq!(subscribe.ack, AckMode::ClientIndividual);
    }
}

#[test]
fn what_requeue_says_is_true_or_false() {
    let nack = |value| format!("NACK\nid:k\nsubscription:1\nmessage-id:m\nrequeue:{value}\n\n\0");
    for version in [Version::V1_1, Version::V1_2] {
        let said =
            [("false", Requeue::Refuse), ("False", Requeue::Refuse), ("true", Requeue::Allow)];
        for (value, expected) in said.into_iter().chain([("", Requeue::Allow)]) {
            let event = event(&mut connected(version), &nack(value));
            let Event::Nack(nack) = event else { panic!("{event:?}") };
            assert_eq!(nack.requeue, expected, "{value}");
        }
        let mut server = connected(version);
        let refused = event(&mut server, &nack("never"));
        let Event::Failed(Error { body, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(body, "The header requeue has the value \"never\", expected true or false.");
        check_failure(connected(version), &nack("never"), "invalid header");
    }
}

#[test]
fn a_subscription_id_is_free_again_after_unsubscribe() {
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0";
    let mut server = connected(Version::V1_1);
    event(&mut server, subscribe);
    let event = event(&mut server, "UNSUBSCRIBE\nid:1\nreceipt:r\n\n\0");
    let Event::Unsubscribe { id, receipt, .. } = event else { panic!("{event:?}") };
    assert_eq!((id.as_str(), receipt), ("1", Some(ReceiptId::from("r"))));
    assert!(matches!(events(&mut server, subscribe)[..], [Event::Subscribe(_)]));
    check_failure(server, subscribe, "subscription id is in use");
}

#[test]
fn the_end_of_a_subscription_that_is_not_there_is_an_error_that_ends_nothing() {
    let by_destination = "UNSUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n\0";
    for version in Version::ALL {
        for frame in ["UNSUBSCRIBE\nid:1\nreceipt:r\n\n\0", by_destination] {
            let mut server = connected(version);
            let event = event(&mut server, frame);
            let Event::UnsubscribeUnknown { id, receipt, .. } = event else { panic!("{event:?}") };
            server.unknown_subscription(id.as_ref(), receipt);
            let sent = transmitted(&mut server);
            let expected = "ERROR\nmessage:unknown subscription\nreceipt-id:r\n";
            assert!(sent.starts_with(expected), "{sent}");
            let named = id.as_ref().map(|id| format!("{:?}", id.as_str()));
            assert!(sent.contains(named.as_deref().unwrap_or("the header id")), "{sent}");
            assert!(!server.is_closed());
        }
    }
    let mut server = connected(Version::V1_0);
    event(&mut server, "SUBSCRIBE\ndestination:/topic/a\n\n\0");
    assert!(matches!(event(&mut server, by_destination), Event::Unsubscribe { .. }));
}

#[test]
fn subscriptions_are_limited() {
    let limits = Limits { subscriptions_max: 2, ..Limits::default() };
    let subscribe = |id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\n\n\0");
    let mut server = open(server_with(limits), Version::V1_2);
    event(&mut server, &subscribe(1));
    event(&mut server, &subscribe(2));
    check_failure(server, &subscribe(3), "too many subscriptions");
}

#[test]
fn an_acknowledgement_names_its_message_as_the_version_does() {
    let check = |version, headers: &str, expected: AckTarget| {
        for command in ["ACK", "NACK"] {
            if (version, command) == (Version::V1_0, "NACK") {
                continue;
            }
            let input = format!("{command}\n{headers}receipt:r\n\n\0");
            let (Event::Ack(acknowledge) | Event::Nack(acknowledge)) =
                event(&mut connected(version), &input)
            else {
                panic!("{input:?} was refused");
            };
            assert_eq!(acknowledge.target, expected);
            assert_eq!(acknowledge.receipt, Some(ReceiptId::from("r")));
        }
    };
    let message = |subscription: Option<&str>| AckTarget::Message {
        subscription: subscription.map(SubscriptionId::from),
        message_id: MessageId::from("m"),
    };
    check(Version::V1_2, "id:k\n", AckTarget::Ack("k".into()));
    check(Version::V1_2, "id:k\nmessage-id:m\nsubscription:s\n", AckTarget::Ack("k".into()));
    check(Version::V1_2, "message-id:m\nsubscription:s\n", message(Some("s")));
    check(Version::V1_1, "message-id:m\nsubscription:s\nid:k\n", message(Some("s")));
    check(Version::V1_0, "message-id:m\n", message(None));
}

#[test]
fn an_acknowledgement_of_nothing_is_an_error() {
    check_failure(connected(Version::V1_2), "ACK\n\n\0", "ACK without id");
    check_failure(connected(Version::V1_1), "ACK\nmessage-id:1\n\n\0", "ACK without subscription");
    check_failure(
        connected(Version::V1_1),
        "NACK\nsubscription:s\n\n\0",
        "NACK without message-id",
    );
    check_failure(connected(Version::V1_0), "ACK\n\n\0", "ACK without message-id");
    check_failure(connected(Version::V1_0), "NACK\nmessage-id:1\n\n\0", "STOMP 1.0 has no NACK");
}

#[test]
fn a_transaction_takes_effect_at_commit_in_order() {
    let mut server = connected(Version::V1_2);
    let enlisted = "BEGIN\ntransaction:t\nreceipt:r0\n\n\0\
         SEND\ndestination:/queue/a\ntransaction:t\nreceipt:r1\n\none\0\
         ACK\nid:k\ntransaction:t\n\n\0\
         NACK\nid:l\ntransaction:t\n\n\0";
    assert_eq!(events(&mut server, enlisted), []);
    assert_eq!(transmitted(&mut server), "RECEIPT\nreceipt-id:r0\n\n\0");
    let expected = [
        TransactionAction::Send(Send {
            destination: "/queue/a".into(),
            headers: Headers::default(),
            body: Bytes::from("one"),
            receipt: Some(ReceiptId::from("r1")),
        }),
        TransactionAction::Ack(Acknowledge {
            target: AckTarget::Ack("k".into()),
            requeue: Requeue::Allow,
            receipt: None,
        }),
        TransactionAction::Nack(Acknowledge {
            target: AckTarget::Ack("l".into()),
            requeue: Requeue::Allow,
            receipt: None,
        }),
    ];
    let committed = event(&mut server, "COMMIT\ntransaction:t\nreceipt:r2\n\n\0");
    assert_eq!(committed, Event::Transaction(expected.into(), Some(ReceiptId::from("r2"))));
    check_failure(server, "COMMIT\ntransaction:t\n\n\0", "unknown transaction");
}

#[test]
fn an_aborted_transaction_leaves_nothing_but_receipts() {
    let mut server = connected(Version::V1_1);
    let input = "BEGIN\ntransaction:t\n\n\0\
         SEND\ndestination:/queue/a\ntransaction:t\nreceipt:r1\n\n\0\
         ACK\nmessage-id:k\nsubscription:s\ntransaction:t\nreceipt:r2\n\n\0\
         ABORT\ntransaction:t\nreceipt:r3\n\n\0";
    assert_eq!(events(&mut server, input), []);
    let receipts = ["r1", "r2", "r3"].map(|id| format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
    assert_eq!(transmitted(&mut server), receipts.concat());
}

#[test]
fn transactions_are_told_apart_by_their_names() {
    let mut server = connected(Version::V1_2);
    let input = "BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:u\n\n\0\
         SEND\ndestination:/queue/a\ntransaction:t\n\n\0\
         SEND\ndestination:/queue/b\ntransaction:u\n\n\0\
         ABORT\ntransaction:t\n\n\0COMMIT\ntransaction:u\n\n\0";
    let events = events(&mut server, input);
    let [Event::Transaction(actions, None)] = &events[..] else { panic!("{events:?}") };
    let [TransactionAction::Send(send)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(&*send.destination, "/queue/b");
}

#[test]
fn a_transaction_must_be_open_and_can_be_opened_once() {
    let send = "SEND\ndestination:/queue/a\ntransaction:t\n\n\0";
    check_failure_in_every_version(send, "unknown transaction");
    check_failure_in_every_version("COMMIT\ntransaction:t\n\n\0", "unknown transaction");
    check_failure_in_every_version("ABORT\ntransaction:t\n\n\0", "unknown transaction");
    check_failure_in_every_version("BEGIN\n\n\0", "BEGIN without transaction");
    let twice = "BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:t\n\n\0";
    check_failure_in_every_version(twice, "transaction is already open");
}

#[test]
fn transactions_are_limited_in_number_frames_and_octets() {
    let limits = Limits {
        transactions_max: 2,
        transaction_frames_max: 3,
        transaction_octets_max: 3 * 512 + 40,
        ..Limits::default()
    };
    let begin = |id| format!("BEGIN\ntransaction:{id}\n\n\0");
    let send = |id, body| format!("SEND\ndestination:/queue/a\ntransaction:{id}\n\n{body}\0");
    let prepared = || {
        let mut server = open(server_with(limits), Version::V1_2);
        assert_eq!(events(&mut server, &(begin("t") + &begin("u"))), []);
        server
    };
    check_failure(prepared(), &begin("v"), "too many transactions");
    let acks = "ACK\nid:k\ntransaction:t\n\n\0".repeat(4);
    check_failure(prepared(), &acks, "too many frames in a transaction");
    let large = send("t", "0123456789") + &send("u", "0123456789") + &send("u", "");
    check_failure(prepared(), &large, "too many octets in transactions");
    let mut server = prepared();
    let spread = send("t", "0123456789") + "ABORT\ntransaction:t\n\n\0" + &send("u", "0123456789");
    assert_eq!(events(&mut server, &(spread + &send("u", ""))), []);
}

#[test]
fn disconnect_still_lets_receipts_out_and_then_the_session_is_over() {
    let mut server = connected(Version::V1_2);
    let input = "SEND\ndestination:/queue/a\nreceipt:r1\n\n\0DISCONNECT\nreceipt:r2\n\n\0\
         SEND\ndestination:/queue/a\n\n\0";
    let events = events(&mut server, input);
    assert!(matches!(events[..], [Event::Send(_), Event::Disconnect { .. }]), "{events:?}");
    assert!(server.is_closed());
    server.receipt(ReceiptId::from("r1"));
    server.receipt(ReceiptId::from("r2"));
    let receipts = "RECEIPT\nreceipt-id:r1\n\n\0RECEIPT\nreceipt-id:r2\n\n\0";
    assert_eq!(transmitted(&mut server), receipts);
}

#[test]
fn an_error_names_the_receipt_that_the_offending_frame_asked_for() {
    let check = |input: &str| {
        let mut server = connected(Version::V1_2);
        let event = event(&mut server, input);
        let Event::Failed(error) = event else { panic!("{event:?}") };
        assert_eq!(error.receipt, Some(ReceiptId::from("r:1")), "{input:?}");
        assert!(transmitted(&mut server).contains("\nreceipt-id:r\\c1\n"));
    };
    check("SEND\nreceipt:r\\c1\n\n\0");
    check("SEND\nreceipt:r\\c1\nno colon\n");
    check("SEND\nreceipt:r\\c1\ncontent-length:-1\n\n\0");
    check("SEND\nreceipt:r\\c1\ncontent-length:1\n\nab\0");
}

#[test]
fn malformed_frames_are_answered_with_what_is_wrong() {
    check_failure_in_every_version("send\n", "command is not in upper case");
    check_failure_in_every_version("SENT\n", "unknown command");
    check_failure_in_every_version("SEND\nno colon\n", "header line has no colon");
    check_failure_in_every_version(
        "SEND\ncontent-length:-1\n\n",
        "content-length is not a number of octets",
    );
    check_failure_in_every_version(
        "SEND\ncontent-length:1\n\nab\0",
        "body does not end where content-length says",
    );
    let escape = "SEND\na:\\t\n\n\0";
    check_failure(connected(Version::V1_2), escape, "undefined escape sequence in a header");
}

#[test]
fn another_protocol_is_noticed_before_login() {
    let mut tls = server();
    let Event::Failed(error) = event(&mut tls, "\u{16}\u{3}\u{1}") else { panic!("not noticed") };
    assert_eq!(error.message, "TLS is not spoken here");
    assert_eq!(transmitted(&mut tls), "", "nothing that a client of TLS would understand");
    assert!(tls.is_closed());

    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(200));
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n", &long] {
        let mut http = server();
        let mut told = Vec::new();
        for octet in request.bytes() {
            feed(&mut http, std::str::from_utf8(&[octet]).unwrap());
            told.extend(std::iter::from_fn(|| http.poll_event()));
        }
        assert!(
            matches!(&told[..], [Event::Failed(error)] if error.message == "HTTP is not spoken here")
        );
        let sent = transmitted(&mut http);
        assert!(sent.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{sent}");
        assert!(sent.contains("\r\n\r\nThis port speaks STOMP"), "{sent}");
    }
    check_failure(server(), "CONNECT \n\n\0", "unknown command");
    check_failure(connected(Version::V1_2), "GET / HTTP/1.1\r\n", "unknown command");
}

#[test]
fn only_servers_send_some_commands() {
    check_failure_in_every_version("MESSAGE\n\n\0", "unexpected MESSAGE");
    check_failure_in_every_version("CONNECTED\n\n\0", "unexpected CONNECTED");
}

#[test]
fn a_body_where_none_should_be_is_dropped() {
    let mut server = connected(Version::V1_2);
    let input = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\nstray\0DISCONNECT\n\nbye\0";
    let events = events(&mut server, input);
    assert!(matches!(events[..], [Event::Subscribe(_), Event::Disconnect { .. }]), "{events:?}");
}

#[test]
fn the_driver_can_end_a_session_with_an_error() {
    let mut server = connected(Version::V1_2);
    feed(&mut server, "SEND\ndestination:/queue/a\n\n\0SEND\ndestination:/queue/a\n\n\0");
    assert!(matches!(server.poll_event(), Some(Event::Send(_))));
    server.error(&Error::new("server: down", "Come back later."), Severity::Session);
    assert_eq!(server.poll_event(), None);
    assert!(server.is_closed());
    assert_eq!(
        transmitted(&mut server),
        "ERROR\nmessage:server\\c down\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n\
         content-length:16\n\nCome back later.\0"
    );
}

#[test]
fn a_driver_can_answer_a_subscription_itself() {
    let mut server = connected(Version::V1_1);
    let id = SubscriptionId::from("s");
    server.message("/app/a", Some(&id), &Headers::from([("colour", "red")]), b"hi");
    server.message("/app/a", None, &Headers::default(), b"");
    assert_eq!(
        transmitted(&mut server),
        "MESSAGE\ndestination:/app/a\nmessage-id:reply-1\nsubscription:s\ncolour:red\n\
         content-length:2\n\nhi\0MESSAGE\ndestination:/app/a\nmessage-id:reply-2\n\n\0"
    );
}

#[test]
fn a_person_with_telnet_is_served() {
    let mut server = server();
    feed(&mut server, "\r\nCONNECT\r\n\r\n\0\r\n");
    assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
    server.accept("s1", None);
    let input = "SUBSCRIBE\r\ndestination:/topic/a\r\n\r\n\0\r\n\
         SEND\r\ndestination:/topic/a\r\n\r\nhello\0\r\nDISCONNECT\r\n\r\n\0\r\n";
    let events = events(&mut server, input);
    let [Event::Subscribe(_), Event::Send(send), Event::Disconnect { .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((&*send.destination, &send.body[..]), ("/topic/a", &b"hello"[..]));
}

#[test]
fn nothing_is_transmitted_for_heart_beats() {
    let mut server = connected(Version::V1_2);
    assert_eq!(events(&mut server, "\n\r\n\n"), []);
    assert_eq!(transmitted(&mut server), "");
}

#[test]
fn in_1_0_a_subscription_with_an_id_may_be_ended_by_its_destination() {
    let mut server = connected(Version::V1_0);
    let subscribe = |id| format!("SUBSCRIBE\nid:{id}\ndestination:/queue/a\n\n\0");
    let input = subscribe(1) + &subscribe(2) + "UNSUBSCRIBE\nid:1\n\n\0" + &subscribe(3);
    assert_eq!(events(&mut server, &input).len(), 4);
    let by_destination = "UNSUBSCRIBE\ndestination:/queue/a\n\n\0";
    for expected in ["2", "3"] {
        let event = event(&mut server, by_destination);
        let Event::Unsubscribe { id, .. } = event else { panic!("{event:?}") };
        assert_eq!(id.as_str(), expected);
    }
    assert!(matches!(event(&mut server, by_destination), Event::UnsubscribeUnknown { .. }));
    let mut server = connected(Version::V1_1);
    assert_eq!(events(&mut server, &subscribe(1)).len(), 1);
    assert!(matches!(event(&mut server, by_destination), Event::UnsubscribeUnknown { .. }));
}

#[test]
fn before_1_2_an_id_stands_for_a_missing_message_id_unless_it_is_strict() {
    for version in [Version::V1_0, Version::V1_1] {
        let event = event(&mut connected(version), "ACK\nsubscription:s\nid:k\n\n\0");
        let Event::Ack(Acknowledge { target, .. }) = event else { panic!("{event:?}") };
        assert_eq!(target, AckTarget::Ack("k".into()));
        let options = ServerOptions { strict: true, ..ServerOptions::default() };
        let strict = open(Server::new(now(), options), version);
        check_failure(strict, "ACK\nsubscription:s\nid:k\n\n\0", "ACK without message-id");
    }
}
