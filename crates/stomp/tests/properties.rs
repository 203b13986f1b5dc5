//! Properties of the codec and the server over arbitrary input.

use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_stomp::{
    Command, DecodeError, Decoder, Event, Frame, Headers, Limits, MessageParts, Server,
    ServerOptions, Version, encode, encode_message,
};

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn now() -> Instant {
    Instant::now()
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

/// Small limits, so that arbitrary input reaches them.
fn limits() -> Limits {
    Limits {
        command_octets_max: 12,
        header_line_octets_max: 40,
        headers_max: 6,
        body_octets_max: 24,
        before_login_octets_max: 80,
        subscriptions_max: 2,
        transactions_max: 2,
        transaction_frames_max: 2,
        transaction_octets_max: 512 + 60,
    }
}

/// Cuts `input` at places that `cuts` chooses.
fn pieces(input: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    places.extend([0, input.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| Bytes::copy_from_slice(&input[ends[0]..ends[1]])).collect()
}

fn octets(input: &[u8]) -> Vec<Bytes> {
    input.iter().map(|octet| Bytes::copy_from_slice(&[*octet])).collect()
}

fn decode(
    version: Option<Version>,
    limits: Limits,
    pieces: Vec<Bytes>,
) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new(limits);
    if let Some(version) = version {
        decoder.set_version(version);
    }
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.handle_input(piece);
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Everything that a session of these pieces gives, in both directions.
fn converse(pieces: Vec<Bytes>) -> (Vec<Event>, Vec<Bytes>) {
    let now = now();
    let options = ServerOptions { limits: limits(), ..ServerOptions::default() };
    let mut server = Server::new(now, options);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for piece in pieces {
        server.handle_input(now, piece);
        while let Some(event) = server.poll_event() {
            if let Event::Connect(_) = event {
                server.accept("s", None);
            }
            events.push(event);
        }
        sent.extend(std::iter::from_fn(|| server.poll_transmit()));
    }
    (events, sent)
}

fn version() -> impl Strategy<Value = Version> {
    prop::sample::select(&Version::ALL[..])
}

/// Octets that are mostly pieces of STOMP, in an order that is mostly wrong.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    const FRAGMENTS: &[&[u8]] = &[
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b":",
        b"\\",
        b"\\c",
        b"\xff",
        b"CONNECT\naccept-version:1.2\n\n\0",
        b"CONNECT\n\n\0",
        b"SEND\n",
        b"SEND\ndestination:/a\n\nhello\0",
        b"SEND\ndestination:/a\ntransaction:t\n\n\0",
        b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0",
        b"SUBSCRIBE\nid:2\ndestination:/a\nreceipt:r\n\n\0",
        b"UNSUBSCRIBE\nid:1\n\n\0",
        b"ACK\nid:1\n\n\0",
        b"BEGIN\ntransaction:t\nreceipt:b\n\n\0",
        b"COMMIT\ntransaction:t\n\n\0",
        b"ABORT\ntransaction:t\n\n\0",
        b"DISCONNECT\n\n\0",
        b"content-length:5\n",
        b"content-length:-1\n",
        b"content-length:99999999999999999999\n",
        b"receipt:r\n",
        b"destination:/queue/a\n",
        b"0123456789",
        b"hello",
    ];
    let fragment = prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

/// Octets that open a session more often than not.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let opening = prop::sample::select(vec![
        "CONNECT\naccept-version:1.2\n\n\0",
        "STOMP\naccept-version:1.1\n\n\0",
        "\r\nCONNECT\n\n\0",
        "",
    ]);
    (opening, fragments()).prop_map(|(opening, rest)| [opening.as_bytes(), &rest].concat())
}

/// What each version can express in a header.
fn headers(version: Version) -> impl Strategy<Value = Vec<(String, String)>> {
    let (name, value) = match version {
        Version::V1_0 => ("[^:\n\r\0]{1,12}", "([^ \t\n\r\0][^\n\r\0]{0,12})?"),
        Version::V1_1 => ("[^\r\0]{1,12}", "[^\r\0]{0,12}"),
        Version::V1_2 => ("[^\0]{1,12}", "[^\0]{0,12}"),
    };
    vec((name, value), 0..8).prop_map(|mut headers| {
        headers.retain(|(name, _)| name != "content-length");
        headers
    })
}

