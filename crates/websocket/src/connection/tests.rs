use super::*;

#[path = "../../tests/support/fed.rs"]
mod fed;

use bytes::Bytes;
use fed::Fed;

const KEY: MaskingKey = MaskingKey([0x37, 0xfa, 0x21, 0x3d]);

fn server() -> Fed {
    Fed::new(Connection::new_server(Limits::default()))
}

fn client() -> Fed {
    Fed::new(Connection::new_client(Limits::default(), || KEY))
}

/// A frame as a client sends it; `first` is the octet with fin, reserved bits and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    encode_frame(Opcode::Binary, payload, Some(KEY), &mut octets);
    octets[0] = first;
    octets
}

fn events(connection: &mut Fed) -> Vec<Event> {
    connection.events()
}

fn transmits(connection: &mut Connection) -> Vec<u8> {
    std::iter::from_fn(|| connection.poll_transmit()).flatten().collect()
}

fn text(text: &str) -> Event {
    Event::Message(Message::from(text))
}

fn reason(code: CloseCode, reason: &str) -> CloseReason {
    CloseReason::new(code, reason).unwrap()
}

fn assert_owns_no_memory(connection: &Connection) {
    assert!(connection.decoder.is_idle());
    assert!(connection.rare.as_ref().is_none_or(|rare| rare.pongs.capacity() == 0));
}

/// A server with `limits` fails at the last octet of `input` at the latest, and tells the client.
fn check_failure_within(limits: Limits, input: &[u8], error: ProtocolError, code: CloseCode) {
    let mut server = Fed::new(Connection::new_server(limits));
    server.handle_input(&mut input.to_vec());
    let reason = reason(code, &error.to_string());
    let closed = server.poll_event();
    let initiator = Initiator::Failure(error);
    assert_eq!(closed, Some(Event::Closed(Box::new(Closed { reason, initiator, clean: false }))));
    assert_eq!(server.poll_event(), None);

    assert!(!server.is_closed(), "the close frame has not been taken");
    let sent = transmits(&mut server);
    assert_eq!(sent[0], 0x88);
    assert_eq!(sent[2..4], code.as_u16().to_be_bytes());
    assert!(server.has_sent_close() && server.is_closed());
    assert_owns_no_memory(&server);
}

fn check_failure(input: &[u8], error: ProtocolError, code: CloseCode) {
    check_failure_within(Limits::default(), input, error, code);
}

#[test]
fn the_connection_itself_is_small() {
    assert!(size_of::<Connection>() <= 168, "{}", size_of::<Connection>());
}

#[test]
fn a_masked_text_message_is_an_event() {
    let mut server = server();
    server.handle_input(&mut frame(0x81, b"Hello"));
    assert_eq!(events(&mut server), [text("Hello")]);
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let mut server = server();
    server.handle_input(&mut frame(0x01, b"Hel"));
    server.handle_input(&mut frame(0x89, b"ping"));
    server.handle_input(&mut frame(0x00, b""));
    server.handle_input(&mut frame(0x8a, b"pong"));
    server.handle_input(&mut frame(0x80, b"lo"));
    let ping = Event::Ping(Bytes::from_static(b"ping"));
    let pong = Event::Pong(Bytes::from_static(b"pong"));
    assert_eq!(events(&mut server), [ping, pong, text("Hello")]);
}

#[test]
fn an_idle_connection_owns_no_memory() {
    let mut server = server();
    assert_owns_no_memory(&server);
    for octet in [frame(0x02, &[7; 3000]), frame(0x89, b"ping"), frame(0x80, b"end")].concat() {
        server.handle_input(&mut [octet]);
    }
    server.handle_input(&mut [frame(0x81, b"one"), frame(0x81, b"two")].concat());
    assert_eq!(events(&mut server).len(), 4);
    assert_eq!(transmits(&mut server), b"\x8a\x04ping");
    assert_owns_no_memory(&server);
}

#[test]
fn a_header_in_two_parts_leaves_no_memory_behind() {
    for message in [frame(0x81, b""), frame(0x82, b"octets")] {
        for cut in 1..6 {
            let mut server = server();
            server.handle_input(&mut message[..cut].to_vec());
            server.handle_input(&mut message[cut..].to_vec());
            assert!(matches!(server.poll_event(), Some(Event::Message(_))), "{cut}");
            assert_owns_no_memory(&server);
        }
    }
}

