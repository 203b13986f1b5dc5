use proptest::prelude::*;

use super::*;
use crate::{DecodeError, Event, Limits, Server, ServerOptions};

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn now() -> Instant {
    Instant::now()
}

fn open(version: Version) -> Client {
    let mut client = Client::new(now(), ClientOptions::default());
    client.poll_transmit().unwrap();
    let input = format!("CONNECTED\nversion:{version}\n\n\0");
    client.handle_input(now(), input.into());
    assert!(matches!(client.poll_event(), Some(ClientEvent::Connected { .. })));
    client
}

fn sent(client: &mut Client) -> String {
    String::from_utf8(client.poll_transmit().unwrap().into()).unwrap()
}

fn events(client: &mut Client, input: &str) -> Vec<ClientEvent> {
    client.handle_input(now(), Bytes::copy_from_slice(input.as_bytes()));
    std::iter::from_fn(|| client.poll_event()).collect()
}

const MESSAGE: &str = "MESSAGE\ndestination:/q\nsubscription:s\nmessage-id:m\nack:k\n\nhi\0";

#[test]
fn a_message_that_nobody_wants_is_refused_for_good() {
    let mut client = open(Version::V1_2);
    let target = AckTarget::Ack("k".to_owned());
    let nack = Acknowledge { target, requeue: crate::Requeue::Refuse, receipt: None };
    client.nack(&nack, None).unwrap();
    assert_eq!(sent(&mut client), "NACK\nid:k\nrequeue:false\n\n\0");
}

#[test]
fn an_acknowledgement_names_its_message_as_the_version_does() {
    for (version, expected) in [
        (Version::V1_0, "ACK\nmessage-id:m\ntransaction:t\nreceipt:r\n\n\0"),
        (Version::V1_1, "ACK\nsubscription:s\nmessage-id:m\ntransaction:t\nreceipt:r\n\n\0"),
        (Version::V1_2, "ACK\nid:k\ntransaction:t\nreceipt:r\n\n\0"),
    ] {
        let mut client = open(version);
        let events = events(&mut client, MESSAGE);
        let [ClientEvent::Message(message)] = &events[..] else { panic!("{events:?}") };
        let target = message.ack.clone().unwrap();
        let requeue = crate::Requeue::Allow;
        let ack = Acknowledge { target, requeue, receipt: Some("r".into()) };
        client.ack(&ack, Some(&"t".into())).unwrap();
        assert_eq!(sent(&mut client), expected);
        let nack = client.nack(&ack, Some(&"t".into()));
        if version == Version::V1_0 {
            assert_eq!(nack, Err(NotSent::NoNack));
        } else {
            assert_eq!(sent(&mut client), expected.replace("ACK", "NACK"));
        }
        let other = if version == Version::V1_2 { Version::V1_1 } else { Version::V1_2 };
        assert_eq!(open(other).ack(&ack, None), Err(NotSent::WrongVersion));
    }
}

#[test]
fn a_server_of_http_is_told_for_one_however_its_answer_comes() {
    let long = format!("HTTP/1.1 400 {}\r\n", "x".repeat(200));
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n", &long] {
        let mut client = Client::new(now(), ClientOptions::default());
        let mut told = Vec::new();
        for octet in answer.chars() {
            told.extend(events(&mut client, octet.encode_utf8(&mut [0; 4])));
        }
        assert_eq!(told, [ClientEvent::Failed(DecodeError::HttpResponse.into())], "{answer}");
    }
    let error = ClientError::from(DecodeError::HttpResponse).to_string();
    assert!(error.contains("speaks HTTP here: connect by ws://"), "{error}");
    let mut client = open(Version::V1_2);
    let unknown = ClientEvent::Failed(DecodeError::UnknownCommand.into());
    assert_eq!(events(&mut client, "HTTP/1.1 400 Bad Request\r\n"), [unknown]);
}