fn command() -> impl Strategy<Value = Command> {
    let is_escaped = |command: &Command| {
        !matches!(command, Command::Connect | Command::Stomp | Command::Connected)
    };
    prop::sample::select(Command::ALL.into_iter().filter(is_escaped).collect::<Vec<_>>())
}

fn frame() -> impl Strategy<Value = (Version, Frame)> {
    version().prop_flat_map(|version| {
        let body = prop_oneof![vec(any::<u8>(), 0..64), vec(0_u8..2, 0..8)];
        (Just(version), command(), headers(version), body).prop_map(
            |(version, command, headers, body)| {
                let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let headers = pairs.collect();
                (version, Frame { command, headers, body: body.into() })
            },
        )
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_split_of_the_input_gives_the_same_frames(
        version in prop::option::of(version()),
        input in fragments(),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let whole = decode(version, limits(), vec![Bytes::copy_from_slice(&input)]);
        prop_assert_eq!(&decode(version, limits(), pieces(&input, &cuts)), &whole);
        prop_assert_eq!(&decode(version, limits(), octets(&input)), &whole);
    }

    #[test]
    fn any_split_of_the_input_gives_the_same_events_and_answers(
        input in conversation(),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let whole = converse(vec![Bytes::copy_from_slice(&input)]);
        prop_assert_eq!(&converse(pieces(&input, &cuts)), &whole);
        prop_assert_eq!(&converse(octets(&input)), &whole);
    }

    #[test]
    fn garbage_does_no_harm(input in vec(any::<u8>(), 0..256)) {
        let (events, _) = converse(vec![Bytes::copy_from_slice(&input)]);
        prop_assert!(events.len() <= input.len());
    }

    #[test]
    fn decoding_what_was_encoded_gives_the_same_frames(
        frames in vec(frame(), 1..4),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        for (version, frame) in frames {
            let mut stream = Vec::new();
            encode(&frame, version, &mut stream);
            encode(&frame, version, &mut stream);
            let (mut decoded, error) =
                decode(Some(version), Limits::default(), pieces(&stream, &cuts));
            prop_assert_eq!(error, None);
            for frame in &mut decoded {
                let len = frame.headers.get("content-length").map(str::to_owned);
                let expected = (!frame.body.is_empty()).then(|| frame.body.len().to_string());
                prop_assert_eq!(len, expected);
                frame.headers.remove("content-length");
            }
            prop_assert_eq!(decoded, [frame.clone(), frame]);
        }
    }

    #[test]
    fn whatever_is_encoded_can_be_decoded(
        version in version(),
        command in prop::sample::select(&Command::ALL[..]),
        headers in vec((any::<String>(), any::<String>()), 0..6),
        body in vec(any::<u8>(), 0..32),
    ) {
        let headers: Headers = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let frame = Frame { command, headers, body: body.into() };
        let mut stream = Vec::new();
        encode(&frame, version, &mut stream);
        let (decoded, error) = decode(Some(version), Limits::default(), octets(&stream));
        prop_assert_eq!(error, None);
        prop_assert_eq!(decoded.len(), 1);
        prop_assert_eq!((decoded[0].command, &decoded[0].body), (frame.command, &frame.body));
    }

    #[test]
    fn a_message_is_encoded_as_its_frame_would_be(
        (version, frame) in frame(),
        destination in "/[a-z]{1,8}",
        subscription in prop::option::of("[^\r\0\n: \t]{1,8}"),
    ) {
        let parts = MessageParts {
            destination: &destination,
            message_id: "1",
            subscription: subscription.as_deref(),
            ack: None,
            redelivered: false,
            headers: &frame.headers,
            body: &frame.body,
        };
        let mut headers = Headers::from([("destination", &*destination), ("message-id", "1")]);
        headers.extend(subscription.as_deref().map(|id| ("subscription", id)));
        headers.extend(frame.headers.iter());
        let expected = Frame { command: Command::Message, headers, body: frame.body.clone() };
        let (mut encoded, mut expected_octets) = (Vec::new(), Vec::new());
        encode_message(&parts, version, &mut encoded);
        encode(&expected, version, &mut expected_octets);
        prop_assert_eq!(encoded, expected_octets);
    }

    #[test]
    fn frames_that_are_decoded_are_within_the_limits(
        version in version(),
        input in fragments(),
    ) {
        let limits = limits();
        let (frames, _) = decode(Some(version), limits, octets(&input));
        for frame in frames {
            prop_assert!(frame.headers.len() <= limits.headers_max);
            prop_assert!(frame.body.len() <= limits.body_octets_max);
        }
    }
}