#[test]
fn what_comes_after_the_close_of_this_end_is_not_looked_into() {
    let mut server = server();
    server.handle_input(&mut frame(0x01, b"begun"));
    server.close(&reason(CloseCode::NORMAL_CLOSURE, ""));
    let no_utf8 = [frame(0x80, &[0xff; 300]), frame(0x81, &[0xff]), frame(0x01, b"a")].concat();
    for octet in no_utf8 {
        server.handle_input(&mut [octet]);
    }
    server.handle_input(&mut [frame(0x80, &[0xff]), frame(0x88, &[0x03, 0xe8])].concat());
    match server.poll_event() {
        Some(Event::Closed(closed)) => assert!(closed.clean),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ping_in_two_parts_leaves_no_memory_behind() {
    let mut server = server();
    let mut ping = frame(0x89, b"ping");
    let (first, second) = ping.split_at_mut(7);
    server.handle_input(first);
    server.handle_input(second);
    assert_eq!(transmits(&mut server), b"\x8a\x04ping");
    assert_eq!(events(&mut server), [Event::Ping(Bytes::from_static(b"ping"))]);
    assert_owns_no_memory(&server);
}

#[test]
fn reserved_bits_fail_the_connection() {
    for bit in [0x40, 0x20, 0x10] {
        let input = frame(0x81 | bit, b"");
        check_failure(&input, ProtocolError::ReservedBits, CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn reserved_opcodes_fail_the_connection() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        let error = ProtocolError::ReservedOpcode(opcode);
        check_failure(&frame(0x80 | opcode, b""), error, CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn an_unmasked_frame_fails_the_server() {
    check_failure(b"\x81\x02hi", ProtocolError::UnmaskedFrame, CloseCode::PROTOCOL_ERROR);
}

#[test]
fn a_masked_frame_fails_the_client() {
    let mut client = client();
    client.handle_input(&mut frame(0x81, b"hi"));
    let Some(Event::Closed(closed)) = client.poll_event() else { panic!("still open") };
    assert_eq!(closed.initiator, Initiator::Failure(ProtocolError::MaskedFrame));
    let sent = transmits(&mut client);
    assert_eq!(sent[1] & 0x80, 0x80, "the client masks its close frame too");
}

#[test]
fn a_length_of_2_to_the_63_fails_the_connection() {
    for high in [0x80, 0xff] {
        let input = [0x82, 0xff, high, 0, 0, 0, 0, 0, 0, 0];
        check_failure(&input, ProtocolError::LengthOutOfRange, CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_length_longer_than_needed_fails_the_connection() {
    let input = [0x82, 0xfe, 0, 125];
    check_failure(&input, ProtocolError::NonMinimalLength, CloseCode::PROTOCOL_ERROR);
}

#[test]
fn control_frames_must_be_short_and_whole() {
    let error = ProtocolError::ControlFrameTooLong { len: 126 };
    check_failure(&frame(0x89, &[0; 126]), error, CloseCode::PROTOCOL_ERROR);
    let error = ProtocolError::FragmentedControlFrame;
    check_failure(&frame(0x09, b""), error, CloseCode::PROTOCOL_ERROR);
}

#[test]
fn fragments_must_be_in_order() {
    let error = ProtocolError::UnexpectedContinuation;
    check_failure(&frame(0x80, b""), error, CloseCode::PROTOCOL_ERROR);
    for second in [0x81, 0x82, 0x01] {
        let input = [frame(0x01, b""), frame(second, b"")].concat();
        check_failure(&input, ProtocolError::ExpectedContinuation, CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn invalid_text_fails_whole_or_in_fragments() {
    let euro = "€".as_bytes();
    let whole = frame(0x81, &euro[..2]);
    let fragments = [frame(0x01, &euro[..1]), frame(0x80, b"a")].concat();
    let unfinished = [frame(0x01, &euro[..1]), frame(0x80, &euro[1..2])].concat();
    for input in [whole, fragments, unfinished] {
        check_failure(&input, ProtocolError::InvalidUtf8, CloseCode::INVALID_PAYLOAD);
    }
}

#[test]
fn invalid_text_fails_in_the_middle_of_a_frame() {
    let input = frame(0x81, b"ok \xf4\x90\x80\x80 and more");
    let header_len = 6;
    check_failure(&input[..header_len + 5], ProtocolError::InvalidUtf8, CloseCode::INVALID_PAYLOAD);
}

#[test]
fn malformed_close_frames_fail_the_connection() {
    let one = ProtocolError::ClosePayloadOfOneOctet;
    check_failure(&frame(0x88, b"\x03"), one, CloseCode::PROTOCOL_ERROR);
    let code = ProtocolError::InvalidCloseCode(1005);
    check_failure(&frame(0x88, b"\x03\xed"), code, CloseCode::PROTOCOL_ERROR);
    let text = ProtocolError::InvalidUtf8;
    check_failure(&frame(0x88, b"\x03\xe8\xc0"), text, CloseCode::INVALID_PAYLOAD);
}

#[test]
fn a_message_of_the_longest_length_is_taken_and_one_octet_more_is_not() {
    let limits = Limits { message_octets_max: 200, ..Limits::default() };
    let mut server = Fed::new(Connection::new_server(limits));
    server.handle_input(&mut [frame(0x02, &[0; 150]), frame(0x80, &[0; 50])].concat());
    assert_eq!(events(&mut server), [Event::Message(Message::from(vec![0; 200]))]);

    let code = CloseCode::MESSAGE_TOO_BIG;
    let error = ProtocolError::MessageTooBig { len: 201, max: 200 };
    check_failure_within(limits, &frame(0x82, &[0; 201])[..8], error, code);
    let fragments = [frame(0x02, &[0; 150]), frame(0x80, &[0; 51])].concat();
    check_failure_within(limits, &fragments, error, code);

    let announced = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let error = ProtocolError::MessageTooBig { len: u64::MAX >> 1, max: 200 };
    check_failure_within(limits, &announced, error, code);
    let fragments = [&frame(0x02, b"x"), &[0x80][..], &announced[1..]].concat();
    let error = ProtocolError::MessageTooBig { len: (u64::MAX >> 1) + 1, max: 200 };
    check_failure_within(limits, &fragments, error, code);
}

#[test]
fn empty_fragments_are_counted() {
    let limits = Limits { fragments_max: 3, ..Limits::default() };
    let three = [frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")].concat();
    let mut server = Fed::new(Connection::new_server(limits));
    server.handle_input(&mut three.repeat(2));
    assert_eq!(events(&mut server), [text(""), text("")]);

    let four = [frame(0x01, b""), frame(0x00, b"").repeat(3)].concat();
    let error = ProtocolError::TooManyFragments { max: 3 };
    check_failure_within(limits, &four, error, CloseCode::POLICY_VIOLATION);
}

#[test]
fn a_ping_is_answered_once_with_its_payload() {
    let mut server = server();
    server.handle_input(&mut frame(0x89, b"are you there"));
    assert_eq!(transmits(&mut server), b"\x8a\x0dare you there");
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn several_pings_are_answered_in_order() {
    let mut server = server();
    server.handle_input(&mut [frame(0x89, b"1"), frame(0x89, b""), frame(0x89, b"3")].concat());
    assert_eq!(transmits(&mut server), b"\x8a\x011\x8a\x00\x8a\x013");
}

#[test]
fn a_flood_of_pings_keeps_the_waiting_pongs_bounded_and_the_last_is_answered() {
    let mut server = server();
    let max = server.decoder.limits().pong_octets_max;
    for n in 0..10_000u32 {
        server.handle_input(&mut frame(0x89, &n.to_be_bytes()));
        assert!(server.rare.as_ref().is_none_or(|rare| rare.pongs.len() <= max));
        let _ = server.poll_event();
    }
    assert!(transmits(&mut server).ends_with(&9_999u32.to_be_bytes()));
    assert_owns_no_memory(&server);
}

#[test]
fn a_pong_larger_than_the_limit_is_still_sent() {
    let mut server =
        Fed::new(Connection::new_server(Limits { pong_octets_max: 0, ..Limits::default() }));
    server.handle_input(&mut [frame(0x89, b"old"), frame(0x89, b"new")].concat());
    assert_eq!(transmits(&mut server), b"\x8a\x03new");
}

#[test]
fn the_peers_close_is_answered_with_its_code() {
    let mut server = server();
    server.handle_input(&mut [frame(0x89, b"p"), frame(0x88, b"\x03\xe9bye")].concat());
    assert_eq!(transmits(&mut server), b"\x8a\x01p\x88\x02\x03\xe9");
    assert!(server.is_closed() && server.has_sent_close());
    let reason = reason(CloseCode::GOING_AWAY, "bye");
    let closed = Closed { reason, initiator: Initiator::Peer, clean: true };
    let ping = Event::Ping(Bytes::from_static(b"p"));
    assert_eq!(events(&mut server), [ping, Event::Closed(Box::new(closed))]);
    assert_owns_no_memory(&server);
}

#[test]
fn a_close_without_a_code_is_1005_and_answered_without_a_code() {
    let mut server = server();
    server.handle_input(&mut frame(0x88, b""));
    assert_eq!(transmits(&mut server), b"\x88\x00");
    let Some(Event::Closed(closed)) = server.poll_event() else { panic!("still open") };
    assert_eq!(closed.reason, CloseReason::from_code(CloseCode::NO_STATUS_RECEIVED));
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    let mut server = server();
    server.handle_input(&mut [frame(0x88, b"\x03\xe8"), frame(0x81, b"late")].concat());
    server.handle_input(&mut frame(0x81, b"later"));
    server.handle_input(b"\xff\xff".to_vec().as_mut());
    server.handle_end_of_stream();
    assert!(matches!(&events(&mut server)[..], [Event::Closed(closed)] if closed.clean));
}

#[test]
fn what_follows_an_error_is_ignored() {
    let mut server = server();
    server.handle_input(&mut [frame(0x83, b""), frame(0x81, b"late")].concat());
    server.handle_input(&mut frame(0x88, b"\x03\xe8"));
    server.handle_end_of_stream();
    assert!(matches!(&events(&mut server)[..], [Event::Closed(closed)] if !closed.clean));
}

#[test]
fn a_local_close_waits_for_the_peers() {
    let mut server = server();
    let bye = reason(CloseCode::GOING_AWAY, "bye");
    server.handle_input(&mut frame(0x81, b"before"));
    server.close(&bye);
    server.close(&reason(CloseCode::INTERNAL_ERROR, "ignored"));
    assert!(server.is_closing() && !server.has_sent_close());
    assert_eq!(transmits(&mut server), b"\x88\x05\x03\xe9bye");
    assert!(server.has_sent_close() && !server.is_closed());

    server.handle_input(&mut [frame(0x81, b"after"), frame(0x89, b"after")].concat());
    assert_eq!(events(&mut server), [text("before")]);
    assert_eq!(server.poll_transmit(), None);

    server.handle_input(&mut frame(0x88, b"\x03\xe8"));
    assert!(server.is_closed());
    let closed = Closed { reason: bye, initiator: Initiator::Local, clean: true };
    assert_eq!(events(&mut server), [Event::Closed(Box::new(closed))]);
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn a_local_close_that_is_never_answered_is_not_clean() {
    let bye = reason(CloseCode::GOING_AWAY, "bye");
    let ended = |server: &mut Fed| server.handle_end_of_stream();
    let broken = |server: &mut Fed| server.handle_input(&mut [0xff]);
    for end in [ended, broken] {
        let mut server = server();
        server.close(&bye);
        assert!(server.poll_transmit().is_some());
        end(&mut server);
        assert!(server.is_closed());
        let closed = Closed { reason: bye.clone(), initiator: Initiator::Local, clean: false };
        assert_eq!(events(&mut server), [Event::Closed(Box::new(closed))]);
        assert_eq!(server.poll_transmit(), None);
    }
}

#[test]
fn a_close_frame_is_forgotten_when_the_stream_ends_before_it_was_taken() {
    let mut server = server();
    server.close(&CloseReason::from_code(CloseCode::GOING_AWAY));
    server.handle_end_of_stream();
    assert!(server.is_closed());
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn the_end_of_the_stream_is_an_abnormal_closure() {
    let mut server = server();
    server.handle_input(&mut [frame(0x89, b"p"), frame(0x01, b"unfinished")].concat());
    server.handle_end_of_stream();
    server.handle_end_of_stream();
    assert!(server.is_closed());
    assert_eq!(server.poll_transmit(), None);
    let reason = CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE);
    let closed = Closed { reason, initiator: Initiator::EndOfStream, clean: false };
    assert_eq!(events(&mut server)[1..], [Event::Closed(Box::new(closed))]);
    assert_owns_no_memory(&server);
}

#[test]
fn a_peer_that_stops_sending_after_its_close_frame_is_still_answered() {
    let mut server = server();
    server.handle_input(&mut frame(0x88, b"\x03\xe8"));
    server.handle_end_of_stream();
    assert_eq!(transmits(&mut server), b"\x88\x02\x03\xe8");
    assert!(server.is_closed());
}

#[test]
fn closing_a_closed_connection_does_nothing() {
    let mut server = server();
    server.handle_end_of_stream();
    server.close(&CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    assert_eq!(server.poll_transmit(), None);
    assert_eq!(events(&mut server).len(), 1);
}

#[test]
fn a_driver_may_stop_after_any_event() {
    let mut server = Connection::new_server(Limits::default());
    let mut octets = [frame(0x81, b"one"), frame(0x81, b"two"), frame(0x88, b"")].concat();
    let mut input = &mut octets[..];
    assert_eq!(server.poll_event(&mut input), Some(text("one")));
    let mut rest = input.to_vec();
    let mut input = &mut rest[..];
    assert_eq!(server.poll_event(&mut input), Some(text("two")));
    assert!(matches!(server.poll_event(&mut input), Some(Event::Closed(_))));
    assert_eq!(server.poll_event(&mut input), None);
}

fn part(data: &str) -> Event {
    Event::Part(MessagePart::Text { data: data.to_owned(), last: false })
}

fn last_part(data: &str) -> Event {
    Event::Part(MessagePart::Text { data: data.to_owned(), last: true })
}

#[test]
fn parts_come_as_they_arrive_and_never_within_a_character() {
    let mut server = server();
    server.set_reception(MessageKind::Text, Reception::Parts);
    let message = [frame(0x01, "aé".as_bytes()), frame(0x80, "€b".as_bytes())].concat();
    let (first, rest) = message.split_at(8);
    server.handle_input(&mut first.to_vec());
    assert_eq!(events(&mut server), [part("a")]);
    server.handle_input(&mut rest.to_vec());
    assert_eq!(events(&mut server), [part("é"), last_part("€b")]);
    assert_owns_no_memory(&server);
}

#[test]
fn a_message_in_parts_may_be_longer_and_in_more_fragments_than_a_whole_one() {
    let limits = Limits { message_octets_max: 4, fragments_max: 2, ..Limits::default() };
    let mut server = Fed::new(Connection::new_server(limits));
    server.set_reception(MessageKind::Binary, Reception::Parts);
    let fragments =
        [frame(0x02, b"1234"), frame(0x00, b"5678"), frame(0x00, b""), frame(0x80, b"")];
    server.handle_input(&mut fragments.concat());
    let binary = |data: &'static [u8], last| {
        Event::Part(MessagePart::Binary { data: Bytes::from_static(data), last })
    };
    let expected = [binary(b"1234", false), binary(b"5678", false), binary(b"", true)];
    assert_eq!(events(&mut server), expected);
}

#[test]
fn invalid_text_in_parts_fails_as_in_whole_messages() {
    for input in [frame(0x81, b"\xe2\x82"), frame(0x01, b"\xff")] {
        let mut server = server();
        server.set_reception(MessageKind::Text, Reception::Parts);
        server.handle_input(&mut input.clone());
        let closed = events(&mut server).pop();
        let Some(Event::Closed(closed)) = closed else { panic!("still open") };
        assert_eq!(closed.initiator, Initiator::Failure(ProtocolError::InvalidUtf8));
    }
}

#[test]
fn a_reception_holds_from_the_next_message_on() {
    let mut server = server();
    server.handle_input(&mut frame(0x01, b"who"));
    server.set_reception(MessageKind::Text, Reception::Whole { octets_max: 3 });
    server.handle_input(&mut frame(0x80, b"le"));
    assert_eq!(events(&mut server), [text("whole")]);
    server.handle_input(&mut frame(0x81, b"long"));
    let closed = events(&mut server).pop();
    let Some(Event::Closed(closed)) = closed else { panic!("still open") };
    let error = ProtocolError::MessageTooBig { len: 4, max: 3 };
    assert_eq!(closed.initiator, Initiator::Failure(error));
}

#[test]
fn a_frame_longer_than_the_limit_fails_even_in_parts() {
    let limits = Limits { frame_octets_max: 5, ..Limits::default() };
    let mut server = Fed::new(Connection::new_server(limits));
    server.set_reception(MessageKind::Binary, Reception::Parts);
    server.handle_input(&mut [frame(0x02, b"12345"), frame(0x80, b"123456")].concat());
    let closed = events(&mut server).pop();
    let Some(Event::Closed(closed)) = closed else { panic!("still open") };
    assert_eq!(closed.reason.code(), CloseCode::MESSAGE_TOO_BIG);
    let error = ProtocolError::FrameTooBig { len: 6, max: 5 };
    assert_eq!(closed.initiator, Initiator::Failure(error));
}
