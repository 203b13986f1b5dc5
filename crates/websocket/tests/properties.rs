//! What holds for all input.

#[path = "support/fed.rs"]
mod fed;

use fed::Fed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tidings_websocket::{
    CloseCode, CloseReason, Connection, DeflateMode, DeflateOptions, Encoder, Event, Limits,
    MaskingKey, Message, MessageKind, MessagePart, Opcode, PerMessageDeflate, Reception,
    apply_mask, close_payload, encode_frame, encode_header,
};

const LIMITS: Limits = Limits {
    message_octets_max: 70_000,
    frame_octets_max: 70_000,
    fragments_max: 8,
    pong_octets_max: 8192,
};

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// All events of a stream given in parts, and what is written in the end.
fn observe(stream: &[u8], cuts: &[Index]) -> (Vec<Event>, Vec<u8>) {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();

    let mut server = Fed::new(Connection::new_server(LIMITS));
    let mut events = Vec::new();
    let mut start = 0;
    for end in ends {
        server.handle_input(&mut stream[start..end].to_vec());
        events.extend(std::iter::from_fn(|| server.poll_event()));
        start = end;
    }
    let written = std::iter::from_fn(|| server.poll_transmit()).flatten().collect();
    server.handle_end_of_stream();
    events.extend(std::iter::from_fn(|| server.poll_event()));
    (events, written)
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    encode_frame(Opcode::Text, payload, Some(MaskingKey([9, 1, 7, 3])), &mut octets);
    octets[0] = first;
    octets
}

/// The length of a payload, often where the form of its encoding changes.
fn payload_len() -> impl Strategy<Value = usize> {
    prop_oneof![0..300usize, 124..128usize, 65_530..65_540usize]
}

/// A frame that is well formed by itself, though not always in its place.
fn well_formed_frame() -> impl Strategy<Value = Vec<u8>> {
    let text =
        prop_oneof![4 => "\\PC{0,40}".prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..40)];
    let data_opcode = prop::sample::select(vec![0x00, 0x80, 0x01, 0x81, 0x02, 0x82]);
    let control = prop::sample::select(vec![0x89, 0x8a]);
    prop_oneof![
        4 => text.prop_map(|payload| frame(0x81, &payload)),
        4 => (data_opcode, "\\PC{0,40}").prop_map(|(first, text)| frame(first, text.as_bytes())),
        1 => payload_len().prop_map(|len| frame(0x82, &vec![7; len])),
        2 => (control, vec(any::<u8>(), 0..=125)).prop_map(|(first, it)| frame(first, &it)),
        1 => Just(frame(0x88, b"\x03\xe8bye")),
    ]
}