#[test]
fn what_a_server_must_not_send_ends_the_session() {
    let missing = |command, name| ClientError::MissingHeader { command, name };
    for (input, expected) in [
        ("SEND\n\n\0", ClientError::UnexpectedFrame(Command::Send)),
        ("CONNECTED\n\n\0", ClientError::UnexpectedFrame(Command::Connected)),
        ("RECEIPT\n\n\0", missing(Command::Receipt, "receipt-id")),
        ("MESSAGE\nsubscription:s\n\n\0", missing(Command::Message, "message-id")),
        ("MESSAGE\n\n\0", missing(Command::Message, "subscription")),
        ("nonsense\n", DecodeError::UnknownCommand.into()),
    ] {
        let mut client = open(Version::V1_2);
        assert_eq!(events(&mut client, input), [ClientEvent::Failed(expected)], "{input:?}");
        assert!(client.is_closed());
        assert_eq!(events(&mut client, MESSAGE), []);
    }
}

#[test]
fn an_error_about_a_subscription_alone_leaves_the_session_open() {
    let mut client = open(Version::V1_2);
    let told = events(&mut client, &format!("ERROR\nmessage:gone\nsubscription:s\n\n\0{MESSAGE}"));
    let [ClientEvent::Cancelled { id, error }, ClientEvent::Message(_)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((id.as_str(), error.message.as_str()), ("s", "gone"));
    client.begin(&"t".into(), None).unwrap();

    let refused = "ERROR\nmessage:no\nsubscription:s\nreceipt-id:1\n\n\0";
    assert!(matches!(events(&mut client, refused)[..], [ClientEvent::Error(_)]));
    assert!(client.is_closed());
    let mut client = Client::new(now(), ClientOptions::default());
    let refused = "ERROR\nmessage:no\nsubscription:s\n\n\0";
    assert!(matches!(events(&mut client, refused)[..], [ClientEvent::Error(_)]));
    assert!(client.is_closed());
}

#[test]
fn after_an_error_with_a_receipt_a_client_goes_on_if_it_is_told_to() {
    let mut client = open(Version::V1_2);
    let refused = format!("ERROR\nmessage:no\nreceipt-id:1\n\n\0{MESSAGE}");
    assert!(matches!(events(&mut client, &refused)[..], [ClientEvent::Error(_)]));
    assert!(client.is_closed());
    assert_eq!(client.begin(&"t".into(), None), Err(NotSent::NotOpen));
    client.go_on();
    assert_eq!(client.version(), Some(Version::V1_2));
    assert!(matches!(client.poll_event(), Some(ClientEvent::Message(_))), "what came behind it");
    client.begin(&"t".into(), None).unwrap();

    let fatal = "ERROR\nmessage:no\n\n\0";
    assert!(matches!(events(&mut client, fatal)[..], [ClientEvent::Error(_)]));
    client.go_on();
    assert!(client.is_closed(), "nobody knows what it is about");
}

#[test]
fn connected_must_choose_what_was_offered_and_be_in_time() {
    let options = ClientOptions { versions: vec![Version::V1_2], ..ClientOptions::default() };
    for (input, expected) in [
        ("CONNECTED\n\n\0", ClientError::VersionNotOffered(Version::V1_0)),
        ("CONNECTED\nversion:3.0\n\n\0", ClientError::UnknownVersion),
        ("CONNECTED\nversion:1.2\nheart-beat:a\n\n\0", ClientError::InvalidHeartBeat),
        (MESSAGE, ClientError::UnexpectedFrame(Command::Message)),
    ] {
        let mut client = Client::new(now(), options.clone());
        assert_eq!(events(&mut client, input), [ClientEvent::Failed(expected)], "{input:?}");
    }
    let mut client = Client::new(now(), options);
    client.handle_timeout(client.next_deadline().unwrap());
    assert_eq!(client.poll_event(), Some(ClientEvent::Failed(ClientError::ConnectTimeout)));
    assert_eq!(client.poll_event(), None);
}

#[test]
fn frames_of_the_server_are_limited() {
    let limits = Limits { body_octets_max: 1, ..Limits::default() };
    let mut client = Client::new(now(), ClientOptions { limits, ..ClientOptions::default() });
    let events = events(&mut client, &format!("CONNECTED\nversion:1.2\n\n\0{MESSAGE}"));
    let too_long = ClientError::Decode(DecodeError::BodyTooLong { max: 1 });
    assert_eq!(events[1..], [ClientEvent::Failed(too_long)]);
}

#[test]
fn the_passcode_is_sent_and_never_shown() {
    let options = ClientOptions {
        passcode: Some("hunter2".into()),
        headers: Headers::from([("passcode", "other"), ("token", "hunter2")]),
        ..ClientOptions::default()
    };
    let mut client = Client::new(now(), options);
    assert!(!format!("{client:?}").contains("hunter2"));
    let connect = sent(&mut client);
    assert!(connect.contains("\npasscode:hunter2\n") && !connect.contains("other"), "{connect}");
}

/// Hands everything over in both directions.
fn exchange(client: &mut Client, server: &mut Server) -> (Vec<Event>, Vec<ClientEvent>) {
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    while let Some(octets) = client.poll_transmit() {
        server.handle_input(now(), octets);
        while let Some(event) = server.poll_event() {
            match &event {
                Event::Connect(_) => server.accept("1", None),
                Event::Send(Send { receipt: Some(receipt), .. })
                | Event::Disconnect { receipt: Some(receipt) } => server.receipt(receipt.clone()),
                _ => {}
            }
            asked.push(event);
        }
    }
    while let Some(octets) = server.poll_transmit() {
        client.handle_input(now(), octets);
        told.extend(std::iter::from_fn(|| client.poll_event()));
    }
    (asked, told)
}

#[test]
fn a_server_may_be_silent_for_almost_three_intervals() {
    let start = now();
    let mut client = Client::new(start, ClientOptions::default());
    client.handle_input(start, "CONNECTED\nversion:1.2\nheart-beat:1000,0\n\n\0".into());
    while client.poll_event().is_some() {}
    let beat = client.heart_beat().unwrap();
    let interval = beat.incoming().unwrap();
    let silent_for = |silence| beat.poll(start + silence, start + silence, start);
    assert_eq!(silent_for(interval * 3 - Duration::from_millis(1)), Ok(None));
    assert_eq!(silent_for(interval * 3), Err(crate::PeerSilent));
}

#[test]
fn our_server_understands_the_client_in_every_version() {
    for version in Version::ALL {
        let mut server = Server::new(now(), ServerOptions::default());
        let options = ClientOptions { versions: vec![version], ..ClientOptions::default() };
        let mut client = Client::new(now(), options);
        exchange(&mut client, &mut server);
        assert_eq!((client.version(), server.version()), (Some(version), Some(version)));
        assert_eq!(client.heart_beat().is_some(), version >= Version::V1_1);

        let send = Send {
            destination: "/queue/a".into(),
            headers: Headers::from([("note", "a:b\\"), ("receipt", "forged")]),
            body: Bytes::from_static(b"a\0b"),
            receipt: Some("r1".into()),
        };
        client.send(&send, None).unwrap();
        let (asked, told) = exchange(&mut client, &mut server);
        let [Event::Send(got)] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(got.body, send.body);
        assert_eq!(got.headers.get("note"), Some("a:b\\"), "{version}");
        assert!(matches!(&told[..], [ClientEvent::Receipt { id, .. }] if id.as_str() == "r1"));

        client.disconnect("bye".into()).unwrap();
        assert_eq!(client.send(&send, None), Err(NotSent::NotOpen));
        let (_, told) = exchange(&mut client, &mut server);
        assert!(matches!(&told[..], [ClientEvent::Receipt { id, .. }] if id.as_str() == "bye"));
        assert!(client.is_closed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_input_gives_the_same_events(
        body in "[ -~]{0,20}",
        end in prop::sample::select(vec!["", "ERROR\nmessage:no\n\nwhy\0", "SEND\n\n\0", "x\n"]),
        size in 1_usize..40,
    ) {
        let input = format!(
            "CONNECTED\nversion:1.2\n\n\0\n{MESSAGE}MESSAGE\ndestination:/q\\c\nsubscription:s\n\
             message-id:2\n\n{body}\0\nRECEIPT\nreceipt-id:1\n\n\0{end}"
        );
        let mut client = Client::new(now(), ClientOptions::default());
        let whole = events(&mut client, &input);
        prop_assert!(whole.len() >= 4);
        let mut client = Client::new(now(), ClientOptions::default());
        let mut split = Vec::new();
        for piece in input.as_bytes().chunks(size) {
            client.handle_input(now(), Bytes::copy_from_slice(piece));
            split.extend(std::iter::from_fn(|| client.poll_event()));
        }
        prop_assert_eq!(whole, split);
    }
}