/// Frames in a legal order: fragments of text cut anywhere, with pings between them.
fn fragmented_text() -> impl Strategy<Value = (String, Vec<u8>)> {
    ("\\PC{0,60}", vec((any::<Index>(), any::<bool>()), 0..6)).prop_map(|(text, cuts)| {
        let octets = text.as_bytes();
        let mut cuts: Vec<_> =
            cuts.into_iter().map(|(cut, ping)| (cut.index(octets.len() + 1), ping)).collect();
        cuts.sort_unstable();
        let (mut stream, mut start, mut first) = (Vec::new(), 0, 0x01);
        for (end, ping) in cuts {
            stream.extend(frame(first, &octets[start..end]));
            if ping {
                stream.extend(frame(0x89, b"between"));
            }
            (start, first) = (end, 0x00);
        }
        stream.extend(frame(0x80 | first, &octets[start..]));
        (text, stream)
    })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        "\\PC{0,200}".prop_map(Message::from),
        payload_len().prop_map(|len| Message::from("t".repeat(len))),
        payload_len().prop_map(|len| Message::from(vec![0xff; len])),
        vec(any::<u8>(), 0..300).prop_map(Message::from),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_split_of_frames_gives_the_same_events(
        frames in vec(well_formed_frame(), 0..8),
        cuts in vec(any::<Index>(), 0..40),
    ) {
        let stream = frames.concat();
        prop_assert_eq!(observe(&stream, &cuts), observe(&stream, &[]));
    }

    #[test]
    fn any_split_of_damaged_frames_gives_the_same_events(
        frames in vec(well_formed_frame(), 1..6),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        cuts in vec(any::<Index>(), 0..40),
    ) {
        let mut stream = frames.concat();
        for (at, octet) in damage {
            let at = at.index(stream.len());
            stream[at] = octet;
        }
        prop_assert_eq!(observe(&stream, &cuts), observe(&stream, &[]));
    }

    #[test]
    fn octets_one_at_a_time_give_the_same_events_as_all_at_once(
        // Headers are likely to be read in noise if their first octet is likely to be legal.
        stream in vec(prop_oneof![any::<u8>(), 0x80..0x8bu8], 0..200),
    ) {
        let mut server = Fed::new(Connection::new_server(LIMITS));
        let mut events = Vec::new();
        for octet in &stream {
            server.handle_input(&mut [*octet]);
            events.extend(std::iter::from_fn(|| server.poll_event()));
        }
        server.handle_end_of_stream();
        events.extend(std::iter::from_fn(|| server.poll_event()));
        prop_assert_eq!(&events, &observe(&stream, &[]).0);
        let closed = events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
        prop_assert_eq!(closed, 1);
        prop_assert!(matches!(events.last(), Some(Event::Closed(_))));
    }

    #[test]
    fn fragments_of_text_give_the_text(
        (text, stream) in fragmented_text(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let (events, _) = observe(&stream, &cuts);
        let messages: Vec<_> =
            events.into_iter().filter(|event| matches!(event, Event::Message(_))).collect();
        prop_assert_eq!(messages, [Event::Message(Message::Text(text))]);
    }

    #[test]
    fn the_parts_of_text_give_the_text(
        (text, stream) in fragmented_text(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut server = Fed::new(Connection::new_server(LIMITS));
        server.set_reception(MessageKind::Text, Reception::Parts);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let (mut start, mut joined, mut lasts) = (0, String::new(), 0);
        for end in ends {
            server.handle_input(&mut stream[start..end].to_vec());
            start = end;
        }
        for event in server.events() {
            if let Event::Part(MessagePart::Text { data, last }) = event {
                prop_assert!(lasts == 0, "nothing follows the last part");
                joined.push_str(&data);
                lasts += usize::from(last);
            }
        }
        prop_assert_eq!((joined, lasts), (text, 1));
    }

    #[test]
    fn what_either_end_encodes_the_other_decodes(
        messages in vec(message(), 0..5),
        keys in vec(any::<[u8; 4]>(), 5),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut keys = keys.into_iter().cycle().map(MaskingKey);
        let mut client = Encoder::new_client(move || keys.next().unwrap());
        let mut server = Encoder::new_server();
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        for message in &messages {
            client.encode(message, &mut from_client);
            server.encode(message, &mut from_server);
        }
        let expected: Vec<_> = messages.into_iter().map(Event::Message).collect();
        let (mut events, _) = observe(&from_client, &cuts);
        prop_assert!(matches!(events.pop(), Some(Event::Closed(_))));
        prop_assert_eq!(&events, &expected);
        let mut client = Fed::new(Connection::new_client(LIMITS, || MaskingKey([0; 4])));
        client.handle_input(&mut from_server);
        prop_assert_eq!(client.events(), expected);
    }

    #[test]
    fn a_header_and_its_payload_make_the_frame(len in payload_len(), key in any::<Option<[u8; 4]>>()) {
        let mask = key.map(MaskingKey);
        let mut payload = vec![0x55; len];
        let mut joined = Vec::new();
        encode_frame(Opcode::Binary, &payload, mask, &mut joined);
        if let Some(key) = mask {
            apply_mask(key, &mut payload);
        }
        let header = encode_header(Opcode::Binary, len, mask);
        prop_assert_eq!([&*header, &payload].concat(), joined);
    }

    #[test]
    fn no_message_exceeds_the_limits(
        parts in vec(0..40usize, 1..12),
        octets_max in 0..200usize,
        fragments_max in 1..10usize,
    ) {
        let limits = Limits { message_octets_max: octets_max, fragments_max, ..LIMITS };
        let mut server = Fed::new(Connection::new_server(limits));
        for (n, part) in parts.iter().enumerate() {
            let opcode = if n == 0 { 0x02 } else { 0x00 };
            let fin = if n + 1 == parts.len() { 0x80 } else { 0x00 };
            server.handle_input(&mut frame(fin | opcode, &vec![0; *part]));
        }
        let total = parts.iter().sum::<usize>();
        let fits = total <= octets_max && (parts.len() <= fragments_max);
        let message = server.poll_event();
        prop_assert_eq!(message == Some(Event::Message(Message::from(vec![0; total]))), fits);
    }

    #[test]
    fn masking_by_words_is_masking_by_octets(
        key in any::<[u8; 4]>(),
        plain in vec(any::<u8>(), 0..100),
        start in 0..9usize,
    ) {
        let start = start.min(plain.len());
        let mut masked = plain.clone();
        apply_mask(MaskingKey(key), &mut masked[start..]);
        for (n, (masked, plain)) in masked[start..].iter().zip(&plain[start..]).enumerate() {
            prop_assert_eq!(*masked, plain ^ key[n % 4]);
        }
    }

    #[test]
    fn a_close_reason_survives_the_wire(code in 1000..5000u16, text in "\\PC{0,60}") {
        let reason = CloseReason::truncated(CloseCode::new(code).unwrap(), &text);
        prop_assert!(text.starts_with(reason.reason()) && reason.reason().len() <= 123);
        let (events, _) = observe(&frame(0x88, &close_payload(&reason)), &[]);
        let [Event::Closed(closed)] = &events[..] else { panic!("no close in {events:?}") };
        if reason.code().is_sendable() {
            prop_assert_eq!(&closed.reason, &reason);
        } else {
            prop_assert_eq!(closed.reason.code(), CloseCode::NO_STATUS_RECEIVED);
        }
    }
}

/// What a client with compression sends, as a server with compression reads it in parts.
fn observe_compressed(stream: &[u8], cuts: &[Index], agreed: &PerMessageDeflate) -> Vec<Event> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut server = Fed::new(Connection::new_server(LIMITS).with_deflate(agreed));
    let mut start = 0;
    for end in ends {
        server.handle_input(&mut stream[start..end].to_vec());
        start = end;
    }
    server.events()
}

fn deflate_options() -> impl Strategy<Value = DeflateOptions> {
    let mode = prop_oneof![
        Just(DeflateMode::Shared),
        (1..3000usize).prop_map(|octets| DeflateMode::History { octets }),
        Just(DeflateMode::Dedicated),
    ];
    (mode, 1..10u8, 0..600usize, 9..16u8).prop_map(|(mode, level, threshold, window_bits)| {
        DeflateOptions {
            mode,
            level,
            threshold_octets: Some(threshold),
            window_bits: Some(window_bits),
            ..DeflateOptions::default()
        }
    })
}

/// Text that repeats itself, or does not.
fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        message(),
        ("[a-c]{1,20}", 1..300usize).prop_map(|(text, times)| Message::from(text.repeat(times))),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn compressed_messages_come_back_however_they_are_cut(
        messages in vec(any_message(), 0..8),
        client in deflate_options(),
        server in deflate_options(),
        cuts in vec(any::<Index>(), 0..30),
    ) {
        let (agreed, answer) = server.accept(&[client.offer()]).unwrap();
        let at_client = client.agree(&[answer]).unwrap().unwrap();
        let key = || MaskingKey([3, 1, 4, 1]);
        let mut encoder = Encoder::new_client(key).with_deflate(&client, &at_client);
        let mut stream = Vec::new();
        for message in &messages {
            encoder.encode(message, &mut stream);
        }
        let expected: Vec<_> = messages.into_iter().map(Event::Message).collect();
        prop_assert_eq!(observe_compressed(&stream, &cuts, &agreed), expected);
    }

    #[test]
    fn damage_to_compressed_messages_is_found_wherever_the_stream_is_cut(
        messages in vec(any_message(), 1..5),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        cuts in vec(any::<Index>(), 0..30),
    ) {
        let options = DeflateOptions { threshold_octets: Some(1), ..DeflateOptions::default() };
        let (agreed, _) = options.accept(&[options.offer()]).unwrap();
        let key = || MaskingKey([3, 1, 4, 1]);
        let mut encoder = Encoder::new_client(key).with_deflate(&options, &agreed);
        let mut stream = Vec::new();
        for message in &messages {
            encoder.encode(message, &mut stream);
        }
        for (at, octet) in damage {
            let at = at.index(stream.len());
            stream[at] = octet;
        }
        let whole = observe_compressed(&stream, &[], &agreed);
        let cut = observe_compressed(&stream, &cuts, &agreed);
        // Whether it is the text or the compression that is found broken first may differ.
        let codes = |events: Vec<Event>| -> Vec<Result<Event, CloseCode>> {
            let code = |event| match event {
                Event::Closed(closed) => Err(closed.reason.code()),
                event => Ok(event),
            };
            events.into_iter().map(code).collect()
        };
        prop_assert_eq!(codes(cut), codes(whole));
    }
}
